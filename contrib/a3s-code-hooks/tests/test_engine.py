"""Hooks run in order, see each other's changes, and a failing one closes a gate."""

import asyncio
import threading

import pytest
from a3s_code_hooks.engine import HookEngine
from a3s_code_hooks.plugin import a3s_code_hook_executor

from a3s_code.plugin import (
    Hook,
    HookAction,
    HookEvent,
    HookEventType,
    HookExecutor,
    HookMatcher,
    HookResponse,
    HookResult,
    PluginError,
)

PRE = HookEventType.PRE_TOOL_USE
POST = HookEventType.POST_TOOL_USE


class Log:
    def __init__(self):
        self.lines = []

    def warning(self, event, **facts):
        self.lines.append((event, facts))

    debug = info = error = warning


class Says:
    """A handler that gives a fixed answer and remembers the events."""

    def __init__(self, *answer):
        self.answer = answer[0] if answer else None
        self.seen = []

    def handle(self, event):
        self.seen.append(event)
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


class SaysLater(Says):
    async def handle(self, event):
        return Says.handle(self, event)


class Hangs:
    def __init__(self):
        self.release = threading.Event()

    def handle(self, event):
        self.release.wait()


class HangsAsync:
    async def handle(self, event):
        await asyncio.get_running_loop().create_future()


def modify(**changes):
    return HookResponse(action=HookAction.MODIFY, modified=changes)


def hook(id, handler, event_type=PRE, **settings):
    return Hook(id=id, event_type=event_type, handler=handler, **settings)


def fire(*hooks, payload=None, event_type=PRE, session_id="s1", log=None) -> HookResult:
    engine = HookEngine(log=log or Log())
    for each in hooks:
        engine.register(each)
    payload = {"tool": "bash", "args": {"command": "ls"}} if payload is None else payload
    return asyncio.run(engine.fire(HookEvent(event_type=event_type, session_id=session_id, payload=payload)))


def test_without_hooks_nothing_changes():
    assert fire() == HookResult(payload={"tool": "bash", "args": {"command": "ls"}})


def test_hooks_run_by_priority_then_by_registration():
    order = []

    class Notes:
        def __init__(self, name):
            self.name = name

        def handle(self, event):
            order.append(self.name)

    fire(
        hook("c", Notes("c")),
        hook("a", Notes("a"), priority=1),
        hook("d", Notes("d")),
        hook("b", Notes("b"), priority=50),
    )

    assert order == ["a", "b", "c", "d"]


@pytest.mark.parametrize("kind", [Says, SaysLater])
def test_each_hook_sees_the_changes_of_those_before(kind):
    second = kind()
    result = fire(hook("a", kind(modify(args={"command": "ls -l"}))), hook("b", second))

    assert second.seen[0].payload["args"] == {"command": "ls -l"}
    assert result.payload == {"tool": "bash", "args": {"command": "ls -l"}}


def test_block_stops_and_gives_its_reason():
    after = Says()
    result = fire(hook("a", Says(HookResponse(action=HookAction.BLOCK, reason="no"))), hook("b", after))

    assert result.blocked == "no"
    assert after.seen == []


def test_skip_keeps_earlier_changes_and_leaves_out_later_hooks():
    after = Says()
    result = fire(
        hook("a", Says(modify(tool="read"))), hook("b", Says(HookResponse(action=HookAction.SKIP))), hook("c", after)
    )

    assert result == HookResult(payload={"tool": "read", "args": {"command": "ls"}})
    assert after.seen == []


def test_retry_is_given_back():
    assert fire(hook("a", Says(HookResponse(action=HookAction.RETRY, delay_ms=7)))).retry_delay_ms == 7


@pytest.mark.parametrize(
    "handler",
    [
        pytest.param(Says(ValueError("boom")), id="raises"),
        pytest.param(SaysLater(TimeoutError("own")), id="raises-timeout"),
        pytest.param(Says(SystemExit(1)), id="exits"),
        pytest.param(Says("ok"), id="nonsense"),
        pytest.param(Says(modify(argz={})), id="unknown-key"),
        pytest.param(Says(modify(args="ls")), id="other-type"),
        pytest.param(HangsAsync(), id="hangs-async"),
        pytest.param(Hangs(), id="hangs"),
    ],
)
@pytest.mark.parametrize("event_type", list(HookEventType))
def test_a_failing_hook_blocks_a_gate_and_is_only_logged_elsewhere(handler, event_type):
    log, after = Log(), Says()
    handler = Hangs() if isinstance(handler, Hangs) else handler  # released below, so one for each test
    limit = 1 if isinstance(handler, Hangs | HangsAsync) else 30_000
    result = fire(
        hook("bad", handler, event_type, timeout_ms=limit),
        hook("after", after, event_type),
        event_type=event_type,
        log=log,
    )
    if isinstance(handler, Hangs):
        handler.release.set()

    if event_type.is_gating:
        assert '"bad"' in result.blocked
        assert after.seen == []
    else:
        assert result.blocked is None
        assert len(log.lines) == 1
        assert log.lines[0][1]["hook"] == "bad"
        assert len(after.seen) == 1


def test_a_plain_hook_runs_in_a_thread_of_its_own():
    threads = []

    class Notes:
        def handle(self, event):
            threads.append(threading.current_thread())

    fire(hook("a", Notes()))

    assert threads[0] is not threading.main_thread()


def test_a_hook_cannot_change_the_event_in_place():
    class Changes:
        def handle(self, event):
            event.payload["args"]["command"] = "rm"

    assert fire(hook("a", Changes())).payload["args"] == {"command": "ls"}


@pytest.mark.parametrize(
    ("matcher", "seen"),
    [
        (None, True),
        (HookMatcher(), True),
        (HookMatcher(tool="bash"), True),
        (HookMatcher(tool="ba*"), True),
        (HookMatcher(tool="as"), False),
        (HookMatcher(path="src/*.py"), True),
        (HookMatcher(path="*.md"), False),
        (HookMatcher(command=r"\brm\b"), True),
        (HookMatcher(command=r"^rm"), False),
        (HookMatcher(session_id="s1"), True),
        (HookMatcher(session_id="s"), False),
        (HookMatcher(tool="bash", session_id="s2"), False),
    ],
)
def test_matchers(matcher, seen):
    handler = Says()
    fire(
        hook("a", handler, matcher=matcher),
        payload={"tool": "bash", "args": {"path": "./src/a.py", "command": "ls; rm x"}},
    )

    assert bool(handler.seen) is seen


def test_an_event_without_arguments_matches_no_path():
    handler = Says()
    fire(hook("a", handler, HookEventType.PRE_PROMPT, matcher=HookMatcher(path="*")), payload={"prompt": "x"})

    assert handler.seen == []


def test_a_broken_pattern_is_refused_at_registration():
    with pytest.raises(PluginError, match='"a"'):
        HookEngine().register(hook("a", Says(), matcher=HookMatcher(command="(")))


def test_registering_an_id_again_replaces_the_hook():
    engine = HookEngine()
    engine.register(hook("a", Says()))
    engine.register(hook("a", Says()))

    assert engine.hook_count() == 1
    assert engine.unregister("a")
    assert not engine.unregister("a")


def test_cancelling_the_run_is_passed_on():
    async def scene():
        engine = HookEngine()
        engine.register(hook("a", HangsAsync()))
        task = asyncio.ensure_future(engine.fire(HookEvent(event_type=PRE, session_id="s")))  # noqa: TID251 # awaited below
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return task.cancelled()

    assert asyncio.run(scene())


def test_it_fills_the_point():
    assert isinstance(a3s_code_hook_executor(Log()), HookExecutor)

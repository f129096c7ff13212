"""What every HookExecutor promises."""

import asyncio
import threading
from functools import partial

import pytest

from a3s_code.plugin import (
    Hook,
    HookAction,
    HookEvent,
    HookEventType,
    HookExecutor,
    HookMatcher,
    HookResponse,
    HookResult,
    JsonObject,
)
from a3s_code.testing import HookAnswer, RecordingHook
from a3s_code_testing.running import run, start

__all__ = ["HookExecutorContract"]

GATING = HookEventType.PRE_TOOL_USE
OBSERVING = HookEventType.POST_TOOL_USE
CALL: JsonObject = {"tool": "bash", "args": {"command": "ls", "path": "a.py"}}


class HookExecutorContract:
    """Inherit it and give `hook_executor`: one without hooks."""

    @pytest.fixture
    def hook_executor(self) -> HookExecutor:
        raise NotImplementedError("give a fixture hook_executor")

    def test_without_hooks_nothing_changes(self, hook_executor: HookExecutor) -> None:
        """An event that nobody sees comes back as it was."""
        assert _fire(hook_executor) == HookResult(payload=CALL)

    def test_smaller_priorities_go_first(self, hook_executor: HookExecutor) -> None:
        """Smaller priorities first; equal ones in the order of registration."""
        seen: list[str] = []

        def note(id: str, event: HookEvent) -> None:
            seen.append(id)

        for id, priority in (("late", 200), ("b", 100), ("a", 100), ("early", 1)):
            _register(hook_executor, partial(note, id), id=id, priority=priority)
        _fire(hook_executor)
        assert seen == ["early", "b", "a", "late"]

    def test_a_hook_sees_its_own_event_type_only(self, hook_executor: HookExecutor) -> None:
        """A hook has the type of event it sees."""
        handler = _register(hook_executor, None, event_type=OBSERVING)
        _fire(hook_executor)
        assert handler.events == []

    def test_each_hook_sees_the_modifications_of_those_before_it(self, hook_executor: HookExecutor) -> None:
        """Each hook sees the modifications of those before it."""
        _register(hook_executor, _modify({"tool": "ls"}), id="first")
        second = _register(hook_executor, _modify({"args": {"command": "pwd"}}), id="second")
        result = _fire(hook_executor)
        assert second.events[0].payload == {**CALL, "tool": "ls"}
        assert result.payload == {"tool": "ls", "args": {"command": "pwd"}}

    def test_a_block_is_told_with_its_reason(self, hook_executor: HookExecutor) -> None:
        """`blocked` is the reason, or None when nothing blocked."""
        _register(hook_executor, HookResponse(action=HookAction.BLOCK, reason="not on Fridays"))
        assert "not on Fridays" in (_fire(hook_executor).blocked or "")

    def test_a_block_ends_the_event(self, hook_executor: HookExecutor) -> None:
        """Nobody is asked about what is blocked already."""
        _register(hook_executor, HookResponse(action=HookAction.BLOCK, reason="no"), id="first")
        second = _register(hook_executor, None, id="second")
        _fire(hook_executor)
        assert second.events == []

    def test_a_skip_leaves_out_the_remaining_hooks(self, hook_executor: HookExecutor) -> None:
        """SKIP skips the remaining hooks; what those before changed stays."""
        _register(hook_executor, _modify({"tool": "kept"}), id="first")
        _register(hook_executor, HookResponse(action=HookAction.SKIP), id="second")
        third = _register(hook_executor, None, id="third")
        assert _fire(hook_executor) == HookResult(payload={**CALL, "tool": "kept"})
        assert third.events == []

    def test_a_retry_is_told_with_its_delay(self, hook_executor: HookExecutor) -> None:
        """`retry_delay_ms` is set when a hook asked for a retry."""
        _register(hook_executor, HookResponse(action=HookAction.RETRY, delay_ms=250))
        assert _fire(hook_executor).retry_delay_ms == 250

    def test_a_hook_that_raises_blocks_a_gating_event(self, hook_executor: HookExecutor) -> None:
        """A gating event with a failing hook comes back blocked."""
        _register(hook_executor, RuntimeError("bug"))
        assert _fire(hook_executor).blocked

    def test_a_hook_that_answers_nonsense_blocks_a_gating_event(self, hook_executor: HookExecutor) -> None:
        """Answering anything else than a response blocks a gating event."""
        _register(hook_executor, lambda event: {"action": "continue"})  # type: ignore[arg-type, return-value] # meant
        assert _fire(hook_executor).blocked

    def test_a_hook_that_does_not_answer_blocks_a_gating_event(self, hook_executor: HookExecutor) -> None:
        """Not answering within the hook's timeout blocks a gating event."""

        async def silent(event: HookEvent) -> None:
            await asyncio.Event().wait()

        _register(hook_executor, silent, timeout_ms=20)
        assert _fire(hook_executor).blocked

    def test_a_failing_observer_is_passed_over(self, hook_executor: HookExecutor) -> None:
        """Raising is only logged for the events that do not gate, and the other hooks still see them."""
        _register(hook_executor, RuntimeError("bug"), id="first", event_type=OBSERVING)
        second = _register(hook_executor, None, id="second", event_type=OBSERVING)
        assert _fire(hook_executor, OBSERVING).blocked is None
        assert len(second.events) == 1

    def test_an_async_hook_is_awaited(self, hook_executor: HookExecutor) -> None:
        """A handler may be asynchronous."""

        async def block(event: HookEvent) -> HookResponse:
            await asyncio.sleep(0)
            return HookResponse(action=HookAction.BLOCK, reason="async")

        _register(hook_executor, block)
        assert "async" in (_fire(hook_executor).blocked or "")

    def test_a_plain_hook_does_not_stop_the_loop(self, hook_executor: HookExecutor) -> None:
        """Plain functions run in a worker thread."""
        threads: list[int] = []
        _register(hook_executor, lambda event: threads.append(threading.get_ident()))
        _fire(hook_executor)
        assert threads != [threading.get_ident()]

    def test_the_same_id_replaces_the_hook(self, hook_executor: HookExecutor) -> None:
        """Registering the same id replaces the hook."""
        first = _register(hook_executor, None, id="same")
        second = _register(hook_executor, None, id="same")
        _fire(hook_executor)
        assert (len(first.events), len(second.events), hook_executor.hook_count()) == (0, 1, 1)

    def test_an_unregistered_hook_sees_nothing(self, hook_executor: HookExecutor) -> None:
        """`unregister` says whether there was such a hook."""
        handler = _register(hook_executor, None, id="gone")
        assert hook_executor.unregister("gone")
        assert not hook_executor.unregister("gone")
        _fire(hook_executor)
        assert (handler.events, hook_executor.hook_count()) == ([], 0)

    @pytest.mark.parametrize(
        ("matcher", "sees"),
        [
            pytest.param(HookMatcher(tool="bash"), True, id="tool"),
            pytest.param(HookMatcher(tool="b*"), True, id="tool as a glob"),
            pytest.param(HookMatcher(tool="bas"), False, id="anchored at the end"),
            pytest.param(HookMatcher(tool="ash"), False, id="anchored at the beginning"),
            pytest.param(HookMatcher(path="*.py"), True, id="path"),
            pytest.param(HookMatcher(path="*.rs"), False, id="another path"),
            pytest.param(HookMatcher(session_id="s"), True, id="session"),
            pytest.param(HookMatcher(session_id="s2"), False, id="another session"),
            pytest.param(HookMatcher(tool="bash", path="*.rs"), False, id="everything given must match"),
        ],
    )
    def test_a_matcher_narrows_the_events(self, hook_executor: HookExecutor, matcher: HookMatcher, sees: bool) -> None:
        """Everything given must match, and patterns are anchored at both ends."""
        handler = _register(hook_executor, None, matcher=matcher)
        _fire(hook_executor)
        assert bool(handler.events) is sees

    def test_cancelling_reaches_the_hook(self, hook_executor: HookExecutor) -> None:
        """A cancelled run does not wait for its hooks."""

        async def scenario() -> None:
            reached = asyncio.Event()

            async def silent(event: HookEvent) -> None:
                reached.set()
                await asyncio.Event().wait()

            _register(hook_executor, silent)
            firing = start(hook_executor.fire(_event(GATING)))
            await reached.wait()
            firing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await firing

        run(scenario())


def _event(event_type: HookEventType) -> HookEvent:
    return HookEvent(event_type=event_type, session_id="s", payload=CALL)


def _fire(executor: HookExecutor, event_type: HookEventType = GATING) -> HookResult:
    return run(executor.fire(_event(event_type)))


def _modify(fields: JsonObject) -> HookResponse:
    return HookResponse(action=HookAction.MODIFY, modified=fields)


def _register(
    executor: HookExecutor,
    answer: HookAnswer,
    *,
    id: str = "hook",
    event_type: HookEventType = GATING,
    priority: int = 100,
    timeout_ms: int = 5_000,
    matcher: HookMatcher | None = None,
) -> RecordingHook:
    handler = RecordingHook(answer)
    executor.register(
        Hook(id=id, event_type=event_type, handler=handler, priority=priority, timeout_ms=timeout_ms, matcher=matcher)
    )
    return handler

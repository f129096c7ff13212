"""Calls that a tool starts: each passes the same gate as one of the model, and none enters the history."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from a3s_code_testing.running import run, start

from a3s_code.errors import ToolError, ToolErrorKind
from a3s_code.events import ConfirmationRequired, PermissionDenied, ToolEnd, ToolOutputDelta, ToolStart
from a3s_code.messages import Image, ToolResult
from a3s_code.plugin import (
    Decision,
    Effects,
    HookEventType,
    JsonObject,
    OrchestratingUse,
    PathTarget,
    ToolOutput,
    ToolUse,
)
from a3s_code.records import ToolIntended, ToolSettled
from a3s_code.testing import (
    DenyAll,
    FakeTool,
    ListHookExecutor,
    RecordingHook,
    RulePermissionChecker,
    ScriptedConfirmation,
    WordSecurityProvider,
    call,
)
from a3s_code.transcript import Transcript

Bench = Callable[..., Any]  # the fixture's class lives in conftest.py
Calls = Sequence[tuple[str, JsonObject]]

HELD_S = 0.02
"""Seconds in which a call that must not begin yet would begin."""


class Several(FakeTool):
    """Starts the given lists of calls, one list after the other.

    Attributes:
        results: What came of them.
    """

    def __init__(self, *lists: Calls, name: str = "several"):
        super().__init__(name, self._start, effects=Effects.READ_ONLY, orchestrates=True)
        self.results: list[ToolResult] = []
        self._lists = lists

    async def _start(self, args: JsonObject, use: ToolUse) -> str:
        assert isinstance(use, OrchestratingUse)
        for calls in self._lists:
            self.results += await use.calls(calls)
        return f"{len(self.results)} done"


def reading(name: str, answer: Any = "ok") -> FakeTool:
    return FakeTool(name, answer, effects=Effects.READ_ONLY)


def records(made: Any, kind: type) -> list[tuple[str, str]]:
    """The ids and origins of the records of one kind, in order."""

    async def load() -> list[tuple[str, str]]:
        transcript: Transcript = await made.open()
        found = [await transcript._decode(payload) for _, payload in await transcript._journal.read()]
        return [
            (one.call_id if isinstance(one, ToolIntended) else one.result.call_id, one.origin)
            for one in found
            if isinstance(one, ToolIntended | ToolSettled) and isinstance(one, kind)
        ]

    return run(load())


def test_results_come_in_the_order_asked_with_ids_of_their_own(bench: Bench) -> None:
    several = Several([("b", {}), ("a", {})], [("a", {"n": 1})])
    one = call("several")
    run(bench(several, reading("a", "A"), FakeTool("b", "B")).reply(one))
    assert [(each.call_id, each.output) for each in several.results] == [
        (f"{one.id}.1", "B"),
        (f"{one.id}.2", "A"),
        (f"{one.id}.3", "A"),
    ]


def test_only_the_result_of_the_starting_call_enters_the_history(bench: Bench) -> None:
    made = bench(Several([("a", {})]), reading("a", "inner"))
    (result,) = run(made.reply(call("several")))
    assert result.output == "1 done"
    assert "inner" not in repr(run(made.open()).messages)


def test_each_call_has_its_own_records_and_events(bench: Bench) -> None:
    made = bench(Several([("a", {"x": 1}), ("missing", {})]), reading("a", "A"))
    one = call("several")
    run(made.reply(one))
    assert records(made, ToolIntended) == [(one.id, "model"), (f"{one.id}.1", "child")]
    assert sorted(records(made, ToolSettled)) == [
        (one.id, "model"),
        (f"{one.id}.1", "child"),
        (f"{one.id}.2", "child"),
    ]
    shown = [(type(event), event.tool_id) for event in made.events if isinstance(event, ToolStart | ToolEnd)]
    assert (shown[0], shown[-1]) == ((ToolStart, one.id), (ToolEnd, one.id))
    inner = {(ToolStart, f"{one.id}.1"), (ToolEnd, f"{one.id}.1"), (ToolEnd, f"{one.id}.2")}
    assert set(shown[1:-1]) == inner


def test_read_only_calls_run_side_by_side_and_at_most_eight_of_them(bench: Bench) -> None:
    running = most = 0
    full = asyncio.Event()

    async def look(args: JsonObject, use: ToolUse) -> str:
        nonlocal running, most
        running += 1
        most = max(most, running)
        if running == 8:
            full.set()
        await full.wait()
        await asyncio.sleep(HELD_S)
        running -= 1
        return "ok"

    several = Several([("look", {"n": n}) for n in range(20)])
    run(bench(several, reading("look", look)).call("several"))
    assert most == 8
    assert len(several.results) == 20


def test_mutations_run_alone_and_in_order(bench: Bench) -> None:
    log: list[str] = []

    def noting(name: str) -> Callable[[JsonObject, ToolUse], Awaitable[str]]:
        async def note(args: JsonObject, use: ToolUse) -> str:
            log.append(f"{name} begins")
            await asyncio.sleep(HELD_S)
            log.append(f"{name} ends")
            return "ok"

        return note

    tools = [FakeTool(name, noting(name)) for name in ("w1", "w2")]
    calls: Calls = [("r1", {}), ("w1", {}), ("w2", {}), ("r2", {})]
    run(bench(Several(calls), *tools, reading("r1", noting("r1")), reading("r2", noting("r2"))).call("several"))
    assert log == [f"{name} {what}" for name in ("r1", "w1", "w2", "r2") for what in ("begins", "ends")]


def test_two_lists_at_once_keep_their_mutations_apart(bench: Bench) -> None:
    log: list[str] = []

    async def note(args: JsonObject, use: ToolUse) -> str:
        log.append("begins")
        await asyncio.sleep(HELD_S)
        log.append("ends")
        return "ok"

    async def both(args: JsonObject, use: ToolUse) -> str:
        assert isinstance(use, OrchestratingUse)
        await asyncio.gather(use.calls([("write", {})]), use.calls([("write", {})]))
        return "ok"

    run(bench(FakeTool("both", both, orchestrates=True), FakeTool("write", note)).call("both"))
    assert log == ["begins", "ends"] * 2


def test_an_orchestrating_call_runs_alone_also_when_it_is_read_only(bench: Bench) -> None:
    log: list[str] = []

    async def note(args: JsonObject, use: ToolUse) -> str:
        log.append("begins")
        await asyncio.sleep(HELD_S)
        log.append("ends")
        return "ok"

    run(bench(Several([("write", {})]), FakeTool("write", note)).reply(call("several"), call("several", again=True)))
    assert log == ["begins", "ends"] * 2


# The gate


def test_a_denied_call_does_not_run_and_is_an_event(bench: Bench) -> None:
    several, inner = Several([("inner", {}), ("other", {})]), FakeTool("inner")
    made = bench(
        several, inner, reading("other"), permission=RulePermissionChecker(deny=["inner"], default=Decision.ALLOW)
    )
    one = call("several")
    run(made.reply(one))
    assert inner.calls == []
    assert [each.kind for each in several.results] == ["denied", None]
    assert [event.tool_id for event in made.events if isinstance(event, PermissionDenied)] == [f"{one.id}.1"]


def test_a_person_is_asked_about_each_call_in_order(bench: Bench) -> None:
    several = Several([("a", {}), ("b", {})])
    confirmation = ScriptedConfirmation(True, False)
    made = bench(
        several,
        FakeTool("a"),
        FakeTool("b"),
        permission=RulePermissionChecker(allow=["several"]),
        confirmation=confirmation,
    )
    run(made.call("several"))
    assert [request.tool_name for request in confirmation.requests] == ["a", "b"]
    assert [each.is_error for each in several.results] == [False, True]
    assert len([event for event in made.events if isinstance(event, ConfirmationRequired)]) == 2


def test_calls_of_a_direct_call_are_asked_about(bench: Bench) -> None:
    several = Several([("a", {})])
    confirmation = ScriptedConfirmation(False)
    made = bench(several, FakeTool("a"), permission=RulePermissionChecker(), confirmation=confirmation)
    run(made.host("several"))
    assert len(confirmation.requests) == 1
    assert several.results[0].kind == "denied"


def test_hooks_see_each_call_before_and_after(bench: Bench) -> None:
    before, after = RecordingHook(), RecordingHook()
    hooks = ListHookExecutor(before.on(HookEventType.PRE_TOOL_USE), after.on(HookEventType.POST_TOOL_USE, id="after"))
    run(bench(Several([("a", {})]), reading("a"), hooks=hooks).call("several"))
    assert [event.payload["tool"] for event in before.events] == ["several", "a"]
    assert [event.payload["tool"] for event in after.events] == ["a", "several"]


def test_paths_of_a_call_stay_in_the_workspace(bench: Bench) -> None:
    several = Several([("w", {"path": "../x"})])
    inner = FakeTool("w", targets=lambda args: [PathTarget(str(args["path"]), write=True)])
    run(bench(several, inner).call("several"))
    assert (several.results[0].kind, inner.calls) == ("denied", [])


def test_the_starting_tool_gets_cleaned_results(bench: Bench) -> None:
    several = Several([("a", {})])

    async def tell(args: JsonObject, use: ToolUse) -> str:
        use.emit("hunter2 ")
        return "it is hunter2"

    made = bench(several, reading("a", tell), security=WordSecurityProvider("hunter2"))
    run(made.call("several"))
    assert several.results[0].output == "it is [REDACTED]"
    assert "hunter2" not in repr([event for event in made.events if isinstance(event, ToolOutputDelta)])


def test_unknown_tools_and_wrong_arguments_are_results(bench: Bench) -> None:
    several = Several([("nobody", {}), ("strict", {"x": 1})])
    strict = FakeTool("strict", schema={"type": "object", "properties": {}, "additionalProperties": False})
    run(bench(several, strict).call("several"))
    assert [each.kind for each in several.results] == ["not_found", "invalid_argument"]


def test_the_same_call_may_be_started_often(bench: Bench) -> None:
    """Only the model is told that it goes in circles."""
    several = Several([("a", {})] * 6)
    run(bench(several, reading("a")).call("several"))
    assert [each.is_error for each in several.results] == [False] * 6


def test_nothing_is_started_when_the_starting_call_is_denied(bench: Bench) -> None:
    inner = reading("a")
    run(bench(Several([("a", {})]), inner, permission=DenyAll()).call("several"))
    assert inner.calls == []


# Lanes, deadlines, failures


def test_starting_calls_hold_no_slot(bench: Bench) -> None:
    """More of them than there are slots, nested, all come to their end."""
    inner = Several([("write", {})], name="inner")
    outer = Several([("inner", {})] * 3)
    made = bench(outer, inner, FakeTool("write", lambda args, use: str(made.executor.queue.stats().total_active)))
    run(made.call("several"))
    assert [each.output for each in inner.results] == ["1"] * 3


def test_each_call_has_its_deadline(bench: Bench) -> None:
    async def hang(args: JsonObject, use: ToolUse) -> str:
        await asyncio.Event().wait()
        return "never"

    several = Several([("hang", {}), ("a", {})])
    run(bench(several, FakeTool("hang", hang), reading("a"), tool_timeout_s=0.5).call("several"))
    assert [each.kind for each in several.results] == ["timeout", None]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        pytest.param(ToolError("gone", ToolErrorKind.NOT_FOUND), "not_found", id="tool-error"),
        pytest.param(RuntimeError("oh"), "failed", id="crash"),
        pytest.param(lambda args, use: ToolOutput.error("slow", ToolErrorKind.TIMEOUT), "timeout", id="output"),
    ],
)
def test_a_call_that_fails_does_not_stop_the_others(bench: Bench, answer: Any, kind: str) -> None:
    several = Several([("bad", {}), ("good", {})])
    run(bench(several, FakeTool("bad", answer), FakeTool("good")).call("several"))
    assert [each.kind for each in several.results] == [kind, None]


def test_a_call_that_cancels_itself_is_a_result(bench: Bench) -> None:
    async def quit(args: JsonObject, use: ToolUse) -> str:
        raise asyncio.CancelledError

    several = Several([("quit", {}), ("good", {})])
    run(bench(several, reading("quit", quit), FakeTool("good")).call("several"))
    assert [each.is_error for each in several.results] == [True, False]


def test_cancelling_ends_all_calls_and_says_so(bench: Bench) -> None:
    both_began, began, ended = asyncio.Event(), [], []

    async def hang(args: JsonObject, use: ToolUse) -> str:
        began.append(use.call_id)
        if len(began) == 2:
            both_began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(use.call_id)
        return "never"

    later = FakeTool("later")
    made = bench(Several([("hang", {}), ("hang", {}), ("later", {})]), reading("hang", hang), later)
    one = call("several")

    async def cancel() -> None:
        replying = start(made.reply(one))
        await both_began.wait()
        replying.cancel()
        await asyncio.wait({replying})

    run(cancel())
    assert sorted(ended) == [f"{one.id}.1", f"{one.id}.2"]
    assert later.calls == []
    results = {event.tool_id: event.result for event in made.events if isinstance(event, ToolEnd)}
    assert {results[id].kind for id in ended} == {"interrupted"}


def test_images_are_handed_on(bench: Bench) -> None:
    image = Image("image/png", b"\x89PNG")
    several = Several([("look", {})])
    run(bench(several, reading("look", lambda args, use: ToolOutput.ok("seen").with_images([image]))).call("several"))
    assert several.results[0].images == (image,)


def test_a_call_that_is_over_starts_nothing(bench: Bench) -> None:
    kept: list[OrchestratingUse] = []

    def keep(args: JsonObject, use: ToolUse) -> str:
        assert isinstance(use, OrchestratingUse)
        kept.append(use)
        return "ok"

    inner = reading("a")
    made = bench(FakeTool("keep", keep, orchestrates=True), inner)

    async def late() -> None:
        await made.call("keep")
        with pytest.raises(ToolError):
            await kept[0].calls([("a", {})])

    run(late())
    assert inner.calls == []


def test_other_tools_cannot_start_calls(bench: Bench) -> None:
    made = bench(FakeTool("plain", lambda args, use: str(isinstance(use, OrchestratingUse))))
    assert run(made.call("plain")).output == "False"


def test_a_file_that_calls_write_is_written(bench: Bench, workspace: Path) -> None:
    def write(args: JsonObject, use: ToolUse) -> str:
        use.workspace.write_bytes("new.txt", b"x")
        return "written"

    run(bench(Several([("write", {})]), FakeTool("write", write)).call("several"))
    assert (workspace / "new.txt").read_bytes() == b"x"

"""The gate: what a call passes before it runs, in which order, and what makes it be judged again."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from a3s_code_testing.running import run
from attrs import evolve

from a3s_code.errors import ToolError, ToolErrorKind
from a3s_code.events import ConfirmationReceived, ConfirmationRequired, PermissionDenied, ToolStart, Warned
from a3s_code.lanes import Lane
from a3s_code.messages import ToolCall, ToolResult
from a3s_code.plugin import (
    Answer,
    ConfirmationPolicy,
    Decision,
    Effects,
    Hook,
    HookAction,
    HookEvent,
    HookEventType,
    HookResponse,
    JsonObject,
    Outcome,
    PathTarget,
    ToolOutput,
    ToolUse,
    Verdict,
    WorkspacePath,
    in_thread,
    tool,
)
from a3s_code.testing import (
    AllowAll,
    DenyAll,
    FakeTool,
    ListHookExecutor,
    PlainSecurityProvider,
    RecordingHook,
    RulePermissionChecker,
    ScriptedConfirmation,
    ToolAnswer,
    WordSecurityProvider,
    call,
)
from a3s_code.tool_command import ToolCommands

Bench = Callable[..., Any]  # the fixture's class lives in conftest.py

TEXT: JsonObject = {
    "type": "object",
    "properties": {"text": {"type": "string"}},
    "required": ["text"],
    "additionalProperties": False,
}


def modifying(*texts: str) -> Hook:
    """A hook that writes the texts into the arguments, one after the other."""
    left = list(texts)

    def answer(_event: HookEvent) -> HookResponse | None:
        if not left:
            return None
        return HookResponse(action=HookAction.MODIFY, modified={"args": {"text": left.pop(0)}})

    return RecordingHook(answer).on(HookEventType.PRE_TOOL_USE)


class Policy:
    """A checker that decides by a function and has a version of its own."""

    def __init__(self, decide: Callable[[JsonObject], Decision]):
        self.version = "1"
        self.seen: list[JsonObject] = []
        self.decide = decide

    def check(self, request: Any) -> Verdict:  # a PermissionRequest
        self.seen.append(request.arguments)
        return Verdict(self.decide(request.arguments), "rule", "because")


# The order


def test_wrong_arguments_are_refused_before_anybody_is_asked(bench: Bench) -> None:
    checker, hook = AllowAll(), RecordingHook()
    one = FakeTool("say", schema=TEXT)
    made = bench(one, permission=checker, hooks=ListHookExecutor(hook.on(HookEventType.PRE_TOOL_USE)))
    result = run(made.call("say", txet="hello"))
    assert result.kind == "invalid_argument"
    assert "text parameter is required" in result.output
    assert "unknown parameter txet; did you mean text?" in result.output
    assert (one.calls, checker.requests, hook.events) == ([], [], [])


def test_a_hook_is_asked_before_the_policy_and_the_policy_before_a_person(bench: Bench) -> None:
    order: list[str] = []

    def hooked(_event: HookEvent) -> None:
        order.append("hook")

    def decide(_args: JsonObject) -> Decision:
        order.append("policy")
        return Decision.ASK

    def answer(_request: object) -> bool:
        order.append("person")
        return True

    one = FakeTool("say", lambda args, use: order.append("tool") or "said")  # type: ignore[func-returns-value]
    made = bench(
        one,
        permission=Policy(decide),
        confirmation=ScriptedConfirmation(answer),
        hooks=ListHookExecutor(RecordingHook(hooked).on(HookEventType.PRE_TOOL_USE)),
    )
    assert run(made.call("say")).output == "said"
    assert order == ["hook", "policy", "person", "tool"]


def test_an_unknown_tool_is_named_with_those_there_are(bench: Bench) -> None:
    result = run(bench(FakeTool("read"), FakeTool("write")).call("reed"))
    assert (result.kind, result.output) == ("not_found", "Unknown tool: reed; there are: read, write")


# Changes


def test_a_hooks_change_is_checked_against_the_schema_again(bench: Bench) -> None:
    def answer(_event: HookEvent) -> HookResponse:
        return HookResponse(action=HookAction.MODIFY, modified={"args": {"txet": "x"}})

    one = FakeTool("say", schema=TEXT)
    made = bench(one, hooks=ListHookExecutor(RecordingHook(answer).on(HookEventType.PRE_TOOL_USE)))
    result = run(made.call("say", text="hello"))
    assert (result.kind, one.calls) == ("invalid_argument", [])


def test_a_hooks_change_is_judged_and_runs(bench: Bench) -> None:
    policy = Policy(lambda args: Decision.ALLOW)
    one = FakeTool("say", schema=TEXT)
    made = bench(one, permission=policy, hooks=ListHookExecutor(modifying("b")))
    run(made.call("say", text="a"))
    assert policy.seen == [{"text": "b"}]
    assert one.calls == [{"text": "b"}]
    (start,) = [event for event in made.events if isinstance(event, ToolStart)]
    assert start.args == {"text": "b"}


def test_arguments_may_be_changed_three_times_and_not_four(bench: Bench) -> None:
    for changes, ran in ((("b", "c", "d"), True), (("b", "c", "d", "e"), False)):
        one = FakeTool("say", schema=TEXT)
        result = run(bench(one, hooks=ListHookExecutor(modifying(*changes))).call("say", text="a"))
        assert (one.calls == [{"text": "d"}]) is ran
        assert ("changed more than 3 times; nothing was run" in result.output) is not ran


def test_what_a_person_writes_is_judged_again_but_not_asked_about_again(bench: Bench) -> None:
    policy = Policy(lambda args: Decision.ASK)
    confirmation = ScriptedConfirmation(Answer(outcome=Outcome.APPROVED, arguments={"text": "mine"}))
    one = FakeTool("say", schema=TEXT)
    run(bench(one, permission=policy, confirmation=confirmation).call("say", text="yours"))
    assert policy.seen == [{"text": "yours"}, {"text": "mine"}]
    assert len(confirmation.requests) == 1
    assert one.calls == [{"text": "mine"}]


def test_what_a_person_writes_can_be_denied(bench: Bench) -> None:
    policy = Policy(lambda args: Decision.DENY if args["text"] == "mine" else Decision.ASK)
    confirmation = ScriptedConfirmation(Answer(outcome=Outcome.APPROVED, arguments={"text": "mine"}))
    one = FakeTool("say", schema=TEXT)
    result = run(bench(one, permission=policy, confirmation=confirmation).call("say", text="yours"))
    assert (result.kind, one.calls) == ("denied", [])


def test_what_a_person_writes_must_fit_the_schema(bench: Bench) -> None:
    confirmation = ScriptedConfirmation(Answer(outcome=Outcome.APPROVED, arguments={"other": 1}))
    one = FakeTool("say", schema=TEXT)
    result = run(bench(one, permission=RulePermissionChecker(), confirmation=confirmation).call("say", text="yours"))
    assert (result.kind, one.calls) == ("invalid_argument", [])


# Decisions


def test_permissive_runs_what_would_be_asked_about_and_still_denies(bench: Bench) -> None:
    checker = RulePermissionChecker(ask=["ask"], deny=["deny"])
    asked, denied = FakeTool("ask"), FakeTool("deny")
    confirmation = ScriptedConfirmation()
    made = bench(asked, denied, permission=checker, confirmation=confirmation, permissive=True)

    async def main() -> tuple[ToolResult, ToolResult]:
        return await made.call("ask"), await made.call("deny")

    allowed, refused = run(main())
    assert (allowed.is_error, refused.kind) == (False, "denied")
    assert (len(asked.calls), denied.calls, confirmation.requests) == (1, [], [])


def test_a_refusal_names_tool_and_reason_and_is_an_event(bench: Bench) -> None:
    made = bench(FakeTool("say"), permission=DenyAll())
    result = run(made.call("say"))
    assert result.output == (
        "Permission denied: Tool 'say' is blocked by permission policy: no rule names say. Do not retry it; go on "
        "without it, or tell the user."
    )
    (event,) = [event for event in made.events if isinstance(event, PermissionDenied)]
    assert (event.tool_name, event.reason) == ("say", result.output)


def test_a_blocking_hook_gives_its_reason(bench: Bench) -> None:
    hook = RecordingHook(HookResponse(action=HookAction.BLOCK, reason="not on Fridays"))
    one = FakeTool("say")
    result = run(bench(one, hooks=ListHookExecutor(hook.on(HookEventType.PRE_TOOL_USE))).call("say"))
    assert (result.output, one.calls) == ("Tool 'say' blocked by hook: not on Fridays", [])


def test_a_hook_that_asks_for_a_retry_puts_the_call_off(bench: Bench) -> None:
    hook = RecordingHook(HookResponse(action=HookAction.RETRY, delay_ms=500))
    one = FakeTool("say")
    result = run(bench(one, hooks=ListHookExecutor(hook.on(HookEventType.PRE_TOOL_USE))).call("say"))
    assert ("500 ms" in result.output, one.calls) == (True, [])


def test_a_persons_no_comes_with_its_reason_and_forbids_a_retry(bench: Bench) -> None:
    confirmation = ScriptedConfirmation(Answer(outcome=Outcome.REJECTED, reason="too risky"))
    made = bench(FakeTool("say"), permission=RulePermissionChecker(), confirmation=confirmation)
    result = run(made.call("say"))
    assert "REJECTED by the user" in result.output
    assert "too risky" in result.output
    assert "DO NOT retry" in result.output
    kinds = [type(event) for event in made.events]
    assert kinds.index(ConfirmationRequired) < kinds.index(ConfirmationReceived)


def test_when_nobody_can_be_asked_the_setting_is_named_once(bench: Bench) -> None:
    made = bench(FakeTool("say"), FakeTool("sing"), permission=RulePermissionChecker())

    async def main() -> None:
        for name in ("say", "sing", "say"):
            assert "on_confirm" in (await made.call(name)).output

    run(main())
    (warning,) = [event for event in made.events if isinstance(event, Warned)]
    assert "permissive = true" in warning.text


def test_a_person_sees_redacted_arguments_and_the_tool_gets_the_real_ones(bench: Bench) -> None:
    confirmation = ScriptedConfirmation(True)
    one = FakeTool("say", schema=TEXT)
    made = bench(
        one, permission=RulePermissionChecker(), confirmation=confirmation, security=WordSecurityProvider("hunter2")
    )
    run(made.call("say", text="the word is hunter2"))
    assert confirmation.requests[0].arguments == {"text": "the word is [REDACTED]"}
    assert one.calls == [{"text": "the word is hunter2"}]
    assert "hunter2" not in repr(
        [event for event in made.events if isinstance(event, ConfirmationRequired | ToolStart)]
    )


# Direct calls


def test_a_direct_call_is_not_asked_about_but_denied(bench: Bench) -> None:
    confirmation, hook = ScriptedConfirmation(), RecordingHook()
    asked, denied = FakeTool("ask"), FakeTool("deny")
    made = bench(
        asked,
        denied,
        permission=RulePermissionChecker(ask=["ask"], deny=["deny"]),
        confirmation=confirmation,
        hooks=ListHookExecutor(hook.on(HookEventType.PRE_TOOL_USE)),
    )

    async def main() -> tuple[ToolResult, ToolResult]:
        return await made.host("ask"), await made.host("deny")

    allowed, refused = run(main())
    assert (allowed.output, refused.kind) == ("ok", "denied")
    assert (len(asked.calls), denied.calls, confirmation.requests, hook.events) == (1, [], [], [])


def test_a_direct_call_leaves_the_conversation_as_it_is(bench: Bench) -> None:
    made = bench(FakeTool("say"))

    async def main() -> None:
        before = list((await made.open()).messages)
        await made.host("say")
        assert made.transcript.messages == before

    run(main())


def test_a_direct_call_stays_in_the_workspace(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    one = FakeTool("look", targets=lambda args: [PathTarget(str(args["path"]))])
    result = run(bench(one).host("look", path="../secret.txt"))
    assert (result.kind, one.calls) == ("denied", [])


def test_governed_direct_calls_pass_the_whole_gate(bench: Bench) -> None:
    confirmation, hook = ScriptedConfirmation(False), RecordingHook()
    one = FakeTool("ask")
    made = bench(
        one,
        permission=RulePermissionChecker(),
        confirmation=confirmation,
        hooks=ListHookExecutor(hook.on(HookEventType.PRE_TOOL_USE)),
        govern_direct_calls=True,
    )
    assert "REJECTED" in run(made.host("ask")).output
    assert (one.calls, len(confirmation.requests), len(hook.events)) == ([], 1, 1)


# Targets


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "link/x", "a.py/../../x"])
def test_a_target_outside_the_workspace_is_refused_also_when_it_does_not_exist(
    bench: Bench, workspace: Path, tmp_path: Path, path: str
) -> None:
    (workspace / "link").symlink_to(tmp_path)
    one = FakeTool("write", targets=lambda args: [PathTarget(str(args["path"]), write=True)])
    result = run(bench(one).call("write", path=path))
    assert (result.kind, one.calls) == ("denied", [])


def test_the_policy_sees_canonical_paths(bench: Bench, workspace: Path) -> None:
    (workspace / "link.py").symlink_to(workspace / "a.py")
    checker = AllowAll()
    one = FakeTool("look", targets=lambda args: [PathTarget(str(args["path"]))])
    run(bench(one, permission=checker).call("look", path="./link.py"))
    assert checker.requests[0].targets == (PathTarget(str(workspace.resolve() / "a.py")),)


def test_a_tool_that_cannot_say_what_it_touches_does_not_run(bench: Bench) -> None:
    one = FakeTool("look", targets=lambda args: [PathTarget(str(args["path"]))])
    result = run(bench(one).call("look"))
    assert (one.calls, "what it touches is unknown" in result.output) == ([], True)


# Permits


class Looker(FakeTool):
    """A tool of which some calls only look."""

    def __init__(self, effects_of: Callable[[JsonObject], Any], answer: ToolAnswer = "ok"):
        super().__init__("say", answer, effects=Effects.DESTRUCTIVE, schema=TEXT)
        self._spec = evolve(self.spec, effects_of=effects_of)


def test_a_call_is_judged_by_its_own_effects(bench: Bench) -> None:
    """The policy sees them, and the question says the lane that follows from them."""
    policy = RulePermissionChecker(ask={"say"})
    made = bench(
        Looker(lambda args: Effects.READ_ONLY if args["text"] == "look" else Effects.DESTRUCTIVE),
        permission=policy,
        confirmation=ScriptedConfirmation(True, True),
    )
    for text in ("look", "change"):
        assert not run(made.call("say", text=text)).is_error
    assert [request.effects for request in policy.requests] == [Effects.READ_ONLY, Effects.DESTRUCTIVE]
    assert [request.lane for request in made.confirmation.requests] == [Lane.QUERY, Lane.EXECUTE]


def test_calls_that_only_look_run_side_by_side_in_the_lane_for_looking(bench: Bench) -> None:
    """Twelve at once, which no other lane lets in."""

    async def meet() -> tuple[ToolResult, ...]:
        barrier = asyncio.Barrier(12)

        async def wait(args: JsonObject, use: ToolUse) -> str:
            await barrier.wait()
            return "met"

        made = bench(Looker(lambda args: Effects.READ_ONLY, wait))
        return await made.reply(*(call("say", text=f"{number}") for number in range(12)))

    assert [result.output for result in run(meet())] == ["met"] * 12


def leave(args: JsonObject) -> Any:
    raise SystemExit(3)


@pytest.mark.parametrize("answer", [lambda args: 1 / 0, lambda args: "read_only", lambda args: None, leave])
def test_a_tool_that_cannot_say_what_a_call_does_is_judged_by_all_it_does(bench: Bench, answer: Any) -> None:
    policy = AllowAll()
    run(bench(Looker(answer), permission=policy).call("say", text="look"))
    assert [request.effects for request in policy.requests] == [Effects.DESTRUCTIVE]


@pytest.mark.parametrize("part", ["targets", "effects_of"])
def test_a_tool_that_never_says_what_a_call_does_holds_nobody_up(bench: Bench, part: str) -> None:
    """It is asked in a thread, and in vain only until the deadline."""
    ended, one = threading.Event(), FakeTool("say")
    one._spec = evolve(one.spec, **{part: lambda args: ended.wait(10)})
    result = run(bench(one, check_deadline_s=0.2).call("say"))
    ended.set()
    assert (result.kind, one.calls) == ("denied", [])
    assert "in time" in result.output


def test_a_tool_that_leaves_the_program_instead_of_naming_targets_does_not_run(bench: Bench) -> None:
    result = run(bench(FakeTool("say", targets=leave)).call("say"))
    assert "what it touches is unknown" in result.output


def look_or_change(args: JsonObject) -> Effects:
    return Effects.READ_ONLY if args["text"] == "look" else Effects.DESTRUCTIVE


def test_what_a_hook_makes_of_a_call_is_judged_by_its_new_effects(bench: Bench) -> None:
    policy = AllowAll()
    made = bench(Looker(look_or_change), permission=policy, hooks=ListHookExecutor(modifying("change")))
    run(made.call("say", text="look"))
    assert [request.effects for request in policy.requests] == [Effects.DESTRUCTIVE]


def test_what_a_person_makes_of_a_call_is_judged_by_its_new_effects(bench: Bench) -> None:
    policy = RulePermissionChecker(ask={"say"})
    rewritten = Answer(outcome=Outcome.APPROVED, arguments={"text": "change"})
    one = Looker(look_or_change)
    run(bench(one, permission=policy, confirmation=ScriptedConfirmation(rewritten)).call("say", text="look"))
    assert [request.effects for request in policy.requests] == [Effects.READ_ONLY, Effects.DESTRUCTIVE]
    assert one.calls == [{"text": "change"}]


def test_what_is_made_of_a_call_while_it_waits_never_runs_under_the_name_of_the_old(bench: Bench) -> None:
    """The policy changes, so a hook is asked again, and now it makes a change of a look that is recorded already."""
    policy, one = Policy(lambda args: Decision.ALLOW), Looker(look_or_change)

    def answer(_event: HookEvent) -> HookResponse | None:
        if not policy.seen:
            return None
        return HookResponse(action=HookAction.MODIFY, modified={"args": {"text": "change"}})

    async def commands() -> ToolCommands:
        policy.version = "2"
        return ToolCommands()

    made = bench(one, permission=policy, hooks=ListHookExecutor(RecordingHook(answer).on(HookEventType.PRE_TOOL_USE)))
    made.executor = evolve(made.executor, commands=commands)
    result = run(made.call("say", text="look"))
    assert (result.kind, one.calls) == ("denied", [])
    assert "its arguments were changed; send the call again" in result.output


def test_a_policy_that_changes_before_the_call_runs_judges_it_again(bench: Bench) -> None:
    """The person's answer takes time; meanwhile the call is forbidden."""
    checker = RulePermissionChecker(ask=["say"])

    def answer(_request: object) -> bool:
        checker.deny.add("say")
        return True

    one = FakeTool("say")
    result = run(bench(one, permission=checker, confirmation=ScriptedConfirmation(answer)).call("say"))
    assert (result.kind, one.calls) == ("denied", [])


def test_a_policy_that_changes_to_the_same_answer_lets_the_call_run_once(bench: Bench) -> None:
    checker = RulePermissionChecker(ask=["say"])

    def answer(_request: object) -> bool:
        checker.allow.add("something else")
        return True

    one = FakeTool("say")
    confirmation = ScriptedConfirmation(answer, True)
    assert run(bench(one, permission=checker, confirmation=confirmation).call("say")).output == "ok"
    assert (len(one.calls), len(confirmation.requests)) == (1, 2)


def test_a_policy_that_never_stops_changing_ends_in_a_refusal(bench: Bench) -> None:
    class Restless(Policy):
        count = 0

        @property
        def version(self) -> str:
            self.count += 1
            return str(self.count)

        @version.setter
        def version(self, _value: str) -> None: ...

    one = FakeTool("say")
    result = run(bench(one, permission=Restless(lambda args: Decision.ALLOW)).call("say"))
    assert (result.kind, one.calls) == ("denied", [])
    assert "kept changing" in result.output


def test_a_link_that_is_swapped_after_the_judgement_is_refused(bench: Bench, workspace: Path, tmp_path: Path) -> None:
    """The call was approved for a file of the workspace; before it runs the path leads elsewhere."""
    (tmp_path / "outside.txt").write_text("secret")
    inside = workspace / "note.txt"
    inside.write_text("harmless")

    def answer(_request: object) -> bool:
        inside.unlink()
        inside.symlink_to(tmp_path / "outside.txt")
        return True

    @tool
    def show(path: WorkspacePath) -> str:
        """Shows a file."""
        return path.read_text()

    made = bench(show, permission=RulePermissionChecker(), confirmation=ScriptedConfirmation(answer))
    result = run(made.call("show", path="note.txt"))
    assert "secret" not in result.output
    assert result.kind == "denied"


def test_a_link_that_is_swapped_within_the_workspace_is_judged_again(bench: Bench, workspace: Path) -> None:
    checker = RulePermissionChecker()

    def answer(_request: object) -> bool:
        (workspace / "a.py").unlink()
        (workspace / "a.py").symlink_to("b.py")
        return True

    one = FakeTool("look", targets=lambda args: [PathTarget(str(args["path"]))])
    confirmation = ScriptedConfirmation(answer, False)
    run(bench(one, permission=checker, confirmation=confirmation).call("look", path="a.py"))
    root = workspace.resolve()
    assert [request.targets for request in checker.requests] == [
        (PathTarget(str(root / "a.py")),),
        (PathTarget(str(root / "b.py")),),
    ]
    assert one.calls == []


def test_an_expired_permit_covers_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("a3s_code.gate.PERMIT_LIFETIME_S", -1.0)
    one = FakeTool("say")
    assert run(bench(one).call("say")).kind == "denied"
    assert one.calls == []


def test_a_permit_is_for_this_call_only(bench: Bench) -> None:
    one = FakeTool("say", schema=TEXT)
    made = bench(one)

    async def main() -> None:
        gate, (found, schema) = made.executor.gate, made.executor.tools.get("say")
        passed = await gate.judge(call("say", text="a"), found.spec, schema, "model")
        same = ToolCall(id="another", name="say", arguments={"text": "a"})
        assert await gate.covers(passed.permit, same, found.spec)
        assert not await gate.covers(passed.permit, call("say", text="b"), found.spec)

    run(main())


# What tools may do wrong


@pytest.mark.parametrize(
    ("answer", "kind", "text"),
    [
        pytest.param(ToolError("no such file", ToolErrorKind.NOT_FOUND), "not_found", "no such file", id="tool-error"),
        pytest.param(ValueError("odd"), "failed", "say failed: ValueError: odd", id="error"),
        pytest.param(lambda args, use: (_ for _ in ()).throw(SystemExit(2)), "failed", "SystemExit", id="exit"),
        pytest.param(lambda args, use: 42, "failed", "", id="wrong-type"),
    ],
)
def test_what_a_tool_does_wrong_is_told_to_the_model(bench: Bench, answer: Any, kind: str, text: str) -> None:
    result = run(bench(FakeTool("say", answer)).call("say"))
    assert (result.is_error, result.kind) == (True, kind)
    assert text in result.output
    assert "Traceback" not in result.output


def test_a_tool_that_cancels_itself_gives_a_result(bench: Bench) -> None:
    import asyncio

    async def answer(_args: JsonObject, _use: ToolUse) -> str:
        raise asyncio.CancelledError

    result = run(bench(FakeTool("say", answer)).call("say"))
    assert "cancelled itself" in result.output


def test_a_tool_that_takes_too_long_is_stopped_and_the_model_told(bench: Bench) -> None:
    import asyncio

    stopped = []

    async def answer(_args: JsonObject, _use: ToolUse) -> str:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.append(True)
        return "never"

    result = run(bench(FakeTool("say", answer), tool_timeout_s=0.05).call("say"))
    assert (result.kind, stopped) == ("timeout", [True])


def test_a_direct_call_that_is_cancelled_twice_is_over_too(bench: Bench, workspace: Path) -> None:
    """The second time while its output is still being cleaned; a thread of it then begins no change."""
    cleaning, clean, uses = threading.Event(), threading.Event(), []

    class Slow(PlainSecurityProvider):
        def sanitize_output(self, text: str) -> str:
            cleaning.set()
            clean.wait(10)
            return text

    async def show(_args: JsonObject, use: ToolUse) -> str:
        uses.append(use)
        use.emit("output\n")
        await asyncio.Event().wait()
        return "never"

    async def main() -> None:
        calling = asyncio.create_task(bench(FakeTool("say", show), security=Slow()).host("say"))  # noqa: TID251 # awaited here
        assert await in_thread(cleaning.wait, 10)
        for _ in range(2):
            calling.cancel()
            await asyncio.sleep(0)
        await asyncio.wait({calling})
        clean.set()
        with pytest.raises(ToolError, match="the call is over"):
            await in_thread(uses[0].workspace.write_bytes, "new", b"late")

    run(main())
    assert not (workspace / "new").exists()


def test_output_that_is_no_text_becomes_text(bench: Bench) -> None:
    result = run(bench(FakeTool("say", "half a pair: \ud83d")).call("say"))
    result.output.encode("utf-8")


def test_what_a_tool_says_is_cleaned_also_in_its_metadata(bench: Bench) -> None:
    output = ToolOutput(text="it is hunter2", metadata={"where": ["hunter2", {"x": "hunter2"}]})
    result = run(bench(FakeTool("say", output), security=WordSecurityProvider("hunter2")).call("say"))
    assert "hunter2" not in repr(result)


def test_what_cannot_be_cleaned_is_withheld_and_the_rest_of_the_metadata_is_shown(bench: Bench) -> None:
    class Fussy(WordSecurityProvider):
        def sanitize_output(self, text: str) -> str:
            if "bad" in text:
                raise ValueError
            return text.upper()

    output = ToolOutput(text="ok", metadata={"a": "one", "b": ["bad", "", {"c": "two"}], "d": 4})
    result = run(bench(FakeTool("say", output), security=Fussy()).call("say"))
    assert result.output == "OK"
    withheld = "[withheld: the security provider failed (ValueError); see the log]"
    assert result.metadata == {"a": "ONE", "b": [withheld, "", {"c": "TWO"}], "d": 4}


def test_read_only_intents_need_not_wait_for_the_disk_and_others_do(bench: Bench) -> None:
    """Whether the intent of a call survives a crash at the moment the tool runs."""
    survived: dict[str, bool] = {}

    async def main(name: str, effects: Effects) -> None:
        made = bench(FakeTool(name, lambda args, use: look(made, name), effects=effects))
        await made.call(name)

    def look(made: Any, name: str) -> str:
        kept = made.transcript._journal._kept
        survived[name] = any(b"tool_intended" in record for record in kept.records[: kept.durable])
        return "seen"

    run(main("writes", Effects.NONE))
    run(main("reads", Effects.READ_ONLY))
    assert survived == {"writes": True, "reads": False}


def test_a_policy_that_waits_for_nothing_still_times_the_question(bench: Bench) -> None:
    confirmation = ScriptedConfirmation(policy=ConfirmationPolicy(enabled=True, timeout_ms=20))
    made = bench(FakeTool("say"), permission=RulePermissionChecker(), confirmation=confirmation)
    assert "nobody answered" in run(made.call("say")).output

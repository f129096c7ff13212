"""Whatever strangers answer: every call has its result, every journal can be read, and the loop goes on."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from pathlib import Path
from textwrap import dedent

import pytest
from a3s_code_testing.running import run, start
from attrs import frozen

from a3s_code import Agent, AgentSession, SessionOptions, WorkspacePath, tool
from a3s_code.agent import AsyncAgent
from a3s_code.errors import ModelError, ModelErrorKind, PluginError, SessionError, ToolError, ToolErrorKind
from a3s_code.events import (
    AgentEnd,
    Error,
    Event,
    PlanningEnd,
    StepStart,
    TextDelta,
    ToolOutputDelta,
    Warned,
)
from a3s_code.messages import Message, Role, StopReason, ToolCall, ToolResult, assistant
from a3s_code.plugin import (
    Answer,
    ContextQuery,
    ContextResult,
    ExecutionPlan,
    HookEvent,
    HookEventType,
    HookResult,
    Image,
    Journal,
    JsonObject,
    MemoryItem,
    ModelEvent,
    ModelRequest,
    Outcome,
    PathTarget,
    Planner,
    PlanRequest,
    Reply,
    SecurityProvider,
    SessionInfo,
    TextModel,
    ToolOutput,
    ToolUse,
    Usage,
)
from a3s_code.records import Record, RunEnded, ToolSettled, decode
from a3s_code.redaction import Cleaner, DeltaCleaner
from a3s_code.session import AsyncAgentSession
from a3s_code.streams import EventStream
from a3s_code.testing import (
    DictMemoryStore,
    DictSessionStore,
    EchoTool,
    FakeTool,
    FixedPlanner,
    Hold,
    ListHookExecutor,
    RecordingHook,
    ScriptedClient,
    ScriptedConfirmation,
    StaticContextProvider,
    Turn,
    WordSecurityProvider,
    call,
    last_result,
)
from a3s_code.threads import in_thread

HALF = "\ud83d"
"""Half a character: no valid text."""


@pytest.fixture
def agent(config: str) -> AsyncAgent:
    return AsyncAgent(config)


class RoughStore(DictSessionStore):
    """A store on a bad disk.

    Attributes:
        failing: Numbers of the appends that fail, counted from 1.
        appends: How many there were.
        after: Awaited after an append was written.
    """

    def __init__(self) -> None:
        super().__init__()
        self.failing: Collection[int] = ()
        self.appends = 0
        self.after: Callable[[Sequence[bytes]], Awaitable[None]] | None = None

    async def open(self, id: str, *, create: bool) -> Journal:
        return RoughJournal(self, await super().open(id, create=create))


class RoughJournal(Journal):
    def __init__(self, store: RoughStore, journal: Journal):
        self._store = store
        self._journal = journal

    async def append(self, records: Sequence[bytes], *, durable: bool) -> int:
        self._store.appends += 1
        if self._store.appends in self._store.failing:
            raise SessionError("the disk is full")
        seq = await self._journal.append(records, durable=durable)
        if self._store.after is not None:
            await self._store.after(records)
        return seq

    async def read(self, after_seq: int = 0) -> Sequence[tuple[int, bytes]]:
        return await self._journal.read(after_seq)

    async def put_blob(self, digest: str, data: bytes) -> None:
        await self._journal.put_blob(digest, data)

    async def get_blob(self, digest: str) -> bytes:
        return await self._journal.get_blob(digest)

    async def snapshot(self, info: SessionInfo) -> None:
        await self._journal.snapshot(info)

    async def aclose(self) -> None:
        await self._journal.aclose()


class FunctionHooks(ListHookExecutor):
    """Answers each event of one type with a function of it; always counts as a hook."""

    def __init__(self, event_type: HookEventType, answer: Callable[[HookEvent], object]):
        super().__init__()
        self._event_type = event_type
        self._answer = answer

    def hook_count(self) -> int:
        return 1

    async def fire(self, event: HookEvent) -> HookResult:
        if event.event_type is not self._event_type:
            return HookResult(payload=event.payload)
        said = self._answer(event)
        return await said if isinstance(said, Awaitable) else said  # type: ignore[return-value] # nonsense on purpose


def raises(error: BaseException) -> Callable[..., object]:
    """A function of anything that raises."""

    def fail(*_args: object) -> object:
        raise error

    return fail


def check(messages: Sequence[Message]) -> None:
    """Every call has exactly one result, in the next message and the order asked; ids are unique, texts are valid."""
    for index, message in enumerate(messages):
        asked = [one.id for one in message.tool_calls]
        answered = [result.call_id for result in message.tool_results]
        assert len(set(asked)) == len(asked)
        if asked:
            assert [result.call_id for result in messages[index + 1].tool_results] == asked
        if answered:
            assert [one.id for one in messages[index - 1].tool_calls] == answered
        repr(message).encode()


async def records_of(store: DictSessionStore, session_id: str) -> list[Record]:
    """What is on disk."""
    journal = await store.crashed().open(session_id, create=False)
    return [decode(payload, lambda _digest: b"") for _, payload in await journal.read()]


async def ends_of(store: DictSessionStore, session_id: str) -> list[RunEnded]:
    return [record for record in await records_of(store, session_id) if isinstance(record, RunEnded)]


async def goes_on(
    agent: AsyncAgent, session: AsyncAgentSession, client: ScriptedClient, store: DictSessionStore
) -> None:
    """The session takes the next prompt, and resumed it has the same valid history."""
    while client.turns_left:
        client._next()
    client.add("all is well")
    assert (await session.send("and now?")).text == "all is well"
    check(client.requests[-1].messages)
    history = await session.history()
    check(history)
    await session.aclose()
    resumed = await agent.resume_session(session.session_id, llm_client=client, session_store=store)
    assert await resumed.history() == history


@frozen(kw_only=True)
class Tried:
    """What came of a prompt."""

    stop_reason: str
    results: tuple[ToolResult, ...]
    events: tuple[Event, ...]
    records: tuple[Record, ...]
    calls: tuple[ToolCall, ...]

    @property
    def output(self) -> str:
        (result,) = self.results
        return result.output


async def tried(agent: AsyncAgent, workspace: Path, *turns: object, **options: object) -> Tried:
    """Runs a prompt to its end and makes sure that the session goes on and can be resumed."""
    store = DictSessionStore()
    client = ScriptedClient(*turns, "done")  # type: ignore[arg-type] # turns as ScriptedClient takes them
    chosen = {"permissive": True, "hook_executor": ListHookExecutor(), **options}
    async with agent:
        session = agent.session(workspace, llm_client=client, session_store=store, **chosen)
        async with session.stream("go") as stream:
            events = tuple([event async for event in stream])
            result = await stream.result()
        history = await session.history()
        records = tuple(await records_of(store, session.session_id))
        await goes_on(agent, session, client, store)
    return Tried(
        stop_reason=result.stop_reason,
        results=tuple(one for message in history for one in message.tool_results),
        events=events,
        records=records,
        calls=tuple(one for message in history for one in message.tool_calls),
    )


# The disk


@pytest.mark.parametrize("first", range(1, 10))
@pytest.mark.parametrize("count", [1, 2, 5])
def test_when_appends_fail_the_next_prompt_has_a_whole_history(
    agent: AsyncAgent, workspace: Path, first: int, count: int
) -> None:
    async def main() -> None:
        store = RoughStore()
        client = ScriptedClient((call("echo", text="a"), call("save")), "done")
        async with agent:
            options = SessionOptions(permissive=True, hook_executor=ListHookExecutor())
            session = agent.session(
                workspace, options, llm_client=client, session_store=store, tools=[EchoTool(), FakeTool("save")]
            )
            await session.open()
            store.failing = range(store.appends + first, store.appends + first + count)
            with pytest.raises(SessionError, match="the disk is full"):
                await session.send("go")
            store.failing = ()
            await goes_on(agent, session, client, store)

    run(main())


def test_a_cancel_while_the_end_is_written_gives_one_end(agent: AsyncAgent, workspace: Path) -> None:
    async def main() -> None:
        store = RoughStore()
        reached, release = asyncio.Event(), asyncio.Event()

        async def after(records: Sequence[bytes]) -> None:
            if any(b'"run_ended"' in record for record in records):
                reached.set()
                await release.wait()

        store.after = after
        client = ScriptedClient("done")
        async with agent:
            session = agent.session(workspace, llm_client=client, session_store=store)
            stream = session.stream("go")
            await reached.wait()
            assert session.cancel()
            asyncio.get_running_loop().call_soon(release.set)  # after the cancellation has arrived
            events = [event async for event in stream]
            assert [event.stop_reason for event in events if isinstance(event, AgentEnd)] == ["end_turn"]
            assert (await stream.result()).stop_reason == "end_turn"
            assert [end.stop_reason for end in await ends_of(store, session.session_id)] == ["end_turn"]
            store.after = None
            await goes_on(agent, session, client, store)

    run(main())


# Cancellations


def test_a_cancel_while_on_error_hooks_run_records_one_end(agent: AsyncAgent, workspace: Path) -> None:
    async def main() -> None:
        reached = asyncio.Event()

        async def wait(_event: HookEvent) -> HookResult:
            reached.set()
            await asyncio.Event().wait()
            return HookResult()

        store = DictSessionStore()
        broken = [ToolCall(id=f"call_{n}", name="w", parse_error="cut off", raw="{") for n in range(3)]
        client = ScriptedClient(*broken)
        hooks = FunctionHooks(HookEventType.ON_ERROR, wait)
        async with agent:
            session = agent.session(
                workspace, llm_client=client, session_store=store, hook_executor=hooks, tools=[FakeTool("w")]
            )
            sending = start(session.send("go"))
            await reached.wait()
            session.cancel()
            await sending
            assert [end.stop_reason for end in await ends_of(store, session.session_id)] == ["error"]
            await goes_on(agent, session, client, store)

    run(main())


@pytest.mark.parametrize(
    ("options", "text"),
    [
        pytest.param({"tools": [FakeTool("w", raises(asyncio.CancelledError()))]}, "it cancelled itself", id="tool"),
        pytest.param(
            {"hook_executor": FunctionHooks(HookEventType.PRE_TOOL_USE, raises(asyncio.CancelledError()))},
            "its hooks cancelled themselves",
            id="pre hook",
        ),
        pytest.param(
            {"hook_executor": FunctionHooks(HookEventType.POST_TOOL_USE, raises(asyncio.CancelledError()))},
            "all fine",
            id="post hook",
        ),
        pytest.param(
            {"permissive": False, "confirmation_provider": ScriptedConfirmation(raises(asyncio.CancelledError()))},
            "the question cancelled itself",
            id="confirmation",
        ),
    ],
)
def test_a_cancelled_error_of_a_stranger_is_not_taken_for_the_users(
    agent: AsyncAgent, workspace: Path, options: dict[str, object], text: str
) -> None:
    done = run(tried(agent, workspace, call("w"), **{"tools": [FakeTool("w", "all fine")], **options}))

    assert done.stop_reason == "end_turn"
    assert text in done.output


def test_a_cancelled_error_of_a_client_is_an_error_of_the_run(agent: AsyncAgent, workspace: Path) -> None:
    async def main() -> None:
        store = DictSessionStore()
        client = ScriptedClient(raises(asyncio.CancelledError()))  # type: ignore[arg-type] # it never answers
        async with agent:
            session = agent.session(workspace, llm_client=client, session_store=store)
            with pytest.raises(PluginError, match="CancelledError"):
                await session.send("go")
            assert [end.stop_reason for end in await ends_of(store, session.session_id)] == ["error"]
            await goes_on(agent, session, client, store)

    run(main())


def test_a_cancel_by_somebody_is_still_reported_as_such(agent: AsyncAgent, workspace: Path) -> None:
    async def main() -> None:
        reached = asyncio.Event()

        async def wait(_args: JsonObject, _use: ToolUse) -> str:
            reached.set()
            await asyncio.Event().wait()
            return ""

        store = DictSessionStore()
        client = ScriptedClient(call("w"))
        async with agent:
            session = agent.session(
                workspace, llm_client=client, session_store=store, permissive=True, tools=[FakeTool("w", wait)]
            )
            sending = start(session.send("go"))
            await reached.wait()
            session.cancel()
            assert (await sending).stop_reason == "cancelled"
            (result,) = (await session.history())[-1].tool_results
            assert "cancelled by the user" in result.output
            await goes_on(agent, session, client, store)

    run(main())


# Replies


@pytest.mark.parametrize("id", ["x", ""], ids=["duplicate", "empty"])
def test_calls_with_the_same_id_get_their_own_and_run_once_each(agent: AsyncAgent, workspace: Path, id: str) -> None:
    echo = FakeTool("w", lambda args, _use: str(args["n"]))
    calls = [ToolCall(id=id, name="w", arguments={"n": n}) for n in (1, 2)]

    done = run(tried(agent, workspace, calls, tools=[echo]))

    assert [one["n"] for one in echo.calls] == [1, 2]
    assert [result.output for result in done.results] == ["1", "2"]
    assert [result.call_id for result in done.results] == [one.id for one in done.calls]


def nested(depth: int) -> JsonObject:
    value: JsonObject = {}
    for _ in range(depth):
        value = {"a": dict(value)}
    return value


@pytest.mark.parametrize(
    "turn",
    [
        pytest.param(call("w", text=HALF), id="half a character"),
        pytest.param(call("w", **{HALF: 1}), id="half a character as key"),
        pytest.param(call("w", number=10**30), id="beyond 64 bits"),
        pytest.param(call("w", **nested(245)), id="245 deep"),
        pytest.param(call("w", **nested(300)), id="300 deep"),
        pytest.param(call("w", **nested(600)), id="600 deep"),
        pytest.param(ToolCall(id="c", name="w", arguments=[1]), id="a list"),  # type: ignore[arg-type] # nonsense
        pytest.param(ToolCall(id="c", name="w", parse_error=HALF, raw=HALF), id="unreadable"),
    ],
)
def test_arguments_that_cannot_be_kept_are_told_to_the_model(
    agent: AsyncAgent, workspace: Path, turn: ToolCall
) -> None:
    one = FakeTool("w")
    done = run(tried(agent, workspace, turn, tools=[one]))

    assert one.calls == []
    assert "send the call again" in done.output


@pytest.mark.parametrize(
    "turn",
    [
        pytest.param(Turn(text=f"hi {HALF}"), id="text"),
        pytest.param(Turn(text="hi", reasoning=HALF), id="reasoning"),
        pytest.param(ToolCall(id="c", name=f"w{HALF}"), id="name"),
        pytest.param(ToolCall(id=HALF, name="w"), id="id"),
    ],
)
def test_a_reply_with_half_a_character_is_kept_as_valid_text(
    agent: AsyncAgent, workspace: Path, turn: Turn | ToolCall
) -> None:
    assert run(tried(agent, workspace, turn, tools=[FakeTool("w")])).stop_reason == "end_turn"


def test_a_prompt_with_half_a_character_is_sent_as_valid_text(agent: AsyncAgent, workspace: Path) -> None:
    async def main() -> str:
        client = ScriptedClient("done")
        async with agent:
            await agent.session(workspace, llm_client=client).send(f"pasted {HALF} text")
        return client.requests[0].messages[0].text

    assert run(main()) == "pasted \ufffd text"


@pytest.mark.parametrize("count", [float("nan"), None, -1, 2**60], ids=["nan", "none", "negative", "huge"])
def test_a_usage_that_is_none_is_an_error_of_the_model_and_is_not_kept(
    agent: AsyncAgent, workspace: Path, count: int
) -> None:
    async def main() -> None:
        store = DictSessionStore()
        reply = Reply(message=assistant("hi"), usage=Usage(input_tokens=count), stop_reason=StopReason.END_TURN)
        client = ScriptedClient(reply)
        async with agent:
            session = agent.session(workspace, llm_client=client, session_store=store)
            with pytest.raises(ModelError):
                await session.send("go")
            await goes_on(agent, session, client, store)

    run(main())


def test_an_error_of_a_client_with_half_a_character_reaches_the_caller(agent: AsyncAgent, workspace: Path) -> None:
    async def main() -> None:
        store = DictSessionStore()
        client = ScriptedClient(ValueError(HALF))
        async with agent:
            session = agent.session(workspace, llm_client=client, session_store=store)
            with pytest.raises(ModelError, match="ValueError"):
                await session.send("go")
            await goes_on(agent, session, client, store)

    run(main())


# Tools


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(HALF, id="text"),
        pytest.param(ToolError(f"bad file {HALF}"), id="tool error"),
        pytest.param(OSError(f"bad file {HALF}"), id="error"),
        pytest.param(ToolOutput(text="t", metadata={"path": HALF}), id="metadata"),
        pytest.param(ToolOutput(text="t", metadata={"n": 10**30}), id="metadata beyond 64 bits"),
        pytest.param(ToolOutput(text="t", metadata=nested(600)), id="metadata 600 deep"),
        pytest.param(ToolOutput(text="t", metadata={"a": b"x"}), id="metadata bytes"),  # type: ignore[dict-item]
        pytest.param(ToolOutput(text="t", metadata={"a": float("nan")}), id="metadata nan"),
        pytest.param(ToolOutput(text="t", exit_code="abc"), id="exit code text"),  # type: ignore[arg-type]
        pytest.param(ToolOutput(text="t", exit_code=float("nan")), id="exit code nan"),  # type: ignore[arg-type]
        pytest.param(ToolOutput(text="t", exit_code=10**20), id="exit code huge"),
        pytest.param(ToolOutput(text="t", images=("png",)), id="junk image"),  # type: ignore[arg-type]
        pytest.param(lambda args, use: use.attach("png") or "t", id="junk attached"),
        pytest.param(lambda args, use: use.emit(HALF) or "t", id="half a character emitted"),
        pytest.param(lambda args, use: ToolOutput(text=b"t"), id="bytes for text"),  # type: ignore[arg-type]
    ],
)
def test_what_a_tool_answers_never_spoils_the_journal(agent: AsyncAgent, workspace: Path, answer: object) -> None:
    one = FakeTool("w", answer)  # type: ignore[arg-type] # nonsense on purpose
    done = run(tried(agent, workspace, call("w"), tools=[one]))

    assert (len(one.calls), len(done.results), done.stop_reason) == (1, 1, "end_turn")


def test_an_image_of_a_tool_is_kept_and_resumed(agent: AsyncAgent, workspace: Path) -> None:
    picture = Image("image/png", b"picture")
    done = run(
        tried(agent, workspace, call("w"), tools=[FakeTool("w", ToolOutput(text="t", images=("junk", picture)))])
    )
    assert done.results[0].images == (picture,)


def test_an_error_of_a_stranger_in_the_wrong_kind_fails_the_call_alone(agent: AsyncAgent, workspace: Path) -> None:
    error = ToolError("too slow", kind="timeout")  # type: ignore[arg-type] # a word instead of the kind
    done = run(tried(agent, workspace, call("w"), tools=[FakeTool("w", error)]))

    assert (done.output, done.results[0].kind) == ("too slow", ToolErrorKind.FAILED.value)


@pytest.mark.parametrize("delta", [123, None, b"x"], ids=["number", "none", "bytes"])
def test_emitting_anything_but_text_fails_the_call_alone(agent: AsyncAgent, workspace: Path, delta: object) -> None:
    one = FakeTool("w", lambda _args, use: use.emit(delta) or "ok")  # type: ignore[arg-type] # nonsense on purpose
    done = run(tried(agent, workspace, call("w"), tools=[one]))

    assert "emit takes text" in done.output


def test_a_tool_that_changes_its_arguments_does_not_change_the_history(agent: AsyncAgent, workspace: Path) -> None:
    def take(args: JsonObject, _use: ToolUse) -> str:
        args["path"].clear()  # type: ignore[union-attr, call-arg] # a list
        return str(args.pop("n"))  # type: ignore[attr-defined] # a dict

    done = run(tried(agent, workspace, call("w", path=["a"], n=1), tools=[FakeTool("w", take)]))

    assert (done.output, [dict(one.arguments) for one in done.calls]) == ("1", [{"path": ["a"], "n": 1}])


@pytest.mark.parametrize("answer", ["x" * 300_000, ToolError("x" * 300_000), OSError("x" * 300_000)])
def test_a_text_that_is_too_long_for_the_history_is_cut_with_a_note(
    agent: AsyncAgent, workspace: Path, answer: str | Exception
) -> None:
    done = run(tried(agent, workspace, call("w"), tools=[FakeTool("w", answer)]))

    assert len(done.output) < 200_200
    assert "characters left out" in done.output


def test_a_text_of_exactly_the_limit_is_whole(agent: AsyncAgent, workspace: Path) -> None:
    done = run(tried(agent, workspace, call("w"), tools=[FakeTool("w", "x" * 200_000)]))

    assert done.output == "x" * 200_000


def test_each_path_of_a_list_is_judged_before_the_tool_runs(agent: AsyncAgent, workspace: Path) -> None:
    seen: list[object] = []

    @tool(read_only=True)
    def many(paths: list[WorkspacePath]) -> str:
        """Reads."""
        seen.extend(paths)
        return "read"

    done = run(tried(agent, workspace, call("many", paths=["a.py", "../../etc/passwd"]), tools=[many]))

    assert (done.results[0].kind, seen) == ("denied", [])


def test_an_abandoned_thread_that_emits_late_starts_nothing(agent: AsyncAgent, workspace: Path) -> None:
    async def main() -> None:
        release, emitted = threading.Event(), threading.Event()

        @tool
        def slow(use: ToolUse) -> str:
            """Waits."""
            release.wait(20)
            use.emit("late")
            emitted.set()
            return ""

        client = ScriptedClient(call("slow"), "done")
        async with agent:
            session = agent.session(
                workspace, llm_client=client, permissive=True, tools=[slow], tool_timeout_ms=50, sessions_dir=None
            )
            async with session.stream("go") as stream:
                events = [event async for event in stream]
            before = asyncio.all_tasks()
            release.set()
            await in_thread(emitted.wait, 20)
            await asyncio.sleep(0)  # what the thread handed over has its turn
            assert asyncio.all_tasks() <= before
            assert not [event for event in events if isinstance(event, ToolOutputDelta)]

    run(main())


# Hooks and people


@pytest.mark.parametrize(
    ("event_type", "answer"),
    [
        pytest.param(HookEventType.PRE_TOOL_USE, HookResult(payload=None), id="pre, no payload"),  # type: ignore[arg-type]
        pytest.param(HookEventType.PRE_TOOL_USE, HookResult(payload={"args": {"a": object()}}), id="pre, object"),
        pytest.param(HookEventType.PRE_TOOL_USE, HookResult(payload={"args": {"a": HALF}}), id="pre, half"),
        pytest.param(HookEventType.PRE_TOOL_USE, HookResult(payload={"args": {"a": 10**30}}), id="pre, big number"),
        pytest.param(HookEventType.PRE_TOOL_USE, HookResult(payload={"args": nested(245)}), id="pre, 245 deep"),
        pytest.param(HookEventType.PRE_TOOL_USE, HookResult(payload={"args": nested(600)}), id="pre, 600 deep"),
        pytest.param(HookEventType.PRE_TOOL_USE, HookResult(payload={}, blocked=HALF), id="pre, blocked"),
        pytest.param(HookEventType.PRE_TOOL_USE, "yes", id="pre, text"),
    ],
)
def test_nonsense_of_a_gating_hook_refuses_the_call_alone(
    agent: AsyncAgent, workspace: Path, event_type: HookEventType, answer: object
) -> None:
    one = FakeTool("w")
    hooks = FunctionHooks(event_type, lambda _event: answer)
    done = run(tried(agent, workspace, call("w"), tools=[one], hook_executor=hooks))

    assert (one.calls, done.results[0].is_error, done.stop_reason) == ([], True, "end_turn")


@pytest.mark.parametrize(
    "answer",
    [HookResult(payload=None), HookResult(payload={"output": HALF}), HookResult(payload={"output": 5}), "yes", None],  # type: ignore[arg-type]
    ids=["no payload", "half a character", "number", "text", "none"],
)
def test_nonsense_of_a_post_hook_costs_nothing(agent: AsyncAgent, workspace: Path, answer: object) -> None:
    hooks = FunctionHooks(HookEventType.POST_TOOL_USE, lambda _event: answer)
    done = run(tried(agent, workspace, call("w"), tools=[FakeTool("w")], hook_executor=hooks))

    assert (done.results[0].is_error, done.stop_reason) == (False, "end_turn")


@pytest.mark.parametrize(
    "arguments",
    ["text", [1], {"a": object()}, {"a": HALF}, {"a": 10**30}, nested(245)],
    ids=["text", "list", "object", "half", "big", "deep"],
)
def test_arguments_of_a_person_that_are_no_json_object_refuse_the_call_alone(
    agent: AsyncAgent, workspace: Path, arguments: JsonObject
) -> None:
    one = FakeTool("w")
    answer = Answer(outcome=Outcome.APPROVED, arguments=arguments)
    done = run(tried(agent, workspace, call("w"), tools=[one], permissive=False, on_confirm=lambda _request: answer))

    assert (one.calls, done.results[0].is_error, done.stop_reason) == ([], True, "end_turn")


# Secrets in what strangers say

SECRET = "hush"


def blocked(_event: HookEvent) -> HookResult:
    return HookResult(payload={}, blocked=f"found {SECRET}")


SCHEMA: JsonObject = {"type": "object", "properties": {"path": {"type": "string"}}}


@pytest.mark.parametrize(
    ("turn", "options"),
    [
        pytest.param(
            call("w"), {"hook_executor": FunctionHooks(HookEventType.PRE_TOOL_USE, blocked)}, id="block reason"
        ),
        pytest.param(
            call("w"),
            {"hook_executor": FunctionHooks(HookEventType.PRE_TOOL_USE, raises(ValueError(SECRET)))},
            id="hook error",
        ),
        pytest.param(
            call("w"),
            {
                "permissive": False,
                "on_confirm": lambda _request: Answer(outcome=Outcome.REJECTED, reason=f"use {SECRET}"),
            },
            id="person's reason",
        ),
        pytest.param(call("w"), {"permissive": False, "on_confirm": raises(ValueError(SECRET))}, id="answerer error"),
        pytest.param(call("w", path=f"../{SECRET}"), {}, id="refused path"),
        pytest.param(call("w", path={"x": SECRET}), {}, id="schema fault"),
        pytest.param(ToolCall(id="c", name="w", parse_error=SECRET, raw=SECRET), {}, id="parse error"),
        pytest.param(call("w"), {"tools": [FakeTool("w", ToolError(SECRET))]}, id="tool error"),
        pytest.param(call("w"), {"tools": [FakeTool("w", ValueError(SECRET))]}, id="error"),
    ],
)
def test_the_text_of_a_refusal_is_sanitised_everywhere(
    agent: AsyncAgent, workspace: Path, turn: ToolCall, options: dict[str, object]
) -> None:
    one = FakeTool("w", schema=SCHEMA, targets=lambda args: [PathTarget(str(args["path"]))] if args else [])
    chosen = {"tools": [one], "security_provider": WordSecurityProvider(SECRET), **options}
    done = run(tried(agent, workspace, turn, **chosen))

    settled = [record for record in done.records if isinstance(record, ToolSettled)]
    assert SECRET not in repr(done.events)
    assert SECRET not in repr(settled)
    assert SECRET not in done.output


class BrokenContext(StaticContextProvider):
    """Fails with the given error."""

    def __init__(self, error: BaseException):
        super().__init__(name="broken")
        self._error = error

    async def query(self, query: ContextQuery) -> ContextResult:
        raise self._error


def test_the_warning_about_a_provider_is_sanitised(agent: AsyncAgent, workspace: Path) -> None:
    options = {
        "context_providers": [BrokenContext(ValueError(SECRET))],
        "security_provider": WordSecurityProvider(SECRET),
    }
    done = run(tried(agent, workspace, **options))

    assert [SECRET in event.text for event in done.events if isinstance(event, Warned)] == [False]


def test_the_steps_of_a_plan_are_shown_sanitised(agent: AsyncAgent, workspace: Path) -> None:
    planner = FixedPlanner(f"use {SECRET}", "finish")
    options = {"planning": True, "planner": planner, "security_provider": WordSecurityProvider(SECRET)}

    async def main() -> list[Event]:
        client = ScriptedClient("first", "second")
        async with agent, agent.session(workspace, llm_client=client, **options).stream("go") as stream:
            return [event async for event in stream]

    shown = [event for event in run(main()) if isinstance(event, PlanningEnd | StepStart)]
    assert len(shown) == 3
    assert SECRET not in repr(shown)
    assert "use [REDACTED]" in repr(shown)


async def read_all(stream: EventStream, events: list[Event]) -> None:
    """Adds the events to the list, also those before an error."""
    while batch := await stream.batch():
        events += batch


def test_an_error_of_the_model_is_raised_as_it_is_and_shown_sanitised(agent: AsyncAgent, workspace: Path) -> None:
    async def main() -> None:
        client = ScriptedClient(ModelError(f"401 for {SECRET}", kind=ModelErrorKind.AUTHENTICATION))
        events: list[Event] = []
        async with agent:
            session = agent.session(workspace, llm_client=client, security_provider=WordSecurityProvider(SECRET))
            stream = session.stream("go")
            with pytest.raises(ModelError, match=SECRET):
                await read_all(stream, events)
        assert [event.error for event in events if isinstance(event, Error)] == ["401 for [REDACTED]"]

    run(main())


# Plans


class BrokenPlanner(Planner):
    """Answers, or raises, the given thing."""

    def __init__(self, answer: object):
        self._answer = answer

    async def plan(self, request: PlanRequest, model: TextModel) -> ExecutionPlan:
        if isinstance(self._answer, BaseException):
            raise self._answer
        return self._answer  # type: ignore[return-value] # nonsense on purpose


@pytest.mark.parametrize(
    "answer",
    [None, "a plan", ValueError("no"), SystemExit(3), ExecutionPlan(goal="go", steps=())],
    ids=["none", "text", "error", "exit", "no steps"],
)
def test_a_planner_that_fails_costs_the_plan_alone(agent: AsyncAgent, workspace: Path, answer: object) -> None:
    done = run(tried(agent, workspace, planning=True, planner=BrokenPlanner(answer)))

    (warning,) = [event.text for event in done.events if isinstance(event, Warned)]
    assert "the prompt runs without a plan" in warning
    assert done.stop_reason == "end_turn"


# The same call again


def test_a_call_is_refused_only_when_it_repeats_within_a_prompt(agent: AsyncAgent, workspace: Path) -> None:
    async def main() -> None:
        check_it = FakeTool("check", "5 passed")
        client = ScriptedClient(*[turn for _ in range(5) for turn in (call("check"), "done")])
        async with agent:
            session = agent.session(workspace, llm_client=client, permissive=True, tools=[check_it])
            for _ in range(5):
                await session.send("run the tests")
            assert len(check_it.calls) == 5

            client.add(*[call("check") for _ in range(4)], "done")
            await session.send("run them four times")
            results = [result for message in await session.history() for result in message.tool_results][-4:]
            assert [result.is_error for result in results] == [False, False, False, True]
            assert len(check_it.calls) == 5 + 3

    run(main())


def test_calls_of_the_host_do_not_count_as_repetitions(agent: AsyncAgent, workspace: Path) -> None:
    async def main() -> None:
        check_it = FakeTool("check", "5 passed")
        held = Hold(asyncio.Event(), call("check"))
        client = ScriptedClient(held, "done")
        async with agent:
            session = agent.session(workspace, llm_client=client, permissive=True, tools=[check_it])
            sending = start(session.send("run the tests"))
            await held.reached.wait()
            for _ in range(4):
                assert (await session.tool("check")).output == "5 passed"
            held.release.set()
            await sending
            assert last_result(client.requests[-1]).output == "5 passed"

    run(main())


# Streams of deltas


class CountingSecurity(SecurityProvider):
    """Shows whole words only.

    Attributes:
        asked: How often it was asked how much can be shown.
    """

    def __init__(self) -> None:
        self.asked = 0

    def sanitize_output(self, text: str) -> str:
        return text

    def safe_length(self, text: str) -> int:
        self.asked += 1
        return text.rfind(" ") + 1


def test_a_long_word_in_small_pieces_is_looked_at_rarely() -> None:
    provider = CountingSecurity()

    async def get() -> SecurityProvider:
        return provider

    async def main() -> str:
        shown: list[str] = []
        cleaner = DeltaCleaner(Cleaner(get), shown.append)
        for _ in range(10_000):
            await cleaner.feed("abcd")
        await cleaner.feed(" end")
        await cleaner.end()
        return "".join(shown)

    assert run(main()) == "abcd" * 10_000 + " end"
    assert provider.asked < 200


# Life of a session


def test_a_stream_without_a_loop_is_refused_and_the_session_stays_usable(agent: AsyncAgent, workspace: Path) -> None:
    session = agent.session(workspace, llm_client=ScriptedClient("done"))

    with pytest.raises(RuntimeError, match="no running event loop"):
        session.stream("go")
    assert not session.is_busy

    async def main() -> str:
        async with agent:
            return (await session.send("go")).text

    assert run(main()) == "done"


def test_closing_a_session_that_is_being_opened_releases_its_lock(agent: AsyncAgent, workspace: Path) -> None:
    async def main() -> None:
        store = RoughStore()
        reached, release = asyncio.Event(), asyncio.Event()

        async def after(_records: Sequence[bytes]) -> None:
            reached.set()
            await release.wait()

        store.after = after
        async with agent:
            session = agent.session(workspace, llm_client=ScriptedClient(), session_store=store)
            sending = start(session.send("go"))
            await reached.wait()
            closing = start(session.aclose())
            await asyncio.sleep(0)
            release.set()
            await closing
            assert (await sending).stop_reason == "cancelled"
            resumed = await agent.resume_session(
                session.session_id, llm_client=ScriptedClient("done"), session_store=store
            )
            assert (await resumed.send("go")).text == "done"

    run(main())


@pytest.mark.parametrize("through", ["history", "tool"])
def test_a_session_start_hook_may_call_the_session(agent: AsyncAgent, workspace: Path, through: str) -> None:
    async def main() -> list[object]:
        seen: list[object] = []

        async def look(_event: HookEvent) -> None:
            if through == "history":
                seen.append(await session.history())
            else:
                seen.append((await session.tool("echo", {"text": "hi"})).output)

        hooks = ListHookExecutor(RecordingHook(look).on(HookEventType.SESSION_START))
        async with agent:
            session = agent.session(
                workspace, llm_client=ScriptedClient("done"), hook_executor=hooks, tools=[EchoTool()]
            )
            async with asyncio.timeout(5):
                await session.send("go")
        return seen

    assert run(main()) == [() if through == "history" else "hi"]


# The synchronous API


def within_deadline(work: Callable[[], object]) -> None:
    """Runs *work* in a thread of its own and fails when it never ends."""
    errors: list[BaseException] = []

    def body() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 # raised again in the test's thread
            errors.append(error)

    thread = threading.Thread(target=body, daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive(), "it never ended"
    if errors:
        raise errors[0]


class ExitingClient(ScriptedClient):
    """Tries to end the process at the first request."""

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        if not self.requests:
            self.requests.append(request)
            raise SystemExit(3)
        async for event in super().stream(request):
            yield event


async def leave(_event: HookEvent) -> None:
    raise SystemExit(3)


def leaving_hooks(event_type: HookEventType) -> ListHookExecutor:
    return ListHookExecutor(RecordingHook(leave).on(event_type))


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"llm_client": ExitingClient("done", "done")}, id="client"),
        pytest.param({"context_providers": [BrokenContext(SystemExit(3))]}, id="context"),
        pytest.param({"tools": [FakeTool("w", raises(SystemExit(3)))]}, id="tool"),
        pytest.param({"permissive": False, "on_confirm": raises(SystemExit(3))}, id="answerer"),
        pytest.param({"hook_executor": leaving_hooks(HookEventType.PRE_TOOL_USE)}, id="pre hook"),
        pytest.param({"hook_executor": leaving_hooks(HookEventType.POST_TOOL_USE)}, id="post hook"),
        pytest.param({"hook_executor": leaving_hooks(HookEventType.SESSION_START)}, id="start hook"),
        pytest.param({"hook_executor": leaving_hooks(HookEventType.POST_RESPONSE)}, id="response hook"),
        pytest.param({"planning": True, "planner": BrokenPlanner(SystemExit(3))}, id="planner"),
    ],
)
def test_an_exit_in_a_strangers_coroutine_ends_neither_loop_nor_process(
    config: str, workspace: Path, options: dict[str, object]
) -> None:
    chosen = {
        "llm_client": ScriptedClient(call("w"), "done", "done"),
        "tools": [FakeTool("w")],
        "permissive": True,
        "hook_executor": ListHookExecutor(),
        "session_store": DictSessionStore(),
        **options,
    }

    def work() -> None:
        with Agent(config) as agent:
            session = agent.session(workspace, **chosen)
            try:
                assert session.send("go").text == "done"
            except ModelError as error:
                assert "SystemExit" in str(error)  # noqa: PT017 # either is fine, hanging is not
            assert session.send("again").text == "done"
            check(session.history())
            assert agent.session(workspace, llm_client=ScriptedClient("other")).send("go").text == "other"

    within_deadline(work)


class LeavingStore(DictSessionStore):
    """Tries to end the process when a session is opened first."""

    def __init__(self) -> None:
        super().__init__()
        self._has_tried = False

    async def open(self, id: str, *, create: bool) -> Journal:
        if not self._has_tried:
            self._has_tried = True
            raise SystemExit(3)
        return await super().open(id, create=create)


class LeavingMemory(DictMemoryStore):
    """Tries to end the process when it is searched."""

    async def search(self, query: str, limit: int = 5) -> tuple[MemoryItem, ...]:
        raise SystemExit(3)


def test_an_exit_in_a_store_ends_neither_loop_nor_process(config: str, workspace: Path) -> None:
    def work() -> None:
        with Agent(config) as agent:
            session = agent.session(workspace, llm_client=ScriptedClient("done"), session_store=LeavingStore())
            with pytest.raises(PluginError, match="SystemExit"):
                session.send("go")
            assert session.send("again").text == "done"

    within_deadline(work)


def test_an_exit_in_a_direct_call_is_an_error_of_the_plugin(config: str, workspace: Path) -> None:
    def work() -> None:
        with Agent(config) as agent:
            session = agent.session(workspace, llm_client=ScriptedClient("done"), memory_store=LeavingMemory())
            with pytest.raises(PluginError, match="SystemExit"):
                session.recall_similar("tests")
            assert session.send("go").text == "done"

    within_deadline(work)


def test_after_leaving_a_stream_the_next_prompt_waits_for_its_end(config: str, workspace: Path) -> None:
    def work() -> None:
        with Agent(config) as agent:
            session = agent.session(workspace, llm_client=ScriptedClient("one two three " * 100, "second"))
            for event in session.stream("go"):
                if isinstance(event, TextDelta):
                    break
            assert session.send("next").text == "second"
            assert [message.role for message in session.history()][-1] is Role.ASSISTANT

    for _ in range(5):
        within_deadline(work)


def test_a_session_start_hook_may_call_the_synchronous_session(config: str, workspace: Path) -> None:
    seen: list[int] = []

    def work() -> None:
        with Agent(config) as agent:
            session = agent.session(
                workspace, llm_client=ScriptedClient("done"), hook_executor=ListHookExecutor(), tools=[EchoTool()]
            )

            def look(_event: object) -> None:
                seen.append(len(session.history()))

            session.register_hook("look", "session_start", look, timeout_ms=5_000)
            session.send("go")

    within_deadline(work)
    assert seen == [0]


def test_sessions_made_in_many_threads_are_all_known_and_closed(config: str, workspace: Path) -> None:
    made: list[AgentSession] = []
    begin = threading.Barrier(8)
    interval = sys.getswitchinterval()
    agent = Agent(config)

    def make() -> None:
        begin.wait(20)
        made.extend([agent.session(workspace) for _ in range(20)])

    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=make, daemon=True) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    finally:
        sys.setswitchinterval(interval)
    agent.close()
    assert len(made) == 160
    assert all(session.is_closed for session in made)


# Threads


@pytest.mark.parametrize("error", [SystemExit(3), StopIteration(), KeyboardInterrupt(), asyncio.CancelledError()])
def test_what_would_end_a_thread_or_a_loop_becomes_a_runtime_error(error: BaseException) -> None:
    with pytest.raises(RuntimeError, match=type(error).__name__):
        run(in_thread(raises(error)))


def test_an_ordinary_error_of_a_function_is_raised_as_it_is() -> None:
    with pytest.raises(ValueError, match="no"):
        run(in_thread(raises(ValueError("no"))))


def test_a_function_that_never_returns_does_not_keep_the_process() -> None:
    code = """
        import asyncio, threading
        from a3s_code.threads import in_thread

        async def main():
            try:
                await in_thread(threading.Event().wait, timeout_s=0.05)
            except TimeoutError:
                print("given up", flush=True)

        asyncio.run(main())
    """
    answer = subprocess.run(
        [sys.executable, "-c", dedent(code)], capture_output=True, text=True, timeout=30, check=True
    )

    assert answer.stdout == "given up\n"

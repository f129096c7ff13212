"""The loop: how a run goes on, when it ends, and what is left when it is cut short."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from a3s_code_testing.running import run

from a3s_code.agent import AsyncAgent
from a3s_code.config import Config, ModelConfig, ModelLimit, ProviderConfig, QueueConfig
from a3s_code.errors import ModelError, ModelErrorKind, SessionError, ToolErrorKind
from a3s_code.events import AgentEnd, ContextCompacted, Event, Warned
from a3s_code.messages import Message, Role, StopReason, ToolCall
from a3s_code.model import Model, ModelSettings
from a3s_code.options import SessionOptions
from a3s_code.plugin import Effects, Journal, JsonObject, LlmClient, ModelRequest, TextPart, ToolUse, Usage, user
from a3s_code.queue.lane_queue import LaneQueue
from a3s_code.resilience import RetryPolicy, SystemClock
from a3s_code.testing import DictSessionStore, FakeTool, Hold, ScriptedClient, Turn, call, last_result

TEXTS_THAT_END = (
    "Let me know if you need more.",
    "I will keep the API stable:",
    "Done...",
    "Next, I would run the tests,",
)


def check_history(messages: Sequence[Message]) -> None:
    """Every call has exactly one result, in the next message and in the order asked; no result stands alone."""
    assert not messages or messages[0].role is Role.USER
    for index, message in enumerate(messages):
        asked = [call.id for call in message.tool_calls]
        if asked:
            assert [result.call_id for result in messages[index + 1].tool_results] == asked
        if message.tool_results:
            assert messages[index - 1].tool_calls


Sent = Callable[..., Any]


@pytest.fixture
def sent(config: str, workspace: Path) -> Sent:
    """Sends one prompt to a scripted model: (result, history)."""

    def send(llm: ScriptedClient, **options: object) -> Any:
        async def main() -> Any:
            async with AsyncAgent(config) as agent:
                session = agent.session(workspace, SessionOptions(llm_client=llm, permissive=True, **options))  # type: ignore[arg-type]
                result = await session.send("go")
                history = await session.history()
                check_history(history)
                return result, history

        return run(main())

    return send


def unreadable(name: str = "read") -> ToolCall:
    return ToolCall(id=call(name).id, name=name, parse_error="unexpected end", raw="{")


# How a run ends


def test_a_run_ends_after_the_rounds_it_may_take_with_what_there_is(sent: Sent) -> None:
    llm = ScriptedClient(
        *(Turn(text=f"round {n}", calls=[call("read", file_path="a.py", offset=n)]) for n in range(1, 9))
    )
    result, history = sent(llm, max_tool_rounds=3)
    assert (result.stop_reason, result.text, result.tool_calls_count) == ("max_tool_rounds", "round 3", 3)
    assert len(llm.requests) == 3
    assert history[-1].tool_results


def test_unreadable_arguments_are_forgiven_so_often_in_a_row_and_a_good_call_resets_the_count(sent: Sent) -> None:
    good = call("read", file_path="a.py")
    llm = ScriptedClient(unreadable(), unreadable(), good, unreadable(), unreadable(), "done")
    result, _ = sent(llm, max_parse_retries=2)
    assert result.text == "done"
    assert "unexpected end" in last_result(llm.requests[1]).output


def test_unreadable_arguments_once_too_often_are_an_error(sent: Sent) -> None:
    llm = ScriptedClient(unreadable(), unreadable(), unreadable(), "done")
    with pytest.raises(ModelError, match=r"3 times in a row, 2 are forgiven \(max_parse_retries\)"):
        sent(llm, max_parse_retries=2)


def test_the_same_call_with_the_same_result_is_not_run_a_fourth_time(sent: Sent) -> None:
    tool = FakeTool("look", "nothing new", effects=Effects.READ_ONLY)
    llm = ScriptedClient(*(call("look", at="x") for _ in range(6)), "done")
    sent(llm, tools=[tool])
    assert len(tool.calls) == 3
    for request in llm.requests[4:7]:
        assert "3 times in a row with the same result" in last_result(request).output


def test_another_call_in_between_makes_the_same_call_welcome_again(sent: Sent) -> None:
    tool = FakeTool("look", "nothing new", effects=Effects.READ_ONLY)
    same, other = {"at": "x"}, {"at": "y"}
    turns = [same, same, same, same, other, same]
    sent(ScriptedClient(*(call("look", **turn) for turn in turns), "done"), tools=[tool])
    assert tool.calls == [same, same, same, other, same]


def test_the_same_call_with_a_new_result_each_time_goes_on(sent: Sent) -> None:
    count = iter(range(100))
    tool = FakeTool("look", lambda args, use: str(next(count)), effects=Effects.READ_ONLY)
    sent(ScriptedClient(*(call("look") for _ in range(6)), "done"), tools=[tool])
    assert len(tool.calls) == 6


# Going on


@pytest.mark.parametrize("text", TEXTS_THAT_END)
def test_words_never_make_a_run_go_on(sent: Sent, text: str) -> None:
    llm = ScriptedClient(text)
    result, _ = sent(llm)
    assert (result.text, len(llm.requests)) == (text, 1)


@pytest.mark.parametrize(
    "stopped",
    [
        pytest.param(Turn(text="half of", stop_reason=StopReason.MAX_TOKENS), id="max-tokens"),
        pytest.param(Turn(text="so far", stop_reason=StopReason.PAUSE), id="pause"),
        pytest.param(Turn(text=""), id="empty"),
        pytest.param(Turn(text="  \n"), id="blank"),
    ],
)
def test_a_model_that_stopped_in_the_middle_is_told_to_go_on(sent: Sent, stopped: Turn) -> None:
    llm = ScriptedClient(stopped, "the rest")
    result, _ = sent(llm)
    assert (result.text, len(llm.requests)) == ("the rest", 2)
    assert llm.requests[1].messages[-1].role is Role.USER


def test_going_on_has_a_limit_and_ends_with_the_models_own_reason(sent: Sent) -> None:
    llm = ScriptedClient(*(Turn(text="more", stop_reason=StopReason.MAX_TOKENS) for _ in range(9)))
    result, _ = sent(llm, max_continuation_turns=2)
    assert (result.stop_reason, len(llm.requests)) == ("max_tokens", 3)


def test_going_on_can_be_turned_off(sent: Sent) -> None:
    llm = ScriptedClient(Turn(text="half", stop_reason=StopReason.MAX_TOKENS))
    result, _ = sent(llm, continuation_enabled=False)
    assert (result.text, len(llm.requests)) == ("half", 1)


def test_a_refusal_is_an_answer(sent: Sent) -> None:
    llm = ScriptedClient(Turn(text="", stop_reason=StopReason.REFUSAL))
    result, _ = sent(llm)
    assert (result.stop_reason, len(llm.requests)) == ("refusal", 1)


# Calls of one reply


def test_calls_that_change_something_run_one_at_a_time_in_the_order_asked(sent: Sent) -> None:
    log: list[str] = []

    async def answer(args: JsonObject, _use: ToolUse) -> str:
        log.append(f"begin {args['n']}")
        for _ in range(5):
            await asyncio.sleep(0)
        log.append(f"end {args['n']}")
        return str(args["n"])

    llm = ScriptedClient([call("change", n=n) for n in (1, 2, 3)], "done")
    _, history = sent(llm, tools=[FakeTool("change", answer)])
    assert log == ["begin 1", "end 1", "begin 2", "end 2", "begin 3", "end 3"]
    assert [result.output for result in history[2].tool_results] == ["1", "2", "3"]


def test_a_change_waits_for_the_reads_before_it_and_the_reads_after_wait_for_it(sent: Sent) -> None:
    log: list[str] = []

    def named(name: str, effects: Effects) -> FakeTool:
        async def answer(args: JsonObject, _use: ToolUse) -> str:
            log.append(f"begin {args['n']}")
            for _ in range(5):
                await asyncio.sleep(0)
            log.append(f"end {args['n']}")
            return str(args["n"])

        return FakeTool(name, answer, effects=effects)

    llm = ScriptedClient([call("look", n=1), call("look", n=2), call("change", n=3), call("look", n=4)], "done")
    _, history = sent(llm, tools=[named("look", Effects.READ_ONLY), named("change", Effects.NONE)])
    assert set(log[:4]) == {"begin 1", "end 1", "begin 2", "end 2"}
    assert log[4:] == ["begin 3", "end 3", "begin 4", "end 4"]
    assert [result.output for result in history[2].tool_results] == ["1", "2", "3", "4"]


def test_refused_and_unknown_calls_among_others_each_have_their_result(sent: Sent) -> None:
    llm = ScriptedClient(
        [call("nope"), call("read", file_path="a.py"), unreadable(), call("read", path="a.py")], "done"
    )
    _, history = sent(llm)
    assert [result.kind for result in history[2].tool_results] == [
        "not_found",
        None,
        "invalid_argument",
        "invalid_argument",
    ]


def test_two_calls_with_one_id_get_a_result_each(sent: Sent) -> None:
    twins = [ToolCall(id="x", name=name, arguments={"path": "."}) for name in ("ls", "look")]
    llm = ScriptedClient(twins, "done")
    _, history = sent(llm, tools=[FakeTool("look", "seen")])
    assert [result.name for result in history[2].tool_results] == ["ls", "look"]
    assert len({result.call_id for result in history[2].tool_results}) == 2


def test_a_tool_that_takes_too_long_is_told_to_the_model_and_the_run_goes_on(sent: Sent) -> None:
    async def answer(_args: JsonObject, _use: ToolUse) -> str:
        await asyncio.Event().wait()
        return "never"

    llm = ScriptedClient(call("slow"), "done")
    result, _ = sent(llm, tools=[FakeTool("slow", answer)], tool_timeout_ms=30)
    assert result.text == "done"
    assert last_result(llm.requests[1]).kind == ToolErrorKind.TIMEOUT.value


# The model


def test_a_client_that_falls_silent_is_given_up_after_the_idle_time_and_asked_again() -> None:
    class Silent(ScriptedClient):
        asked = 0

        async def stream(self, request: ModelRequest) -> Any:
            self.asked += 1
            yield TextPart("Hel")
            if self.asked == 1:
                await asyncio.Event().wait()
            yield Turn(text="Hello").reply()

    client = Silent()
    config = Config(default_model="p/m", providers=(ProviderConfig(name="p"),))

    async def client_of(_provider: object) -> LlmClient:
        return client

    async def main() -> None:
        settings = ModelSettings(idle_s=0.05, retry=RetryPolicy(base_s=0.001))
        model = Model(config, "p/m", client_of, LaneQueue(QueueConfig(), environ={}), settings, SystemClock())
        assert (await model.reply(ModelRequest(model="", messages=(user("hi"),)))).text == "Hello"

    run(main())
    assert client.asked == 2


def test_a_client_that_ends_without_a_reply_is_no_answer(sent: Sent) -> None:
    class Short(ScriptedClient):
        async def stream(self, request: ModelRequest) -> Any:
            yield TextPart("The answer is")

    with pytest.raises(ModelError) as raised:
        sent(Short(), circuit_breaker_threshold=1)
    assert raised.value.kind is ModelErrorKind.TRUNCATED


def test_no_lane_slot_is_held_while_a_retry_waits(config: str, workspace: Path) -> None:
    from a3s_code.testing import FakeClock

    clock = FakeClock()
    llm = ScriptedClient(ModelError("busy", kind=ModelErrorKind.OVERLOADED), "done")

    async def main() -> None:
        async with AsyncAgent(config, clock=clock) as agent:
            session = agent.session(workspace, llm_client=llm)
            stream = session.stream("go")
            await clock.sleeping()
            assert (await session.queue_stats()).total_active == 0
            clock.advance(60)
            assert (await stream.result()).text == "done"

    run(main())


def test_cancelling_ends_a_waiting_retry(config: str, workspace: Path) -> None:
    from a3s_code.testing import FakeClock

    clock = FakeClock()
    llm = ScriptedClient(ModelError("busy", kind=ModelErrorKind.OVERLOADED), "done")

    async def main() -> None:
        async with AsyncAgent(config, clock=clock) as agent:
            session = agent.session(workspace, llm_client=llm)
            stream = session.stream("go")
            await clock.sleeping()
            assert session.cancel()
            assert (await stream.result()).stop_reason == "cancelled"

    run(main())
    assert len(llm.requests) == 1


# Compaction


def small_window(tokens: int) -> Config:
    model = ModelConfig(id="m", limit=ModelLimit(context=tokens))
    return Config(
        default_model="anthropic/m",
        storage_backend="memory",
        providers=(ProviderConfig(name="anthropic", models=(model,)),),
    )


def counting(text: str, tokens: int) -> Turn:
    return Turn(text=text, usage=Usage(input_tokens=tokens, output_tokens=1))


def test_a_history_that_nears_the_window_is_compacted_and_never_splits_a_pair(workspace: Path) -> None:
    (workspace / "big.txt").write_text("\n".join(f"line {n} of a big file" for n in range(400)))
    summaries: list[ModelRequest] = []

    def round(request: ModelRequest) -> Any:
        check_history(request.messages)
        if not request.tools:
            summaries.append(request)
            return "Summary: the person wants it read."
        tokens = sum(len(repr(message)) for message in request.messages) // 4
        if len(llm.requests) > 14:
            return counting("done", tokens)
        many = [call("read", file_path="big.txt", offset=len(llm.requests)), call("ls", path=".")]
        return Turn(calls=many, usage=Usage(input_tokens=tokens, output_tokens=1))

    llm = ScriptedClient(*[round] * 40)

    async def main() -> list[Event]:
        async with AsyncAgent(small_window(16_000)) as agent:
            session = agent.session(workspace, llm_client=llm)
            async with session.stream("read it all") as events:
                seen = [event async for event in events]
            history = await session.history()
            check_history(history)
            assert "read it all" in "".join(message.text for message in history)
            return seen

    seen = run(main())
    compactions = [event for event in seen if isinstance(event, ContextCompacted)]
    assert compactions
    assert summaries
    assert isinstance(seen[-1], AgentEnd)
    assert seen[-1].text == "done"


def test_between_two_compactions_requests_only_grow_at_the_end(sent: Sent) -> None:
    llm = ScriptedClient(*(call("read", file_path="a.py", offset=n) for n in (1, 2, 3)), "done")
    sent(llm)
    for before, after in zip(llm.requests, llm.requests[1:], strict=False):
        assert after.messages[: len(before.messages)] == before.messages
        assert all(old is new for old, new in zip(before.messages, after.messages, strict=False))
        assert (after.system, after.tools) == (before.system, before.tools)


def test_a_summary_that_fails_changes_nothing_and_is_told(workspace: Path) -> None:
    (workspace / "big.txt").write_text("word " * 9_000)
    down = ModelError("no", kind=ModelErrorKind.INVALID_REQUEST)

    def round(request: ModelRequest) -> Any:
        if not request.tools:
            return down
        if len(llm.requests) > 8:
            return counting("done", 15_000)
        return Turn(calls=[call("read", file_path="big.txt")], usage=Usage(input_tokens=15_000))

    llm = ScriptedClient(*[round] * 30)

    async def main() -> list[Event]:
        async with (
            AsyncAgent(small_window(16_000)) as agent,
            agent.session(workspace, llm_client=llm).stream("read") as events,
        ):
            return [event async for event in events]

    seen = run(main())
    assert any(isinstance(event, Warned) and "could not be compacted" in event.text for event in seen)
    assert not any(isinstance(event, ContextCompacted) for event in seen)
    assert isinstance(seen[-1], AgentEnd)


def test_compacting_by_command_keeps_the_conversation_valid(config: str, workspace: Path) -> None:
    def answer(request: ModelRequest) -> Any:
        return "Summary." if not request.tools else "x" * 4_000

    async def main() -> None:
        async with AsyncAgent(config) as agent:
            session = agent.session(workspace, llm_client=ScriptedClient(*[answer] * 20))
            for n in range(4):
                await session.send(f"prompt {n} " + "y" * 4_000)
            before = len(await session.history())
            assert (
                "Nothing to compact" in (await session.send("/compact")).text or len(await session.history()) < before
            )
            check_history(await session.history())
            await session.send("and now")
            check_history(await session.history())

    run(main())


# Cutting a run short


def test_cancelling_in_the_middle_of_a_tool_stops_it_and_leaves_a_valid_history(config: str, workspace: Path) -> None:
    began, stopped = asyncio.Event(), []

    async def answer(_args: JsonObject, _use: ToolUse) -> str:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.append(True)
        return "never"

    llm = ScriptedClient([call("slow"), call("read", file_path="a.py")], "next answer")

    async def main() -> None:
        async with AsyncAgent(config) as agent:
            session = agent.session(workspace, llm_client=llm, permissive=True, tools=[FakeTool("slow", answer)])
            stream = session.stream("go")
            await began.wait()
            assert session.cancel()
            assert not session.cancel()
            assert (await stream.result()).stop_reason == "cancelled"
            assert stopped == [True]
            history = await session.history()
            check_history(history)
            outputs = [result.output for result in history[-1].tool_results]
            assert "effects are unknown" in outputs[0]
            assert "did not run" in outputs[1]
            assert (await session.queue_stats()).total_active == 0
            assert (await session.send("go on")).text == "next answer"

    run(main())


def test_cancelling_in_the_middle_of_a_reply_closes_the_stream_and_leaves_a_valid_history(
    config: str, workspace: Path
) -> None:
    async def main() -> None:
        hold = Hold(asyncio.Event(), "late")
        llm = ScriptedClient(hold, "next answer")
        async with AsyncAgent(config) as agent:
            session = agent.session(workspace, llm_client=llm)
            stream = session.stream("go")
            await hold.reached.wait()
            session.cancel()
            seen = [event async for event in stream]
            assert isinstance(seen[-1], AgentEnd)
            assert seen[-1].stop_reason == "cancelled"
            assert llm.open_streams == 0
            check_history(await session.history())
            assert (await session.send("go on")).text == "next answer"
            check_history(llm.requests[-1].messages)

    run(main())


def test_cancelling_before_the_run_began_ends_it_too(config: str, workspace: Path) -> None:
    async def main() -> None:
        async with AsyncAgent(config) as agent:
            session = agent.session(workspace, llm_client=ScriptedClient("next answer"))
            stream = session.stream("go")
            assert session.cancel()
            assert [event.event_type async for event in stream][-1] == "agent_end"
            assert (await stream.result()).stop_reason == "cancelled"
            assert (await session.send("go on")).text == "next answer"

    run(main())


def test_cancelling_whoever_waits_for_send_cancels_the_run(config: str, workspace: Path) -> None:
    async def main() -> None:
        hold = Hold(asyncio.Event(), "late")
        async with AsyncAgent(config) as agent:
            llm = ScriptedClient(hold, "next")
            session = agent.session(workspace, llm_client=llm)
            sending = asyncio.ensure_future(session.send("go"))  # noqa: TID251 # awaited below
            for _ in range(100_000):  # until the model is asked
                if llm.requests:
                    break
                await asyncio.sleep(0)
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            assert not session.is_busy
            assert (await session.send("go on")).text == "next"

    run(main())


class SlowDisk(DictSessionStore):
    """Its records are written at once and reach the disk later, like those of a file."""

    async def open(self, id: str, *, create: bool) -> Journal:
        journal = await super().open(id, create=create)
        append = journal.append

        async def append_slowly(records: Sequence[bytes], *, durable: bool) -> int:
            seq = await append(records, durable=durable)
            for _ in range(3):
                await asyncio.sleep(0)
            return seq

        journal.append = append_slowly  # type: ignore[method-assign] # the store's own object
        return journal


@pytest.mark.parametrize("step", range(1, 80, 4))
def test_cancelling_at_any_moment_leaves_memory_and_journal_equal_and_valid(
    config: str, workspace: Path, step: int
) -> None:
    """The run is cancelled after *step* turns of the event loop; the resumed session is the one in memory."""
    store = SlowDisk()
    llm = ScriptedClient([call("read", file_path="a.py"), call("write", file_path="c.py", content="x")], "done", "end")

    async def main() -> None:
        async with AsyncAgent(config) as agent:
            options = SessionOptions(llm_client=llm, permissive=True, session_store=store, session_id="s")
            session = agent.session(workspace, options)
            await session.open()
            stream = session.stream("go")
            for _ in range(step):
                await asyncio.sleep(0)
            session.cancel()
            await stream.result()
            history = await session.history()
            check_history(history)
            resumed = await agent.resume_session("s", options)
            assert await resumed.history() == history

    run(main())


# When the disk fails


def test_a_journal_that_cannot_be_written_is_one_typed_error_and_nothing_runs(config: str, workspace: Path) -> None:
    store = DictSessionStore()

    def fill_the_disk(_request: ModelRequest) -> Any:
        return [call("count"), call("read", file_path="a.py")]

    def full(_args: JsonObject, _use: ToolUse) -> str:
        store.failure = SessionError("the disk is full")
        return "counted"

    tool = FakeTool("count", full)

    async def main() -> None:
        async with AsyncAgent(config) as agent:
            llm = ScriptedClient(fill_the_disk, "never")
            session = agent.session(workspace, llm_client=llm, permissive=True, session_store=store, tools=[tool])
            with pytest.raises(SessionError, match="the disk is full"):
                await session.send("go")
            assert len(llm.requests) == 1
            store.failure = None

    run(main())
    assert len(tool.calls) == 1

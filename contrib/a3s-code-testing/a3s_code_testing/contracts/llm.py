"""What every LlmClient promises."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import TypeAlias, TypeVar

import pytest

from a3s_code.plugin import (
    LlmClient,
    ModelError,
    ModelErrorKind,
    ModelEvent,
    ModelRequest,
    Reply,
    StopReason,
    TextPart,
    ToolCall,
    ToolCallPart,
    user,
)
from a3s_code.testing import Turn
from a3s_code_testing.running import run

__all__ = ["LlmClientContract", "MakeClient"]

MakeClient: TypeAlias = Callable[..., LlmClient]
T = TypeVar("T")

LS = ToolCall(id="call_ls", name="bash", arguments={"command": "ls -l", "depth": 2})
MALFORMED = ToolCall(id="call_bad", name="bash", parse_error="not JSON", raw='{"command": ')
BUSY = ModelError("slow down", kind=ModelErrorKind.RATE_LIMITED, status=429, retry_after_s=7.0)
BROKEN = ModelError("internal error", kind=ModelErrorKind.SERVER, status=500)
CUT = ModelError("the stream ended early", kind=ModelErrorKind.TRUNCATED)


class LlmClientContract:
    """Inherit it and give `make_client`: makes a client whose provider answers as the given script says.

    The script has turns of `a3s_code.testing`: `Turn` (with `then`: the stream breaks off after the text; a call with
    `parse_error`: its `raw` is sent as the arguments) and `ModelError` (an answer with its status and retry-after).
    A client that speaks to a server gets one on loopback: `a3s_code_testing.scripts.loopback_turns` translates.
    """

    @pytest.fixture
    def make_client(self) -> MakeClient:
        raise NotImplementedError("give a fixture make_client(*script) -> LlmClient")

    def test_the_last_item_is_the_one_reply(self, make_client: MakeClient) -> None:
        """`stream` is an async generator whose last item is the one `Reply`."""
        events = _stream(make_client(Turn(text="two files here")))
        assert [type(event) for event in events].count(Reply) == 1
        assert isinstance(events[-1], Reply)

    def test_the_parts_join_to_the_reply(self, make_client: MakeClient) -> None:
        """What was streamed is what the reply says."""
        events = _stream(make_client(Turn(text="two files – here\n")))
        assert "".join(event.text for event in events if isinstance(event, TextPart)) == "two files – here\n"
        assert _reply(events).text == "two files – here\n"

    def test_a_call_comes_with_its_parsed_arguments(self, make_client: MakeClient) -> None:
        """A tool call of the reply has its name, its parsed arguments and an id."""
        (call,) = _reply(_stream(make_client(Turn(text="look", calls=[LS])))).message.tool_calls
        assert (call.name, call.arguments, call.parse_error) == (LS.name, LS.arguments, None)
        assert call.id

    def test_the_first_piece_of_a_call_has_its_name(self, make_client: MakeClient) -> None:
        """The first piece of a call has its name, and its pieces share the call's id."""
        events = _stream(make_client(Turn(calls=[LS])))
        pieces = [event for event in events if isinstance(event, ToolCallPart)]
        assert pieces[0].name == LS.name
        assert {piece.id for piece in pieces} == {_reply(events).message.tool_calls[0].id}

    def test_several_calls_keep_their_order_and_have_different_ids(self, make_client: MakeClient) -> None:
        """An id is unique: it pairs the call with its result."""
        other = ToolCall(id="call_pwd", name="pwd")
        calls = _reply(_stream(make_client(Turn(calls=[LS, other])))).message.tool_calls
        assert [call.name for call in calls] == ["bash", "pwd"]
        assert calls[0].id != calls[1].id

    def test_malformed_arguments_become_a_call_with_parse_error(self, make_client: MakeClient) -> None:
        """Malformed JSON arguments become a `ToolCall` with parse_error."""
        (call,) = _reply(_stream(make_client(Turn(calls=[MALFORMED])))).message.tool_calls
        assert call.parse_error
        assert (call.raw, call.arguments) == (MALFORMED.raw, {})

    def test_the_stop_reason_is_of_the_one_vocabulary(self, make_client: MakeClient) -> None:
        """Why the model stopped is told in one vocabulary for all providers."""
        assert _reply(_stream(make_client(Turn(text="done")))).stop_reason is StopReason.END_TURN
        assert _reply(_stream(make_client(Turn(calls=[LS])))).stop_reason is StopReason.TOOL_USE

    def test_tokens_are_counted(self, make_client: MakeClient) -> None:
        """The reply has the usage of its call."""
        usage = _reply(_stream(make_client(Turn(text="done")))).usage
        assert (usage.prompt_tokens, usage.output_tokens) == (10, 5)

    def test_a_stream_that_ends_early_raises(self, make_client: MakeClient) -> None:
        """A stream that ends early raises `ModelError`, it never ends without a `Reply`."""
        with pytest.raises(ModelError) as caught:
            _stream(make_client(Turn(text="half a", then=CUT)))
        assert caught.value.is_transient

    def test_a_failure_carries_kind_status_and_delay(self, make_client: MakeClient) -> None:
        """Every other failure is a `ModelError` with its kind, status and retry_after_s."""
        with pytest.raises(ModelError) as caught:
            _stream(make_client(BUSY))
        assert (caught.value.kind, caught.value.status) == (ModelErrorKind.RATE_LIMITED, 429)
        assert math.isclose(caught.value.retry_after_s or 0.0, 7.0)

    def test_the_client_itself_does_not_retry(self, make_client: MakeClient) -> None:
        """The client itself does not retry: the second answer of the provider is never asked for."""
        with pytest.raises(ModelError) as caught:
            _stream(make_client(BROKEN, Turn(text="second")))
        assert caught.value.kind is ModelErrorKind.SERVER

    def test_complete_gives_the_reply_without_the_parts(self, make_client: MakeClient) -> None:
        """`complete` gives the same reply as the stream."""
        reply = _using(make_client(Turn(text="done", calls=[LS])), lambda client: client.complete(_request()))
        assert reply.text == "done"
        assert [call.name for call in reply.message.tool_calls] == ["bash"]

    def test_it_may_be_called_several_times_at_once(self, make_client: MakeClient) -> None:
        """May be called several times at once."""

        async def ask_together(client: LlmClient) -> list[str]:
            return [reply.text for reply in await asyncio.gather(*(client.complete(_request()) for _ in range(3)))]

        texts = _using(make_client(*(Turn(text=text) for text in "abc")), ask_together)
        assert sorted(texts) == ["a", "b", "c"]

    def test_a_closed_stream_leaves_the_client_usable(self, make_client: MakeClient) -> None:
        """Closing the generator closes the connection, and only this one."""

        async def leave_and_ask(client: LlmClient) -> str:
            stream = client.stream(_request())
            await anext(stream)
            await stream.aclose()  # type: ignore[attr-defined] # the contract says it is an async generator
            return (await client.complete(_request())).text

        assert _using(make_client(Turn(text="never read to the end"), Turn(text="next")), leave_and_ask) == "next"

    def test_closing_twice_does_nothing(self, make_client: MakeClient) -> None:
        """Closes connections; a second call does nothing."""

        async def close_twice(client: LlmClient) -> None:
            await client.aclose()
            await client.aclose()

        _using(make_client(Turn(text="x")), close_twice)


def _request() -> ModelRequest:
    return ModelRequest(model="model-1", messages=(user("hello"),), max_tokens=100)


def _using(client: LlmClient, work: Callable[[LlmClient], Awaitable[T]]) -> T:
    async def use() -> T:
        try:
            return await work(client)
        finally:
            await client.aclose()

    return run(use())


def _stream(client: LlmClient) -> list[ModelEvent]:
    async def collect(client: LlmClient) -> list[ModelEvent]:
        return [event async for event in client.stream(_request())]

    return _using(client, collect)


def _reply(events: list[ModelEvent]) -> Reply:
    assert isinstance(events[-1], Reply)
    return events[-1]

"""AnthropicClient, through the official SDK and the default HttpClient, against a real server on loopback."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager

import pytest
from a3s_code_anthropic.client import AnthropicClient
from a3s_code_http.client import Httpx2Client
from a3s_code_testing.loopback import Call, CutStream, LoopbackServer, Reset, Say, Stall, Status, Turn, refused_url
from attrs import evolve

from a3s_code.plugin import (
    BoundHttp,
    HttpRequest,
    HttpResponse,
    Image,
    Message,
    ModelConfig,
    ModelError,
    ModelErrorKind,
    ModelEvent,
    ModelRequest,
    ProviderConfig,
    Reasoning,
    ReasoningPart,
    Reply,
    Role,
    Secret,
    StopReason,
    Text,
    TextPart,
    ToolCall,
    ToolCallPart,
    ToolDefinition,
    ToolError,
    ToolErrorKind,
    ToolResult,
    Usage,
    assistant,
    user,
)

KEY = "sk-test-0123456789"
READ = ToolDefinition(
    name="read", description="Reads.", schema={"type": "object", "properties": {"path": {"type": "string"}}}
)
HELLO = ModelRequest(model="m", messages=(user("hello"),), tools=(READ,), system="Be brief.")
PIXEL = Image("image/png", b"\x89PNG not really")


def provider(server: LoopbackServer | str, *models: ModelConfig, key: str | None = KEY, **settings: object):
    url = server if isinstance(server, str) else server.url
    return ProviderConfig(
        name="anthropic", api_key=Secret(key) if key else None, base_url=url, models=models, **settings
    )


def with_client(config: ProviderConfig, use: Callable[[AnthropicClient], Awaitable[object]], **options: float):
    async def run():
        http = Httpx2Client()
        client = AnthropicClient(config, http, **options)
        try:
            return await use(client)
        finally:
            await client.aclose()
            await http.aclose()

    return asyncio.run(run())


async def parts(client: AnthropicClient, request: ModelRequest) -> list[ModelEvent]:
    return [event async for event in client.stream(request)]


def ask(server: LoopbackServer, request: ModelRequest = HELLO, *models: ModelConfig, **options: float):
    return with_client(provider(server, *models), lambda client: parts(client, request), **options)


def failure(turn: Turn, *, request: ModelRequest = HELLO, **options: float) -> ModelError:
    with LoopbackServer([turn]) as server, pytest.raises(ModelError) as caught:
        ask(server, request, **options)
    return caught.value


def test_a_streamed_text_comes_in_parts_and_ends_with_the_reply():
    usage = Usage(input_tokens=7, output_tokens=3, cache_read_tokens=100, cache_write_tokens=20)
    with LoopbackServer([Say("Grüß dich 🌍", usage=usage)], piece_bytes=1) as server:
        *deltas, reply = ask(server)
    assert "".join(delta.text for delta in deltas if isinstance(delta, TextPart)) == "Grüß dich 🌍"
    assert len(deltas) == 3
    assert reply == Reply(message=assistant("Grüß dich 🌍"), usage=usage, stop_reason=StopReason.END_TURN)


def test_complete_asks_without_streaming():
    with LoopbackServer([Call(("read", {"path": "ä"}), text="I look.")]) as server:
        reply = with_client(provider(server), lambda client: client.complete(HELLO))
        assert server.requests[0].json["stream"] is False
    assert reply.text == "I look."
    assert reply.message.tool_calls[0].arguments == {"path": "ä"}
    assert reply.stop_reason is StopReason.TOOL_USE


def test_three_parallel_calls_keep_their_order_and_arguments():
    calls = tuple(("read", {"path": f"{n}.py", "lines": [n, None]}, f"id{n}") for n in range(3))
    with LoopbackServer([Call(*calls)], piece_bytes=7) as server:
        events = ask(server)
    assert events[-1].message.tool_calls == tuple(
        ToolCall(id=call_id, name=name, arguments=arguments) for name, arguments, call_id in calls
    )
    assert [event.id for event in events if isinstance(event, ToolCallPart) and event.name] == ["id0", "id1", "id2"]


def test_what_a_round_encodes_does_not_grow_with_the_session():
    encoded: list[int] = []

    async def forty_rounds(client: AnthropicClient) -> None:
        request = HELLO
        for _ in range(40):
            before = client.encoder.bytes_encoded
            reply = (await parts(client, request))[-1]
            encoded.append(client.encoder.bytes_encoded - before)
            call = reply.message.tool_calls[0]
            results = Message(Role.USER, (ToolResult(call_id=call.id, name=call.name, output="x" * 500),))
            request = evolve(request, messages=(*request.messages, reply.message, results))

    with LoopbackServer([Call(("read", {"path": "a.py"})) for _ in range(40)]) as server:
        with_client(provider(server), forty_rounds)
        assert len(server.requests[-1].json["messages"]) == 79
    assert max(encoded[2:]) - min(encoded[2:]) < 10  # ids have one digit more
    assert max(encoded[1:]) < 1000


def test_an_overloaded_server_is_told_with_its_wait():
    body = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    error = failure(Status(529, headers={"retry-after": "7"}, body=body))
    assert (error.kind, error.status, error.retry_after_s) == (ModelErrorKind.OVERLOADED, 529, 7.0)
    assert "Overloaded" in str(error)
    assert "req_loopback" in str(error)


def test_a_refused_key_says_what_to_set_and_hides_the_key():
    body = {"type": "error", "error": {"type": "authentication_error", "message": f"invalid key {KEY}"}}
    error = failure(Status(401, body=body))
    assert error.kind is ModelErrorKind.AUTHENTICATION
    assert "ANTHROPIC_API_KEY" in str(error)
    assert KEY not in str(error)


@pytest.mark.parametrize("clean", [True, False])
def test_a_cut_stream_is_truncated(clean: bool):
    error = failure(CutStream("Half a sent", clean=clean))
    assert error.kind is ModelErrorKind.TRUNCATED
    assert error.is_transient


def test_a_silent_stream_is_stalled():
    error = failure(Stall("One moment"), stall_s=0.1)
    assert error.kind is ModelErrorKind.STALLED
    assert "127.0.0.1" in str(error)
    assert "0.1 s" in str(error)


def test_an_error_in_the_middle_of_a_stream_is_told():
    event = b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n'
    error = failure(Status(200, headers={"content-type": "text/event-stream"}, body=event.decode()))
    assert error.kind is ModelErrorKind.OVERLOADED


def test_a_page_of_html_is_no_reply():
    with LoopbackServer([Status(200, body="<html>")]) as server, pytest.raises(ModelError) as caught:
        with_client(provider(server), lambda client: client.complete(HELLO))
    assert caught.value.kind is ModelErrorKind.PROTOCOL


def test_a_reset_connection_is_a_connection_error():
    assert failure(Reset()).kind is ModelErrorKind.CONNECTION


def test_nobody_listening_is_a_connection_error():
    url = refused_url()
    with pytest.raises(ModelError, match=url.removeprefix("http://")) as caught:
        with_client(provider(url), lambda client: parts(client, HELLO))
    assert caught.value.kind is ModelErrorKind.CONNECTION


@pytest.mark.parametrize("raw", ['{"path": "a.py', '["a.py"]', '"a.py"', "{'path': 1}"])
def test_malformed_arguments_become_a_call_that_says_so(raw: str):
    with LoopbackServer([Call(("read", raw))]) as server:
        call = ask(server)[-1].message.tool_calls[0]
    assert call.parse_error
    assert (dict(call.arguments), call.raw) == ({}, raw)


def test_arguments_that_were_left_out_are_empty():
    with LoopbackServer([Call(("read", ""))]) as server:
        call = ask(server)[-1].message.tool_calls[0]
    assert (dict(call.arguments), call.parse_error) == ({}, None)


def test_images_are_sent_in_prompts_and_results():
    result = ToolResult(call_id="c", name="shot", output="see", images=(PIXEL,), exit_code=1)
    messages = (user("look", PIXEL), assistant("", ToolCall(id="c", name="shot")), Message(Role.USER, (result,)))
    with LoopbackServer([Say("A cat.")]) as server:
        ask(server, evolve(HELLO, messages=messages))
        sent = server.requests[0].json["messages"]
    source = {"type": "base64", "media_type": "image/png", "data": base64.b64encode(PIXEL.data).decode()}
    assert sent[0]["content"][0] == {"type": "image", "source": source}
    assert sent[2]["content"][0]["content"] == [{"type": "text", "text": "see"}, {"type": "image", "source": source}]
    assert sent[2]["content"][0]["is_error"] is True


def test_thinking_comes_back_to_the_provider_unchanged():
    turns = [Call(("read", {}), reasoning="Hm.", signature="U0lH", redacted="b3BhcXVl"), Say("Done.")]
    model = ModelConfig(id="m", reasoning=True)
    request = evolve(HELLO, thinking_budget=2000, max_tokens=500, temperature=0.5)

    async def two_rounds(client: AnthropicClient) -> list[ModelEvent]:
        events = await parts(client, request)
        results = Message(Role.USER, (ToolResult(call_id=events[-1].message.tool_calls[0].id, name="read", output=""),))
        await parts(client, evolve(request, messages=(*request.messages, events[-1].message, results)))
        return events

    with LoopbackServer(turns) as server:
        events = with_client(provider(server, model), two_rounds)
        first, second = (recorded.json for recorded in server.requests)
    assert ReasoningPart("Hm.") in events
    assert events[-1].message.blocks[:2] == (Reasoning("Hm.", signature="U0lH"), Reasoning("", redacted="b3BhcXVl"))
    assert first["thinking"] == {"type": "enabled", "budget_tokens": 2000}
    assert first["max_tokens"] == 2500
    assert "temperature" not in first
    assert second["messages"][1]["content"][:2] == [
        {"type": "thinking", "thinking": "Hm.", "signature": "U0lH"},
        {"type": "redacted_thinking", "data": "b3BhcXVl"},
    ]


def test_closing_the_generator_closes_the_connection():
    async def leave(client: AnthropicClient) -> None:
        async with aclosing(client.stream(HELLO)) as events:
            async for _ in events:
                break
        assert await asyncio.to_thread(server.saw_client_leave)  # while the client itself is still open

    with LoopbackServer([Stall("One moment")]) as server:
        with_client(provider(server), leave)


def test_the_exchange_is_over_when_closing_the_generator_returns():
    ended: list[str] = []

    class WatchedHttp(Httpx2Client):
        def provider(self, origin: str) -> BoundHttp:
            return Watched(super().provider(origin))

    class Watched:
        def __init__(self, bound: BoundHttp):
            self.bound = bound

        @asynccontextmanager
        async def send(self, request: HttpRequest) -> AsyncIterator[HttpResponse]:
            async with self.bound.send(request) as response:
                yield response
            ended.append(request.url)

    async def leave(url: str) -> None:
        http = WatchedHttp()
        async with aclosing(AnthropicClient(provider(url), http).stream(HELLO)) as events:
            await anext(events)
        assert ended == [f"{url}/v1/messages"]
        await http.aclose()

    with LoopbackServer([Stall("One moment")]) as server:
        asyncio.run(leave(server.url))


def test_cancelling_closes_the_connection():
    async def cancel(client: AnthropicClient) -> None:
        started = asyncio.Event()

        async def listen() -> None:
            async for _ in client.stream(HELLO):
                started.set()

        task = asyncio.create_task(listen())  # noqa: TID251 # awaited below
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(server.saw_client_leave)

    with LoopbackServer([Stall("One moment")]) as server:
        with_client(provider(server), cancel)


def test_a_refused_egress_never_connects():
    class DenyingHttp(Httpx2Client):
        def provider(self, origin: str) -> BoundHttp:
            return Denying()

    class Denying:
        def send(self, request: HttpRequest) -> AbstractAsyncContextManager[HttpResponse]:
            return self._exchange()

        @asynccontextmanager
        async def _exchange(self) -> AsyncIterator[HttpResponse]:
            raise ToolError("Not connected: forbidden here.", ToolErrorKind.DENIED)
            yield

    async def run(server: LoopbackServer) -> None:
        await parts(AnthropicClient(provider(server), DenyingHttp()), HELLO)

    with LoopbackServer([Say("never")]) as server:
        with pytest.raises(ModelError, match="forbidden here") as caught:
            asyncio.run(run(server))
        assert server.requests == []
    assert not caught.value.is_transient


def test_a_missing_key_is_told_when_it_is_needed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    with pytest.raises(ModelError, match=r'"anthropic".*ANTHROPIC_API_KEY') as caught:
        with_client(provider(refused_url(), key=None), lambda client: parts(client, HELLO))
    assert caught.value.kind is ModelErrorKind.AUTHENTICATION


def test_a_model_has_its_own_key_address_headers_and_limits():
    with LoopbackServer([Say("ok")]) as server:
        model = ModelConfig(
            id="m", api_key=Secret("own-key"), base_url=server.url, headers={"X-Team": "b"}, temperature=False
        )
        config = provider(refused_url(), model, headers={"x-team": "a", "X-Kept": "yes"})
        with_client(config, lambda client: parts(client, evolve(HELLO, temperature=0.3)))
        sent = server.requests[0]
    assert sent.headers["authorization"] == "Bearer own-key"
    assert (sent.headers["x-team"], sent.headers["x-kept"]) == ("b", "yes")
    assert "temperature" not in sent.json


def test_credentials_in_a_header_need_no_key(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    with LoopbackServer([Say("ok")]) as server:
        config = provider(server, key=None, headers={"x-api-key": "mine"})
        with_client(config, lambda client: parts(client, HELLO))
        sent = server.requests[0].headers
    assert sent["x-api-key"] == "mine"
    assert "authorization" not in sent


def test_several_requests_run_side_by_side():
    async def three(client: AnthropicClient) -> list[str]:
        replies = await asyncio.gather(*(parts(client, HELLO) for _ in range(3)))
        return [events[-1].text for events in replies]

    with LoopbackServer([Say("same")] * 3) as server:
        assert with_client(provider(server), three) == ["same"] * 3


def test_an_empty_reply_is_left_out_of_the_history():
    messages = (user("hi"), Message(Role.ASSISTANT, (Text(""),)), user("there?"))
    with LoopbackServer([Say("ok")]) as server:
        ask(server, evolve(HELLO, messages=messages))
        assert [message["role"] for message in server.requests[0].json["messages"]] == ["user", "user"]

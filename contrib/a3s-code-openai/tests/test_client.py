"""The client through the official SDK and a real HttpClient, against a server on loopback."""

import asyncio
from contextlib import aclosing, asynccontextmanager
from types import MappingProxyType

import pytest
from a3s_code_http.client import Httpx2Client
from a3s_code_openai.client import OpenAiClient
from a3s_code_testing.loopback import Call, CutStream, LoopbackServer, Reset, Say, Stall, Status, refused_url

from a3s_code.plugin import (
    ConfigError,
    Image,
    LlmClient,
    Message,
    ModelConfig,
    ModelError,
    ModelErrorKind,
    ModelRequest,
    ProviderConfig,
    ReasoningPart,
    Reply,
    Role,
    Secret,
    StopReason,
    TextPart,
    ToolCallPart,
    ToolDefinition,
    ToolError,
    ToolErrorKind,
    ToolResult,
    Usage,
    user,
)

KEY = Secret("sk-secret")
READ = ToolDefinition(name="read", description="Reads a file.", schema={"type": "object", "properties": {}})


@asynccontextmanager
async def connected(base_url, *, stall_s=5.0, answer_s=5.0, **config):
    http_client = Httpx2Client()
    settings = {"name": "local", "base_url": base_url, "api_key": KEY} | config
    client = OpenAiClient(ProviderConfig(**settings), http_client=http_client, stall_s=stall_s, answer_s=answer_s)
    try:
        yield client
    finally:
        await client.aclose()
        await http_client.aclose()


async def collect(client, request):
    async with aclosing(client.stream(request)) as events:
        return [event async for event in events]


def asking(text="hi", **fields):
    return ModelRequest(**{"model": "m", "messages": (user(text),)} | fields)


def streamed(turns, request=None, **options):
    """The events of one streamed request, and what the server saw."""

    async def ask(url):
        async with connected(f"{url}/v1", **options) as client:
            return await collect(client, request or asking())

    with LoopbackServer(turns) as server:
        return asyncio.run(ask(server.url)), server


def completed(turns, request=None, **options):
    async def ask(url):
        async with connected(f"{url}/v1", **options) as client:
            return await client.complete(request or asking())

    with LoopbackServer(turns) as server:
        return asyncio.run(ask(server.url)), server


def failure(turns, *, ask=streamed, request=None, **options):
    with pytest.raises(ModelError) as caught:
        ask(turns, request, **options)
    return caught.value


def test_text_is_streamed_and_ends_with_the_reply():
    usage = Usage(input_tokens=10, output_tokens=5, cache_read_tokens=3)
    events, _ = streamed([Say("It is fine.", reasoning="hm", usage=usage)])
    assert events[:-1] == [ReasoningPart("hm"), TextPart("It "), TextPart("is "), TextPart("fine.")]
    assert events[-1].text == "It is fine."
    assert events[-1].usage == usage
    assert events[-1].stop_reason is StopReason.END_TURN


def test_bytes_may_come_one_by_one():
    async def ask(url):
        async with connected(f"{url}/v1") as client:
            return await collect(client, asking())

    with LoopbackServer([Say("Grüße 世界")], piece_bytes=1) as server:
        assert asyncio.run(ask(server.url))[-1].text == "Grüße 世界"


def test_complete_asks_without_streaming():
    reply, server = completed([Say("yes")])
    assert reply.text == "yes"
    assert "stream" not in server.requests[0].json


def test_three_calls_of_one_reply():
    calls = (("read", {"path": "a"}), ("ls", {}), ("read", {"path": "b"}))
    events, _ = streamed([Call(*calls, text="let me see")])
    reply = events[-1]
    assert [(call.name, call.arguments) for call in reply.message.tool_calls] == list(calls)
    assert len({call.id for call in reply.message.tool_calls}) == 3
    assert [event.name for event in events if isinstance(event, ToolCallPart) and not event.text] == [
        "read",
        "ls",
        "read",
    ]
    assert reply.stop_reason is StopReason.TOOL_USE


def test_malformed_arguments_are_a_call_with_the_reason():
    events, _ = streamed([Call(("read", '{"path": '))])
    (call,) = events[-1].message.tool_calls
    assert call.raw == '{"path": '
    assert call.parse_error


def test_a_server_that_counts_its_calls_anew_in_each_round_gets_unique_ids():
    async def converse(url):
        async with connected(f"{url}/v1") as client:
            first = (await collect(client, asking()))[-1].message
            again = asking(messages=(user("hi"), first, user("and?")))
            second = (await collect(client, again))[-1].message
            third = (await client.complete(again)).message
        return [message.tool_calls[0].id for message in (first, second, third)]

    with LoopbackServer([Call(("read", {}, "call_0"))] * 3) as server:
        first, *others = asyncio.run(converse(server.url))
    assert first == "call_0"
    assert "call_0" not in others


def test_forty_rounds_with_tools():
    """Each request repeats the one before and adds to its end."""

    async def converse(url):
        messages = [user("start")]
        async with connected(f"{url}/v1") as client:
            for _ in range(40):
                request = asking(messages=tuple(messages), system="be brief", tools=(READ,))
                reply = (await collect(client, request))[-1]
                messages.append(reply.message)
                results = [ToolResult(call_id=c.id, name=c.name, output="x") for c in reply.message.tool_calls]
                messages.append(Message(Role.USER, tuple(results)))
            return (await collect(client, asking(messages=tuple(messages))))[-1]

    with LoopbackServer([*[Call(("read", {"path": "a"}), ("read", {"path": "b"}))] * 40, Say("done")]) as server:
        reply = asyncio.run(converse(server.url))
    assert reply.text == "done"
    assert [len(request.json["messages"]) for request in server.requests[:40]] == [2 + 3 * n for n in range(40)]
    for earlier, later in zip(server.requests[:39], server.requests[1:40], strict=True):
        assert later.body.startswith(earlier.body.removesuffix(b"]}"))


def test_an_image_arrives_as_data_url():
    _, server = streamed([Say("a cat")], asking(messages=(user("what?", Image("image/png", b"123")),)))
    content = server.requests[0].json["messages"][0]["content"]
    assert content[0] == {"type": "image_url", "image_url": {"url": "data:image/png;base64,MTIz"}}


def test_the_key_is_sent():
    _, server = streamed([Say("x")])
    assert server.requests[0].headers["authorization"] == "Bearer sk-secret"


def test_a_server_without_key_works(monkeypatch):
    """And gets neither the key nor the organisation that the environment has for OpenAI."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-environment")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-environment")
    events, server = streamed([Say("x")], api_key=None)
    assert events[-1].text == "x"
    assert server.requests[0].headers["authorization"] == "Bearer none"
    assert "openai-organization" not in server.requests[0].headers


def test_openai_without_key_names_the_setting():
    async def ask():
        async with connected(None, api_key=None, name="openai") as client:
            await client.complete(asking())

    with pytest.raises(ModelError, match=r'api_key is missing; set it in the providers block "openai"') as caught:
        asyncio.run(ask())
    assert caught.value.kind is ModelErrorKind.AUTHENTICATION


def test_a_damaged_key_is_refused_without_printing_it():
    with pytest.raises(ConfigError) as caught:
        OpenAiClient(ProviderConfig(name="openai", api_key=Secret("sk-ä")), http_client=Httpx2Client())
    assert "sk-" not in str(caught.value)


@pytest.mark.parametrize("base_url", ["localhost:8000/v1", "ftp://host/v1", "http://[::1/v1", "http:///v1"])
def test_an_address_that_is_none_is_refused_at_once(base_url):
    with pytest.raises(ConfigError, match='in the providers block "local" is no address'):
        OpenAiClient(ProviderConfig(name="local", base_url=base_url), http_client=Httpx2Client())


def test_the_environment_does_not_replace_the_key(monkeypatch):
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "Authorization: Bearer sk-of-environment")
    _, server = streamed([Say("x")])
    assert server.requests[0].headers["authorization"] == "Bearer sk-secret"


def test_what_the_model_s_block_says_wins():
    model = ModelConfig(id="m", api_key=Secret("sk-model"), headers={"x-team": "b"}, temperature=False, tool_call=False)
    request = asking(temperature=0.3, max_tokens=7, tools=(READ,))
    _, server = streamed([Say("x")], request, headers={"X-Team": "a", "x-more": "c"}, models=(model,))
    headers = server.requests[0].headers
    assert (headers["authorization"], headers["x-team"], headers["x-more"]) == ("Bearer sk-model", "b", "c")
    assert server.requests[0].json.keys() == {"model", "stream", "stream_options", "max_tokens", "messages"}


def test_a_model_may_be_served_elsewhere():
    async def ask(url):
        async with connected(refused_url(), models=(ModelConfig(id="m", base_url=f"{url}/v1"),)) as client:
            return await client.complete(asking())

    with LoopbackServer([Say("here")]) as server:
        assert asyncio.run(ask(server.url)).text == "here"


@pytest.mark.parametrize("ask", [streamed, completed])
@pytest.mark.parametrize(
    ("status", "kind"),
    [(429, ModelErrorKind.RATE_LIMITED), (529, ModelErrorKind.OVERLOADED), (503, ModelErrorKind.OVERLOADED)],
)
def test_a_refusal_with_retry_after(ask, status, kind):
    turn = Status(status, {"retry-after": "7", "x-request-id": "req_9"}, {"error": {"message": "later"}})
    error = failure([turn], ask=ask)
    assert (error.kind, error.status, error.retry_after_s) == (kind, status, 7.0)
    assert "later (request id req_9)" in str(error)


def test_the_client_does_not_retry():
    with LoopbackServer([Status(503), Say("x")]) as server:

        async def ask():
            async with connected(f"{server.url}/v1") as client:
                await client.complete(asking())

        with pytest.raises(ModelError):
            asyncio.run(ask())
        assert len(server.requests) == 1


def test_a_wrong_key_is_not_repeated():
    body = {"error": {"message": "Incorrect API key provided: sk-secret", "code": "invalid_api_key"}}
    error = failure([Status(401, body=body)])
    assert error.kind is ModelErrorKind.AUTHENTICATION
    assert "sk-secret" not in str(error)
    assert error.__cause__ is None
    assert 'api_key in the providers block "local"' in str(error)


def test_a_too_long_conversation_has_its_own_kind():
    body = {"error": {"message": "too long", "code": "context_length_exceeded"}}
    assert failure([Status(400, body=body)]).kind is ModelErrorKind.CONTEXT_LENGTH


def test_an_unknown_model_is_named():
    error = failure([Status(404, body={"error": {"message": "model not found"}})])
    assert error.kind is ModelErrorKind.NOT_FOUND
    assert "the model 'm'" in str(error)


def test_a_redirect_is_explained():
    error = failure([Status(308, {"location": "https://example.org/v1"})])
    assert error.kind is ModelErrorKind.PROTOCOL
    assert "set base_url" in str(error)


def test_an_address_without_v1_is_explained():
    async def ask(url):
        async with connected(url) as client:
            await client.complete(asking())

    with LoopbackServer([Say("x")]) as server, pytest.raises(ModelError, match="most end in /v1"):
        asyncio.run(ask(server.url))


def test_no_server_asks_whether_it_runs():
    async def ask():
        async with connected(f"{refused_url()}/v1") as client:
            await collect(client, asking())

    with pytest.raises(ModelError, match=r"Is the server at .* running\?") as caught:
        asyncio.run(ask())
    assert caught.value.kind is ModelErrorKind.CONNECTION


def test_a_stream_that_ends_early_is_truncated():
    assert failure([CutStream("It i")]).kind is ModelErrorKind.TRUNCATED


@pytest.mark.parametrize("ask", [streamed, completed])
@pytest.mark.parametrize("turn", [CutStream("It i", clean=False), Reset()])
def test_a_broken_connection_is_a_transient_model_error(ask, turn):
    assert failure([turn], ask=ask).kind is ModelErrorKind.CONNECTION


@pytest.mark.parametrize("ask", [streamed, completed])
def test_silence_is_stalled(ask):
    assert failure([Stall("It i")], ask=ask, stall_s=0.1, answer_s=0.1).kind is ModelErrorKind.STALLED


def test_an_error_object_with_status_200_is_an_error():
    body = {"error": {"message": "upstream is down", "code": 502}}
    error = failure([Status(200, body=body)])
    assert error.kind is ModelErrorKind.SERVER
    assert "upstream is down" in str(error)


def test_a_server_that_does_not_stream_is_understood():
    body = {"choices": [{"message": {"content": "all at once"}, "finish_reason": "stop"}]}
    events, _ = streamed([Status(200, body=body)])
    assert events[0] == TextPart("all at once")
    assert isinstance(events[-1], Reply)


def test_closing_the_generator_closes_the_connection():
    async def leave(url):
        async with connected(f"{url}/v1") as client:
            events = client.stream(asking())
            assert await anext(events) == TextPart("It is")
            await events.aclose()
            return await asyncio.to_thread(server.saw_client_leave)

    with LoopbackServer([Stall("It is")]) as server:
        assert asyncio.run(leave(server.url))


def test_cancelling_closes_the_connection():
    async def leave(url):
        async with connected(f"{url}/v1") as client:
            begun = asyncio.Event()

            async def read():
                async for _ in client.stream(asking()):
                    begun.set()

            reading = asyncio.ensure_future(read())  # noqa: TID251 # awaited below
            await begun.wait()
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
            return await asyncio.to_thread(server.saw_client_leave)

    with LoopbackServer([Stall("It is")]) as server:
        assert asyncio.run(leave(server.url))


def test_eight_streams_at_once():
    async def ask(url):
        async with connected(f"{url}/v1") as client:
            return await asyncio.gather(*(collect(client, asking()) for _ in range(8)))

    with LoopbackServer([Say(str(n)) for n in range(8)]) as server:
        answers = asyncio.run(ask(server.url))
    assert sorted(events[-1].text for events in answers) == [str(n) for n in range(8)]


def test_closing_twice_does_nothing():
    async def close_twice(url):
        async with connected(f"{url}/v1") as client:
            await client.complete(asking())
            await client.aclose()

    with LoopbackServer([Say("x")]) as server:
        asyncio.run(close_twice(server.url))


FINISHED = b'data: {"choices":[{"delta":{"content":"It is"},"finish_reason":"stop"}]}\n\n'


class EndlessHttp:
    """An HttpClient whose one answer says *said* and never ends; knows whether its exchange was left."""

    status = 200
    headers = MappingProxyType({"content-type": "text/event-stream"})
    url = "https://api.openai.com/v1/chat/completions"
    left = False

    def __init__(self, said=b'data: {"choices":[{"delta":{"content":"It is"}}]}\n\n'):
        self.said = said

    def provider(self, origin):
        return self

    @asynccontextmanager
    async def send(self, request):
        try:
            yield self
        finally:
            self.left = True

    async def chunks(self):
        yield self.said
        await self.wait()

    async def wait(self):
        await asyncio.Event().wait()


class BreakingHttp(EndlessHttp):
    """Breaks off where the other waits."""

    async def wait(self):
        raise ModelError("the connection broke off", kind=ModelErrorKind.CONNECTION)


def test_the_exchange_is_left_when_closing_the_generator_returns():
    """Not some time later, when the garbage is collected."""

    async def leave():
        http_client = EndlessHttp()
        client = OpenAiClient(ProviderConfig(name="openai", api_key=KEY), http_client=http_client)
        events = client.stream(asking())
        await anext(events)
        await events.aclose()
        return http_client.left

    assert asyncio.run(leave())


@pytest.mark.parametrize("http_client", [EndlessHttp(FINISHED), BreakingHttp(FINISHED)], ids=["silence", "break"])
def test_a_finished_reply_is_not_lost_to_what_happens_after_it(http_client):
    client = OpenAiClient(ProviderConfig(name="openai", api_key=KEY), http_client=http_client, stall_s=0.1)
    assert asyncio.run(collect(client, asking()))[-1].text == "It is"


class DenyingHttp:
    """An HttpClient that reaches nothing."""

    def provider(self, origin):
        return self

    @asynccontextmanager
    async def send(self, request):
        raise ToolError("not this address", ToolErrorKind.DENIED)
        yield


def test_what_the_http_client_refuses_is_raised_unchanged():
    client = OpenAiClient(ProviderConfig(name="openai", api_key=KEY), http_client=DenyingHttp())
    with pytest.raises(ToolError, match="not this address"):
        asyncio.run(client.complete(asking()))


def test_openai_itself_calls_the_limit_otherwise():
    class Recorder(DenyingHttp):
        body = b""

        def send(self, request):
            self.body = request.body
            return super().send(request)

    recorder = Recorder()
    client = OpenAiClient(ProviderConfig(name="openai", api_key=KEY), http_client=recorder)
    with pytest.raises(ToolError):
        asyncio.run(client.complete(asking(max_tokens=9)))
    assert b'"max_completion_tokens":9' in recorder.body


def test_it_is_an_llm_client():
    assert isinstance(OpenAiClient(ProviderConfig(name="openai"), http_client=Httpx2Client()), LlmClient)

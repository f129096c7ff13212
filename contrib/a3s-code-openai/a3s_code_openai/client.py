"""OpenAiClient: OpenAI and every server that speaks Chat Completions."""

from collections.abc import AsyncIterator, Callable
from contextlib import suppress

from attrs import frozen

from a3s_code.plugin import (
    HttpClient,
    ModelConfig,
    ModelError,
    ModelEvent,
    ModelRequest,
    ProviderConfig,
    Reply,
    TextPart,
)
from a3s_code_openai.endpoint import Answer, Endpoint
from a3s_code_openai.wire import BodyWriter, Parameters, ReplyStream, parse_reply

__all__ = ["OpenAiClient"]

STALL_S = 300.0
"""Silence after which a stream is given up: long, since reasoning models and large prompts on one's own machine send
nothing for minutes."""

ANSWER_S = 600.0
"""Longest wait for an answer in one piece; the official SDK's own default."""

_AFTERMATH_S = 5.0
"""How long the usage that follows a finished reply is waited for."""

_CLOSING_S = 0.2
"""How long the end of the body is waited for, so that the connection can be used again."""

_PATH = "/chat/completions"


@frozen
class _Model:
    """One model with its endpoint."""

    config: ModelConfig
    endpoint: Endpoint


class OpenAiClient:
    """Asks the models of one provider.

    Args:
        config: The providers block.
        http_client: The way out to the network; the caller closes it.
        stall_s: Seconds of silence after which a stream is given up.
        answer_s: Seconds that an answer in one piece may take.
    """

    def __init__(
        self, config: ProviderConfig, *, http_client: HttpClient, stall_s: float = STALL_S, answer_s: float = ANSWER_S
    ):
        self._config = config
        self._http_client = http_client
        self._stall_s = stall_s
        self._answer_s = answer_s
        self._writer = BodyWriter()
        self._endpoint = self._make_endpoint(None)
        self._models = {model.id: _Model(model, self._make_endpoint(model)) for model in config.models}

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """The reply in pieces, as `LlmClient` promises."""
        model = self._model(request.model)
        source = model.endpoint.source(request.model)
        reading = ReplyStream(source, taken=_taken(request))
        async with model.endpoint.opened(_PATH, self._body(request, model, stream=True), source) as answer:
            if not answer.is_stream:
                reply = parse_reply(await answer.read_all(), source, taken=_taken(request))
                if reply.text:
                    yield TextPart(reply.text)
                yield reply
                return
            while not reading.done and (chunk := await _next(answer, reading)) is not None:
                for event in reading.feed(chunk):
                    yield event
            await _finish(answer)
        yield reading.close()

    async def complete(self, request: ModelRequest) -> Reply:
        """The reply in one piece, asked for as such."""
        model = self._model(request.model)
        source = model.endpoint.source(request.model)
        body = self._body(request, model, stream=False)
        answer = await model.endpoint.post(_PATH, body, source, answer_s=self._answer_s)
        return parse_reply(answer, source, taken=_taken(request))

    async def aclose(self) -> None:
        """Closes what the client opened; a second call does nothing."""
        for endpoint in (self._endpoint, *(model.endpoint for model in self._models.values())):
            await endpoint.aclose()

    def _model(self, id: str) -> _Model:
        """A model without a block works too."""
        return self._models.get(id) or _Model(ModelConfig(id=id), self._endpoint)

    def _make_endpoint(self, model: ModelConfig | None) -> Endpoint:
        """An endpoint each, even where they agree: until its first request it costs nothing."""
        name = self._config.name
        return Endpoint(
            provider=name,
            setting=f'the providers block "{name}"' + (f' or its models block "{model.id}"' if model else ""),
            api_key=(model and model.api_key) or self._config.api_key,
            base_url=(model and model.base_url) or self._config.base_url,
            headers={**self._config.headers, **(model.headers if model else {})},
            http_client=self._http_client,
            stall_s=self._stall_s,
        )

    def _body(self, request: ModelRequest, model: _Model, *, stream: bool) -> bytes:
        """OpenAI itself calls the limit max_completion_tokens, which its reasoning models insist on; others do not."""
        parameters = Parameters(
            stream=stream,
            max_tokens=request.max_tokens or model.config.limit.output or None,
            limit_name="max_completion_tokens" if model.endpoint.is_openai else "max_tokens",
            temperature=request.temperature if model.config.temperature else None,
            with_tools=model.config.tool_call,
        )
        return b"".join(self._writer.segments(request, parameters))


async def _next(answer: Answer, reading: ReplyStream) -> bytes | None:
    """The next bytes, None at the end; a reply that is whole is not lost to what happens afterwards."""
    if not reading.complete:
        return await answer.read()
    try:
        return await answer.read(_AFTERMATH_S)
    except ModelError:
        return None


async def _finish(answer: Answer) -> None:
    with suppress(ModelError):  # the reply is here: the connection is then closed instead of kept
        await answer.read(_CLOSING_S)


def _taken(request: ModelRequest) -> Callable[[str], bool]:
    """Whether an id stands in the history; looked up only when a call arrives."""
    return lambda call_id: any(call.id == call_id for message in request.messages for call in message.tool_calls)

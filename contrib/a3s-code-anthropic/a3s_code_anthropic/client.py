"""AnthropicClient: the official SDK carries our bytes, `wire` makes and reads them."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from attrs import field, frozen

from a3s_code.plugin import (
    A3SCodeError,
    BoundHttp,
    HttpClient,
    Log,
    ModelConfig,
    ModelError,
    ModelErrorKind,
    ModelEvent,
    ModelRequest,
    ProviderConfig,
    Reply,
    get_log,
)
from a3s_code_anthropic.errors import key_variable, status_error
from a3s_code_anthropic.wire import RequestEncoder, StreamReader, read_reply

if TYPE_CHECKING:
    import anthropic
    import httpx2

__all__ = ["AnthropicClient"]

DEFAULT_BASE_URL = "https://api.anthropic.com"
CONNECT_S = 10.0
STALL_S = 120.0
WHOLE_S = 600.0
"""Silence allowed before an answer that is not streamed; the SDK's own default."""

_KEY_HEADERS = frozenset({"authorization", "x-api-key"})


class AnthropicClient:
    """Asks Anthropic's models, or those of a server that speaks the same format.

    The SDK is imported in a worker thread at the first request. It does not retry: that is for the kernel to do.

    Args:
        config: The provider's block.
        http_client: The only way out.
        log: Told when the SDK is loaded.
        stall_s: Seconds without a byte after which a stream counts as stalled.
    """

    def __init__(
        self, config: ProviderConfig, http_client: HttpClient, *, log: Log | None = None, stall_s: float = STALL_S
    ):
        self.encoder = RequestEncoder()
        self._config = config
        self._models = {model.id: model for model in config.models}
        self._http = http_client
        self._log = log or get_log("a3s_code.anthropic")
        self._stall_s = stall_s
        self._sdks: dict[_Account, anthropic.AsyncAnthropic] = {}
        self._is_closed = False

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """The parts of the reply as they come, then the Reply. Raises ModelError."""
        reader = StreamReader(self._config.name)
        async with self._answer(request, stream=True) as response:
            async for chunk in self._body(response):
                for event in reader.feed(chunk):
                    yield event
                if reader.is_done:
                    return
        reader.finish()

    async def complete(self, request: ModelRequest) -> Reply:
        """The whole reply of a request that is not streamed. Raises ModelError."""
        async with self._answer(request, stream=False) as response:
            return read_reply(response.content, self._config.name)

    async def aclose(self) -> None:
        """Ends the use of this client; the connections belong to the HttpClient."""
        self._is_closed = True
        sdks = tuple(self._sdks.values())
        self._sdks.clear()
        for sdk in sdks:
            await sdk.close()

    @asynccontextmanager
    async def _answer(self, request: ModelRequest, *, stream: bool) -> AsyncIterator["httpx2.Response"]:
        """An answer with a good status; leaving the context closes it."""
        model = self._models.get(request.model) or ModelConfig(id=request.model)
        account = self._account(model)
        sdk = await self._sdk(account)
        body = b"".join(self.encoder.body(request, model, stream=stream))
        import anthropic
        import httpx2

        timeout = httpx2.Timeout(self._stall_s if stream else max(self._stall_s, WHOLE_S), connect=CONNECT_S)
        try:
            response = await sdk.post(
                "/v1/messages",
                cast_to=httpx2.Response,
                content=body,
                options={"timeout": timeout, "headers": {"Authorization": anthropic.omit} if account.omits_key else {}},
                stream=stream,
                stream_cls=anthropic.AsyncStream[object],
            )
        except anthropic.APIStatusError as exc:
            raise self._refusal(exc, request.model, account) from exc
        except (anthropic.APIError, A3SCodeError) as exc:
            raise self._failure(exc) from exc
        assert isinstance(response, httpx2.Response)  # as cast_to asks for
        try:
            yield response
        finally:
            await response.aclose()

    async def _body(self, response: "httpx2.Response") -> AsyncIterator[bytes]:
        """The bytes of a stream; a connection that breaks in the middle has cut the reply short."""
        try:
            async for chunk in response.aiter_bytes():
                yield chunk
        except ModelError as exc:
            if exc.kind is not ModelErrorKind.CONNECTION:
                raise
            text = f"{self._config.name} broke off its reply before the end: {exc}"
            raise ModelError(text, kind=ModelErrorKind.TRUNCATED) from exc

    def _account(self, model: ModelConfig) -> "_Account":
        """Who asks where: the model's own settings win over the provider's, those over the environment."""
        if self._is_closed:
            raise ModelError("This client is closed; make a new agent.", kind=ModelErrorKind.CONNECTION)
        provider = self._config
        headers = {name.lower(): (name, value) for name, value in [*provider.headers.items(), *model.headers.items()]}
        secret = model.api_key or provider.api_key
        variable = key_variable(provider.name)
        key = secret.reveal() if secret else os.environ.get(variable, "")
        if not key and not _KEY_HEADERS & headers.keys():
            raise ModelError(
                f'No API key for provider "{provider.name}": set api_key in its providers block '
                f"or the environment variable {variable}.",
                kind=ModelErrorKind.AUTHENTICATION,
            )
        base_url = model.base_url or provider.base_url
        if base_url is None and provider.name == "anthropic":
            base_url = os.environ.get("ANTHROPIC_BASE_URL")
        return _Account(key, base_url or DEFAULT_BASE_URL, tuple(headers.values()))

    async def _sdk(self, account: "_Account") -> "anthropic.AsyncAnthropic":
        if account not in self._sdks:
            bound = self._http.provider(account.origin)
            if not self._sdks:
                self._log.debug("loading SDK", package="anthropic")
            sdk = await asyncio.to_thread(_new_sdk, account, bound)
            self._sdks.setdefault(account, sdk)  # another task may have been quicker
        return self._sdks[account]

    def _refusal(self, error: "anthropic.APIStatusError", model: str, account: "_Account") -> ModelError:
        headers = {name.lower(): value for name, value in error.response.headers.items()}
        refusal = status_error(
            error.status_code, headers, error.body, provider=self._config.name, model=model, now=time.time()
        )
        if account.key and account.key in str(refusal):
            refusal.args = (str(refusal).replace(account.key, "***"),)
        return refusal

    def _failure(self, error: Exception) -> ModelError:
        """The SDK wraps what our HttpClient raised; that says best what happened."""
        cause = error if isinstance(error, A3SCodeError) else error.__cause__
        if isinstance(cause, ModelError):
            return ModelError(str(cause), kind=cause.kind, status=cause.status, retry_after_s=cause.retry_after_s)
        if isinstance(cause, A3SCodeError):
            text = f"{self._config.name} cannot be asked. {cause}"
            return ModelError(text, kind=ModelErrorKind.INVALID_REQUEST)
        text = f"{self._config.name} could not be reached: {cause or error}"
        return ModelError(text, kind=ModelErrorKind.CONNECTION)


@frozen
class _Account:
    """A key, an address and headers: what one SDK client is made for."""

    key: str = field(repr=False)
    base_url: str
    headers: tuple[tuple[str, str], ...] = field(repr=False)

    @property
    def origin(self) -> str:
        parts = urlsplit(self.base_url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def omits_key(self) -> bool:
        """Whether a header of the user's carries the credentials instead."""
        return not self.key and all(name.lower() != "authorization" for name, _ in self.headers)


def _new_sdk(account: _Account, bound: BoundHttp) -> "anthropic.AsyncAnthropic":
    import anthropic
    from a3s_code_http.sdk import sdk_http_client

    return anthropic.AsyncAnthropic(
        api_key=account.key or "in-a-header",  # without one the SDK would look for credentials on disk
        base_url=account.base_url,
        max_retries=0,
        default_headers=dict(account.headers),
        open_telemetry=False,  # spans are the kernel's
        http_client=sdk_http_client(bound),
    )

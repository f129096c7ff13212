"""One address of the API, reached through the official SDK: bytes out, bytes in, every failure a typed error.

The SDK and its HTTP library take most of a second to import, so a worker thread does it at the first request.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from math import inf
from typing import TYPE_CHECKING, cast
from urllib.parse import SplitResult, urlsplit

from attrs import evolve

from a3s_code.plugin import A3SCodeError, ConfigError, HttpClient, ModelError, ModelErrorKind, Secret
from a3s_code_openai.failures import Source, refusal

if TYPE_CHECKING:
    import httpx2
    import openai

__all__ = ["OPENAI_URL", "Answer", "Endpoint"]

OPENAI_URL = "https://api.openai.com/v1"

_NO_KEY = "none"
"""Sent to servers of one's own that have no key: the SDK insists on one."""

_CONNECT_S = 10.0


class Endpoint:
    """One address and key.

    Args:
        provider: The provider's name, for errors.
        setting: Where address and key are configured, for errors.
        api_key: The key; may be None when *base_url* is given.
        base_url: The address with /v1; None is OpenAI's.
        headers: Additional headers; they win over the SDK's.
        http_client: The way out; a client bound to this origin is taken from it.
        stall_s: Seconds of silence after which an exchange is given up.
    """

    def __init__(
        self,
        *,
        provider: str,
        setting: str,
        api_key: Secret | None,
        base_url: str | None,
        headers: Mapping[str, str],
        http_client: HttpClient,
        stall_s: float,
    ):
        self._key = _checked(api_key, setting)
        self._may_lack_key = base_url is not None or any(name.lower() == "authorization" for name in headers)
        # said explicitly, since the SDK would prefer an Authorization of its environment variables to the key
        self._headers = {"Authorization": f"Bearer {self._key or _NO_KEY}", **headers}
        self._stall_s = stall_s
        url = base_url or OPENAI_URL
        self._source = Source(provider=provider, base_url=url, setting=setting, key=self._key)
        address = _split(url, setting)
        self.is_openai = f".{address.hostname}".endswith(".api.openai.com")
        self._http = http_client.provider(f"{address.scheme}://{address.netloc}")
        self._sdk: openai.AsyncOpenAI | None = None

    def source(self, model: str) -> Source:
        """Whom a request asks, for the text of errors."""
        return evolve(self._source, model=model)

    async def post(self, path: str, body: bytes, source: Source, *, answer_s: float) -> bytes:
        """The whole answer to *body*, at most *answer_s* seconds later. Raises ModelError."""
        sdk = await self._connected(source)
        import httpx2  # by now a worker thread has imported it

        with _translated(source, answer_s):
            async with asyncio.timeout(answer_s):
                timeout = httpx2.Timeout(answer_s, connect=_CONNECT_S)
                answer = await sdk.post(path, cast_to=httpx2.Response, content=body, options={"timeout": timeout})
                return answer.content

    @asynccontextmanager
    async def opened(self, path: str, body: bytes, source: Source) -> AsyncIterator["Answer"]:
        """The answer to *body*, still to be read; leaving the context closes the connection. Raises ModelError."""
        sdk = await self._connected(source)
        with _translated(source, self._stall_s):
            async with asyncio.timeout(self._stall_s):
                response = await _open_stream(sdk, path, body)
        try:
            yield Answer(response, source, self._stall_s)
        finally:
            await response.aclose()

    async def aclose(self) -> None:
        """Ends the SDK's client; the connections belong to the HttpClient. A second call does nothing."""
        if self._sdk is not None:
            await self._sdk.close()

    async def _connected(self, source: Source) -> "openai.AsyncOpenAI":
        if not self._key and not self._may_lack_key:
            raise ModelError(
                f'{source}: api_key is missing; set it in {source.setting}, as api_key = env("OPENAI_API_KEY").',
                kind=ModelErrorKind.AUTHENTICATION,
            )
        if self._sdk is None:
            await asyncio.to_thread(_import_sdk)
            self._sdk = self._sdk or self._make_sdk()  # another task may have been quicker
        return self._sdk

    def _make_sdk(self) -> "openai.AsyncOpenAI":
        import httpx2
        import openai
        from a3s_code_http.sdk import sdk_http_client

        sdk = openai.AsyncOpenAI(
            api_key=self._key or _NO_KEY,
            base_url=self._source.base_url,
            default_headers=self._headers,
            max_retries=0,  # retries are the kernel's
            timeout=httpx2.Timeout(self._stall_s, connect=_CONNECT_S),
            http_client=sdk_http_client(self._http),
        )
        if not self.is_openai:
            sdk.organization = sdk.project = None  # from the environment and meant for OpenAI alone
        return sdk


class Answer:
    """An answer whose body is still to be read."""

    def __init__(self, response: "httpx2.Response", source: Source, stall_s: float):
        self._chunks = response.aiter_bytes()
        self._source = source
        self._stall_s = stall_s
        content_type = response.headers.get("content-type", "").lower()
        self.is_stream = "json" not in content_type and "html" not in content_type

    async def read(self, within_s: float = inf) -> bytes | None:
        """The next bytes, None at the end.

        Args:
            within_s: Seconds to wait for them; never longer than the endpoint's stall_s.

        Raises:
            ModelError: STALLED when nothing comes in time, CONNECTION when the connection breaks.
        """
        limit_s = min(within_s, self._stall_s)
        with _translated(self._source, limit_s):
            async with asyncio.timeout(limit_s):
                return await anext(self._chunks, None)

    async def read_all(self) -> bytes:
        """All that is left. Raises ModelError like `read`."""
        pieces = []
        while (chunk := await self.read()) is not None:
            pieces.append(chunk)
        return b"".join(pieces)


async def _open_stream(sdk: "openai.AsyncOpenAI", path: str, body: bytes) -> "httpx2.Response":
    import httpx2
    import openai

    answer = await sdk.post(
        path, cast_to=httpx2.Response, content=body, stream=True, stream_cls=openai.AsyncStream[object]
    )
    return cast("httpx2.Response", answer)  # asked for by cast_to; the SDK's types only know its own stream


def _import_sdk() -> None:
    import openai  # noqa: F401 # only the first import of a process costs anything


def _checked(api_key: Secret | None, setting: str) -> str:
    """The key as it goes into a header; a wrong one would be printed by whoever refuses to send it."""
    key = api_key.reveal().strip() if api_key else ""
    if not key.isascii() or not key.isprintable():
        raise ConfigError(f"api_key in {setting} has characters that no key has; was it copied whole?")
    return key


def _split(url: str, setting: str) -> SplitResult:
    try:
        address = urlsplit(url)
    except ValueError:
        address = urlsplit("")
    if address.scheme not in ("http", "https") or not address.hostname:
        raise ConfigError(f'base_url "{url}" in {setting} is no address; write it as http://localhost:8000/v1')
    return address


@contextmanager
def _translated(source: Source, limit_s: float) -> Iterator[None]:
    """Turns what the SDK, its HTTP library and the clock raise into our errors."""
    import httpx2
    import openai

    try:
        yield
    except (A3SCodeError, openai.OpenAIError, httpx2.HTTPError, TimeoutError) as exc:
        error = _explained(exc, source, limit_s)
        if error is exc:
            raise
        # a cause that repeats the key would print it in the traceback
        raise error from (None if source.key and source.key in str(exc) else exc)


def _explained(exc: Exception, source: Source, limit_s: float) -> A3SCodeError:
    import openai

    if (ours := _ours(exc)) is not None:
        return _with_advice(ours, source)
    if isinstance(exc, openai.APIStatusError):
        return refusal(source, exc.body, status=exc.status_code, headers=exc.response.headers)
    if isinstance(exc, TimeoutError):
        text = f"{source} was silent for {limit_s:g} s; it may be overloaded. Send the request again."
        return ModelError(text, kind=ModelErrorKind.STALLED)
    cause = exc.__cause__ or exc
    text = f"The connection to {source} failed ({source.clean(str(cause)) or type(cause).__name__})."
    return _with_advice(ModelError(text, kind=ModelErrorKind.CONNECTION), source)


def _ours(exc: BaseException | None) -> A3SCodeError | None:
    """What the BoundHttp raised, which the SDK wraps into its connection error."""
    while exc is not None and not isinstance(exc, A3SCodeError):
        exc = exc.__cause__
    return exc


def _with_advice(error: A3SCodeError, source: Source) -> A3SCodeError:
    is_local = urlsplit(source.base_url).hostname in ("localhost", "127.0.0.1", "::1")
    if is_local and isinstance(error, ModelError) and error.kind is ModelErrorKind.CONNECTION:
        return ModelError(f"{error}. Is the server at {source.base_url} running?", kind=error.kind)
    return error

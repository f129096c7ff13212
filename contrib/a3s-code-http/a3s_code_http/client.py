"""The HttpClient over httpx2: one egress gate, one pool of connections for each purpose."""

import asyncio
import socket
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, TypeVar
from urllib.request import getproxies_environment, proxy_bypass

from attrs import evolve, field, frozen

from a3s_code.plugin import (
    BoundHttp,
    ConfigError,
    HttpRequest,
    HttpResponse,
    HttpTimeouts,
    ModelError,
    ModelErrorKind,
    ToolError,
    ToolErrorKind,
    in_thread,
)
from a3s_code_http.decoding import Decoder
from a3s_code_http.egress import Address, Resolver, admit, follow, parse

if TYPE_CHECKING:
    import ssl

    import httpx2

__all__ = ["Httpx2Client", "Recorder", "Sent"]

T = TypeVar("T")

MAX_REDIRECTS = 10
MAX_WEB_BYTES = 64 * 1024 * 1024
"""Bytes of one body from the public web, as sent and as decoded; who wants less stops reading."""

MAX_REASON_CHARS = 200

KEEPALIVE_S = 60.0
"""Idle seconds after which a connection is closed; longer than most tools run between two rounds."""

_OURS = frozenset({"host", "content-length", "transfer-encoding", "accept-encoding", "connection"})
"""Headers that belong to the connection, not to the caller."""

_SAFE_ACROSS_ORIGINS = frozenset({"accept", "accept-language", "user-agent"})
"""All that a redirect takes to another origin: anything else may be a credential."""


@frozen(kw_only=True)
class Sent:
    """One request as it went out; a redirect, and a second address of the same host, are further ones.

    Args:
        purpose: "provider", "mcp" or "public_web".
        method: GET, POST, …
        url: The address under the host's name.
        connected_to: The checked IP address (public_web), else the proxy's address without credentials, else None.
        headers: As sent, names in lower case.
        body: As sent.
        status: The status of the answer, None when there was none.
    """

    purpose: str
    method: str
    url: str
    connected_to: str | None
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    status: int | None


Recorder = Callable[[Sent], None]
"""Is told of each request when its answer begins, fails or is given up; for tests that ask what left the process."""


class Httpx2Client:
    """Hands out clients that can reach only what their purpose allows.

    httpx2 is imported, off the event loop, at the first request.

    Args:
        resolve: Looks a name up for the public web; default: the system's resolver.
        record: Is told of every request; for tests.
        max_web_bytes: Most bytes of one body from the public web.
    """

    def __init__(
        self,
        *,
        resolve: Resolver | None = None,
        record: Recorder | None = None,
        max_web_bytes: int = MAX_WEB_BYTES,
    ):
        self._pools = _Pools()
        self._resolve = resolve or _system_resolver
        self._record = record
        self._max_web_bytes = max_web_bytes

    def provider(self, origin: str) -> BoundHttp:
        """Reaches only *origin*, through the proxy that the environment names, if any; no redirects.

        Raises:
            ConfigError: When *origin* is not an http or https address.
        """
        return _OneOrigin(_origin(origin), _Wire(self._pools, "provider", self._record))

    def mcp(self, origin: str) -> BoundHttp:
        """Reaches only *origin*, directly; no redirects.

        Raises:
            ConfigError: When *origin* is not an http or https address.
        """
        return _OneOrigin(_origin(origin), _Wire(self._pools, "mcp", self._record))

    def public_web(self) -> BoundHttp:
        """Reaches only public addresses; at most ten redirects, each through the same gate; no proxies."""
        return _PublicWeb(_Wire(self._pools, "public_web", self._record), self._resolve, self._max_web_bytes)

    async def aclose(self) -> None:
        """Closes all connections; a second call does nothing."""
        await self._pools.aclose()


def _origin(written: str) -> Address:
    try:
        return parse(written)
    except ToolError as exc:
        shown = written.rpartition("@")[2]  # without a password
        raise ConfigError(
            f'"{shown}" is no address of a server; write it as https://host or http://host:port, without user name '
            "and password"
        ) from exc


async def _system_resolver(host: str, port: int) -> list[str]:
    # in a thread that can be abandoned: the system may look for half a minute, and nothing ends it
    answers = await in_thread(lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    return list(dict.fromkeys(str(answer[4][0]) for answer in answers))


class _Pools:
    """The connection pools, made at first use: direct, without keep-alive for the web, and one for each proxy."""

    def __init__(self) -> None:
        self._transports: dict[str, httpx2.AsyncHTTPTransport] = {}
        self._tls: ssl.SSLContext | None = None
        self._is_closed = False

    async def open(self, *, proxy: str | None = None, keep_alive: bool = True) -> "httpx2.AsyncHTTPTransport":
        if self._is_closed:
            raise ModelError("The HTTP client is closed; make a new agent.", kind=ModelErrorKind.CONNECTION)
        key = proxy or ("direct" if keep_alive else "web")
        if key not in self._transports:
            if self._tls is None:
                self._tls = await asyncio.to_thread(_tls_context)
            if key not in self._transports:  # another task may have been quicker
                self._transports[key] = _transport(self._tls, proxy, keep_alive=keep_alive)
        return self._transports[key]

    async def aclose(self) -> None:
        self._is_closed = True
        transports = tuple(self._transports.values())
        self._transports.clear()
        for transport in transports:
            await transport.aclose()


def _tls_context() -> "ssl.SSLContext":
    import httpx2

    try:
        return httpx2.create_ssl_context()
    except OSError as exc:  # of ssl, too; it does not name the file
        raise ConfigError(f"The certificates that SSL_CERT_FILE or SSL_CERT_DIR names cannot be read ({exc})") from exc


def _transport(tls: "ssl.SSLContext", proxy: str | None, *, keep_alive: bool) -> "httpx2.AsyncHTTPTransport":
    import httpx2

    # How many requests run at once is decided by the lanes, so the pool itself has no limit.
    limits = httpx2.Limits(
        max_connections=None, max_keepalive_connections=20 if keep_alive else 0, keepalive_expiry=KEEPALIVE_S
    )
    try:
        return httpx2.AsyncHTTPTransport(verify=tls, trust_env=False, limits=limits, proxy=proxy)
    except (ImportError, ValueError, httpx2.InvalidURL) as exc:
        raise ConfigError("The proxy named by the environment cannot be used; is it http://host:port?") from exc


@frozen
class _Wire:
    """Sends what was admitted, for one purpose."""

    _pools: _Pools
    purpose: str
    _record: Recorder | None

    async def send(
        self, request: HttpRequest, address: Address, watch: "_Watch", number: str | None = None
    ) -> "httpx2.Response":
        """The beginning of the answer; with *number* the connection goes to that IP address."""
        proxy = _proxy(address) if self.purpose == "provider" else None
        # Without keep-alive for the web: a kept TLS connection stands for one name, the pool knows it by its number.
        transport = await self._pools.open(proxy=proxy, keep_alive=self.purpose != "public_web")
        outgoing = _outgoing(request, address, number)
        sent = Sent(
            purpose=self.purpose,
            method=request.method,
            url=address.url,
            connected_to=number or (proxy and proxy.rpartition("@")[2]),
            headers=dict(outgoing.headers),
            body=request.body,
            status=None,
        )
        try:
            response = await watch.wait(transport.handle_async_request(outgoing))
            sent = evolve(sent, status=response.status_code)
            return response
        finally:  # cancelled, too: the request may have left
            self._tell(sent)

    def _tell(self, sent: Sent) -> None:
        if self._record is not None:
            self._record(sent)


@frozen
class _OneOrigin:
    """Reaches one origin; a redirect is an answer like any other."""

    _address: Address
    _wire: _Wire

    def send(self, request: HttpRequest) -> AbstractAsyncContextManager[HttpResponse]:
        return self._exchange(request)

    @asynccontextmanager
    async def _exchange(self, request: HttpRequest) -> AsyncIterator[HttpResponse]:
        address = parse(request.url)
        if address.origin != self._address.origin:
            raise ToolError(
                f"Not connected: {address.netloc} is not {self._address.scheme}://{self._address.netloc}, "
                "the only address this client may reach.",
                ToolErrorKind.DENIED,
            )
        watch = _Watch(address.netloc, request.timeouts)
        response = await self._wire.send(request, address, watch)
        try:
            yield _Answer(response, address.url, watch)
        finally:
            await response.aclose()


def _proxy(address: Address) -> str | None:
    """The proxy that the environment names for this address; none for this machine."""
    if address.is_loopback or proxy_bypass(address.host):
        return None
    proxies = getproxies_environment()
    proxy = proxies.get(address.scheme) or proxies.get("all")
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"


@frozen
class _PublicWeb:
    """Reaches public addresses: looks a name up once, checks every answer, connects to what it checked."""

    _wire: _Wire
    _resolve: Resolver
    _max_bytes: int

    def send(self, request: HttpRequest) -> AbstractAsyncContextManager[HttpResponse]:
        return self._exchange(request)

    @asynccontextmanager
    async def _exchange(self, request: HttpRequest) -> AsyncIterator[HttpResponse]:
        address = parse(request.url)
        watch = _Watch(address.netloc, request.timeouts)
        for _ in range(MAX_REDIRECTS + 1):
            response = await self._ask(request, address, watch)
            try:
                location = response.headers.get("location") if response.status_code in _REDIRECTS else None
                following = None if location is None else follow(address, location)
                if following is None or (request.keeps_host and not following.is_at(address)):
                    yield _Answer(response, address.url, watch, self._max_bytes)
                    return
            finally:
                await response.aclose()
            request, address = _redirected(request, address, following, response.status_code)
        raise ToolError(f"Stopped after {MAX_REDIRECTS} redirects; is there a loop?", ToolErrorKind.DENIED)

    async def _ask(self, request: HttpRequest, address: Address, watch: "_Watch") -> "httpx2.Response":
        *first, last = await watch.wait(admit(address, self._resolve))
        for number in first:
            try:
                return await self._wire.send(request, address, watch, number)
            except ModelError as exc:
                if not _never_connected(exc):
                    raise
        return await self._wire.send(request, address, watch, last)


_REDIRECTS = frozenset({301, 302, 303, 307, 308})


def _never_connected(error: ModelError) -> bool:
    import httpx2

    return isinstance(error.__cause__, httpx2.ConnectError | httpx2.ConnectTimeout)


def _redirected(request: HttpRequest, old: Address, new: Address, status: int) -> tuple[HttpRequest, Address]:
    """The request for the next hop: no credentials and no body to another origin."""
    if status == 303 or (status in {301, 302} and request.method == "POST"):
        request = evolve(request, method="HEAD" if request.method == "HEAD" else "GET", body=b"")
    if old.origin == new.origin:
        return request, new
    if request.body:
        raise ToolError(
            f"Not connected: {old.netloc} wants the body sent on to {new.netloc}; send it there yourself.",
            ToolErrorKind.DENIED,
        )
    kept = tuple((name, value) for name, value in request.headers if name.lower() in _SAFE_ACROSS_ORIGINS)
    return evolve(request, headers=kept), new


def _outgoing(request: HttpRequest, address: Address, number: str | None = None) -> "httpx2.Request":
    """The request for the transport; with *number* it goes to that IP address under the host's name.

    Raises:
        ToolError: INVALID_ARGUMENT when a header cannot be sent.
    """
    import httpx2

    limits = request.timeouts
    timeout = {"connect": limits.connect_s, "read": limits.read_s, "write": limits.read_s, "pool": None}
    extensions: dict[str, object] = {"timeout": timeout}
    headers = [(name, value) for name, value in request.headers if name.lower() not in _OURS]
    if any("\n" in part or "\r" in part or "\0" in part for header in headers for part in header):
        raise ToolError("A header has a line break; remove it.", ToolErrorKind.INVALID_ARGUMENT)
    headers += [("Host", address.netloc), ("Accept-Encoding", "gzip, deflate")]
    if not any(name.lower() == "user-agent" for name, _ in headers):
        headers.append(("User-Agent", "a3s-code"))
    url = address.url
    if number is not None:
        extensions["sni_hostname"] = address.host
        url = evolve(address, host=number).url
    return httpx2.Request(request.method, url, headers=headers, content=request.body, extensions=extensions)


class _Watch:
    """Keeps the deadline of one exchange and turns foreign errors into ours."""

    def __init__(self, netloc: str, timeouts: HttpTimeouts):
        self._netloc = netloc
        self._timeouts = timeouts
        self._deadline = None
        if timeouts.total_s is not None:
            self._deadline = asyncio.get_running_loop().time() + timeouts.total_s

    async def wait(self, step: Awaitable[T]) -> T:
        """What *step* gives, before the deadline. Raises ModelError with kind CONNECTION, STALLED or PROTOCOL."""
        with self._translated():
            if self._deadline is None:
                return await step
            async with asyncio.timeout_at(self._deadline):
                return await step

    @contextmanager
    def _translated(self) -> Iterator[None]:
        import httpx2

        try:
            yield
        except (httpx2.ConnectTimeout, httpx2.PoolTimeout) as exc:
            raise self._stalled(f"No connection to {self._netloc} within {self._timeouts.connect_s:g} s") from exc
        except httpx2.TimeoutException as exc:
            raise self._stalled(f"{self._netloc} was silent for {self._timeouts.read_s:g} s") from exc
        except TimeoutError as exc:
            raise self._stalled(f"{self._netloc} took longer than {self._timeouts.total_s:g} s") from exc
        except zlib.error as exc:
            text = f"The answer of {self._netloc} could not be decompressed"
            raise ModelError(text, kind=ModelErrorKind.PROTOCOL) from exc
        except httpx2.ConnectError as exc:
            text = f"Could not connect to {self._netloc} ({exc}); check the address, the network and any proxy"
            raise ModelError(text, kind=ModelErrorKind.CONNECTION) from exc
        except socket.gaierror as exc:
            text = f"No address was found for {self._netloc} ({exc.strerror}); check the name and the network"
            raise ModelError(text, kind=ModelErrorKind.CONNECTION) from exc
        except (httpx2.HTTPError, OSError) as exc:
            reason = str(exc)[:MAX_REASON_CHARS] or type(exc).__name__  # it may quote all that the server sent
            text = f"The connection to {self._netloc} broke off ({reason})"
            raise ModelError(text, kind=ModelErrorKind.CONNECTION) from exc

    def _stalled(self, text: str) -> ModelError:
        return ModelError(text, kind=ModelErrorKind.STALLED)


@frozen
class _Answer:
    """An answer whose body is still to be read."""

    _response: "httpx2.Response"
    url: str
    _watch: _Watch
    _max_bytes: int | None = None

    @property
    def status(self) -> int:
        return self._response.status_code

    @property
    def headers(self) -> Mapping[str, str]:
        return dict(self._response.headers)  # httpx2 gives the names in lower case

    async def chunks(self) -> AsyncIterator[bytes]:
        decoder = self._decoder()
        received = decoded = 0
        async with aclosing(self._response.aiter_raw()) as raw:
            while (chunk := await self._watch.wait(anext(raw, None))) is not None:
                received += len(chunk)
                pieces = decoder.feed(chunk)
                while (piece := await self._watch.wait(_next(pieces))) is not None:
                    decoded += len(piece)
                    self._check(max(received, decoded))
                    yield piece
                self._check(received)

    def _decoder(self) -> Decoder:
        try:
            return Decoder(self._response.headers.get("content-encoding", ""))
        except ValueError as exc:
            text = f'The answer is encoded as "{exc}", which was not asked for; ask another server'
            raise ModelError(text, kind=ModelErrorKind.PROTOCOL) from exc

    def _check(self, count: int) -> None:
        if self._max_bytes is not None and count > self._max_bytes:
            text = f"The answer has more than {self._max_bytes:,} bytes; it was not read to the end."
            raise ToolError(text, ToolErrorKind.TOO_LARGE)


async def _next(pieces: Iterator[bytes]) -> bytes | None:
    await asyncio.sleep(0)  # a long body decodes in many steps: others run between them, and the deadline is seen
    return next(pieces, None)

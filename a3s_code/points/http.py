"""HttpClient: the only way out to the network; whom a caller may reach is fixed before it gets a client."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol, runtime_checkable

from attrs import field, frozen

__all__ = ["BoundHttp", "HttpClient", "HttpRequest", "HttpResponse", "HttpTimeouts"]


@frozen(kw_only=True)
class HttpTimeouts:
    """Seconds for connecting, between two pieces of an answer, and for the whole exchange (None: no limit)."""

    connect_s: float = 10.0
    read_s: float = 120.0
    total_s: float | None = None


@frozen(kw_only=True)
class HttpRequest:
    """One request.

    Args:
        method: GET, POST, …
        url: Absolute.
        headers: In order.
        body: Ready as bytes.
        timeouts: Its limits.
        keeps_host: A redirect to another host (other than with or without "www.") is not followed: it is the answer, so
            that whoever asked can judge the new address.
    """

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)
    timeouts: HttpTimeouts = HttpTimeouts()
    keeps_host: bool = False


class HttpResponse(Protocol):
    """An answer whose body is still to be read."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Names in lower case."""
        ...

    @property
    def url(self) -> str:
        """The final address, after redirects."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """The body, decompressed, as it arrives; raises ModelError or ToolError when it breaks off or stalls."""
        ...


class BoundHttp(Protocol):
    """A client that can reach only what its purpose allows.

    Contract: a request to anything else raises `ToolError(kind=DENIED)` before a connection is made; redirects go
    through the same check; connection errors and timeouts raise `ModelError` with kind CONNECTION or STALLED.
    """

    def send(self, request: HttpRequest) -> AbstractAsyncContextManager[HttpResponse]: ...


@runtime_checkable
class HttpClient(Protocol):
    """Hands out clients for a purpose and owns their connections.

    Contract: may be called from many tasks; connections are shared between clients of one origin.
    """

    def provider(self, origin: str) -> BoundHttp:
        """Reaches only *origin*, such as "http://localhost:8080"; proxies allowed, no redirects."""
        ...

    def mcp(self, origin: str) -> BoundHttp:
        """Reaches only the configured origin of an MCP server."""
        ...

    def public_web(self) -> BoundHttp:
        """Reaches only public addresses over http and https; every name is resolved once and that address is used."""
        ...

    async def aclose(self) -> None: ...

"""Sends what the official SDKs send through the HttpClient point.

Imports httpx2, so import this module where an SDK is first used, not before.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

import httpx2

from a3s_code.plugin import BoundHttp, HttpRequest, HttpResponse, HttpTimeouts

__all__ = ["sdk_http_client"]

_FRAMING = frozenset({"host", "content-length", "transfer-encoding"})
"""Request headers that the sending client sets itself."""

_DECODED = frozenset({"content-encoding", "content-length", "transfer-encoding"})
"""Response headers that no longer hold: BoundHttp gives decompressed bytes."""


def sdk_http_client(bound: BoundHttp) -> httpx2.AsyncClient:
    """An httpx2 client for an SDK's `http_client` argument, which can reach only what *bound* reaches.

    What *bound* raises (ToolError DENIED, ModelError CONNECTION or STALLED) comes out unchanged; SDKs wrap it into
    their connection error and keep it as `__cause__`. Closing the client closes no connections: *bound* owns them.
    """
    return httpx2.AsyncClient(transport=_BoundTransport(bound), trust_env=False, follow_redirects=False)


class _BoundTransport(httpx2.AsyncBaseTransport):
    def __init__(self, bound: BoundHttp):
        self._bound = bound

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        exchange = self._bound.send(
            HttpRequest(
                method=request.method,
                url=str(request.url),
                headers=tuple((key, value) for key, value in request.headers.multi_items() if key not in _FRAMING),
                body=await request.aread(),
                timeouts=_timeouts(request.extensions.get("timeout")),
            )
        )
        response = await exchange.__aenter__()
        return httpx2.Response(
            response.status,
            headers=[(key, value) for key, value in response.headers.items() if key not in _DECODED],
            stream=_Body(exchange, response),
            request=request,
        )


class _Body(httpx2.AsyncByteStream):
    """The body of an exchange; closing it ends the exchange."""

    def __init__(self, exchange: AbstractAsyncContextManager[HttpResponse], response: HttpResponse):
        self._exchange: AbstractAsyncContextManager[HttpResponse] | None = exchange
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._response.chunks():
            yield chunk

    async def aclose(self) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            await exchange.__aexit__(None, None, None)


def _timeouts(extension: object) -> HttpTimeouts:
    """The timeouts of an httpx2 request; what it leaves open gets our defaults."""
    if not isinstance(extension, dict):
        return HttpTimeouts()
    limits = {
        name: float(extension[key])
        for name, key in (("connect_s", "connect"), ("read_s", "read"))
        if isinstance(extension.get(key), int | float)
    }
    return HttpTimeouts(**limits)

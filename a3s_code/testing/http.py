"""An HTTP client for tests that has no network: its answers are written down beforehand."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import TypeAlias
from urllib.parse import urljoin, urlsplit

from attrs import evolve, field, frozen

from a3s_code.plugin import BoundHttp, HttpClient, HttpRequest, HttpResponse, ToolError, ToolErrorKind

__all__ = ["Page", "RecordingHttp", "ScriptedPage"]


@frozen(kw_only=True)
class Page:
    """An answer to a request.

    Args:
        status: HTTP status.
        headers: Names in lower case.
        body: The pieces of the body as they arrive.
        then: Raised after the last piece: the answer broke off.
    """

    status: int = 200
    headers: Mapping[str, str] = field(factory=dict)
    body: Sequence[bytes] = ()
    then: Exception | None = None


ScriptedPage: TypeAlias = Page | bytes | Exception | Callable[[HttpRequest], "Page | bytes"]
"""An answer, the body of a 200, an error to raise, or a function of the request."""


class RecordingHttp(HttpClient):
    """Gives its answers one after the other, whoever asks; a single function answers every request.

    Requests to what a purpose does not allow are refused as by a real client.

    Attributes:
        requests: Every request that was allowed, in order.
        closed: Whether `aclose` was called.
    """

    def __init__(self, *pages: ScriptedPage):
        self.requests: list[HttpRequest] = []
        self.closed = False
        self._always = pages[0] if len(pages) == 1 and callable(pages[0]) else None
        self._pages = deque(pages)

    def provider(self, origin: str) -> BoundHttp:
        return _Bound(self, lambda url: _origin(url) == _origin(origin))

    def mcp(self, origin: str) -> BoundHttp:
        return _Bound(self, lambda url: _origin(url) == _origin(origin))

    def public_web(self) -> BoundHttp:
        return _Bound(self, _is_public, redirects=5)

    async def aclose(self) -> None:
        self.closed = True

    def answer(self, request: HttpRequest) -> Page:
        """The next answer; a script that is over is the test's mistake."""
        self.requests.append(request)
        if self._always is None and not self._pages:
            raise AssertionError(f"no answer is left for request {len(self.requests)}: {request.method} {request.url}")
        page = self._always or self._pages.popleft()
        if isinstance(page, Exception):
            raise page
        said = page(request) if callable(page) else page
        return Page(body=(said,)) if isinstance(said, bytes) else said


class _Bound(BoundHttp):
    def __init__(self, http: RecordingHttp, allows: Callable[[str], bool], redirects: int = 0):
        self._http = http
        self._allows = allows
        self._redirects = redirects

    @asynccontextmanager
    async def send(self, request: HttpRequest) -> AsyncIterator[HttpResponse]:
        url, left = request.url, self._redirects
        while True:
            if not self._allows(url):
                raise ToolError(f"{url} is not allowed for this purpose", ToolErrorKind.DENIED)
            await asyncio.sleep(0)  # a real client lets others run while it connects
            page = self._http.answer(evolve(request, url=url))
            if left == 0 or page.status not in (301, 302, 303, 307, 308) or "location" not in page.headers:
                break
            following = urljoin(url, page.headers["location"])
            if request.keeps_host and _host(following) != _host(url):
                break
            url, left = following, left - 1
        yield _Answer(page, url)


class _Answer(HttpResponse):
    def __init__(self, page: Page, url: str):
        self._page = page
        self._url = url

    @property
    def status(self) -> int:
        return self._page.status

    @property
    def headers(self) -> Mapping[str, str]:
        return self._page.headers

    @property
    def url(self) -> str:
        return self._url

    async def chunks(self) -> AsyncIterator[bytes]:
        for piece in self._page.body:
            await asyncio.sleep(0)
            yield piece
        if self._page.then is not None:
            raise self._page.then


def _host(url: str) -> str:
    return (urlsplit(url).hostname or "").removeprefix("www.")


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    usual = {"https": 443, "http": 80}.get(parts.scheme)
    return parts.scheme, parts.hostname, parts.port or usual


def _is_public(url: str) -> bool:
    """Names count as public, except localhost; addresses count as what they are."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or parts.hostname in (None, "localhost"):
        return False
    try:
        return ip_address(parts.hostname or "").is_global
    except ValueError:
        return True

"""What every HttpClient promises."""

import asyncio
import gzip
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeVar

import pytest

from a3s_code.plugin import (
    BoundHttp,
    HttpClient,
    HttpRequest,
    HttpTimeouts,
    ModelError,
    ModelErrorKind,
    ToolError,
    ToolErrorKind,
)
from a3s_code.testing import Page
from a3s_code_testing.running import run

__all__ = ["PAGES", "HttpClientContract"]

T = TypeVar("T")

CUT = ModelError("the body broke off", kind=ModelErrorKind.TRUNCATED)
STALLED = ModelError("the body stalled", kind=ModelErrorKind.STALLED)

PAGES: Mapping[str, Page] = {
    "/hello": Page(headers={"content-type": "text/plain", "x-mixed-case": "Kept"}, body=[b"hel", b"lo"]),
    "/missing": Page(status=404, body=[b"no such page"]),
    "/zipped": Page(headers={"content-type": "text/plain"}, body=[b"unzipped"]),
    "/away": Page(status=302, headers={"location": "/hello"}),
    "/cut": Page(body=[b"half"], then=CUT),
    "/stall": Page(body=[b"half"], then=STALLED),
}
"""What the server of the suite serves; /echo answers with what it was sent."""


class HttpClientContract:
    """Inherit it and give `http_client`. The suite starts two servers on loopback, at `origin` and `elsewhere`.

    A client without a network overrides `origin`, `elsewhere` and `nobody` too and answers from `PAGES`.
    """

    @pytest.fixture
    def http_client(self) -> HttpClient:
        raise NotImplementedError("give a fixture http_client")

    @pytest.fixture
    def origin(self) -> Iterator[str]:
        with _server() as origin:
            yield origin

    @pytest.fixture
    def elsewhere(self) -> Iterator[str]:
        with _server() as origin:
            yield origin

    @pytest.fixture
    def nobody(self) -> str:
        """An origin where nobody listens."""
        with _server() as origin:
            return origin

    def test_a_body_arrives(self, http_client: HttpClient, origin: str) -> None:
        """Status and body of a page of the bound origin."""
        assert _get(http_client, _provider(origin), f"{origin}/hello") == (200, b"hello")

    def test_an_error_page_is_an_answer(self, http_client: HttpClient, origin: str) -> None:
        """A status is the caller's business, it raises nothing."""
        assert _get(http_client, _provider(origin), f"{origin}/missing") == (404, b"no such page")

    def test_names_of_headers_are_in_lower_case(self, http_client: HttpClient, origin: str) -> None:
        """Names in lower case, values as they are."""

        async def headers(http: BoundHttp) -> Mapping[str, str]:
            async with http.send(HttpRequest(method="GET", url=f"{origin}/hello")) as response:
                return dict(response.headers)

        assert _using(http_client, _provider(origin), headers)["x-mixed-case"] == "Kept"

    def test_the_final_address_is_told(self, http_client: HttpClient, origin: str) -> None:
        """`url` is the final address."""

        async def url(http: BoundHttp) -> str:
            async with http.send(HttpRequest(method="GET", url=f"{origin}/hello")) as response:
                return response.url

        assert _using(http_client, _provider(origin), url) == f"{origin}/hello"

    def test_a_compressed_body_is_unpacked(self, http_client: HttpClient, origin: str) -> None:
        """The body, decompressed, as it arrives."""
        assert _get(http_client, _provider(origin), f"{origin}/zipped") == (200, b"unzipped")

    def test_method_headers_and_body_are_sent(self, http_client: HttpClient, origin: str) -> None:
        """A request goes out as it was given."""
        request = HttpRequest(method="POST", url=f"{origin}/echo", headers=(("x-one", "1"),), body=b"\x00body")
        assert _send(http_client, _provider(origin), request) == (200, b"POST 1 \x00body")

    def test_many_requests_at_once(self, http_client: HttpClient, origin: str) -> None:
        """May be called from many tasks."""

        async def together(http: BoundHttp) -> list[tuple[int, bytes]]:
            return await asyncio.gather(
                *(_read(http, HttpRequest(method="GET", url=f"{origin}/hello")) for _ in range(8))
            )

        assert _using(http_client, _provider(origin), together) == [(200, b"hello")] * 8

    def test_a_provider_reaches_only_its_origin(self, http_client: HttpClient, origin: str, elsewhere: str) -> None:
        """A request to anything else raises `ToolError(kind=DENIED)`."""
        assert _is_denied(http_client, _provider(origin), f"{elsewhere}/hello")

    @pytest.mark.parametrize(
        "url",
        [
            pytest.param("http://{host}@{other}/hello", id="as a user's name"),
            pytest.param("http://{name}.example.invalid/hello", id="as the beginning of a name"),
            pytest.param("https://{host}/hello", id="with another scheme"),
            pytest.param("http://{other}/hello#@{host}/", id="in the fragment"),
        ],
    )
    def test_an_origin_that_only_looks_alike_is_denied(
        self, http_client: HttpClient, origin: str, elsewhere: str, url: str
    ) -> None:
        """The origin is compared as scheme, host and port, not as text."""
        host, other = (server.removeprefix("http://") for server in (origin, elsewhere))
        assert _is_denied(
            http_client, _provider(origin), url.format(host=host, other=other, name=host.partition(":")[0])
        )

    def test_a_provider_follows_no_redirects(self, http_client: HttpClient, origin: str) -> None:
        """Reaches only *origin*, no redirects: the caller sees the 302."""
        assert _get(http_client, _provider(origin), f"{origin}/away")[0] == 302

    def test_an_mcp_client_reaches_only_its_origin(self, http_client: HttpClient, origin: str, elsewhere: str) -> None:
        """Reaches only the configured origin of an MCP server."""
        assert _get(http_client, lambda http: http.mcp(origin), f"{origin}/hello") == (200, b"hello")
        assert _is_denied(http_client, lambda http: http.mcp(origin), f"{elsewhere}/hello")

    @pytest.mark.parametrize(
        "url",
        [
            pytest.param("{origin}/hello", id="loopback"),
            pytest.param("http://localhost:9/", id="localhost"),
            pytest.param("http://[::1]:9/", id="loopback of IPv6"),
            pytest.param("http://[::ffff:127.0.0.1]:9/", id="IPv4 in IPv6"),
            pytest.param("http://127.0.0.2:9/", id="another loopback address"),
            pytest.param("http://0.0.0.0:9/", id="this machine"),
            pytest.param("file:///etc/passwd", id="a file"),
        ],
    )
    def test_the_public_web_is_public(self, http_client: HttpClient, origin: str, url: str) -> None:
        """Reaches only public addresses over http and https.

        All of them are this machine's port 9, where nobody answers: a client that is not kept back does no harm.
        """
        assert _is_denied(http_client, lambda http: http.public_web(), url.format(origin=origin))

    def test_nobody_there_is_a_connection_error(self, http_client: HttpClient, nobody: str) -> None:
        """Connection errors raise `ModelError` with kind CONNECTION."""
        with pytest.raises(ModelError) as caught:
            _get(http_client, _provider(nobody), f"{nobody}/hello")
        assert caught.value.kind is ModelErrorKind.CONNECTION

    def test_a_body_that_breaks_off_raises(self, http_client: HttpClient, origin: str) -> None:
        """`chunks` raises when the body breaks off: half a body never passes for a whole one."""
        with pytest.raises((ModelError, ToolError)):
            _get(http_client, _provider(origin), f"{origin}/cut")

    def test_a_body_that_stalls_raises(self, http_client: HttpClient, origin: str) -> None:
        """Timeouts raise `ModelError` with kind STALLED."""
        request = HttpRequest(method="GET", url=f"{origin}/stall", timeouts=HttpTimeouts(read_s=0.1))
        with pytest.raises(ModelError) as caught:
            _send(http_client, _provider(origin), request)
        assert caught.value.kind is ModelErrorKind.STALLED


def _provider(origin: str) -> Callable[[HttpClient], BoundHttp]:
    return lambda http: http.provider(origin)


def _using(http: HttpClient, bind: Callable[[HttpClient], BoundHttp], work: Callable[[BoundHttp], Awaitable[T]]) -> T:
    async def use() -> T:
        try:
            return await work(bind(http))
        finally:
            await http.aclose()

    return run(use())


def _get(http: HttpClient, bind: Callable[[HttpClient], BoundHttp], url: str) -> tuple[int, bytes]:
    return _send(http, bind, HttpRequest(method="GET", url=url))


def _send(http: HttpClient, bind: Callable[[HttpClient], BoundHttp], request: HttpRequest) -> tuple[int, bytes]:
    return _using(http, bind, lambda bound: _read(bound, request))


async def _read(bound: BoundHttp, request: HttpRequest) -> tuple[int, bytes]:
    async with bound.send(request) as response:
        return response.status, b"".join([chunk async for chunk in response.chunks()])


def _is_denied(http: HttpClient, bind: Callable[[HttpClient], BoundHttp], url: str) -> bool:
    with pytest.raises(ToolError) as caught:
        _get(http, bind, url)
    return caught.value.kind is ToolErrorKind.DENIED


@contextmanager
def _server() -> Iterator[str]:
    """Serves PAGES on a free port of 127.0.0.1."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _PageHandler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _PageHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Tests are quiet."""

    def do_GET(self) -> None:
        page = PAGES[self.path]
        body = b"".join(page.body)
        packed = gzip.compress(body) if self.path == "/zipped" else body
        self.send_response(page.status)
        for name, value in page.headers.items():
            self.send_header(name.title(), value)
        if self.path == "/zipped":
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(packed) + (100 if page.then else 0)))
        self.end_headers()
        self.wfile.write(packed)
        if page.then is STALLED:
            self.connection.settimeout(30)
            self.rfile.read(1)  # until the client gives up
        if page.then is not None:
            self.close_connection = True

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        answer = f"POST {self.headers['x-one']} ".encode() + body
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

"""Httpx2Client against real servers on loopback."""

import asyncio
import gzip
import socket
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Mapping
from typing import Self

import pytest
from a3s_code_http.client import Httpx2Client, Sent
from a3s_code_http.plugin import a3s_code_http_client
from a3s_code_testing.loopback import LoopbackServer, Reset, Say, Stall, Status, refused_url

from a3s_code.plugin import (
    BoundHttp,
    ConfigError,
    HttpClient,
    HttpRequest,
    HttpTimeouts,
    ModelError,
    ModelErrorKind,
    ToolError,
    ToolErrorKind,
)


async def fetch(bound: BoundHttp, request: HttpRequest) -> tuple[int, Mapping[str, str], bytes, str]:
    async with bound.send(request) as response:
        body = b"".join([chunk async for chunk in response.chunks()])
        return response.status, response.headers, body, response.url


def run(use: Callable[[Httpx2Client], Awaitable[object]], **options: object):
    async def main():
        client = Httpx2Client(**options)
        try:
            return await use(client)
        finally:
            await client.aclose()

    return asyncio.run(main())


def post(url: str, **settings: object) -> HttpRequest:
    return HttpRequest(method="POST", url=url, body=b"{}", **settings)


def test_it_is_an_http_client():
    assert isinstance(a3s_code_http_client(), HttpClient)


def test_the_factory_loads_no_http_library():
    code = "import sys, a3s_code_http.plugin as p; p.a3s_code_http_client(); sys.exit('httpx2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_provider_is_reached():
    with LoopbackServer([Status(418, headers={"X-Kind": "pot"}, body={"short": "stout"})]) as server:
        request = post(f"{server.url}/tea?now=1", headers=(("x-mine", "1"), ("Host", "elsewhere.example")))
        status, headers, body, url = run(lambda client: fetch(client.provider(server.url), request))
        seen = server.requests[0]
    assert (status, headers["x-kind"], body, url) == (418, "pot", b'{"short": "stout"}', request.url)
    assert (seen.path, seen.headers["x-mine"], seen.body) == ("/tea?now=1", "1", b"{}")
    assert seen.headers["host"] == server.url.removeprefix("http://")


@pytest.mark.parametrize("purpose", ["provider", "mcp"])
def test_another_origin_is_denied_before_a_connection(purpose: str):
    with LoopbackServer([Say("never")]) as allowed, LoopbackServer([Say("never")]) as other:
        for url in (other.url, allowed.url.replace("127.0.0.1", "localhost"), allowed.url.replace("http", "https")):
            with pytest.raises(ToolError) as caught:
                run(lambda client, url=url: fetch(getattr(client, purpose)(allowed.url), post(url)))
            assert caught.value.kind is ToolErrorKind.DENIED
        assert other.requests == allowed.requests == []


def test_a_provider_redirect_is_an_answer():
    with LoopbackServer([Say("never")]) as other:
        with LoopbackServer([Status(302, headers={"location": other.url})]) as server:
            status, *_ = run(lambda client: fetch(client.provider(server.url), post(server.url)))
        assert (status, other.requests) == (302, [])


def test_a_bad_origin_is_the_users_error():
    with pytest.raises(ConfigError, match="write it as https://"):
        Httpx2Client().provider("localhost:11434")


def test_a_password_is_not_told_with_a_bad_origin():
    with pytest.raises(ConfigError, match="without user name and password") as caught:
        Httpx2Client().provider("http://me:secret@host:1")
    assert "secret" not in str(caught.value)


def test_certificates_that_cannot_be_read_are_the_users_error(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/ca.pem")
    with pytest.raises(ConfigError, match="SSL_CERT_FILE"):
        run(lambda client: fetch(client.mcp("https://host.invalid"), post("https://host.invalid")))


def test_a_request_that_was_cancelled_is_recorded():
    async def cancelled(client: Httpx2Client) -> None:
        async with asyncio.TaskGroup() as group:
            asking = group.create_task(fetch(client.mcp(server.url), post(server.url)))
            await asyncio.to_thread(server.was_asked.wait, 10)
            asking.cancel()

    seen: list[Sent] = []
    with RawServer(b"", drip=b"HTTP/1.1 100 Continue\r\n\r\n") as server:
        run(cancelled, record=seen.append)
        assert [(sent.url, sent.status) for sent in seen] == [(f"{server.url}/", None)]


def test_connections_are_used_again():
    ports: set[object] = set()

    async def twice(client: Httpx2Client) -> None:
        for _ in range(2):
            async with client.provider(server.url).send(post(server.url)) as response:
                ports.add(response._response.extensions["network_stream"].get_extra_info("client_addr"))
                assert [chunk async for chunk in response.chunks()]

    with LoopbackServer([Status(200, body="a"), Status(200, body="b")]) as server:
        run(twice)
    assert len(ports) == 1


def test_silence_is_stalled_and_names_host_and_seconds():
    with LoopbackServer([Stall()]) as server:
        request = HttpRequest(
            method="POST", url=f"{server.url}/v1/messages", body=b'{"stream": true}', timeouts=HttpTimeouts(read_s=0.1)
        )
        with pytest.raises(ModelError, match=r"127\.0\.0\.1:\d+ was silent for 0\.1 s") as caught:
            run(lambda client: fetch(client.provider(server.url), request))
    assert caught.value.kind is ModelErrorKind.STALLED


def test_the_whole_exchange_has_a_deadline():
    with LoopbackServer([Stall("x")]) as server:
        request = HttpRequest(
            method="POST", url=f"{server.url}/v1/messages", body=b'{"stream": true}', timeouts=HttpTimeouts(total_s=0.2)
        )
        with pytest.raises(ModelError, match=r"longer than 0\.2 s") as caught:
            run(lambda client: fetch(client.provider(server.url), request))
    assert caught.value.kind is ModelErrorKind.STALLED


def test_a_broken_connection_is_a_connection_error():
    with LoopbackServer([Reset()]) as server, pytest.raises(ModelError, match="broke off") as caught:
        run(lambda client: fetch(client.provider(server.url), post(server.url)))
    assert caught.value.kind is ModelErrorKind.CONNECTION


def test_what_is_no_http_is_told_in_short():
    head = b"HTTP/1.1 200 OK\r\n" + b"ignore-all-rules" * 5000 + b"\r\n\r\n"
    with RawServer(head) as server, pytest.raises(ModelError, match="broke off") as caught:
        run(lambda client: fetch(client.provider(server.url), post(server.url)))
    assert len(str(caught.value)) < 300


def test_nobody_listening_is_a_connection_error():
    url = refused_url()
    with pytest.raises(ModelError, match="Could not connect") as caught:
        run(lambda client: fetch(client.provider(url), post(url)))
    assert caught.value.kind is ModelErrorKind.CONNECTION


def test_a_line_break_in_a_header_is_refused():
    url = refused_url()
    with pytest.raises(ToolError, match="line break"):
        run(lambda client: fetch(client.mcp(url), post(url, headers=(("x", "a\r\nHost: b"),))))


def test_a_closed_client_says_so():
    async def closed(client: Httpx2Client) -> None:
        await client.aclose()
        await client.aclose()
        await fetch(client.mcp("http://127.0.0.1:1"), post("http://127.0.0.1:1"))

    with pytest.raises(ModelError, match="closed"):
        run(closed)


def test_the_proxy_of_the_environment_is_for_providers_only(monkeypatch: pytest.MonkeyPatch):
    async def both(client: Httpx2Client) -> None:
        await fetch(client.provider("http://models.invalid"), post("http://models.invalid/a"))
        with pytest.raises(ModelError, match="Could not connect"):
            await fetch(client.mcp("http://models.invalid"), post("http://models.invalid/b"))

    with LoopbackServer([Status(200), Status(200)]) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        run(both)
        assert [request.path for request in proxy.requests] == ["http://models.invalid/a"]


def test_this_machine_is_reached_without_the_proxy(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("no_proxy", raising=False)
    with LoopbackServer([]) as proxy, LoopbackServer([Status(200, body="hi")]) as server:
        monkeypatch.setenv("http_proxy", proxy.url)
        assert run(lambda client: fetch(client.provider(server.url), post(server.url)))[2] == b"hi"
        assert proxy.requests == []


def test_https_goes_through_the_proxy_as_a_tunnel(monkeypatch: pytest.MonkeyPatch):
    seen: list[Sent] = []
    with RawServer(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n") as proxy:
        monkeypatch.setenv("https_proxy", proxy.url.replace("//", "//me:secret@"))
        monkeypatch.delenv("no_proxy", raising=False)
        with pytest.raises(ModelError, match="403"):
            run(
                lambda client: fetch(client.provider("https://models.invalid"), post("https://models.invalid/a")),
                record=seen.append,
            )
        assert proxy.lines == ["CONNECT models.invalid:443 HTTP/1.1"]
    assert seen[0].connected_to == proxy.url.removeprefix("http://")


@pytest.mark.parametrize("proxy", ["http://host:port", "gopher://host:1"])
def test_a_proxy_that_is_none_is_the_users_error(monkeypatch: pytest.MonkeyPatch, proxy: str):
    monkeypatch.setenv("http_proxy", proxy)
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(ConfigError, match="proxy named by the environment"):
        run(lambda client: fetch(client.provider("http://models.invalid"), post("http://models.invalid/a")))


def test_no_proxy_is_respected(monkeypatch: pytest.MonkeyPatch):
    with LoopbackServer([]) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", ".invalid")
        with pytest.raises(ModelError, match=r"No address was found|Could not connect"):
            run(lambda client: fetch(client.provider("http://models.invalid"), post("http://models.invalid/a")))
        assert proxy.requests == []


def test_a_name_without_an_address_is_a_connection_error():
    async def resolve(host: str, port: int) -> list[str]:
        raise socket.gaierror(-2, "Name or service not known")

    with pytest.raises(ModelError, match=r"No address was found for site\.example") as caught:
        run(lambda client: fetch(client.public_web(), post("http://site.example/")), resolve=resolve)
    assert caught.value.kind is ModelErrorKind.CONNECTION


def test_the_public_web_does_not_reach_this_machine():
    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    with LoopbackServer([Say("never")]) as server:
        port = server.url.rpartition(":")[2]
        for url in (server.url, f"http://example.com:{port}/"):
            with pytest.raises(ToolError) as caught:
                run(lambda client, url=url: fetch(client.public_web(), post(url)), resolve=resolve)
            assert caught.value.kind is ToolErrorKind.DENIED
        assert server.requests == []


def test_bodies_are_decompressed():
    turn = Status(200, headers={"content-encoding": "gzip"}, body=gzip.compress(b"hello " * 1000))
    with LoopbackServer([turn]) as server:
        _, _, body, _ = run(lambda client: fetch(client.provider(server.url), post(server.url)))
    assert body == b"hello " * 1000


def bomb(megabytes: int) -> bytes:
    return gzip.compress(bytes(megabytes * 1024 * 1024))


def test_a_small_body_never_becomes_a_large_one_at_once():
    async def biggest(client: Httpx2Client) -> int:
        async with client.provider(server.url).send(post(server.url)) as response:
            return max([len(chunk) async for chunk in response.chunks()])

    with LoopbackServer([Status(200, headers={"content-encoding": "gzip"}, body=bomb(20))]) as server:
        assert run(biggest) <= 65_536


def test_codings_on_top_of_each_other_are_refused():
    turn = Status(200, headers={"content-encoding": "gzip, gzip"}, body=gzip.compress(bomb(1)))
    with LoopbackServer([turn]) as server, pytest.raises(ModelError, match="gzip, gzip") as caught:
        run(lambda client: fetch(client.provider(server.url), post(server.url)))
    assert caught.value.kind is ModelErrorKind.PROTOCOL


def test_a_damaged_coding_is_a_protocol_error():
    turn = Status(200, headers={"content-encoding": "gzip"}, body=b"plain")
    with LoopbackServer([turn]) as server, pytest.raises(ModelError, match="could not be decompressed") as caught:
        run(lambda client: fetch(client.provider(server.url), post(server.url)))
    assert caught.value.kind is ModelErrorKind.PROTOCOL


class RawServer:
    """Sends *answer* to whoever connects, then *drip* again and again; remembers the first lines of requests."""

    def __init__(self, answer: bytes, drip: bytes = b""):
        self.lines: list[str] = []
        self.was_asked = threading.Event()
        self.closed = threading.Event()  # by the client
        self._answer, self._drip = answer, drip
        self._stop = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        while not self._stop.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                try:
                    self.lines.append(connection.recv(65536).decode().split("\r\n")[0])
                    self.was_asked.set()
                    connection.sendall(self._answer)
                    while self._drip and not self._stop.wait(0.01):
                        connection.sendall(self._drip)
                except OSError:  # the client had enough
                    self.closed.set()


def test_a_body_that_never_ends_meets_the_deadline_of_the_exchange():
    """Each piece comes in time, and the whole does not; what the server says before may be no body either."""
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n"
    body = gzip.compress(b"x")
    with RawServer(head + b"%x\r\n%b\r\n" % (len(body), body), b"3\r\nabc\r\n") as server:
        request = post(server.url, timeouts=HttpTimeouts(read_s=5, total_s=0.3))
        with pytest.raises(ModelError, match=r"longer than 0\.3 s"):
            run(lambda client: fetch(client.provider(server.url), request))


@pytest.fixture
def loopback_is_public(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets 127.0.0.1 count as public, so that the way behind the gate can be walked."""
    monkeypatch.setattr("a3s_code_http.egress.is_public", lambda answer: answer in {"127.0.0.1", "127.0.0.9"})


def browse(
    server: LoopbackServer | RawServer,
    path: str = "/",
    *,
    answers: tuple[str, ...] = ("127.0.0.1",),
    client: dict[str, object] | None = None,
    **settings: object,
):
    async def resolve(host: str, port: int) -> tuple[str, ...]:
        return answers if host == "site.example" else ("127.0.0.1",)

    port = server.url.rpartition(":")[2]
    request = post(f"http://site.example:{port}{path}", **settings)
    return run(lambda client: fetch(client.public_web(), request), resolve=resolve, **(client or {}))


@pytest.mark.usefixtures("loopback_is_public")
def test_the_public_web_is_asked_under_its_name():
    with LoopbackServer([Status(200, body="hi")]) as server:
        _, _, body, url = browse(server, "/a?b")
        assert server.requests[0].headers["host"].startswith("site.example:")
    assert body == b"hi"
    assert url.startswith("http://site.example:")


@pytest.mark.usefixtures("loopback_is_public")
@pytest.mark.parametrize("coding", ["gzip", "identity"])
def test_a_body_from_the_web_has_a_limit(coding: str):
    body = bomb(3) if coding == "gzip" else bytes(3 * 1024 * 1024)
    turn = Status(200, headers={"content-encoding": coding}, body=body)
    with LoopbackServer([turn]) as server, pytest.raises(ToolError, match="more than 1,000,000 bytes") as caught:
        browse(server, client={"max_web_bytes": 1_000_000})
    assert caught.value.kind is ToolErrorKind.TOO_LARGE


@pytest.mark.usefixtures("loopback_is_public")
def test_bytes_that_are_no_body_count_too():
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\nconnection: close\r\n\r\n" + gzip.compress(b"x")
    with RawServer(head, bytes(200_000)) as server, pytest.raises(ToolError, match="more than 1,000,000 bytes"):
        browse(server, client={"max_web_bytes": 1_000_000}, timeouts=HttpTimeouts(total_s=30))


@pytest.mark.usefixtures("loopback_is_public")
def test_no_proxy_of_the_environment_sees_the_public_web(monkeypatch: pytest.MonkeyPatch):
    with LoopbackServer([Status(200, body="hi")]) as server, LoopbackServer([]) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        assert browse(server)[2] == b"hi"
        assert proxy.requests == []


@pytest.mark.usefixtures("loopback_is_public")
def test_every_hop_is_recorded_with_the_address_it_went_to():
    seen: list[Sent] = []
    with LoopbackServer([Status(302, headers={"location": "/b"}), Status(200)]) as server:
        browse(server, "/a", answers=("127.0.0.9", "127.0.0.1"), client={"record": seen.append})
    hops = [(sent.purpose, sent.method, sent.url.rpartition("/")[2], sent.connected_to, sent.status) for sent in seen]
    assert hops == [
        ("public_web", "POST", "a", "127.0.0.9", None),
        ("public_web", "POST", "a", "127.0.0.1", 302),
        ("public_web", "GET", "b", "127.0.0.9", None),
        ("public_web", "GET", "b", "127.0.0.1", 200),
    ]
    assert "body" not in repr(seen[0])


@pytest.mark.usefixtures("loopback_is_public")
@pytest.mark.parametrize("answers", [("127.0.0.9", "127.0.0.1"), ("127.0.0.1", "127.0.0.9")])
def test_one_address_that_answers_is_enough(answers: tuple[str, ...]):
    with LoopbackServer([Status(200, body="hi")]) as server:
        assert browse(server, answers=answers)[2] == b"hi"


@pytest.mark.usefixtures("loopback_is_public")
def test_a_redirect_to_another_origin_takes_no_credentials_along():
    headers = (("Authorization", "Bearer x"), ("X-Api-Key", "y"), ("Accept", "text/html"))
    with LoopbackServer([Status(200, body="there")]) as other:
        port = other.url.rpartition(":")[2]
        turns = [
            Status(302, headers={"location": "/next"}),
            Status(302, headers={"location": f"http://other.example:{port}/"}),
        ]
        with LoopbackServer(turns) as server:
            assert browse(server, headers=headers)[2] == b"there"
            assert server.requests[1].headers["authorization"] == "Bearer x"
        seen = other.requests[0]
    assert seen.headers["accept"] == "text/html"
    assert not {"authorization", "x-api-key"} & seen.headers.keys()


@pytest.mark.usefixtures("loopback_is_public")
def test_who_keeps_the_host_gets_the_redirect_to_another_one_as_the_answer():
    elsewhere = "http://other.example/"
    turns = [Status(302, headers={"location": "/next"}), Status(302, headers={"location": elsewhere})]
    with LoopbackServer(turns) as server:
        status, headers, _, url = browse(server, keeps_host=True)
        assert len(server.requests) == 2
    assert (status, headers["location"], url.rpartition("/")[2]) == (302, elsewhere, "next")


@pytest.mark.usefixtures("loopback_is_public")
@pytest.mark.parametrize(
    ("status", "method", "body"), [(301, "GET", b""), (302, "GET", b""), (303, "GET", b""), (307, "POST", b"{}")]
)
def test_a_redirect_keeps_or_drops_the_body_as_its_status_says(status: int, method: str, body: bytes):
    seen: list[Sent] = []
    with LoopbackServer([Status(status, headers={"location": "/b"}), Status(200)]) as server:
        browse(server, client={"record": seen.append})
    assert [(sent.method, sent.body) for sent in seen] == [("POST", b"{}"), (method, body)]


@pytest.mark.usefixtures("loopback_is_public")
def test_no_connection_of_the_web_is_used_again():
    """A kept one stands for one name in TLS, and is found by its number: another name would get it."""
    ports: set[object] = set()

    async def resolve(host: str, port: int) -> tuple[str, ...]:
        return ("127.0.0.1",)

    async def twice(client: Httpx2Client) -> None:
        for host in ("a.example", "b.example"):
            url = server.url.replace("127.0.0.1", host)
            async with client.public_web().send(post(url)) as response:
                ports.add(response._response.extensions["network_stream"].get_extra_info("client_addr"))
                assert [chunk async for chunk in response.chunks()]

    with LoopbackServer([Status(200, body="a"), Status(200, body="b")]) as server:
        run(twice, resolve=resolve)
    assert len(ports) == 2


@pytest.mark.usefixtures("loopback_is_public")
@pytest.mark.parametrize("purpose", ["mcp", "public_web"])
def test_who_does_not_read_on_leaves_no_connection(purpose: str):
    async def resolve(host: str, port: int) -> tuple[str, ...]:
        return ("127.0.0.1",)

    async def peek(client: Httpx2Client) -> None:
        url = server.url.replace("127.0.0.1", "site.example") if purpose == "public_web" else server.url
        bound = client.public_web() if purpose == "public_web" else client.mcp(url)
        async with bound.send(HttpRequest(method="GET", url=url)) as response:
            assert response.status == 200
        assert await asyncio.to_thread(server.closed.wait, 10)

    with RawServer(b"HTTP/1.1 200 OK\r\n\r\n", drip=b"x") as server:
        run(peek, resolve=resolve)


@pytest.mark.usefixtures("loopback_is_public")
def test_a_body_is_not_sent_on_to_another_origin():
    turn = Status(307, headers={"location": "http://other.example/"})
    with LoopbackServer([turn]) as server, pytest.raises(ToolError, match="body") as caught:
        browse(server)
    assert caught.value.kind is ToolErrorKind.DENIED


@pytest.mark.usefixtures("loopback_is_public")
def test_a_redirect_inside_is_denied():
    turn = Status(302, headers={"location": "http://169.254.169.254/latest"})
    with LoopbackServer([turn]) as server, pytest.raises(ToolError, match=r"169\.254\.169\.254") as caught:
        browse(server)
    assert caught.value.kind is ToolErrorKind.DENIED


@pytest.mark.usefixtures("loopback_is_public")
def test_a_loop_of_redirects_ends():
    with LoopbackServer([Status(302, headers={"location": "/again"})] * 20) as server:
        with pytest.raises(ToolError, match="10 redirects"):
            browse(server)
        assert len(server.requests) == 11

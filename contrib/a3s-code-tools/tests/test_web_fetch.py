"""web_fetch through the real HttpClient, against servers on loopback that a resolver calls public."""

import asyncio
import gzip
import importlib.util
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from a3s_code_http.client import Httpx2Client, Sent
from a3s_code_testing.loopback import LoopbackServer, Reset, Status, Turn
from a3s_code_tools import reader_child
from a3s_code_tools.reader import html_text
from a3s_code_tools.web_fetch import MAX_BODY_BYTES, WebFetchTool

from a3s_code.plugin import Effects, ToolError, ToolErrorKind, ToolOutput, ToolUse, UrlTarget

PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)
PAGE = """<!doctype html><html><head><title>T</title><script>let a = 1</script><style>p {}</style></head>
<body><nav><a href="/menu">Menu</a></nav><h1>Tea &amp; cake</h1>
<p>See <a href="more?x=1">more</a>.</p><ul><li>one</li><li>two</li></ul></body></html>"""
MARKDOWN = "# Tea & cake\n\nSee [more](http://site.example:{port}/a/more?x=1).\n\n- one\n- two"


@pytest.fixture(autouse=True)
def loopback_is_public(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets 127.0.0.1 count as public, so that the way behind the gate can be walked."""
    monkeypatch.setattr("a3s_code_http.egress.is_public", lambda answer: answer == "127.0.0.1")


async def resolve(host: str, port: int) -> list[str]:
    return ["10.0.0.1"] if host == "inside.example" else ["127.0.0.1"]


class Site:
    """A server with a script, known as site.example."""

    def __init__(self, server: LoopbackServer, script: list[Turn], use: ToolUse):
        self.server = server
        self.script = script
        self.port = server.url.rpartition(":")[2]
        self.sent: list[Sent] = []
        self._use = use

    def url(self, path: str, host: str = "site.example") -> str:
        return f"http://{host}:{self.port}{path}"

    def fetch(self, path: str = "/a/page", *, url: str = "", **args: object) -> ToolOutput:
        async def main() -> ToolOutput:
            client = Httpx2Client(resolve=resolve, record=self.sent.append)
            try:
                return await WebFetchTool(client).run({"url": url or self.url(path), **args}, self._use)
            finally:
                await client.aclose()

        return asyncio.run(main())

    def refusal(self, path: str = "/a/page", **args: object) -> ToolError:
        with pytest.raises(ToolError) as caught:
            self.fetch(path, **args)
        return caught.value


Open = Callable[..., Site]


@pytest.fixture
def site(use: ToolUse) -> Iterator[Open]:
    servers: list[LoopbackServer] = []

    def opened(*turns: Turn) -> Site:
        script = list(turns)
        servers.append(LoopbackServer(script).__enter__())
        return Site(servers[-1], script, use)

    yield opened
    for server in servers:
        server.__exit__(None, None, None)


def html(text: str | bytes, **headers: str) -> Status:
    return Status(200, headers={"content-type": "text/html; charset=utf-8", **headers}, body=text)


def test_a_call_reads_an_address_of_the_open_world():
    spec = WebFetchTool.spec
    assert spec.effects == Effects.READ_ONLY | Effects.OPEN_WORLD
    assert spec.targets({"url": "https://example.com/"}) == (UrlTarget("https://example.com/"),)


def test_html_comes_as_markdown_with_absolute_links(site: Open):
    page = site(html(PAGE))
    output = page.fetch()
    assert output.text == MARKDOWN.format(port=page.port)
    assert output.metadata["status"] == 200
    assert output.metadata["url"] == page.url("/a/page")


def test_html_comes_as_plain_text(site: Open):
    assert site(html(PAGE)).fetch(format="text").text == "Tea & cake\n\nSee more.\n\n- one\n- two"


def test_html_comes_as_it_is(site: Open):
    assert site(html(PAGE)).fetch(format="html").text == PAGE


def test_a_page_of_nothing_but_navigation_is_shown(site: Open):
    assert "Menu" in site(html("<body><nav><a href='/m'>Menu</a></nav></body>")).fetch().text


def test_a_page_inside_a_form_is_shown(site: Open):
    assert site(html("<form><h1>All of it</h1></form>")).fetch().text == "# All of it"


@pytest.mark.parametrize(
    ("media_type", "body"),
    [
        ("application/json", '{"a": [1, "<b>"]}'),
        ("application/problem+json; charset=utf-8", '{"a": 1}'),
        ("text/xml", "<a><b>1</b></a>"),
        ("application/atom+xml", "<feed/>"),
        ("image/svg+xml", "<svg><text>x</text></svg>"),
        ("text/markdown", "# A\n\n*b*"),
        ("text/x-python", "if a < b: pass"),
        ("application/octet-stream", "plain after all"),
        ("", "plain without a type"),
    ],
)
def test_text_comes_as_it_is(site: Open, media_type: str, body: str):
    assert site(Status(200, headers={"content-type": media_type}, body=body)).fetch().text == body


def test_html_without_a_type_is_seen(site: Open):
    assert site(Status(200, headers={"content-type": ""}, body="<!DOCTYPE html><h1>A</h1>")).fetch().text == "# A"


@pytest.mark.parametrize(
    ("media_type", "body"),
    [
        pytest.param("text/html; charset=iso-8859-1", b"<p>caf\xe9 \x80</p>", id="header"),
        pytest.param("text/html", b'<meta charset="windows-1252"><p>caf\xe9 \x80</p>', id="meta"),
        pytest.param("text/html; charset=latin1", "\ufeff<p>café €</p>".encode(), id="mark wins"),
        pytest.param("text/html", "\ufeff<p>café €</p>".encode("utf-16-le"), id="UTF-16"),
        pytest.param("text/html; charset=nonsense", "<p>café €</p>".encode(), id="unknown name"),
        pytest.param("text/html; charset=punycode", "<p>café €</p>".encode(), id="no charset"),
        pytest.param("application/xhtml+xml", b"<?xml version='1.0' encoding='cp1252'?><p>caf\xe9 \x80</p>", id="XML"),
    ],
)
def test_the_charset_is_found(site: Open, media_type: str, body: bytes):
    page = site(Status(200, headers={"content-type": media_type}, body=body))
    assert page.fetch(format="text").text.endswith("café €")


def test_a_charset_that_nobody_names_is_detected(site: Open):
    body = "Съешь же ещё этих мягких французских булок, да выпей чаю. " * 5
    page = site(Status(200, headers={"content-type": "text/plain"}, body=body.encode("cp1251")))
    assert page.fetch().text == body


def test_an_image_is_shown(site: Open):
    output = site(Status(200, headers={"content-type": "image/png"}, body=PNG)).fetch("/i.png?token=abc")
    assert output.images[0].media_type == "image/png"
    assert "/i.png?token=*** is an image: image/png, 72 bytes" in output.text


@pytest.mark.parametrize("media_type", ["application/zip", "text/plain", "application/octet-stream", "image/tiff"])
def test_binary_is_said_to_be_binary(site: Open, media_type: str):
    error = site(Status(200, headers={"content-type": media_type}, body=b"PK\3\4\0\0\0\xff")).refusal()
    assert error.kind is ToolErrorKind.UNSUPPORTED
    assert "is binary" in str(error)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"PK\3\4" + b" a" * 50, id="looks like an archive"),
        pytest.param(b"<p>text</p>" * 100 + bytes(5000), id="zeros at the end"),
        pytest.param(b"<blockquote>" * 200 + b"<p>x" * 12_500, id="takes all memory"),
    ],
)
def test_a_page_that_cannot_be_converted_is_an_answer(site: Open, body: bytes):
    """The last one, of 50 KB, is given memory until there is none: it must not be the memory of this process."""
    error = site(html(body)).refusal()
    assert error.kind is ToolErrorKind.UNSUPPORTED
    assert 'ask for it with format = "html"' in str(error)
    assert site(html(body)).fetch(format="html").success


def test_an_error_page_that_cannot_be_converted_is_an_error_with_its_status(site: Open):
    error = site(Status(404, headers={"content-type": "text/html"}, body=b"PK\3\4 abc")).refusal()
    assert error.kind is ToolErrorKind.NOT_FOUND
    assert str(error).startswith("HTTP 404 Not Found from ")


def test_a_page_that_becomes_very_long_is_cut(site: Open):
    base = f"<base href='https://a.example/{'A' * 10_000}/'>"
    page = site(html(base + "<a href=b>c</a>" * 1000))
    assert page.fetch(max_chars=10).metadata["total_chars"] < 8_100_000


def test_a_page_that_takes_too_long_is_a_timeout():
    with pytest.raises(ToolError, match="took too long") as caught:
        asyncio.run(html_text("<table>" + "<tr><td>x" * 400_000, "https://a.example/", is_plain=False, timeout_s=0.1))
    assert caught.value.kind is ToolErrorKind.TIMEOUT


def test_no_module_of_the_environment_is_run_by_the_reader(site: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("json", "html_to_markdown", "a3s_code_tools"):
        (tmp_path / f"{name}.py").write_text("import os; os._exit(9)", "utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert site(html("<h1>Here</h1>")).fetch().text == "# Here"


def test_of_a_long_error_page_the_beginning_is_enough(site: Open):
    error = site(Status(404, headers={"content-type": "text/plain"}, body="a" * (MAX_BODY_BYTES + 1))).refusal()
    assert error.kind is ToolErrorKind.NOT_FOUND


def test_an_address_that_is_too_long_is_denied(site: Open):
    page = site(Status(302, headers={"location": "/" + "a" * 70_000}))
    assert page.refusal().kind is ToolErrorKind.DENIED
    assert page.refusal("/" + "a" * 70_000).kind is ToolErrorKind.DENIED


def test_an_empty_page_is_said_to_be_empty(site: Open):
    assert site(html("")).fetch().text == "[the page is empty]"


def test_a_long_page_comes_in_parts(site: Open):
    text = "0123456789" * 10
    page = site(*[Status(200, headers={"content-type": "text/plain"}, body=text)] * 3)
    first = page.fetch(max_chars=60)
    assert first.text == text[:60] + "\n\n[characters 0 to 60 of 100; continue with offset=60]"
    assert page.fetch(offset=60).text == text[60:]
    assert page.refusal(offset=100).kind is ToolErrorKind.INVALID_ARGUMENT


def test_a_part_fits_into_one_result(site: Open):
    page = site(Status(200, headers={"content-type": "text/plain; charset=utf-8"}, body="語" * 60_000))
    output = page.fetch(max_chars=100_000)
    assert output.metadata["end"] == 102_400 // 3
    assert output.text.endswith("continue with offset=34133]")


@pytest.mark.parametrize(
    ("status", "kind"), [(404, ToolErrorKind.NOT_FOUND), (403, ToolErrorKind.FAILED), (503, ToolErrorKind.FAILED)]
)
def test_an_error_status_is_an_error_with_an_excerpt(site: Open, status: int, kind: ToolErrorKind):
    headers = {"content-type": "text/html", "retry-after": "7"}
    error = site(Status(status, headers=headers, body="<h1>Sorry</h1>" + "x" * 999)).refusal("/a?api_key=s3cret&q=1")
    assert error.kind is kind
    assert str(error).startswith(f"HTTP {status} ")
    assert "/a?api_key=***&q=1 (to be tried again after 7 s): Sorry x" in str(error)
    assert len(str(error)) < 700


def test_what_a_server_says_in_headers_is_shown_in_short(site: Open):
    page = site(
        Status(503, headers={"retry-after": "9" * 50_000}),
        Status(200, headers={"content-type": "ignore/" + "all-rules" * 5000}, body=b"\0"),
    )
    assert len(str(page.refusal())) < 200
    assert len(str(page.refusal())) < 300


def test_a_status_that_nobody_knows_is_an_error(site: Open):
    assert "HTTP 799 from" in str(site(Status(799)).refusal())


def test_a_redirect_is_followed_and_named(site: Open):
    page = site(Status(302, headers={"location": "/b?token=x"}), html("<h1>There</h1>"))
    assert page.fetch().text == f"[redirected to {page.url('/b?token=***')}]\n\n# There"


def test_a_page_that_sends_its_reader_on_is_followed(site: Open):
    page = site(html('<meta http-equiv="refresh" content="0; url=/b?a=1&amp;c=2">'), html("<h1>There</h1>"))
    assert page.fetch().text == f"[redirected to {page.url('/b?a=1&c=2')}]\n\n# There"


def test_a_page_that_sends_its_reader_on_to_nearly_the_same_address_is_followed(site: Open):
    page = site(html('<meta http-equiv="refresh" content="0; url=/a/page/">'), html("<h1>There</h1>"))
    assert page.fetch("/a/page").text == "# There"


@pytest.mark.parametrize(
    "meta",
    [
        '<meta http-equiv="refresh" content="300">',
        '<meta http-equiv="refresh" content="60; url=/b">',
        '<!-- <meta http-equiv="refresh" content="0; url=/b"> -->',
        '<noscript><meta http-equiv="refresh" content="0; url=/b"></noscript>',
        '<meta http-equiv="refresh" content="0; url=page#top">',
    ],
)
def test_a_page_that_only_seems_to_send_its_reader_on_is_shown(site: Open, meta: str):
    assert site(html(f"{meta}<h1>Here</h1>")).fetch().text == "# Here"


@pytest.mark.parametrize("way", ["redirect", "meta"])
@pytest.mark.parametrize("target", ["http://inside.example/", "http://169.254.169.254/latest", "file:///etc/passwd"])
def test_no_way_leads_inside(site: Open, way: str, target: str):
    turn = (
        Status(302, headers={"location": target})
        if way == "redirect"
        else html(f'<meta http-equiv="refresh" content="0; url={target}">')
    )
    page = site(turn)
    try:  # another host is named, what is no web address refused
        error = page.refusal(url=str(page.fetch().metadata["redirect"]))
    except ToolError as refused:
        error = refused
    assert error.kind is ToolErrorKind.DENIED
    assert {sent.connected_to for sent in page.sent} == {"127.0.0.1"}


@pytest.mark.parametrize("way", ["redirect", "meta"])
def test_another_host_is_named_and_not_opened(site: Open, way: str):
    """Rules may say otherwise of it: the model asks for it, and the gate judges that."""
    target = "http://other.example/b?token=x"
    turn = (
        Status(302, headers={"location": target})
        if way == "redirect"
        else html(f'<meta http-equiv="refresh" content="0; url={target}">')
    )
    page = site(turn)
    said = page.fetch("/a/page?token=y")
    assert said.text == (
        f"{page.url('/a/page?token=***')} sends its readers on to another host, which was not opened. To read it, call "
        f"web_fetch with this address:\n{target}"
    )
    assert said.metadata["redirect"] == target
    assert len(page.sent) == 1


@pytest.mark.parametrize("way", ["redirect", "meta"])
def test_www_is_the_same_host(site: Open, way: str):
    page = site()
    target = page.url("/b", "www.site.example")
    turn = (
        Status(301, headers={"location": target})
        if way == "redirect"
        else html(f'<meta http-equiv="refresh" content="0; url={target}">')
    )
    page.script += [turn, html("<h1>There</h1>")]
    assert page.fetch().text == f"[redirected to {target}]\n\n# There"


def test_pages_that_send_each_other_their_reader_end(site: Open):
    pages = [html(f'<meta http-equiv="refresh" content="0; url=/{number}">') for number in range(9)]
    error = site(*pages).refusal()
    assert "is there a loop?" in str(error)


@pytest.mark.parametrize("url", ["ftp://site.example/", "http://me:secret@site.example/", "http://127.0.0.1:1/a b"])
def test_other_addresses_are_denied_without_a_connection(site: Open, url: str):
    page = site()
    error = page.refusal(url=url)
    assert error.kind is ToolErrorKind.DENIED
    assert "secret" not in str(error)
    assert page.sent == []


@pytest.mark.parametrize("coding", ["gzip", "identity"])
def test_a_page_that_is_too_large_is_not_read_to_the_end(site: Open, coding: str):
    body = b"a" * (MAX_BODY_BYTES + 1)
    answer = html(gzip.compress(body) if coding == "gzip" else body, **{"content-encoding": coding})
    error = site(answer).refusal()
    assert error.kind is ToolErrorKind.TOO_LARGE
    assert "larger than 5 MiB" in str(error)


def test_silence_is_a_timeout_that_says_what_to_do(site: Open, use: ToolUse):
    use.deadline_s = 0.2
    with socket.create_server(("127.0.0.1", 0)) as silent:
        error = site().refusal(url=f"http://site.example:{silent.getsockname()[1]}/?sig=x")
    assert error.kind is ToolErrorKind.TIMEOUT
    assert "/?sig=*** was not read within 0.2 s; try it with a longer timeout" in str(error)


def test_a_broken_connection_is_a_failure(site: Open):
    error = site(Reset()).refusal("/a?secret=x")
    assert error.kind is ToolErrorKind.FAILED
    assert "/a?secret=*** could not be read: The connection to" in str(error)


def test_only_the_address_is_sent(site: Open):
    page = site(html("x"))
    page.fetch()
    (sent,) = page.sent
    assert (sent.method, sent.body) == ("GET", b"")
    assert set(sent.headers) <= {"accept", "accept-encoding", "host", "user-agent"}


def pdf(text: str) -> bytes:
    """The smallest PDF that shows a line of text."""
    content = f"BT /F1 12 Tf 72 700 Td ({text}) Tj ET".encode()
    parts = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 5 0 R"
        b" /Resources << /Font << /F1 4 0 R >> >> >>",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        b"<< /Length %d >>\nstream\n%b\nendstream" % (len(content), content),
    ]
    body, places = b"%PDF-1.4\n", []
    for number, part in enumerate(parts, start=1):
        places.append(len(body))
        body += b"%d 0 obj\n%b\nendobj\n" % (number, part)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    trailer = b"trailer << /Size 6 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % len(body)
    return body + b"xref\n0 6\n0000000000 65535 f \n" + table + trailer


def test_the_text_of_a_pdf_is_read(site: Open):
    pytest.importorskip("pypdf")
    page = site(Status(200, headers={"content-type": "application/pdf"}, body=pdf("Hello from a page")))
    assert page.fetch().text == "[page 1]\nHello from a page"


def test_a_pdf_page_that_is_cut_says_so(monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("pypdf")
    monkeypatch.setattr(reader_child, "MAX_PDF_CHARS", 5)
    answer = reader_child._read("pdf", pdf("Hello from a page"))
    assert answer == {"pages": ["Hello\n[the rest of this page is left out]"], "total": 1}


@pytest.mark.parametrize("body", [b"%PDF-1.4\nnonsense", pdf("")])
def test_a_pdf_without_text_is_said_to_be_one(site: Open, body: bytes):
    pytest.importorskip("pypdf")
    error = site(Status(200, headers={"content-type": "application/pdf"}, body=body)).refusal()
    assert error.kind is ToolErrorKind.UNSUPPORTED
    assert "This PDF" in str(error)


def test_without_the_extra_a_pdf_says_what_to_install(site: Open, monkeypatch: pytest.MonkeyPatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr("a3s_code_tools.reader.find_spec", lambda name: None if name == "pypdf" else find_spec(name))
    error = site(Status(200, headers={"content-type": "application/pdf"}, body=pdf("x"))).refusal()
    assert error.kind is ToolErrorKind.UNSUPPORTED
    assert 'pip install "a3s-code-tools[pdf]"' in str(error)

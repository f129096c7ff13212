"""The web_fetch tool: a page of the public web as Markdown, text or HTML."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from http import HTTPStatus
from urllib.parse import urljoin

from attrs import evolve, field, frozen

from a3s_code.plugin import (
    A3SCodeError,
    Attachment,
    Effects,
    HttpClient,
    HttpRequest,
    HttpResponse,
    HttpTimeouts,
    Json,
    JsonObject,
    ModelError,
    ModelErrorKind,
    Target,
    ToolError,
    ToolErrorKind,
    ToolOutput,
    ToolSpec,
    ToolUse,
    UrlTarget,
    in_thread,
)
from a3s_code_tools.addresses import host_of, one_line_url, page_key, plain_url, shown_url
from a3s_code_tools.charset import decoded
from a3s_code_tools.output import MAX_OUTPUT_BYTES
from a3s_code_tools.page import PageKind, kind_of, media_type_of, refresh_of
from a3s_code_tools.progress import progress
from a3s_code_tools.reader import html_text, pdf_text

__all__ = ["WebFetchTool"]

DEFAULT_TIMEOUT_S = 30
MAX_TIMEOUT_S = 120
MAX_BODY_BYTES = 5 * 1024 * 1024
DEFAULT_CHARS = 50_000
MAX_CHARS = 100_000
MAX_REFRESHES = 3
EXCERPT_BYTES = 65_536
EXCERPT_CHARS = 500
MAX_URL_CHARS = 16_384

_ACCEPT = "text/html,application/xhtml+xml,text/markdown,text/plain;q=0.9,application/json;q=0.9,*/*;q=0.5"


def _targets(args: JsonObject) -> Sequence[Target]:
    return (UrlTarget(plain_url(str(args["url"]))),)


class WebFetchTool:
    """Reads one page of the public web; never sends anything but its address.

    Args:
        http_client: Its `public_web` is the only way out.
    """

    spec = ToolSpec(
        name="web_fetch",
        description=(
            "Read a page of the public web. HTML comes as Markdown (or as plain text, or as it is), JSON, XML and text "
            "as they are, images as images. Only public http and https addresses can be opened, nothing on this "
            "machine or its network. Long pages come in parts: continue with offset."
        ),
        schema={
            "type": "object",
            "properties": {
                "url": {
                    "type": "string",
                    "description": "The complete address, with http:// or https:// and without user name and password.",
                },
                "format": {
                    "type": "string",
                    "enum": ["markdown", "text", "html"],
                    "default": "markdown",
                    "description": "How an HTML page is shown.",
                },
                "timeout": {
                    "type": "number",
                    "minimum": 1,
                    "maximum": MAX_TIMEOUT_S,
                    "default": DEFAULT_TIMEOUT_S,
                    "description": "Seconds for all of it, redirects included.",
                },
                "offset": {
                    "type": "integer",
                    "minimum": 0,
                    "default": 0,
                    "description": "Characters to skip.",
                },
                "max_chars": {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": MAX_CHARS,
                    "default": DEFAULT_CHARS,
                    "description": "Most characters to show.",
                },
            },
            "required": ["url"],
            "additionalProperties": False,
            "examples": [
                {"url": "https://docs.python.org/3/library/asyncio.html"},
                {"url": "https://example.com/long", "format": "text", "offset": 50000, "max_chars": 20000},
            ],
        },
        effects=Effects.READ_ONLY | Effects.OPEN_WORLD,
        targets=_targets,
    )

    def __init__(self, http_client: HttpClient):
        self._web = http_client.public_web()

    async def run(self, args: JsonObject, use: ToolUse) -> ToolOutput:
        url, timeout_s = str(args["url"]), _number(args.get("timeout"), DEFAULT_TIMEOUT_S)
        if use.deadline_s is not None:
            timeout_s = min(timeout_s, use.deadline_s)
        try:
            async with asyncio.timeout(timeout_s):
                return await self._read(url, args, timeout_s, use)
        except TimeoutError:
            raise _timed_out(url, timeout_s) from None
        except ModelError as error:
            if error.kind is ModelErrorKind.STALLED:
                raise _timed_out(url, timeout_s) from error
            raise ToolError(f"{shown_url(url)} could not be read: {error}", ToolErrorKind.FAILED) from error

    async def _read(self, url: str, args: JsonObject, timeout_s: float, use: ToolUse) -> ToolOutput:
        body = bytearray()
        with progress(use, lambda: f"{len(body):,} bytes read" if body else "waiting for the server"):
            fetched = await self._fetched(url, timeout_s, body)
        if fetched.sent_on is not None:
            return _elsewhere(fetched, fetched.sent_on)
        match fetched.kind:
            case PageKind.IMAGE:
                return _image(fetched)
            case PageKind.BINARY:
                raise ToolError(
                    f"{shown_url(fetched.url)} is binary ({fetched.media_type or 'of no stated type'}, "
                    f"{len(fetched.body):,} bytes) and cannot be shown as text.",
                    ToolErrorKind.UNSUPPORTED,
                )
            case PageKind.PDF:
                text = await pdf_text(fetched.body, timeout_s=timeout_s)
            case PageKind.HTML | PageKind.TEXT:
                text = await fetched.as_text(str(args.get("format", "markdown")), timeout_s)
        offset, limit = int(_number(args.get("offset"), 0)), int(_number(args.get("max_chars"), DEFAULT_CHARS))
        return _part(fetched, url, text, offset, min(limit, MAX_CHARS))

    async def _fetched(self, url: str, timeout_s: float, body: bytearray) -> "_Fetched":
        """The page, after redirects and after the pages that only send their reader on, on the same host."""
        for _ in range(MAX_REFRESHES + 1):
            fetched = await self._get(url, timeout_s, body)
            if fetched.sent_on is not None or fetched.kind is not PageKind.HTML:
                return fetched
            target = await in_thread(fetched.refreshed_to)
            if target is None or plain_url(target) == plain_url(fetched.url):
                return fetched
            if host_of(target) not in (None, host_of(fetched.url)):
                return evolve(fetched, sent_on=target)
            url = target
        raise ToolError(
            f"Stopped after {MAX_REFRESHES} pages that send their reader on; is there a loop?", ToolErrorKind.FAILED
        )

    async def _get(self, url: str, timeout_s: float, body: bytearray) -> "_Fetched":
        limits = HttpTimeouts(connect_s=min(timeout_s, 10.0), read_s=timeout_s, total_s=timeout_s)
        # another host is another question for the gate
        request = HttpRequest(method="GET", url=url, headers=(("Accept", _ACCEPT),), timeouts=limits, keeps_host=True)
        async with self._web.send(request) as response:
            media_type, charset = media_type_of(response.headers.get("content-type", ""))
            await _read_into(body, response, url)
            location = response.headers.get("location") if response.status in _REDIRECTS else None
            fetched = _Fetched(
                url=response.url,
                status=response.status,
                media_type=media_type,
                charset=charset,
                body=bytes(body),
                sent_on=None if location is None else urljoin(response.url, location),
            )
            if fetched.sent_on is None and not 200 <= response.status < 300:
                raise await _status_error(fetched, response.headers.get("retry-after"), timeout_s)
            return fetched


@frozen(kw_only=True)
class _Fetched:
    """What a server answered; *sent_on* is an address on another host that it names instead of an answer."""

    url: str
    status: int
    media_type: str
    charset: str
    body: bytes = field(repr=False)
    sent_on: str | None = None
    kind: PageKind = field(init=False)

    @kind.default
    def _kind(self) -> PageKind:
        return kind_of(self.media_type, self.body, self.charset)

    def refreshed_to(self) -> str | None:
        return refresh_of(decoded(self.body, self.charset), self.url)

    async def as_text(self, format: str, timeout_s: float) -> str:
        text = await in_thread(decoded, self.body, self.charset)
        if self.kind is not PageKind.HTML or format == "html":
            return text
        return await html_text(text, self.url, is_plain=format == "text", timeout_s=timeout_s)


async def _read_into(body: bytearray, response: HttpResponse, url: str) -> None:
    """Makes *body* the decoded body of the response; of an error's page the beginning is enough."""
    body.clear()
    is_error = response.status >= 300
    async for chunk in response.chunks():
        body += chunk
        if is_error and len(body) > EXCERPT_BYTES:
            break
        if len(body) > MAX_BODY_BYTES:
            raise ToolError(
                f"{shown_url(url)} is larger than {MAX_BODY_BYTES // 1024 // 1024} MiB; it was not read to the end. "
                "Open a smaller page of this site.",
                ToolErrorKind.TOO_LARGE,
            )


async def _status_error(fetched: _Fetched, retry_after: str | None, timeout_s: float) -> ToolError:
    phrase = HTTPStatus(fetched.status).phrase if fetched.status in set(HTTPStatus) else ""
    text = f"HTTP {fetched.status} {phrase}".strip() + f" from {shown_url(fetched.url)}"
    if retry_after and retry_after.isdecimal() and len(retry_after) < 10:
        text += f" (to be tried again after {retry_after} s)"
    if fetched.kind in (PageKind.HTML, PageKind.TEXT):
        with suppress(ToolError):  # the status says more than that its page cannot be read
            excerpt = " ".join((await fetched.as_text("text", timeout_s)).split())
            text += f": {excerpt[:EXCERPT_CHARS]}" if excerpt else ""
    return ToolError(text, _KINDS.get(fetched.status, ToolErrorKind.FAILED))


_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_KINDS = {
    404: ToolErrorKind.NOT_FOUND,
    410: ToolErrorKind.NOT_FOUND,
    408: ToolErrorKind.TIMEOUT,
    504: ToolErrorKind.TIMEOUT,
}


def _elsewhere(fetched: _Fetched, target: str) -> ToolOutput:
    """Where the reader is sent: on another host other rules may hold, so that the model has to ask for it."""
    target = one_line_url(target)
    text = (
        f"{shown_url(fetched.url)} sends its readers on to another host, which was not opened. To read it, call "
        f"web_fetch with this address:\n{target[:MAX_URL_CHARS]}"
    )
    return ToolOutput(text=text, metadata={**_facts(fetched), "redirect": target[:MAX_URL_CHARS]})


def _image(fetched: _Fetched) -> ToolOutput:
    try:
        image = Attachment.from_bytes(fetched.body)
    except A3SCodeError as error:
        raise ToolError(f"{shown_url(fetched.url)}: {error}", ToolErrorKind.TOO_LARGE) from error
    text = f"[{shown_url(fetched.url)} is an image: {image.media_type}, {len(fetched.body):,} bytes]"
    return ToolOutput(text=text, images=(image,), metadata=_facts(fetched))


def _part(fetched: _Fetched, asked: str, text: str, offset: int, limit: int) -> ToolOutput:
    """The characters from *offset*, as many as asked for and as fit into one result."""
    total = len(text)
    if offset and offset >= total:
        raise ToolError(f"Offset {offset} exceeds page length ({total} characters)", ToolErrorKind.INVALID_ARGUMENT)
    part = text[offset : offset + limit].encode("utf-8", "replace")[:MAX_OUTPUT_BYTES].decode("utf-8", "ignore")
    end = offset + len(part)
    lines = [part or "[the page is empty]"]
    if page_key(fetched.url) != page_key(asked):
        lines.insert(0, f"[redirected to {shown_url(fetched.url)}]\n")
    if end < total:
        lines.append(f"\n[characters {offset} to {end} of {total}; continue with offset={end}]")
    return ToolOutput(
        text="\n".join(lines), metadata={**_facts(fetched), "offset": offset, "end": end, "total_chars": total}
    )


def _facts(fetched: _Fetched) -> dict[str, Json]:
    return {
        "url": shown_url(fetched.url),
        "status": fetched.status,
        "media_type": fetched.media_type,
        "bytes": len(fetched.body),
    }


def _timed_out(url: str, timeout_s: float) -> ToolError:
    return ToolError(
        f"{shown_url(url)} was not read within {timeout_s:g} s; try it with a longer timeout (at most "
        f"{MAX_TIMEOUT_S}) or open another page.",
        ToolErrorKind.TIMEOUT,
    )


def _number(value: object, default: float) -> float:
    return value if isinstance(value, int | float) else default

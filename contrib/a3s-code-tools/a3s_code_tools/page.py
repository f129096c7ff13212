"""A page of the web as text: what kind of body it is, HTML as Markdown or plain text, and where it sends its reader."""

import re
from enum import Enum
from html import unescape
from urllib.parse import urljoin

from a3s_code.plugin import image_type

__all__ = ["PageKind", "kind_of", "markdown_of", "media_type_of", "plain_text_of", "refresh_of"]

_CHARSET = re.compile(r"""charset\s*=\s*["']?([^\s;"']+)""", re.IGNORECASE)
_HTML_TYPES = frozenset({"text/html", "application/xhtml+xml"})
_TEXT_TYPES = re.compile(
    r"text/|application/(?:json|xml|javascript|ecmascript|yaml|x-yaml|toml|sql|graphql|x-sh|x-ndjson|ndjson|rtf)$|.*\+(?:json|xml|yaml)$"
)
_SNIFFED_BYTES = 1024
_LOOKS_LIKE_HTML = re.compile(
    rb"\s*(?:<!--.{0,500}?-->\s*)?<(?:!doctype html|html|head|body)\b", re.IGNORECASE | re.DOTALL
)


class PageKind(Enum):
    """What can be done with a body."""

    HTML = "HTML"
    TEXT = "text"
    IMAGE = "an image"
    PDF = "PDF"
    BINARY = "binary"


def media_type_of(content_type: str) -> tuple[str, str]:
    """Media type in lower case and charset of a Content-Type header; "" for what it does not say."""
    media_type, _, parameters = content_type.partition(";")
    charset = _CHARSET.search(parameters)
    return media_type.strip().lower(), charset[1] if charset else ""


def kind_of(media_type: str, body: bytes) -> PageKind:
    """The kind of *body*; its first bytes count where they are plain, since servers often say nothing or nonsense."""
    start = body[:_SNIFFED_BYTES]
    if image_type(body):
        return PageKind.IMAGE
    if start.startswith(b"%PDF-"):
        return PageKind.PDF
    is_wide = start.startswith((b"\xff\xfe", b"\xfe\xff"))  # UTF-16: half of it are zeros
    if b"\0" in start and not is_wide and "utf-16" not in media_type:
        return PageKind.BINARY
    if media_type in _HTML_TYPES:
        return PageKind.HTML
    if _TEXT_TYPES.match(media_type):
        return PageKind.TEXT
    if media_type.startswith(("image/", "audio/", "video/", "font/")) or not (is_wide or _is_utf8(body)):
        return PageKind.BINARY
    return PageKind.HTML if _LOOKS_LIKE_HTML.match(start) else PageKind.TEXT


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def markdown_of(html: str, url: str) -> str:
    """The page as Markdown with absolute links, without scripts, styles and navigation."""
    return _converted(html, url, is_plain=False)


def plain_text_of(html: str, url: str) -> str:
    """The page's text without marks and links."""
    return _converted(html, url, is_plain=True)


def _converted(html: str, url: str, *, is_plain: bool) -> str:
    text = _convert(html, url, is_plain=is_plain, drops_navigation=True)
    return text if text.strip() else _convert(html, url, is_plain=is_plain, drops_navigation=False)


def _convert(html: str, url: str, *, is_plain: bool, drops_navigation: bool) -> str:
    import html_to_markdown as h2m

    options = h2m.ConversionOptions(
        output_format=h2m.OutputFormat.PLAIN if is_plain else h2m.OutputFormat.MARKDOWN,
        extract_metadata=False,
        base_url=url,
        inline_data_media=h2m.InlineDataMedia.ALT_TEXT_ONLY,
        # forms stay: many sites put the whole page into one
        preprocessing=h2m.PreprocessingOptions(enabled=drops_navigation, remove_navigation=True, remove_forms=False),
    )
    result = h2m.convert(html, options)
    text = (result.content or "").strip()
    if any("depth limit" in warning.message for warning in result.warnings):
        text += "\n\n[parts of the page are left out: its elements are nested too deeply]"
    return text


_HEAD_CHARS = 8192
_NOT_MEANT = re.compile(r"<!--.*?-->|<(noscript|script|style)\b.*?</\1", re.IGNORECASE | re.DOTALL)
_META = re.compile(r"<meta\s([^>]{1,1000})>", re.IGNORECASE)
_IS_REFRESH = re.compile(r"http-equiv\s*=\s*[\"']?refresh\b", re.IGNORECASE)
_CONTENT = re.compile(r"""content\s*=\s*(?:"([^"]*)"|'([^']*)'|(\S+))""", re.IGNORECASE)
_TARGET = re.compile(r"""\s*(\d{1,4})(?:\.\d*)?\s*[;,\s]\s*url\s*=\s*["']?([^"']+)""", re.IGNORECASE)
_AT_ONCE_S = 5


def refresh_of(html: str, url: str) -> str | None:
    """Where the page sends its reader within five seconds by `<meta http-equiv="refresh">`, or None."""
    for meta in _META.finditer(_NOT_MEANT.sub("", html[:_HEAD_CHARS])):
        content = _CONTENT.search(meta[1])
        if content is None or not _IS_REFRESH.search(meta[1]):
            continue
        target = _TARGET.match(content[1] or content[2] or content[3] or "")
        if target is not None and int(target[1]) <= _AT_ONCE_S:
            try:
                return str(urljoin(url, unescape(target[2].strip())))
            except ValueError:
                return None
    return None

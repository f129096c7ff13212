"""A page of the web: what kind of body it is, and where it sends its reader."""

import re
from enum import Enum
from html import unescape
from urllib.parse import urljoin

from a3s_code.plugin import image_type

__all__ = ["PageKind", "kind_of", "media_type_of", "refresh_of"]

_CHARSET = re.compile(r"""charset\s*=\s*["']?([^\s;"']+)""", re.IGNORECASE)
_HTML_TYPES = frozenset({"text/html", "application/xhtml+xml"})
_TEXT_TYPES = re.compile(
    r"text/|application/(?:json|xml|javascript|ecmascript|yaml|x-yaml|toml|sql|graphql|x-sh|x-ndjson|ndjson|rtf)$|.*\+(?:json|xml|yaml)$"
)
_MAX_TYPE_CHARS = 127  # RFC 6838, 4.2; it is shown to the model
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
    return media_type.strip().lower()[:_MAX_TYPE_CHARS], charset[1] if charset else ""


def kind_of(media_type: str, body: bytes, charset: str = "") -> PageKind:
    """The kind of *body*; its first bytes count where they are plain, since servers often say nothing or nonsense."""
    start = body[:_SNIFFED_BYTES]
    if image_type(body):
        return PageKind.IMAGE
    if start.startswith(b"%PDF-"):
        return PageKind.PDF
    # UTF-16: half of it are zeros
    is_wide = start.startswith((b"\xff\xfe", b"\xfe\xff")) or charset.lower().startswith("utf-16")
    if b"\0" in start and not is_wide:
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

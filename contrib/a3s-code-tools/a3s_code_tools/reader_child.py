"""The process that reads what a stranger sent, which may hold an interpreter for minutes, take all memory or crash.

Its argument is "pdf", "markdown" or "text". On standard input comes the PDF, or the address of the page, a line end and
the HTML as UTF-8. The answer goes to standard output as JSON: {"pages": [...], "total": n}, {"text": "..."} or
{"error": "..."}.
"""

import io
import json
import logging
import resource
import sys
from contextlib import suppress

__all__ = ["main", "markdown_of", "plain_text_of"]

MEMORY_BYTES = 1 << 30
MAX_PDF_CHARS = 1_000_000
MAX_PDF_PAGES = 2000
MAX_HTML_CHARS = 8_000_000


def main() -> None:
    with suppress(ValueError):  # macOS has no such limit
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    logging.disable()
    try:
        answer = _read(sys.argv[1], sys.stdin.buffer.read())
    except Exception as error:  # noqa: BLE001 # a reader of strangers' files raises anything
        answer = {"error": f"{type(error).__name__}: {error}"[:300]}
    sys.stdout.buffer.write(json.dumps(answer, ensure_ascii=False).encode("utf-8", "replace"))


def _read(kind: str, content: bytes) -> dict[str, object]:
    if kind == "pdf":
        return _pdf(content)
    url, _, html = content.decode().partition("\n")
    text = (markdown_of if kind == "markdown" else plain_text_of)(html, url)
    if len(text) > MAX_HTML_CHARS:
        text = f"{text[:MAX_HTML_CHARS]}\n\n[the rest of the page is left out]"
    return {"text": text}


def _pdf(content: bytes) -> dict[str, object]:
    from pypdf import PdfReader

    reader = PdfReader(io.BytesIO(content))
    pages: list[str] = []
    left = MAX_PDF_CHARS
    for page in reader.pages[:MAX_PDF_PAGES]:
        text = page.extract_text()
        pages.append(text if len(text) <= left else f"{text[:left]}\n[the rest of this page is left out]")
        left -= len(text)
        if left <= 0:
            break
    return {"pages": pages, "total": len(reader.pages)}


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

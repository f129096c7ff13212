"""The process that takes the text out of a PDF: a stranger's file may hold an interpreter for minutes, or all memory.

The file comes on standard input, the answer goes to standard output as JSON: {"pages": [...], "total": n} or
{"error": "..."}.
"""

import io
import json
import logging
import resource
import sys

__all__ = ["main"]

MEMORY_BYTES = 1 << 30
MAX_CHARS = 1_000_000
MAX_PAGES = 2000


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    logging.disable()
    try:
        answer = _text(sys.stdin.buffer.read())
    except Exception as error:  # noqa: BLE001 # a reader of strangers' files raises anything
        answer = {"error": f"{type(error).__name__}: {error}"[:300]}
    sys.stdout.write(json.dumps(answer))


def _text(content: bytes) -> dict[str, object]:
    from pypdf import PdfReader

    reader = PdfReader(io.BytesIO(content))
    pages: list[str] = []
    left = MAX_CHARS
    for page in reader.pages[:MAX_PAGES]:
        text = page.extract_text().encode("utf-8", "replace").decode()[:left]
        pages.append(text)
        left -= len(text)
        if left <= 0:
            break
    return {"pages": pages, "total": len(reader.pages)}

"""The text of a PDF or an HTML page, made by a child process with bounded memory that is killed at its deadline."""

import json
import os
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from a3s_code.plugin import ToolError, ToolErrorKind
from a3s_code_tools.child import allowed_env, run_child

__all__ = ["html_text", "pdf_text"]

_MAX_ANSWER_BYTES = 32 * 1024 * 1024  # as many characters as the child gives, most of them of four bytes

# -I and appending: a module in the working folder or in PYTHONPATH must not be run instead of ours
_START = (
    "import os, sys; sys.path.extend(sys.argv.pop().split(os.pathsep)); "
    "from a3s_code_tools.reader_child import main; main()"
)


async def pdf_text(content: bytes, *, timeout_s: float) -> str:
    """The text of all pages, each under a line with its number.

    Args:
        content: The file.
        timeout_s: Seconds until it is given up.

    Raises:
        ToolError: UNSUPPORTED (pypdf is not installed, or the file has no text or is damaged) or TIMEOUT.
    """
    if find_spec("pypdf") is None:
        raise ToolError(
            'This is a PDF; reading PDF needs the extra: pip install "a3s-code-tools[pdf]". Look for the same text '
            "as a web page.",
            ToolErrorKind.UNSUPPORTED,
        )
    found = await _read_apart("pdf", content, library="pypdf", timeout_s=timeout_s)
    if "error" in found:
        raise ToolError(f"This PDF cannot be read ({found['error']}).", ToolErrorKind.UNSUPPORTED)
    pages = [text.strip() for text in found["pages"]]
    if not any(pages):
        raise ToolError("This PDF has no text; its pages may be pictures.", ToolErrorKind.UNSUPPORTED)
    text = "\n\n".join(f"[page {number}]\n{text}" for number, text in enumerate(pages, start=1))
    more = found["total"] - len(pages)
    return text + (f"\n\n[{more} more pages are not shown]" if more else "")


async def html_text(html: str, url: str, *, is_plain: bool, timeout_s: float) -> str:
    """The page as Markdown with absolute links, or as plain text; without scripts, styles and navigation.

    Args:
        html: The page.
        url: Its address.
        is_plain: Whether marks and links are left out.
        timeout_s: Seconds until it is given up.

    Raises:
        ToolError: UNSUPPORTED (its reader refused it or ran out of memory) or TIMEOUT.
    """
    # the address is not an argument: everybody sees those, and it may have a token
    content = f"{url}\n{html}".encode("utf-8", "replace")
    kind = "text" if is_plain else "markdown"
    found = await _read_apart(kind, content, library="html_to_markdown", timeout_s=timeout_s)
    if "error" in found:
        raise ToolError(
            f'This page cannot be turned into {kind} ({found["error"]}); ask for it with format = "html".',
            ToolErrorKind.UNSUPPORTED,
        )
    return str(found["text"])


async def _read_apart(
    kind: str, content: bytes, *, library: str, timeout_s: float
) -> Mapping[str, Any]:  # Any: the answer comes from JSON
    specs = [find_spec(name) for name in (library, "a3s_code_tools")]
    folders = [str(Path(spec.origin).parent.parent) for spec in specs if spec is not None and spec.origin]
    answer = bytearray()

    def take(chunk: bytes) -> None:
        if len(answer) <= _MAX_ANSWER_BYTES:
            answer.extend(chunk)

    argv = [sys.executable, "-I", "-W", "ignore", "-c", _START, kind, os.pathsep.join(folders)]
    ended = await run_child(
        argv, cwd="/", env=allowed_env(), timeout_s=max(timeout_s, 0.1), on_bytes=take, stdin=content
    )
    if ended.timed_out:
        raise ToolError(f"Reading this {_NAMES[kind]} took too long and was stopped.", ToolErrorKind.TIMEOUT)
    if len(answer) > _MAX_ANSWER_BYTES:
        return {"error": "its text is too long"}
    try:
        found: Mapping[str, Any] = json.loads(answer)
    except ValueError:
        return {"error": f"its reader ended with exit code {ended.exit_code}"}
    return found


_NAMES = {"pdf": "PDF", "markdown": "page", "text": "page"}

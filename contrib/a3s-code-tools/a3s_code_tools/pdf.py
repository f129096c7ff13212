"""The text of a PDF, taken out by a child process that is killed at its deadline; needs pypdf."""

import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from a3s_code.plugin import ToolError, ToolErrorKind
from a3s_code_tools.child import allowed_env, run_child

__all__ = ["pdf_text"]

_MAX_ANSWER_BYTES = 16 * 1024 * 1024  # a million characters, each as JSON's escape, and some more

# -I and appending: a module in the working folder or in PYTHONPATH must not be run instead of ours
_START = "import sys; sys.path.extend(sys.argv[1:]); from a3s_code_tools.pdf_child import main; main()"


async def pdf_text(content: bytes, *, timeout_s: float) -> str:
    """The text of all pages, each under a line with its number.

    Args:
        content: The file.
        timeout_s: Seconds until it is given up.

    Raises:
        ToolError: UNSUPPORTED (pypdf is not installed, or the file has no text or is damaged) or TIMEOUT.
    """
    specs = [find_spec(name) for name in ("pypdf", "a3s_code_tools")]
    folders = [str(Path(spec.origin).parent.parent) for spec in specs if spec is not None and spec.origin]
    if specs[0] is None:
        raise ToolError(
            'This is a PDF; reading PDF needs the extra: pip install "a3s-code-tools[pdf]". Look for the same text '
            "as a web page.",
            ToolErrorKind.UNSUPPORTED,
        )
    answer = bytearray()

    def take(chunk: bytes) -> None:
        if len(answer) < _MAX_ANSWER_BYTES:
            answer.extend(chunk)

    argv = [sys.executable, "-I", "-W", "ignore", "-c", _START, *folders]
    ended = await run_child(
        argv, cwd="/", env=allowed_env(), timeout_s=max(timeout_s, 0.1), on_bytes=take, stdin=content
    )
    if ended.timed_out:
        raise ToolError("Taking the text out of this PDF took too long and was stopped.", ToolErrorKind.TIMEOUT)
    return _told(bytes(answer), ended.exit_code)


def _told(answer: bytes, exit_code: int) -> str:
    try:
        found: dict[str, Any] = json.loads(answer)  # Any: the answer comes from JSON
    except ValueError:
        found = {"error": f"its reader ended with exit code {exit_code}"}
    if "error" in found:
        raise ToolError(f"This PDF cannot be read ({found['error']}).", ToolErrorKind.UNSUPPORTED)
    pages = [text.strip() for text in found["pages"]]
    if not any(pages):
        raise ToolError("This PDF has no text; its pages may be pictures.", ToolErrorKind.UNSUPPORTED)
    text = "\n\n".join(f"[page {number}]\n{text}" for number, text in enumerate(pages, start=1))
    more = found["total"] - len(pages)
    return text + (f"\n\n[{more} more pages are not shown]" if more else "")

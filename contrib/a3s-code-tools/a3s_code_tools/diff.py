"""What a change does to a file, as a unified diff to look at."""

from a3s_code.plugin import unified_diff
from a3s_code_tools.edits.text import EditError, TextFile, valid

__all__ = ["MAX_DIFF_CHARS", "cut", "difference"]

MAX_DIFF_CHARS = 50_000


def difference(
    path: str,
    before: bytes | None,
    after: bytes | None,
    *,
    moved_from: str | None = None,
    copied_from: str | None = None,
) -> str:
    """The change of a file as git writes it, whatever its encoding; "" when nothing changed.

    Args:
        path: As it is shown.
        before: Old content; None when there was no file.
        after: New content; None when there is no file any more.
        moved_from: The path that the content comes from.
        copied_from: The same, where it stays too.
    """
    source = moved_from or copied_from
    old = "/dev/null" if before is None else f"a/{source or path}"
    new = "/dev/null" if after is None else f"b/{path}"
    text = unified_diff(_readable(before or b""), _readable(after or b""), old, new)
    if source is None:
        return text
    verb = "rename" if moved_from else "copy"
    return f"diff --git a/{source} b/{path}\n{verb} from {source}\n{verb} to {path}\n{text}"


def cut(diff: str) -> str:
    """*diff*, or its beginning and how much follows."""
    if len(diff) <= MAX_DIFF_CHARS:
        return diff
    return f"{diff[:MAX_DIFF_CHARS]}\n[{len(diff) - MAX_DIFF_CHARS} more characters]\n"


def _readable(content: bytes) -> bytes:
    """*content* as valid UTF-8 without byte order mark; as it is when it is no text."""
    try:
        return valid(TextFile.decode(content).raw).encode()
    except EditError:
        return content

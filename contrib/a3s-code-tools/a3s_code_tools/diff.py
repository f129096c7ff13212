"""The unified diff of a change, for people to look at."""

import difflib
import re

__all__ = ["unified_diff"]

CONTEXT = 3
MAX_DIFF_CHARS = 50_000
MAX_COMPARED_LINES = 1_000
"""Changed lines up to which the smallest difference is searched, which takes quadratic time."""


def unified_diff(path: str, before: bytes, after: bytes) -> str:
    """The change of *path* as a unified diff, cut when it is long; "" when nothing changed, a line for binary content.

    Args:
        path: As it is shown in the two header lines.
        before: Old content; b"" for a new file.
        after: New content.
    """
    if before != after and (b"\0" in before or b"\0" in after):
        return f"Binary file {path} changed\n"
    old, new = _lines(before), _lines(after)
    start = 0
    while start < min(len(old), len(new)) and old[start] == new[start]:
        start += 1
    end = 0
    while end < min(len(old), len(new)) - start and old[-1 - end] == new[-1 - end]:
        end += 1
    if start == len(old) == len(new):
        return ""
    first = max(start - CONTEXT, 0)
    rest = max(end - CONTEXT, 0)
    hunks = _hunks(old[first : len(old) - rest], new[first : len(new) - rest], first)
    text = "\n".join([f"--- a/{path}", f"+++ b/{path}", *hunks]) + "\n"
    return (
        text
        if len(text) <= MAX_DIFF_CHARS
        else f"{text[:MAX_DIFF_CHARS]}\n[{len(text) - MAX_DIFF_CHARS} more characters]\n"
    )


def _lines(content: bytes) -> list[str]:
    """Lines without their ends; a last line without end is marked as `diff` does."""
    lines = content.decode("utf-8", "replace").split("\n")
    if lines[-1] == "":
        lines.pop()
    else:
        lines[-1] += "\n\\ No newline at end of file"
    return lines


def _hunks(old: list[str], new: list[str], offset: int) -> list[str]:
    if max(len(old), len(new)) > MAX_COMPARED_LINES:
        header = f"@@ -{offset + 1},{len(old)} +{offset + 1},{len(new)} @@"
        return [header, *(f"-{line}" for line in old), *(f"+{line}" for line in new)]
    diff = list(difflib.unified_diff(old, new, n=CONTEXT, lineterm=""))[2:]
    return [_moved(line, offset) if line.startswith("@@ ") else line for line in diff]


def _moved(header: str, offset: int) -> str:
    return re.sub(r"([-+])(\d+)", lambda found: f"{found[1]}{int(found[2]) + offset}", header)

"""Unified diffs of two contents, in bounded time."""

import difflib
import re
from collections.abc import Iterable
from itertools import takewhile

__all__ = ["unified_diff"]

CONTEXT_LINES = 3
MOST_COMPARED = 4_000_000
"""Lines of the one times lines of the other, where they differ; beyond it difflib would take seconds."""

_RANGES = re.compile(r"@@ -(\d+)(,\d+)? \+(\d+)(,\d+)? @@\n")


def unified_diff(before: bytes, after: bytes, old: str, new: str) -> str:
    """The unified diff from *before* to *after*, in bounded time; "" when they are equal.

    Args:
        before: Content; binary content is only said to differ.
        after: Content.
        old: What *before* is called.
        new: What *after* is called.
    """
    if before == after:
        return ""
    first, second = _text(before), _text(after)
    if first is None or second is None or first == second:
        return f"Binary files {old} and {new} differ\n"
    same, a, b = _differing(_lines(first), _lines(second))
    if len(a) * len(b) > MOST_COMPARED:
        diff = [f"--- {old}\n", f"+++ {new}\n", f"@@ -1,{len(a)} +1,{len(b)} @@\n"]
        diff += [*(f"-{line}" for line in a), *(f"+{line}" for line in b)]
    else:
        diff = list(difflib.unified_diff(a, b, old, new, n=CONTEXT_LINES))
    return "".join(_moved(line, same) for line in diff)


def _text(content: bytes) -> str | None:
    """The text, None when it is binary."""
    is_utf_16 = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    if b"\0" in content and not is_utf_16:
        return None
    try:
        return content.decode("utf-16" if is_utf_16 else "utf-8")
    except UnicodeDecodeError:
        return None if is_utf_16 else content.decode("latin-1")


def _lines(text: str) -> list[str]:
    """With their ends; only "\n" ends a line, so that a "\r" shows."""
    lines = [f"{line}\n" for line in text.split("\n")]
    last = lines.pop()
    return lines if last == "\n" else [*lines, f"{last}\\ No newline at end of file\n"]


def _differing(a: list[str], b: list[str]) -> tuple[int, list[str], list[str]]:
    """What is left without the equal lines at both ends, up to some context; and how many were left out before it."""
    before = max(0, _equal(a, b) - CONTEXT_LINES)
    a, b = a[before:], b[before:]
    behind = max(0, _equal(reversed(a), reversed(b)) - CONTEXT_LINES)
    return before, a[: len(a) - behind], b[: len(b) - behind]


def _equal(a: Iterable[str], b: Iterable[str]) -> int:
    """How many lines at the beginning are equal."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False)))


def _moved(line: str, by: int) -> str:
    """The line of a diff; line numbers count from the beginning of the file."""
    ranges = _RANGES.fullmatch(line)
    if ranges is None:
        return line
    return f"@@ -{int(ranges[1]) + by}{ranges[2] or ''} +{int(ranges[3]) + by}{ranges[4] or ''} @@\n"

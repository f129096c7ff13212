"""Moving lines to the indentation of a block that is the same but for its indentation."""

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

__all__ = ["shift"]

_Indent: TypeAlias = Callable[[str], str | None]
"""The indentation of a line after the move; None when the line cannot be moved so far to the left."""

_TAB_WIDTHS = (4, 8, 3, 2)


def shift(wanted: Sequence[str], found: Sequence[str], new: str) -> str | None:
    """*new*, moved as *found* is moved against *wanted*; None when the lines are not all moved alike.

    Args:
        wanted: The lines as they were searched.
        found: The lines of the file, the same but for blanks at both ends.
        new: Lines to move; empty ones stay empty.
    """
    pairs = [(_indent(old), _indent(line)) for old, line in zip(wanted, found, strict=True) if line.strip()]
    move = _prefixed(pairs) or _by_columns(pairs, [_indent(line) for line in new.split("\n") if line.strip()])
    if move is None:
        return None
    moved: list[str] = []
    for line in new.split("\n"):
        before = _indent(line)
        after = move(before) if line.strip() else before
        if after is None:
            return None
        moved.append(after + line[len(before) :])
    return "\n".join(moved)


def _prefixed(pairs: Sequence[tuple[str, str]]) -> _Indent | None:
    """The move when each line has the same characters more, or the same fewer, at its start."""
    old, new = pairs[0]
    extra = new[: len(new) - len(old)] if len(new) > len(old) else ""
    missing = old[: len(old) - len(new)] if len(old) > len(new) else ""
    if any(extra + before != missing + after for before, after in pairs):
        return None
    return lambda indent: extra + indent[len(missing) :] if indent.startswith(missing) else None


def _by_columns(pairs: Sequence[tuple[str, str]], others: Sequence[str]) -> _Indent | None:
    """The move when tabs stand for spaces: each line begins the same number of columns further right or left."""
    indents = [indent for pair in pairs for indent in pair] + list(others)
    if not any("\t" in indent for indent in indents):
        return None
    unit = math.gcd(*(len(indent) for indent in indents if "\t" not in indent))
    possible = [
        (unit % width != 0, width < 4, moved.pop() != 0, width)
        for width in _TAB_WIDTHS
        if len(moved := {_columns(after, width) - _columns(before, width) for before, after in pairs}) == 1
    ]
    if not possible:
        return None
    width = min(possible)[-1]
    known, has_tabs = dict(pairs), any("\t" in after for _, after in pairs)
    by = _columns(pairs[0][1], width) - _columns(pairs[0][0], width)

    def moved_indent(indent: str) -> str | None:
        columns = _columns(indent, width) + by
        if indent in known or columns < 0:
            return known.get(indent)
        return "\t" * (columns // width) + " " * (columns % width) if has_tabs else " " * columns

    return moved_indent


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip(" \t"))]


def _columns(indent: str, width: int) -> int:
    return len(indent.expandtabs(width))

"""The envelope dialect: `*** Begin Patch`, files by name, hunks below `@@` anchors."""

import re
from collections.abc import Iterator
from dataclasses import replace

from a3s_code_tools.edits.sections import Action, Hunk, Line, Section, diff_lines, lines_of
from a3s_code_tools.edits.text import EditError

__all__ = ["is_envelope", "parse_envelope"]

_BEGIN = "*** Begin Patch"
_END = "*** End Patch"
_END_OF_FILE = "*** End of File"
_FILE = re.compile(r"\*\*\* (Add|Update|Delete) File: *(.*)")
_MOVE = re.compile(r"\*\*\* Move to: *(.*)")
_OUTSIDE = re.compile(r"\*\*\* (Add|Update|Delete) File:|diff --git |@@|<{5,} ?SEARCH\s*$")
_UNIFIED = re.compile(r"-\d+(?:,\d+)? \+\d+(?:,\d+)?(?: @@.*)?")
_ACTIONS = {"Add": Action.CREATE, "Update": Action.UPDATE, "Delete": Action.DELETE}


def is_envelope(diff: str) -> bool:
    """Whether *diff* is in this dialect."""
    for line in diff.split("\n"):
        if line.startswith(_BEGIN) or _FILE.match(line):
            return True
        if line.startswith(("diff --git ", "--- ", "@@")):
            return False
    return False


def parse_envelope(diff: str) -> tuple[Section, ...]:
    """The files of a patch in the envelope.

    Raises:
        EditError: invalid_argument, it is cut off or a line makes no sense.
    """
    reader = _Reader(diff_lines(diff))
    return tuple(reader.sections())


class _Reader:
    """The lines of an envelope, read from front to back."""

    def __init__(self, lines: list[str]):
        self._lines = [line.rstrip() if line.startswith("*** ") else line for line in lines]
        self._next = 0
        begun = self._lines.count(_BEGIN)
        if begun > self._lines.count(_END):
            raise EditError(
                f"the patch has {_BEGIN} but no {_END}; it may have been cut off. Nothing was changed. Send it whole."
            )
        if begun:
            self._skip_prose()

    def sections(self) -> Iterator[Section]:
        while self._next < len(self._lines):
            line = self._lines[self._next]
            self._next += 1
            if line == _END:
                self._skip_prose()
            elif (found := _FILE.fullmatch(line)) and found[2]:
                yield self._section(_ACTIONS[found[1]], found[2])
            elif line.strip() and not line.startswith("```"):
                raise self._nonsense(self._next - 1, "expected *** Add File:, *** Update File: or *** Delete File:")

    def _skip_prose(self) -> None:
        """Goes behind the next begin; a change before it would be left out without a word."""
        while self._next < len(self._lines):
            self._next += 1
            if self._lines[self._next - 1] == _BEGIN:
                return
            if _OUTSIDE.match(self._lines[self._next - 1]):
                raise self._nonsense(self._next - 1, f"every change must stand between {_BEGIN} and {_END}")

    def _section(self, action: Action, path: str) -> Section:
        at = self._next
        if action is Action.DELETE:
            return Section(action=action, old=path, new=None, at=at, is_whole=True)
        if action is Action.CREATE:
            return Section(action=action, old=None, new=path, at=at, hunks=self._added())
        target = path
        if self._next < len(self._lines) and (found := _MOVE.fullmatch(self._lines[self._next])):
            target = found[1]
            self._next += 1
        hunks = tuple(self._hunks())
        if not hunks and target == path:
            raise EditError(f"line {at} of the patch updates {path}, but no change follows")
        action = Action.UPDATE if target == path else Action.RENAME
        return Section(action=action, old=path, new=target, at=at, hunks=hunks)

    def _added(self) -> tuple[Hunk, ...]:
        at = self._next + 1
        lines = list(self._body(signs="+"))
        return (Hunk(lines=tuple(lines), at=at, start=0, count=0),) if lines else ()

    def _hunks(self) -> Iterator[Hunk]:
        while self._next < len(self._lines) and not self._is_new_part():
            at = self._next + 1
            anchors = list(self._anchors())
            lines = tuple(self._body(signs=" +-"))
            is_at_end = self._next < len(self._lines) and self._lines[self._next] == _END_OF_FILE
            self._next += is_at_end
            if lines:
                yield replace(_hunk(lines, at, anchors), is_at_end=is_at_end)
            elif anchors:
                raise self._nonsense(at - 1, "no change follows the anchor")

    def _anchors(self) -> Iterator[str]:
        while self._next < len(self._lines) and self._lines[self._next].startswith("@@"):
            yield self._lines[self._next][2:].strip()
            self._next += 1

    def _body(self, signs: str) -> Iterator[Line]:
        """The lines up to the next part; empty ones at the end only set parts apart."""
        empty: list[Line] = []
        while self._next < len(self._lines):
            line = self._lines[self._next]
            if self._is_new_part() or line.startswith("@@") or line == _END_OF_FILE:
                return
            if line.strip("\r") == "":
                empty += lines_of(signs[0], line)
            elif line[0] in signs:
                yield from empty
                empty = []
                yield from lines_of(line[0], line[1:])
            elif not line.startswith("\\ "):
                raise self._nonsense(self._next, f"each line starts with one of {', '.join(map(repr, signs))}")
            self._next += 1

    def _is_new_part(self) -> bool:
        line = self._lines[self._next]
        return line == _END or bool(_FILE.fullmatch(line))

    def _nonsense(self, index: int, expected: str) -> EditError:
        return EditError(
            f"line {index + 1} of the patch, {self._lines[index][:80]!r}, is not understood: {expected}. "
            "Nothing was changed."
        )


def _hunk(lines: tuple[Line, ...], at: int, anchors: list[str]) -> Hunk:
    """The hunk below its anchors; line numbers that came along are no evidence in this dialect."""
    if any(map(_UNIFIED.fullmatch, anchors)):
        return Hunk(lines=lines, at=at)
    cleaned = (anchor.removesuffix("@@").strip() for anchor in anchors)
    return Hunk(lines=lines, at=at, anchors=tuple(filter(None, cleaned)))

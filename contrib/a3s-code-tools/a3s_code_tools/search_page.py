"""Making pages of what a search finds: bounded in memory, each with the place where the next one begins."""

import os
from collections import deque
from typing import NamedTuple, Protocol

from attrs import define, field

from a3s_code_tools.cursor import encoded
from a3s_code_tools.output import MAX_OUTPUT_BYTES, shown
from a3s_code_tools.search_query import MAX_LINE_BYTES
from a3s_code_tools.search_records import Record

__all__ = ["FilePage", "LinePage", "NewestPage", "Page", "Place"]

MAX_LINE_CHARS = 2000
LEAD_CHARS = 200
"""Characters shown before a match that is far into a long line."""

Place = tuple[int, bytes]
"""A number (line or time) and a path."""


class Page(Protocol):
    """Collects records until it is full.

    Attributes:
        lines: What to show.
        cursor: Where the next page begins, None when there is none.
        matches: How many matching lines the lines stand for.
        files: How many files.
    """

    matches: int
    files: int

    @property
    def lines(self) -> list[str]: ...

    @property
    def cursor(self) -> str | None: ...

    def take(self, record: Record) -> bool:
        """Whether more is wanted."""
        ...


class _Lines:
    """Lines up to the common limit of output."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.left = MAX_OUTPUT_BYTES

    def add(self, lines: list[str]) -> bool:
        """Adds all of the lines, or none when they do not fit."""
        size = sum(len(line.encode("utf-8", "replace")) + 1 for line in lines)
        if size > self.left:
            return False
        self.left -= size
        self.lines += lines
        return True


@define
class _Start:
    """Finds where a page begins: behind the place where the one before it ended."""

    after: Place | None
    path: bytes | None = None
    passed: bool = False

    def is_before(self, path: bytes, number: int) -> bool:
        """Whether a place belongs to an earlier page."""
        if self.after is None:
            return False
        line, last = self.after
        if path != self.path:
            self.path = path
            self.passed = _key(path) > _key(last)
            if self.passed:
                self.after = None
                return False
        return path != last or number <= line


def _key(path: bytes) -> list[bytes]:
    """Search programs go through names in the order of their bytes, folder by folder."""
    return path.split(b"/")


class _State(NamedTuple):
    """How a page stood before a file."""

    lines: int
    left: int
    matches: int
    files: int
    last: Record | None
    end: tuple[bytes, int] | None


class LinePage:
    """Matching lines as "path:line:text", with context as "path-line-text".

    Args:
        prefix: What stands before each path.
        limit: Most matches.
        context: Lines around each match that the search program writes.
        after: Where the page before ended.
    """

    def __init__(self, prefix: str, *, limit: int, context: int, after: Place | None):
        self._prefix = os.fsencode(prefix)
        self._limit = limit
        self._context = context
        self._start = _Start(after)
        self._out = _Lines()
        self._pending: deque[Record] = deque(maxlen=context)
        self._last: Record | None = None  # shown match
        self._end: tuple[bytes, int] | None = None  # last shown line
        self._shown_path = ""
        self._path: bytes | None = None
        self._is_full = False
        self.matches = 0
        self.files = 0
        self._before_file = self._state()

    @property
    def lines(self) -> list[str]:
        return self._out.lines

    @property
    def cursor(self) -> str | None:
        return encoded(self._last.number, self._last.path) if self._is_full and self._last else None

    def take(self, record: Record) -> bool:
        if record.path != self._path:
            self._path = record.path
            self._shown_path = shown(os.fsdecode(self._prefix + record.path))
            self._pending.clear()
            self._before_file = self._state()
        if record.is_binary:
            self._forget_file()
        elif not record.is_match or self._start.is_before(record.path, record.number):
            self._take_context(record)
        elif self.matches >= self._limit or not self._show(record):
            self._is_full = True
            return False
        return True

    def _state(self) -> "_State":
        return _State(len(self._out.lines), self._out.left, self.matches, self.files, self._last, self._end)

    def _forget_file(self) -> None:
        count, self._out.left, self.matches, self.files, self._last, self._end = self._before_file
        del self._out.lines[count:]
        self._pending.clear()

    def _take_context(self, record: Record) -> None:
        last = self._last
        follows = last is not None and last.path == record.path and record.number <= last.number + self._context
        if follows and self._out.add([self._line(record, "-")]):
            self._end = record.path, record.number
        else:
            self._pending.append(record)

    def _show(self, record: Record) -> bool:
        before = [each for each in self._pending if record.number - each.number <= self._context]
        while not self._out.add(self._block(before, record)):
            if self._last is not None or not before:
                return False
            before.pop(0)  # a page that shows nothing would never end
        self._pending.clear()
        if self._last is None or self._last.path != record.path:
            self.files += 1
        self.matches += 1
        self._last = record
        self._end = record.path, record.number
        return True

    def _block(self, before: list[Record], match: Record) -> list[str]:
        first = before[0] if before else match
        is_apart = self._end is not None and self._end != (first.path, first.number - 1)
        gap = ["--"] if self._context and is_apart else []
        return [*gap, *(self._line(each, "-") for each in before), self._line(match, ":")]

    def _line(self, record: Record, mark: str) -> str:
        return f"{self._shown_path}{mark}{record.number}{mark}{_cut(record.text, record.column)}"


class FilePage:
    """One line for each file: its path, or "path:count".

    Args:
        prefix: What stands before each path.
        limit: Most files.
        counts: Whether the records carry how many lines match.
        after: Where the page before ended.
    """

    def __init__(self, prefix: str, *, limit: int, counts: bool, after: Place | None):
        self._prefix = os.fsencode(prefix)
        self._limit = limit
        self._counts = counts
        self._start = _Start(after)
        self._out = _Lines()
        self._last = b""
        self._is_full = False
        self.matches = 0
        self.files = 0

    @property
    def lines(self) -> list[str]:
        return self._out.lines

    @property
    def cursor(self) -> str | None:
        return encoded(0, self._last) if self._is_full else None

    def take(self, record: Record) -> bool:
        if self._start.is_before(record.path, 0):
            return True
        path = shown(os.fsdecode(self._prefix + record.path))
        line = f"{path}:{record.number}" if self._counts else path
        if self.files >= self._limit or not self._out.add([line]):
            self._is_full = True
            return False
        self.files += 1
        self.matches += record.number
        self._last = record.path
        return True


@define
class NewestPage:
    """The newest files, whatever the order in which they come; all are counted.

    Args:
        folder: Descriptor of the folder that was searched.
        limit: Most files.
        after: Where the page before ended: time and path.
        is_sorted: They come newest first, so that later ones need not be looked at.
    """

    folder: int
    limit: int
    after: Place | None = None
    is_sorted: bool = False
    total: int = 0
    is_complete: bool = False
    _found: list[Place] = field(factory=list)

    def take(self, paths: list[bytes]) -> None:
        """Takes in more paths."""
        self.total += len(paths)
        if self.is_complete:
            return
        found = self._found
        for path in paths:
            try:
                modified = os.stat(path, dir_fd=self.folder, follow_symlinks=False).st_mtime_ns
            except OSError:  # it went away meanwhile
                self.total -= 1
                continue
            if self.is_sorted and len(found) > self.limit and -modified > found[-1][0]:
                self.is_complete = True  # only now: of several with the same time the names decide
                return
            place = (-modified, path)
            if self.after is None or place > self.after:
                found.append(place)
        if not self.is_sorted and len(found) > 4 * self.limit + 1000:
            found.sort()
            del found[self.limit + 1 :]

    def places(self) -> list[Place]:
        """Time (negative, nanoseconds) and path of the newest, one more than the limit if there are more."""
        return sorted(self._found)[: self.limit + 1]


def _cut(text: bytes, column: int) -> str:
    """A line as it is shown: all of it, or what is around its first match."""
    is_whole = len(text) <= MAX_LINE_BYTES
    line = text[:MAX_LINE_BYTES].decode("utf-8", "replace")
    if is_whole:
        line = line.removesuffix("\r")
        if len(line) <= MAX_LINE_CHARS:
            return line
    place = len(text[:column].decode("utf-8", "replace")) if column < MAX_LINE_BYTES else 0
    start = 0 if place < MAX_LINE_CHARS - LEAD_CHARS else place - LEAD_CHARS
    before = f"[{start} characters] …" if start else ""
    more = len(line) - start - MAX_LINE_CHARS
    shown_part = before + line[start : start + MAX_LINE_CHARS]
    if is_whole:
        return shown_part if more <= 0 else f"{shown_part}… [{more} more characters]"
    where = "" if column < MAX_LINE_BYTES else f"; the match is {column} bytes into it"
    return f"{shown_part}… [more of a line over 64 KiB{where}]"

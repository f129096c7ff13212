"""Reading what a search program writes, piece by piece."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from a3s_code_tools.search_query import Kind

__all__ = ["BINARY", "Record", "Records"]

_LINE = re.compile(rb"(\d+)([:-])")
_COLUMN = re.compile(rb"(\d+):")
BINARY = b': WARNING: stopped searching binary file after match (found "\\0" byte around offset 0)\n'
"""What follows a path whose lines were shown before it was seen that the file is binary."""

_BINARY = re.compile(re.escape(BINARY).replace(b"0\\)", rb"\d+\)"))


class Record(NamedTuple):
    """A finding.

    Args:
        path: Below the folder that was searched.
        number: Of the line; with kind "count", how many lines match.
        is_match: Whether the line matches; else it is context.
        text: The line, without its line feed.
        column: Bytes of the line before its first match.
        is_binary: The file proved to be binary; what was found in it counts for nothing.
    """

    path: bytes
    number: int = 0
    is_match: bool = True
    text: bytes = b""
    column: int = 0
    is_binary: bool = False


class Records:
    """Splits the output into records; keeps no more than one of them.

    Paths begin with "./" and end with a zero byte, which no text has: a name may have line ends in it.

    Args:
        kind: What was asked for.
        columns: Whether matches come with their place in the line.
    """

    def __init__(self, kind: Kind, *, columns: bool = False):
        self._columns = columns
        self._only_paths = kind == "names"
        self._rest = b""
        self._path: bytes | None = None

    def feed(self, chunk: bytes) -> Iterator[Record]:
        """The records that *chunk* completes."""
        pieces = (self._rest + chunk).split(b"\0")
        self._rest = pieces.pop()
        for piece in pieces:
            if self._only_paths:
                yield Record(piece[2:])
            elif self._path is None:
                self._path = piece[2:]
            else:
                yield from self._split(self._path, piece)

    def end(self) -> Iterator[Record]:
        """The last record, once the output is complete."""
        if self._path is not None and b"\n" in self._rest:
            yield from self._split(self._path, self._rest)

    def _split(self, path: bytes, piece: bytes) -> Iterator[Record]:
        """A line, perhaps the warning, and the path of the next line."""
        line, _, following = piece.partition(b"\n")
        if head := _LINE.match(line):
            is_match = head[2] == b":"
            column = _COLUMN.match(line, head.end()) if self._columns and is_match else None
            text = line[(column or head).end() :]
            yield Record(path, int(head[1]), is_match, text, int(column[1]) - 1 if column else 0)
        else:
            yield Record(path, int(line))
        if following.startswith(b"./" + path + b": WARNING"):
            warning = _BINARY.match(following, len(path) + 2)
            if warning and following[warning.end() : warning.end() + 2] in (b"", b"./"):
                yield Record(path, is_binary=True)
                following = following[warning.end() :]
        self._path = following[2:]

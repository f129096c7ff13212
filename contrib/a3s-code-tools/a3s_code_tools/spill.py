"""The whole output of a command, kept on disk so that it can be shown page by page."""

import os
import tempfile
from typing import IO

from attrs import frozen

from a3s_code_tools.output import from_character_start, to_character_end

__all__ = ["Page", "Spill"]

KEPT_BYTES = 64 * 1024 * 1024


@frozen
class Page:
    """A part of an output.

    Args:
        start: Where it starts in the whole output, in bytes; after what was asked for when that is not kept any more.
        end: Where the next page starts.
        text: What is between.
    """

    start: int
    end: int
    text: str


class Spill:
    """Keeps the first three quarters of *limit* bytes and the last quarter; offsets count bytes of the whole output.

    The file has no name: whatever becomes of this process, nothing of it is left.
    """

    def __init__(self, limit: int = KEPT_BYTES):
        self.size = 0
        self._head = limit - limit // 4
        self._limit = limit
        self._file: IO[bytes] | None = None
        self._lost: int | None = None  # where the disk was full: all from there on is lost
        self._is_closed = False

    def add(self, text: str) -> None:
        """Appends; never raises."""
        content = memoryview(text.encode("utf-8", "replace"))
        if content and self._lost is None and not self._is_closed:
            try:
                self._write(content)
            except OSError:
                self._lost = min(self.size, self._head)
        self.size += len(content)

    def _write(self, content: memoryview) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 # `close` closes it
        position = self.size
        while content:
            place, room = self._place(position)
            written = os.pwrite(self._file.fileno(), content[:room], place)
            position += written
            content = content[written:]

    def _place(self, position: int) -> tuple[int, int]:
        """Where in the file a byte of the output is, and how many bytes follow there; the end of the file is a ring."""
        if position < self._head:
            return position, self._head - position
        place = self._head + (position - self._head) % (self._limit - self._head)
        return place, self._limit - place

    @property
    def gap(self) -> tuple[int, int]:
        """From where to where the output is not kept; twice its size when all of it is."""
        if self._lost is not None:
            return self._lost, self.size
        return (self._head, self.size - self._limit + self._head) if self.size > self._limit else (self.size, self.size)

    def page(self, offset: int, limit: int) -> Page:
        """At most *limit* bytes from *offset* on; a negative offset counts from the end."""
        first_lost, kept_again = self.gap
        start = min(offset if offset >= 0 else max(self.size + offset, 0), self.size)
        if first_lost <= start:
            start = max(start, kept_again)
        end = min(start + limit, self.size, first_lost if start < first_lost else self.size)
        content = from_character_start(self._read(start, end))
        start = end - len(content)
        if end < self.size:
            content = to_character_end(content) or content
        return Page(start, start + len(content), content.decode("utf-8", "replace"))

    def _read(self, start: int, end: int) -> bytes:
        parts = []
        while start < end and self._file is not None:
            place, room = self._place(start)
            part = os.pread(self._file.fileno(), min(room, end - start), place)
            parts.append(part)
            start += len(part)
            if not part:
                break
        return b"".join(parts)

    def close(self) -> None:
        """Gives the space back; what is added afterwards is only counted."""
        self._is_closed = True
        self._lost = 0
        if self._file is not None:
            self._file.close()
            self._file = None

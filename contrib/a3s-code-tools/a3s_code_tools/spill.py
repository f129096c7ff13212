"""The whole output of a command: in memory while it is short, then in a file of the session that `read` can open."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

from attrs import frozen

from a3s_code.plugin import ToolError
from a3s_code_tools.output import MAX_OUTPUT_BYTES, from_character_start, to_character_end

__all__ = ["Page", "Spill"]

KEPT_BYTES = 16 * 1024 * 1024
"""Bytes of a file; below what the read tool takes."""
FILES_AT_MOST = 64
"""Files of a session; the oldest go first."""


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

    Args:
        name: What the file is called, without its ending; a number is added when there is one already.
        folder: Gives the folder for the file, when it is needed; raises ToolError.
        limit: Bytes of the file.
        in_memory: Bytes up to which there is no file.
    """

    def __init__(
        self, name: str, folder: Callable[[], Path], *, limit: int = KEPT_BYTES, in_memory: int = MAX_OUTPUT_BYTES
    ):
        self.size = 0
        self.path: Path | None = None
        self._name = name
        self._folder = folder
        self._head = limit - limit // 4
        self._limit = limit
        self._in_memory = in_memory
        self._memory = bytearray()
        self._file: int | None = None
        self._note = b""  # between head and end in the file, once it has all
        self._lost: int | None = None  # where the disk was full: all from there on is lost
        self._is_closed = False

    def add(self, text: str) -> None:
        """Appends; never raises."""
        content = text.encode("utf-8", "replace")
        if content and self._lost is None and not self._is_closed:
            try:
                self._keep(content)
            except (OSError, ToolError):
                self._lost = min(self.size, self._head)
        self.size += len(content)

    def _keep(self, content: bytes) -> None:
        if self._file is None and self.size + len(content) <= self._in_memory:
            self._memory += content
            return
        if self._file is None:
            self.path, self._file = _created(self._folder(), self._name)
            self._write(bytes(self._memory), 0)
            self._memory.clear()
        self._write(content, self.size)

    def _write(self, content: bytes, position: int) -> None:
        assert self._file is not None
        rest = memoryview(content)
        while rest:
            place, room = self._place(position)
            written = os.pwrite(self._file, rest[:room], place)
            position += written
            rest = rest[written:]

    def _place(self, position: int) -> tuple[int, int]:
        """Where in the file a byte of the output is, and how many bytes follow there; the end of the file is a ring."""
        if position < self._head:
            return position, self._head - position
        if self._note:
            place = self._head + len(self._note) + position - self.gap[1]
            return place, self.size - position
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
        if self._file is None:
            return bytes(self._memory[start:end])
        parts = []
        while start < end:
            place, room = self._place(start)
            part = os.pread(self._file, min(room, end - start), place)
            parts.append(part)
            start += len(part)
            if not part:
                break
        return b"".join(parts)

    def finish(self) -> None:
        """The output has ended: puts the file into order, with a note where some of it is not kept. Never raises."""
        first_lost, kept_again = self.gap
        if self._file is None or self._note or first_lost == kept_again:
            return
        note = f"\n[{kept_again - first_lost} bytes of the output are not kept]\n".encode()
        try:
            end = self._read(kept_again, self.size)
            os.pwrite(self._file, note, first_lost)
            os.pwrite(self._file, end, first_lost + len(note))
            os.ftruncate(self._file, first_lost + len(note) + len(end))
        except OSError:
            self._lost = first_lost
            return
        self._note = note

    def close(self) -> None:
        """Forgets it; the file stays, and what is added afterwards is only counted."""
        self._is_closed = True
        self._lost = 0
        self._memory.clear()
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _created(folder: Path, name: str) -> tuple[Path, int]:
    """A new file for the owner alone; the oldest ones of the folder make room for it."""
    files = sorted(_files(folder))
    for _, old in files[: max(len(files) - FILES_AT_MOST + 1, 0)]:
        old.unlink(missing_ok=True)
    for number in count(1):
        path = folder / (f"{name}.txt" if number == 1 else f"{name}-{number}.txt")
        with suppress(FileExistsError):
            return path, os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    raise AssertionError("numbers do not end")


def _files(folder: Path) -> Iterator[tuple[int, Path]]:
    """The files of earlier outputs with their ages."""
    for path in folder.iterdir():
        with suppress(FileNotFoundError):
            if re.fullmatch(r"[bc]\d+(-\d+)?\.txt", path.name):
                yield path.stat().st_mtime_ns, path

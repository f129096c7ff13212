"""The local shell: commands run as plain processes with the user's rights."""

import codecs
import errno
from collections import deque
from collections.abc import Callable

from a3s_code.plugin import BashCommand, BashResult, Isolation, ToolError
from a3s_code_tools.output import from_character_start, to_character_end
from a3s_code_tools.supervised import run_supervised

__all__ = ["HeadAndTail", "LocalBashExecutor"]


class LocalBashExecutor:
    """Runs commands with `bash -c` on this machine; nothing confines them: they may read and do what the user may.

    The environment of a command is the one given, but /proc shows it those of the user's processes, this one included.

    When a command ended, was cut off or cancelled, or this process was killed, its whole process tree is gone,
    background jobs and daemons included: it runs below a supervisor. That needs Linux; elsewhere what leaves both its
    group and its environment escapes.
    """

    @property
    def isolation(self) -> Isolation:
        return Isolation.NONE

    async def run(self, command: BashCommand, on_output: Callable[[str], None]) -> BashResult:
        kept = HeadAndTail(command.max_output_bytes)
        decoder = codecs.getincrementaldecoder("utf-8")("replace")

        def take(chunk: bytes) -> None:
            kept.add(chunk)
            if text := decoder.decode(chunk):
                on_output(text)

        try:
            ended = await run_supervised(
                ["bash", "-c", command.command],
                cwd=command.cwd,
                env=command.env,
                timeout_s=command.timeout_ms / 1000,
                on_bytes=take,
            )
        except (OSError, ValueError) as error:  # ValueError: a NUL in the command
            raise ToolError(f"the command could not be started: {_told(error)}") from error
        if rest := decoder.decode(b"", final=True):
            on_output(rest)
        return BashResult(
            output=kept.text(), exit_code=ended.exit_code, timed_out=ended.timed_out, omitted_bytes=kept.omitted
        )

    async def aclose(self) -> None:
        """Nothing is open: each run owns its processes."""


def _told(error: OSError | ValueError) -> str:
    """What went wrong at the start, and what to do about it."""
    if not isinstance(error, OSError):
        return f"{error}; leave it out"
    why = ": ".join(str(part) for part in (error.filename, error.strerror) if part) or str(error)
    if error.errno == errno.E2BIG:
        return f"{why}; write it to a file and run that"
    return f"{why}; tell the user"


class HeadAndTail:
    """Keeps the first and the last half of *limit* bytes and counts the rest exactly."""

    def __init__(self, limit: int):
        self._half = max(limit // 2, 1)
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._tail_size = 0
        self._dropped = 0

    def add(self, chunk: bytes) -> None:
        room = self._half - len(self._head)
        self._head += chunk[:room]
        rest = chunk[room:]
        if not rest:
            return
        self._tail.append(rest)
        self._tail_size += len(rest)
        while self._tail_size - len(self._tail[0]) >= self._half:
            gone = len(self._tail.popleft())
            self._tail_size -= gone
            self._dropped += gone

    @property
    def omitted(self) -> int:
        """Bytes that `text` leaves out."""
        return self._parts()[2]

    def text(self) -> str:
        """What was kept, as valid text, with a note where the middle is missing."""
        head, tail, omitted = self._parts()
        if not omitted:
            return (head + tail).decode("utf-8", "replace")
        note = f"\n[... {omitted} bytes omitted ...]\n"
        return head.decode("utf-8", "replace") + note + tail.decode("utf-8", "replace")

    def _parts(self) -> tuple[bytes, bytes, int]:
        head, tail = bytes(self._head), b"".join(self._tail)
        cut = max(len(tail) - self._half, 0)
        if self._dropped + cut == 0:
            return head, tail, 0
        tail = from_character_start(tail[cut:])
        head = to_character_end(head)
        return head, tail, len(self._head) + self._dropped + len(b"".join(self._tail)) - len(head) - len(tail)

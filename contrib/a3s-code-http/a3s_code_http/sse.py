"""Server-sent events: bytes in any pieces become whole events.

Format: https://html.spec.whatwg.org/multipage/server-sent-events.html (fields `id` and `retry` are not needed here).
"""

from codecs import getincrementaldecoder
from io import IncrementalNewlineDecoder

from attrs import frozen

__all__ = ["SseDecoder", "SseEvent"]


@frozen
class SseEvent:
    """One event; *event* is "message" when the frame names none."""

    event: str
    data: str


class SseDecoder:
    """Turns the bytes of one response into events, however they were cut.

    Characters and line ends (CR, LF, CRLF) may be split over chunks; bytes that are no UTF-8 become U+FFFD.
    """

    def __init__(self) -> None:
        # Both decoders hold back what may be half of a character, of a byte order mark or of a CRLF.
        self._decoder = IncrementalNewlineDecoder(getincrementaldecoder("utf-8-sig")("replace"), translate=True)
        self._unfinished: list[str] = []
        self._ends_line = False

    def feed(self, chunk: bytes) -> list[SseEvent]:
        """The events that *chunk* completes."""
        return self._split(self._decoder.decode(chunk))

    def close(self) -> list[SseEvent]:
        """The events that the end of the bytes completes; a frame without its blank line is dropped."""
        return self._split(self._decoder.decode(b"", final=True))

    def _split(self, text: str) -> list[SseEvent]:
        if not text:
            return []
        ends_frame = "\n\n" in text or (self._ends_line and text[0] == "\n")
        self._unfinished.append(text)
        if not ends_frame:
            self._ends_line = text[-1] == "\n"
            return []
        *frames, rest = "".join(self._unfinished).split("\n\n")
        self._unfinished = [rest] if rest else []
        self._ends_line = rest.endswith("\n")
        return [event for frame in frames if (event := _event(frame)) is not None]


def _event(frame: str) -> SseEvent | None:
    name = "message"
    lines: list[str] = []
    for line in frame.split("\n"):
        field, _, value = line.partition(":")  # a comment has an empty field name and so is none of the two
        if field == "data":
            lines.append(value.removeprefix(" "))
        elif field == "event":
            name = value.removeprefix(" ") or "message"
    return SseEvent(name, "\n".join(lines)) if lines else None

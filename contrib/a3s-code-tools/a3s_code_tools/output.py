"""What tools show: valid text, within the common limit, with a note about what was left out."""

import codecs

__all__ = ["MAX_FILE_BYTES", "MAX_OUTPUT_BYTES", "fitting", "from_character_start", "shown", "to_character_end"]

MAX_OUTPUT_BYTES = 102_400
"""Bytes of UTF-8 that one result may have, notes not counted."""

MAX_FILE_BYTES = 20 * 1024 * 1024
"""Bytes of a file that tools take into memory."""


def fitting(lines: list[str], *, limit: int = MAX_OUTPUT_BYTES) -> int:
    """How many of the first *lines* fit into *limit* bytes, each with its line end."""
    left = limit
    for count, line in enumerate(lines):
        left -= len(line.encode()) + 1
        if left < 0:
            return count
    return len(lines)


def shown(name: str) -> str:
    """A file name as valid text; bytes that are not UTF-8 are written as escapes."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def to_character_end(content: bytes) -> bytes:
    """Without the last character when it is cut."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    decoder.decode(content)
    pending = len(decoder.getstate()[0])
    return content[: len(content) - pending]


def from_character_start(content: bytes) -> bytes:
    """Without the rest of a character at the start (at most three bytes 10xxxxxx)."""
    start = 0
    while start < min(3, len(content)) and content[start] & 0xC0 == 0x80:
        start += 1
    return content[start:]

"""What tools show: valid text, within the common limit, with a note about what was left out."""

__all__ = ["MAX_FILE_BYTES", "MAX_OUTPUT_BYTES", "fitting", "shown"]

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

"""Text for a terminal: columns, and nothing that could steer it."""

import unicodedata
from collections.abc import Sequence

__all__ = ["plain_text", "table"]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The rows in columns under their heads; the last column is as long as it likes."""
    lines = [list(head), *([_printable(cell) for cell in row] for row in rows)]
    widths = [max(_width(line[at]) for line in lines) for at in range(len(head))]
    return "\n".join(
        "  ".join(cell + " " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _printable(cell: str) -> str:
    return "".join(char if char.isprintable() else "\ufffd" for char in cell) or "-"


def _width(cell: str) -> int:
    """Columns on a terminal: wide characters take two, combining ones none."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in cell
    )


def plain_text(text: str) -> str:
    """The text without characters that could steer a terminal."""
    return "".join(char if char in "\n\t" or char.isprintable() else "\ufffd" for char in text)

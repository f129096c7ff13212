"""Text for a terminal: styles, and nothing that could steer the terminal."""

import os
import unicodedata
from enum import Enum
from typing import TextIO

__all__ = ["Style", "diff_line", "has_colour", "styled", "visible"]


class Style(Enum):
    """ANSI codes (ECMA-48, SGR)."""

    BOLD = "1"
    DIM = "2"
    RED = "31"
    GREEN = "32"
    YELLOW = "33"
    CYAN = "36"


def has_colour(out: TextIO) -> bool:
    """Whether *out* is a terminal that may be coloured (https://no-color.org)."""
    return out.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def styled(text: str, *styles: Style, colour: bool) -> str:
    if not colour or not text:
        return text
    return f"\x1b[{';'.join(style.value for style in styles)}m{text}\x1b[0m"


def diff_line(line: str, *, colour: bool) -> str:
    """A line of a diff, coloured by its mark."""
    return styled(visible(line), *_diff_style(line), colour=colour)


def visible(text: str, *, one_line: bool = False) -> str:
    """The text with control and invisible characters spelled out, so that it can neither steer nor deceive."""
    kept = "" if one_line else "\n\t"
    return "".join(char if char in kept or _is_visible(char) else ascii(char)[1:-1] for char in text)


def _is_visible(char: str) -> bool:
    return char in "\u200c\u200d\ufe0f" or unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")


def _diff_style(line: str) -> tuple[Style, ...]:
    if line.startswith(("+++ ", "--- ", "*** ")):
        return (Style.BOLD,)
    return {"+": (Style.GREEN,), "-": (Style.RED,), "@": (Style.CYAN,)}.get(line[:1], ())

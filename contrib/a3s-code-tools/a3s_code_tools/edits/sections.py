"""What a patch says of one file, in whichever dialect it was written."""

import re
from dataclasses import dataclass
from enum import Enum, auto

from a3s_code_tools.edits.text import EditError

__all__ = ["Action", "Hunk", "Line", "Section", "diff_lines", "lines_of"]

_ENDING = re.compile(r"\r\n|\r|\n")


class Action(Enum):
    """What becomes of the file."""

    UPDATE = auto()
    CREATE = auto()
    DELETE = auto()
    RENAME = auto()
    COPY = auto()


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a hunk.

    Args:
        sign: " " stays, "-" goes, "+" comes.
        text: Without sign and ending.
        ending: As it stands in the diff; "" where it says that there is none.
        is_marked: The diff says "\\ No newline at end of file" of it.
    """

    sign: str
    text: str
    ending: str = "\n"
    is_marked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Hunk:
    """Lines that stand together, with what is said of their place.

    Args:
        lines: In order, each with its sign.
        at: 1-based line of the diff where it begins, for errors.
        start: 1-based line of the old file as the header says it; 0 is before the first; None when it says nothing.
        count: Old lines as the header says, which may be wrong.
        anchors: Lines of the file that the hunk is below of, outermost first.
        is_at_end: It reaches the end of the file.
    """

    lines: tuple[Line, ...]
    at: int
    start: int | None = None
    count: int | None = None
    anchors: tuple[str, ...] = ()
    is_at_end: bool = False

    @property
    def old(self) -> list[Line]:
        """What the file has before."""
        return [line for line in self.lines if line.sign != "+"]

    @property
    def new(self) -> list[Line]:
        """What the file has afterwards."""
        return [line for line in self.lines if line.sign != "-"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """The part of a patch that is about one file.

    Args:
        action: What becomes of the file.
        old: Where it is; None when it is created.
        new: Where it is afterwards; None when it is deleted.
        at: 1-based line of the diff where it begins, for errors.
        hunks: In the order of the diff.
        is_whole: A deletion that need not spell out the lines it deletes.
        old_mode: Mode before as git writes it (0o100644 and the like), where it is said.
        new_mode: Mode afterwards.
        binary: The lines of a git binary patch, with its "index" line first.
    """

    action: Action
    old: str | None
    new: str | None
    at: int
    hunks: tuple[Hunk, ...] = ()
    is_whole: bool = False
    old_mode: int | None = None
    new_mode: int | None = None
    binary: tuple[str, ...] | None = None

    @property
    def paths(self) -> tuple[str, ...]:
        """Every path that it reads or changes."""
        return tuple(dict.fromkeys(path for path in (self.old, self.new) if path is not None))


def diff_lines(diff: str) -> list[str]:
    """The lines of a diff without their "\\n"; when all of them end in CRLF, that is the ending of the diff itself."""
    lines = diff.split("\n")
    if lines[-1] == "":
        lines.pop()
    if all(line.endswith("\r") for line in lines[:-1]) and len(lines) > 1:
        return [line.removesuffix("\r") for line in lines]
    return lines


def lines_of(sign: str, text: str) -> list[Line]:
    """What a line of the diff says; more than one line where *text* has carriage returns inside."""
    text += "\n"
    return [
        Line(sign, piece, ending) for piece, ending in zip(_ENDING.split(text)[:-1], _ENDING.findall(text), strict=True)
    ]


def without_newline(lines: list[Line], number: int) -> None:
    """Marks the last of *lines* as one that ends the file without a line end.

    Raises:
        EditError: invalid_argument, there is no line to mark.
    """
    if not lines:
        raise EditError(f'line {number} of the diff, "\\ No newline", stands before the first line of its hunk')
    last = lines[-1]
    lines[-1] = Line(last.sign, last.text, last.ending.removesuffix("\n"), is_marked=True)

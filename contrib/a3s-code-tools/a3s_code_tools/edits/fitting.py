"""What a file is with the hunks of a patch."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from a3s_code_tools.edits.places import Fit, Places
from a3s_code_tools.edits.sections import Hunk, Section
from a3s_code_tools.edits.text import EditError, Span, TextFile

__all__ = ["Updated", "created", "named", "updated"]

_MARK = "\ufeff"


@dataclass(frozen=True, slots=True)
class Updated:
    """The new content, and what is unusual of the places where the hunks were applied."""

    content: bytes
    notes: tuple[str, ...] = ()


def created(section: Section) -> bytes:
    """The content of a new file.

    Raises:
        EditError: invalid_argument, the hunks have lines that are not added.
    """
    lines = [line for hunk in section.hunks for line in hunk.lines]
    if wrong := next((hunk for hunk in section.hunks if hunk.old), None):
        raise EditError(
            f"{section.new} is a new file, but the hunk at line {wrong.at} of the diff has lines that it should have "
            "already; put + before every line"
        )
    with named(section.new or ""):
        return TextFile("").to_bytes("".join(line.text + line.ending for line in lines))


def updated(content: bytes, section: Section, path: str) -> Updated:
    """The file with all hunks of *section*; every line that no hunk touches keeps its bytes.

    Raises:
        EditError: not_found (a hunk fits nowhere), invalid_argument (several places, overlap) or unsupported (binary).
    """
    with named(path):
        file = TextFile.decode(content)
    if file.bom and any(line.text.startswith(_MARK) for hunk in section.hunks for line in hunk.lines):
        file = replace(file, text=_MARK + file.text, bom=b"")  # the diff shows the mark, so it may change it
    body = _Body(file)
    fits = Places(file, body.lines).all_of(section.hunks, path)
    with named(path):
        _require_known(file, fits)
        return Updated(file.to_bytes(body.spliced(fits)), tuple(fit.note for fit in fits if fit.note))


@contextmanager
def named(path: str) -> Iterator[None]:
    """Puts the name of the file before what is wrong with it."""
    try:
        yield
    except EditError as error:
        raise EditError(f"{path}: {error}", error.kind) from error


def _require_known(file: TextFile, fits: Sequence[Fit]) -> None:
    """Refuses characters that the encoding of the file has no bytes for."""
    new = "".join(line.text for fit in fits for line in fit.hunk.lines if line.sign == "+")
    file.splice([Span(0, 0, new)])


class _Body:
    """The lines of a file, each with its ending."""

    def __init__(self, file: TextFile):
        self.lines = file.text.split("\n")
        self._endings = list(file.endings)
        self._ending = file.ending
        if self.lines[-1] == "":
            self.lines.pop()
        else:
            self._endings.append("")

    def spliced(self, fits: Sequence[Fit]) -> str:
        """The text with the hunks, line ends as they are to be written."""
        told = [self._agrees(fit) for fit in fits]
        evidence = [each for each in told if each is not None]
        overall = all(evidence) if evidence else None if any(self._endings) else True
        out: list[tuple[str, str]] = []
        place = 0
        for fit, agrees in zip(fits, told, strict=True):
            out += zip(self.lines[place : fit.start], self._endings[place : fit.start], strict=True)
            out += self._changed(fit, overall if agrees is None else agrees, out[-1][1] if out else "")
            place = fit.end
        out += zip(self.lines[place:], self._endings[place:], strict=True)
        complete = [line + (ending or self._ending) for line, ending in out[:-1]]
        return "".join(complete + [line + ending for line, ending in out[-1:]])

    def _agrees(self, fit: Fit) -> bool | None:
        """Whether the diff has the line endings of the file, so that those of its new lines count; None: no sign."""
        pairs = zip((line.ending for line in fit.hunk.old), self._endings[fit.start : fit.end], strict=True)
        known = [pair for pair in pairs if all(pair)]
        return all(one == other for one, other in known) if known else None

    def _changed(self, fit: Fit, agrees: bool | None, before: str) -> list[tuple[str, str]]:
        """The lines in the place of the hunk; *before* is the ending of the line above."""
        out: list[tuple[str, str]] = []
        place, come = fit.start, 0
        gone: list[str] = []
        for line in fit.hunk.lines:
            if line.sign == " ":
                out.append((self.lines[place], self._endings[place]))
                gone, come = [], 0
            elif line.sign == "-":
                gone.append(self._endings[place])
            else:
                is_meant = agrees or not line.ending or (agrees is None and "\r" in line.ending)
                beside = gone[min(come, len(gone) - 1)] if gone else out[-1][1] if out else before
                following = self._endings[place : place + 1] or [""]
                out.append((line.text, line.ending if is_meant else beside or following[0] or self._ending))
                come += 1
            place += line.sign != "+"
        if fit.end == len(self.lines):
            self._close(out, fit.hunk)
        return out

    def _close(self, out: list[tuple[str, str]], hunk: Hunk) -> None:
        """Ends the file as it did before, where the diff changes nothing of that or is silent."""
        if not hunk.new or hunk.new[-1].sign == " " or not self.lines:
            return
        is_silent = not any(line.is_marked for line in hunk.lines)
        is_same = bool(hunk.old) and hunk.old[-1].is_marked and hunk.new[-1].is_marked
        if is_same or (is_silent and self._endings[-1] == ""):
            out[-1] = (out[-1][0], self._endings[-1])

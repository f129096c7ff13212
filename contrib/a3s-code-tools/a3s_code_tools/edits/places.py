"""Where the hunks of a patch belong in a file: at the stated line, or at the only place where their lines stand."""

import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice, pairwise

from a3s_code_tools.edits.nearest import nearest
from a3s_code_tools.edits.sections import Hunk
from a3s_code_tools.edits.text import EditError, TextFile

__all__ = ["Fit", "Places"]

SHOWN_PLACES = 10
"""Places that are named when a hunk fits several."""

SHOWN_ERRORS = 5
"""Hunks without a place that are told of at once."""

MAX_ANCHORED = 1_000
"""Lines that an anchor may stand for; one that stands for more tells nothing."""

_INDENT = re.compile(r"[ \t]*")


@dataclass(frozen=True, slots=True)
class Fit:
    """A hunk and its place.

    Args:
        number: 1-based, among those of its file.
        hunk: The hunk.
        start: Index of its first old line.
        end: Index behind its last old line.
        note: What is unusual of the place, or "".
    """

    number: int
    hunk: Hunk
    start: int
    end: int
    note: str = ""


class Places:
    """Finds hunks among the lines of a file."""

    def __init__(self, file: TextFile, lines: list[str]):
        self._file = file
        self._lines = lines

    def all_of(self, hunks: Sequence[Hunk], path: str) -> tuple[Fit, ...]:
        """Where each hunk belongs, in the order of the file.

        Raises:
            EditError: not_found or invalid_argument; the text names every hunk that has no place.
        """
        fits: list[Fit] = []
        errors: list[EditError] = []
        for number, hunk in enumerate(hunks, start=1):
            try:
                fits.append(self._fit(number, hunk, path))
            except EditError as error:
                errors.append(error)
        if errors:
            more = [f"And {len(errors) - SHOWN_ERRORS} more."] if len(errors) > SHOWN_ERRORS else []
            raise EditError("\n".join([*map(str, errors[:SHOWN_ERRORS]), *more]), errors[0].kind)
        fits.sort(key=lambda fit: (fit.start, fit.end))
        _require_apart(fits, path)
        return tuple(fits)

    def _fit(self, number: int, hunk: Hunk, path: str) -> Fit:
        """The one place of *hunk*."""
        name = f"hunk {number} of {path} (line {hunk.at} of the diff)"
        old = [line.text for line in hunk.old]
        if not old:
            start = self._insertion(hunk, name)
            return Fit(number, hunk, start, start)
        found = self._chosen(self._exact, old, hunk, name)
        is_exact = found is not None
        if found is None:
            found = self._chosen(self._trimmed, [line.rstrip() for line in old], hunk, name)
        if found is None:
            raise self._miss(hunk, name)
        return Fit(number, hunk, found, found + len(old), _note(number, hunk, found, is_exact=is_exact))

    @cached_property
    def _exact(self) -> "_Index":
        return _Index(self._lines)

    @cached_property
    def _trimmed(self) -> "_Index":
        return _Index([line.rstrip() for line in self._lines])

    def _chosen(self, index: "_Index", old: list[str], hunk: Hunk, name: str) -> int | None:
        """Where *old* stands: at the stated line, or at the only place there is."""
        last = len(self._lines) - len(old)
        is_at_end = hunk.is_at_end or any(line.is_marked for line in hunk.lines)
        stated = max((hunk.start or 0) - 1, 0)
        if hunk.start is not None and (not is_at_end or stated == last) and index.has(old, stated):
            return stated
        found: Iterable[int] = index.places(old)
        if is_at_end:
            found = (place for place in found if place == last)
        if hunk.anchors:
            found = self._below(hunk, name, list(found), len(old))
        places = list(islice(found, SHOWN_PLACES + 1))
        if len(places) > 1:
            lines = ", ".join(str(place + 1) for place in places[:SHOWN_PLACES])
            raise EditError(
                f"{name} fits at {len(places) if len(places) <= SHOWN_PLACES else 'many'} places (lines {lines}"
                f"{', …' if len(places) > SHOWN_PLACES else ''}); nothing was changed. Add lines around it that stand "
                "only there, or an @@ anchor."
            )
        return places[0] if places else None

    def _below(self, hunk: Hunk, name: str, found: list[int], length: int) -> list[int]:
        """Those of the places that are in the part below the anchors, else those behind its beginning."""
        parts = self._parts(hunk, name)
        inside = [place for place in found if any(low <= place and place + length <= high for low, high in parts)]
        return inside or [place for place in found if place >= parts[0][0]]

    def _parts(self, hunk: Hunk, name: str) -> list[tuple[int, int]]:
        """The parts of the file that the anchors lead to: index of the anchor's line, index behind the part."""
        parts = [(-1, len(self._lines))]
        for anchor in hunk.anchors:
            whole, begun = self._anchored(anchor)
            places = {
                place
                for low, high in parts
                for place in _between(whole, low + 1, high) or _between(begun, low + 1, high)
            }
            if not places:
                raise EditError(
                    f"{name} is to be below {anchor!r}, but there is no such line; nothing was changed. Read the file "
                    "again.",
                    "not_found",
                )
            if len(places) > MAX_ANCHORED:
                raise EditError(
                    f"{name} is to be below {anchor!r}, which {len(places):,} lines begin with; nothing was changed. "
                    "Name a line that stands only there."
                )
            parts = [(place, self._ends[place]) for place in sorted(places)]
        return parts

    def _anchored(self, anchor: str) -> tuple[list[int], list[int]]:
        """Lines that are the anchor, and those that begin with it."""
        stripped = self._stripped
        begun = [place for place, line in enumerate(stripped) if line.startswith(anchor)]
        return [place for place in begun if stripped[place] == anchor], begun

    @cached_property
    def _stripped(self) -> list[str]:
        return [line.strip() for line in self._lines]

    @cached_property
    def _ends(self) -> list[int]:
        """Where the block that begins at each line ends: at the next line that is not indented further."""
        ends = [0] * len(self._lines)
        places: list[int] = []  # of lines that end a block, the nearest last, none before it indented further
        depths: list[int] = []
        for place in range(len(self._lines) - 1, -1, -1):
            depth, line = _depth(self._lines[place]), self._stripped[place]
            beyond = bisect_right(depths, depth)
            ends[place] = places[beyond - 1] if beyond else len(self._lines)
            if line and line[0] not in "{})]":
                places[beyond:], depths[beyond:] = [place], [depth]
        return ends

    def _insertion(self, hunk: Hunk, name: str) -> int:
        """The index of the line before which a hunk belongs that only adds."""
        if hunk.is_at_end or not self._lines:
            return len(self._lines)
        if hunk.anchors:
            parts = self._parts(hunk, name)
            if len(parts) == 1:
                return parts[0][0] + 1
            lines = ", ".join(str(start + 1) for start, _ in parts[:SHOWN_PLACES])
            raise EditError(f"the anchor of {name} stands at several places (lines {lines}); add lines around it")
        if hunk.start is None or hunk.count != 0:
            raise EditError(
                f"{name} only adds lines, and where is not clear; nothing was changed. Add lines around it that stay, "
                'or write "@@ -line,0 +line,count @@" with the line after which it belongs.'
            )
        if hunk.start > len(self._lines):
            raise EditError(
                f"{name} belongs after line {hunk.start}, but there are {len(self._lines)} lines; nothing was changed. "
                "Read the file again.",
                "not_found",
            )
        return hunk.start

    def _miss(self, hunk: Hunk, name: str) -> EditError:
        new = [line.text for line in hunk.new]
        if new and len(done := list(islice(self._exact.places(new), 2))) == 1:
            why = f"It seems to be applied already (line {done[0] + 1})."
        else:
            why = nearest(self._file, "\n".join(line.text for line in hunk.old), "the hunk")
        return EditError(
            f"{name} does not fit: its old lines do not stand together in the file; nothing was changed. {why}",
            "not_found",
        )


def _require_apart(fits: Sequence[Fit], path: str) -> None:
    for one, other in pairwise(fits):
        if one.end > other.start or one.start == one.end == other.start == other.end:
            first, second = sorted((one.number, other.number))
            raise EditError(
                f"hunks {first} and {second} of {path} overlap at line {other.start + 1}; nothing was changed. Make "
                "one hunk of them."
            )


def _note(number: int, hunk: Hunk, found: int, *, is_exact: bool) -> str:
    """What the model should know of the place; "" when it is the stated one and the lines are the same."""
    notes = [] if is_exact else ["without regard to trailing blanks"]
    if hunk.start and hunk.start != found + 1:
        notes.append(f"at line {found + 1}, not {hunk.start}")
    return f"hunk {number} {', '.join(notes)}" if notes else ""


class _Index:
    """Where each line stands."""

    def __init__(self, lines: list[str]):
        self._lines = lines
        self._places: defaultdict[str, list[int]] = defaultdict(list)
        for number, line in enumerate(lines):
            self._places[line].append(number)

    def has(self, block: list[str], place: int) -> bool:
        return self._lines[place : place + len(block)] == block

    def places(self, block: list[str]) -> Iterator[int]:
        """Where *block* stands as a whole; looked for by its rarest line."""
        rarest = min(range(len(block)), key=lambda index: len(self._places.get(block[index], ())))
        for place in self._places.get(block[rarest], ()):
            if place >= rarest and self.has(block, place - rarest):
                yield place - rarest


def _between(places: list[int], low: int, high: int) -> list[int]:
    return places[bisect_left(places, low) : bisect_left(places, high)]


def _depth(line: str) -> int:
    found = _INDENT.match(line)
    return len(found[0].expandtabs(8)) if found else 0

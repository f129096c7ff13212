"""Where a text that was not found nearly stands, shown so that every difference can be seen."""

import difflib
import re
from bisect import bisect_left
from collections import Counter

from a3s_code_tools.edits.text import TextFile

__all__ = ["nearest", "visible"]

MAX_LINES = 60
"""Lines of the difference that are shown."""

MAX_LINE_CHARS = 300
MAX_REPEATS = 8
"""Places of the searched text that one line votes for; more repeats tell nothing."""

MAX_WORD_LINES = 50_000
"""Lines of the file that are compared word by word when no whole line is known."""

NEAR = 5
"""Lines by which the places of two equal lines may differ when lines in between were added or left out."""

_WORD = re.compile(r"[^\W\d_]+|\d+")
_ODD_SPACE = re.compile(r"[\u00a0\u1680\u2000-\u200d\u2028\u2029\u202f\u205f\u2060\u3000\ufeff\u00ad\x0b\x0c\x85]")
_TRAILING = re.compile(r" +(?=\r?$)")


def nearest(file: TextFile, old: str, called: str = "old_string") -> str:
    """What to tell about *old*, which is not in *file* and is *called* so: the nearest block as a difference.

    The place is found by votes: each line of *old* that stands in the file, blanks at both ends aside, votes for where
    the block would begin. That takes one pass over the file.
    """
    lines, wanted = file.text.split("\n"), old.removesuffix("\n").split("\n")
    block = _block(lines, wanted)
    if block is None:
        return "Nothing in the file is like it. Read the file again and copy the text exactly, without line numbers."
    start, end = block
    where = f"lines {start + 1} to {end}" if end - start > 1 else f"line {end}"
    ends = [*file.endings[start:end], ""][: end - start]
    found = [line + ending.removesuffix("\n") for line, ending in zip(lines[start:end], ends, strict=False)]
    return (
        f"The nearest text is in {where} (- is {called}, + the file; → is a tab, · an odd or "
        f"trailing space, ␍ a CR):\n{_difference(wanted, found)}\nCopy the file's text exactly, or read the file again."
    )


def visible(line: str) -> str:
    """*line* with tabs, carriage returns, odd spaces and blanks at its end made visible."""
    line = _TRAILING.sub(lambda blanks: "·" * len(blanks[0]), _ODD_SPACE.sub("·", line))
    line = line.replace("\t", "→").replace("\r", "␍")
    return line if len(line) <= MAX_LINE_CHARS else f"{line[:MAX_LINE_CHARS]}…"


def _block(lines: list[str], wanted: list[str]) -> tuple[int, int] | None:
    """First line and line after the last of the nearest block, both counted from 0."""
    votes = _votes(lines, wanted)
    if not votes:
        start = _start_by_words(lines, wanted)
        return None if start is None else (max(start, 0), min(start + len(wanted), len(lines)))
    best = max(votes, key=lambda start: (votes[start], -start))
    # where lines were added or left out, those before and after vote for different places: both belong to it
    near = [start for start in range(best - NEAR, best + NEAR + 1) if votes[start] >= votes[best] / 2]
    return max(near[0], 0), min(near[-1] + len(wanted), len(lines))


def _votes(lines: list[str], wanted: list[str]) -> Counter[int]:
    places: dict[str, list[int]] = {}
    for index, line in enumerate(wanted):
        if (bare := line.strip()) and len(known := places.setdefault(bare, [])) < MAX_REPEATS:
            known.append(index)
    hits: dict[str, list[int]] = {}
    for number, line in enumerate(lines):
        if (bare := line.strip()) in places:
            hits.setdefault(bare, []).append(number)
    votes: Counter[int] = Counter()
    for bare, numbers in hits.items():
        weight = len(bare) * 1000 // len(numbers) + 1  # a brace, or what stands everywhere, tells little
        for start in (number - index for number in numbers for index in places[bare]):
            votes[start] += weight
    return votes


def _start_by_words(lines: list[str], wanted: list[str]) -> int | None:
    """Where the block would begin by the line that shares most with the longest searched line; None without any."""
    index = max(range(len(wanted)), key=lambda at: len(wanted[at].strip()))
    words = set(_WORD.findall(wanted[index]))
    best, place = 0.0, None
    for number, line in enumerate(lines[:MAX_WORD_LINES]):
        found = set(_WORD.findall(line[:MAX_LINE_CHARS]))
        shared = sum(map(len, words & found))
        if shared and (score := shared - len(found - words) / 100) > best:
            best, place = score, number
    return None if place is None else place - index


def _difference(wanted: list[str], found: list[str]) -> str:
    """Lines with " ", "-" or "+" before them; a carriage return alone makes no difference."""
    plain = [line.removesuffix("\r") for line in found]
    shown: list[str] = []
    wanted, plain = wanted[: 4 * MAX_LINES], plain[: 4 * MAX_LINES]
    matcher = difflib.SequenceMatcher(None, wanted, plain, autojunk=False)
    for change, start, end, new_start, new_end in matcher.get_opcodes():
        gone, there = wanted[start:end], found[new_start:new_end]
        if change == "equal":
            shown += [f" {visible(line)}" for line in there]
            continue
        if len(gone) == len(there):
            pairs = [_around_difference(*pair) for pair in zip(gone, there, strict=True)]
            gone, there = [one for one, _ in pairs], [other for _, other in pairs]
        shown += [f"-{visible(line)}" for line in gone] + [f"+{visible(line)}" for line in there]
    left_out = len(shown) - MAX_LINES
    return "\n".join(shown[:MAX_LINES] + ([f"[{left_out} more lines]"] if left_out > 0 else []))


def _around_difference(wanted: str, line: str) -> tuple[str, str]:
    """Both lines from shortly before they begin to differ, when they are too long to be shown; *wanted* may be a part.

    Its longest beginning that stands in *line* says where that is.
    """
    if max(len(wanted), len(line)) <= MAX_LINE_CHARS:
        return wanted, line
    same = bisect_left(range(1, len(wanted) + 1), True, key=lambda length: wanted[:length] not in line)
    before = min(same, MAX_LINE_CHARS // 2)
    starts = same - before, line.find(wanted[:same]) + same - before
    one, other = (f"{'…' * (at > 0)}{text[at:]}" for at, text in zip(starts, (wanted, line), strict=True))
    return one, other

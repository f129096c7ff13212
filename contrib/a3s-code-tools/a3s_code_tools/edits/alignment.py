"""Which parts of one sequence stand for which of another."""

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

__all__ = ["Stretch", "stretches"]

MAX_COMPARED = 2_000
"""Elements between the equal head and tail up to which the equal ones are searched, which takes quadratic time."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """before[start:end] stands for after[new_start:new_end]; they are equal or not."""

    is_equal: bool
    start: int
    end: int
    new_start: int
    new_end: int


def stretches(before: Sequence[str], after: Sequence[str]) -> Iterator[Stretch]:
    """Covers both sequences (lines, or the characters of a string) in order."""
    head, tail = _edges(before, after)
    old_end, new_end = len(before) - tail, len(after) - tail
    yield Stretch(True, 0, head, 0, head)
    if max(old_end, new_end) - head <= MAX_COMPARED:
        matcher = difflib.SequenceMatcher(None, before[head:old_end], after[head:new_end], autojunk=False)
        for change, *places in matcher.get_opcodes():
            yield Stretch(change == "equal", *(head + place for place in places))
    else:
        yield Stretch(False, head, old_end, head, new_end)
    yield Stretch(True, old_end, len(before), new_end, len(after))


def _edges(before: Sequence[str], after: Sequence[str]) -> tuple[int, int]:
    """How many elements are equal at the start and, of the rest, at the end."""
    shorter = min(len(before), len(after))
    head = 0
    while head < shorter and before[head] == after[head]:
        head += 1
    tail = 0
    while tail < shorter - head and before[-1 - tail] == after[-1 - tail]:
        tail += 1
    return head, tail

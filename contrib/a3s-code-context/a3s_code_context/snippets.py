"""The part of a text that answers best: pure functions."""

from collections.abc import Sequence

from attrs import frozen

__all__ = ["Snippet", "best_snippet"]

_MARGIN_LINES = 5


@frozen
class Snippet:
    """Some lines of a text; *first* and *last* are 1-based line numbers, both included."""

    text: str
    first: int
    last: int


def best_snippet(text: str, terms: Sequence[str], weights: Sequence[float], max_chars: int) -> Snippet | None:
    """The lines that together hold the most weight of terms, and a few around them.

    Args:
        text: The whole text.
        terms: What is looked for, in lower case.
        weights: What each term is worth.
        max_chars: Characters at the most; a longer line is cut around its match.

    Returns:
        None when no term is in it or nothing would fit.
    """
    lines = text.replace("\r\n", "\n").split("\n")
    values = [_value(line.lower(), terms, weights) for line in lines]
    if max_chars < 1 or not any(values):
        return None
    first, last = _best_run(lines, values, max_chars)
    if first == last and len(lines[first]) > max_chars:
        return Snippet(_cut_line(lines[first], terms, max_chars), first + 1, first + 1)
    first, last = _with_margin(lines, first, last, max_chars)
    return Snippet("\n".join(lines[first : last + 1]), first + 1, last + 1)


def _value(line: str, terms: Sequence[str], weights: Sequence[float]) -> float:
    return sum(weight for term, weight in zip(terms, weights, strict=True) if term in line)


def _best_run(lines: Sequence[str], values: Sequence[float], max_chars: int) -> tuple[int, int]:
    """First and last line of the run of at most *max_chars* with the greatest value; both have a value."""
    best, best_run = -1.0, (0, 0)
    first, value, chars = 0, 0.0, 0
    for last, line in enumerate(lines):
        value += values[last]
        chars += len(line) + 1
        while first < last and (chars - 1 > max_chars or not values[first]):
            value -= values[first]
            chars -= len(lines[first]) + 1
            first += 1
        if values[last] and value > best + 1e-9:
            best, best_run = value, (first, last)
    return best_run


def _with_margin(lines: Sequence[str], first: int, last: int, max_chars: int) -> tuple[int, int]:
    room = max_chars - sum(len(line) + 1 for line in lines[first : last + 1]) + 1
    for _ in range(_MARGIN_LINES):
        if first > 0 and len(lines[first - 1]) + 1 <= room:
            first -= 1
            room -= len(lines[first]) + 1
        if last + 1 < len(lines) and len(lines[last + 1]) + 1 <= room:
            last += 1
            room -= len(lines[last]) + 1
    return first, last


def _cut_line(line: str, terms: Sequence[str], max_chars: int) -> str:
    lowered = line.lower()
    at, term = min((lowered.find(term), term) for term in terms if term in lowered)
    before = max(0, max_chars - len(term)) // 3
    start = max(0, min(at - before, len(line) - max_chars))
    return line[start : start + max_chars]

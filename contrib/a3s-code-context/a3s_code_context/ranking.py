"""How well files answer the terms of a prompt: pure functions."""

from collections.abc import Sequence
from math import log

from attrs import frozen

__all__ = ["Counts", "count", "rarity", "score"]

_NAME_SHARE = 0.3
_TYPICAL_CHARS = 4_000


@frozen
class Counts:
    """How often each term stands in a file.

    Args:
        path: The file's path relative to the root.
        chars: Length of its text.
        in_text: Occurrences in the text, by term.
        in_path: Whether the path holds it, by term.
    """

    path: str
    chars: int
    in_text: Sequence[int]
    in_path: Sequence[bool]

    def holds(self, term: int) -> bool:
        return bool(self.in_text[term]) or self.in_path[term]


def count(path: str, text: str, terms: Sequence[str]) -> Counts | None:
    """The counts of a file, None when no term is in it."""
    lowered, lowered_path = text.lower(), path.lower()
    in_text = [lowered.count(term) for term in terms]
    in_path = [term in lowered_path for term in terms]
    return Counts(path, len(text), in_text, in_path) if any(in_text) else None


def rarity(terms: Sequence[str], found: Sequence[Counts], files: int) -> list[float]:
    """The weight of each term: 0 when no file holds it, else the greater the fewer do (inverse document frequency)."""
    holders = [sum(counts.holds(term) for counts in found) for term in range(len(terms))]
    return [log(1 + files / number) if number else 0.0 for number in holders]


def score(counts: Counts, weights: Sequence[float]) -> float:
    """From 0 to 1: the share of the terms' weight that the file holds, saturating with their number (as BM25 does).

    Long files count a bit less for the same occurrences; a term in the path counts up to 0.3 of its weight.
    """
    patience = 0.3 + 0.7 * counts.chars / _TYPICAL_CHARS
    total = sum(weights)
    gained = sum(
        weight * ((1 - _NAME_SHARE) * occurrences / (occurrences + patience) + _NAME_SHARE * named)
        for weight, occurrences, named in zip(weights, counts.in_text, counts.in_path, strict=True)
    )
    return gained / total if total else 0.0

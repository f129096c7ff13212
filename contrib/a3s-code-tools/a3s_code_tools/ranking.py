"""Puts the results of several search engines into one order. Pure: no engine is known here."""

from collections.abc import Mapping, Sequence
from math import prod

from attrs import frozen

from a3s_code_tools.addresses import page_key

__all__ = ["Found", "Ranked", "merged"]


@frozen(kw_only=True)
class Found:
    """One result of one engine, as it came."""

    title: str
    url: str
    snippet: str = ""


@frozen(kw_only=True)
class Ranked:
    """One page with all that the engines know of it.

    Args:
        title: The longest title.
        url: The address as the best engine has it.
        snippet: The longest snippet.
        engines: Who found it, by name.
        score: How much it counts.
    """

    title: str
    url: str
    snippet: str
    engines: tuple[str, ...]
    score: float


def merged(answers: Mapping[str, Sequence[Found]], weights: Mapping[str, float]) -> tuple[Ranked, ...]:
    """All pages, best first, each once.

    The score is (product of the engines' weights × number of engines) × sum of 1/position; an engine that names a page
    twice counts with the better position. Pages that score the same stay in the order of position, then of engines.

    Args:
        answers: The results of each engine, best first; those that are no address of the web are left out.
        weights: Weight of each engine, 1 for those that are not named.
    """
    pages: dict[str, dict[str, tuple[int, Found]]] = {}
    for engine in sorted(answers):
        for position, found in enumerate(answers[engine], start=1):
            key = page_key(found.url)
            if key is not None:
                pages.setdefault(key, {}).setdefault(engine, (position, found))
    best_positions = {key: min(position for position, _ in places.values()) for key, places in pages.items()}
    ranked = [
        (-_score(places, weights), best_positions[key], number, places)
        for number, (key, places) in enumerate(pages.items())
    ]
    return tuple(_ranked(places, -score) for score, _, _, places in sorted(ranked, key=lambda entry: entry[:3]))


def _score(places: Mapping[str, tuple[int, Found]], weights: Mapping[str, float]) -> float:
    weight = prod(weights.get(engine, 1.0) for engine in places)
    return weight * len(places) * sum(1 / position for position, _ in places.values())


def _ranked(places: Mapping[str, tuple[int, Found]], score: float) -> Ranked:
    found = [one for _, one in sorted(places.values(), key=lambda place: place[0])]
    return Ranked(
        title=max((one.title for one in found), key=len),
        url=found[0].url,
        snippet=max((one.snippet for one in found), key=len),
        engines=tuple(sorted(places)),
        score=score,
    )

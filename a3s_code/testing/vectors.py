"""A vector store for tests: a list that is searched from end to end."""

from collections.abc import Sequence
from math import hypot

from a3s_code.plugin import Vector, VectorEntry, VectorHit, VectorStore

__all__ = ["ListVectorStore"]


class ListVectorStore(VectorStore):
    """Keeps entries by id; the first one fixes the dimension."""

    def __init__(self) -> None:
        self._entries: dict[str, VectorEntry] = {}

    async def insert_batch(self, entries: Sequence[VectorEntry]) -> None:
        dimension = self._dimension()
        for entry in entries:
            dimension = dimension or len(entry.embedding)
            _check(dimension, entry.embedding)
        self._entries.update({entry.id: entry for entry in entries})

    async def search(self, query: Vector, k: int) -> tuple[VectorHit, ...]:
        if not self._entries:
            return ()
        _check(self._dimension(), query)
        hits = [VectorHit(entry, _cosine(query, entry.embedding)) for entry in self._entries.values()]
        return tuple(sorted(hits, key=lambda hit: (-hit.score, hit.entry.id))[:k])

    async def delete(self, ids: Sequence[str]) -> int:
        return sum(self._entries.pop(id, None) is not None for id in ids)

    async def clear(self) -> None:
        self._entries.clear()

    async def count(self) -> int:
        return len(self._entries)

    def _dimension(self) -> int:
        return next((len(entry.embedding) for entry in self._entries.values()), 0)


def _check(dimension: int, vector: Vector) -> None:
    if len(vector) != dimension:
        raise ValueError(f"the vector has {len(vector)} numbers, the store keeps vectors of {dimension}")


def _cosine(left: Vector, right: Vector) -> float:
    lengths = hypot(*left) * hypot(*right)
    return sum(a * b for a, b in zip(left, right, strict=True)) / lengths if lengths else 0.0

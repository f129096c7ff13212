"""InMemoryVectorStore: exact cosine similarity, gone with the process."""

import asyncio
from array import array
from collections.abc import Sequence
from heapq import nsmallest
from math import isfinite, sqrt
from operator import mul

from a3s_code.plugin import Vector, VectorEntry, VectorHit, VectorStore

__all__ = ["InMemoryVectorStore"]


class InMemoryVectorStore(VectorStore):
    """Keeps vectors in a dictionary and compares with each of them.

    The first vector fixes the dimension until the store is empty again. Searches run in a worker thread.
    """

    def __init__(self) -> None:
        self._entries: dict[str, tuple[VectorEntry, array[float]]] = {}

    async def insert_batch(self, entries: Sequence[VectorEntry]) -> None:
        """Keeps *entries*, all or, when one is wrong, none of them."""
        if not entries:
            return
        dimension = self._dimension() or len(entries[0].embedding)
        units = await asyncio.to_thread(_units, entries, dimension)
        if self._dimension() not in (0, dimension):
            raise ValueError(f"vectors of {self._dimension()} numbers were inserted at the same time as of {dimension}")
        self._entries |= units

    async def search(self, query: Vector, k: int) -> tuple[VectorHit, ...]:
        """The *k* most similar entries, best first, ties by id."""
        if not self._entries or k < 1:
            return ()
        wanted = _unit(query, self._dimension())
        return await asyncio.to_thread(_nearest, list(self._entries.values()), wanted, k)

    async def delete(self, ids: Sequence[str]) -> int:
        """Removes entries; how many there were."""
        return sum(self._entries.pop(id, None) is not None for id in ids)

    async def clear(self) -> None:
        """Removes all."""
        self._entries.clear()

    async def count(self) -> int:
        """How many there are."""
        return len(self._entries)

    def _dimension(self) -> int:
        return next((len(unit) for _, unit in self._entries.values()), 0)


def _units(entries: Sequence[VectorEntry], dimension: int) -> "dict[str, tuple[VectorEntry, array[float]]]":
    return {entry.id: (entry, _unit(entry.embedding, dimension)) for entry in entries}


def _unit(vector: Vector, dimension: int) -> "array[float]":
    """*vector* with length 1; zeros stay zeros, similar to nothing."""
    if len(vector) != dimension or not dimension:
        wanted = dimension or "at least 1"
        raise ValueError(f"the vector has {len(vector)} numbers, this store keeps vectors of {wanted}")
    if not all(map(isfinite, vector)):
        raise ValueError("a vector must hold finite numbers")
    largest = max(map(abs, vector))
    if not largest:
        return array("d", vector)
    scaled = [number / largest for number in vector]  # squares of very large or small numbers would overflow
    length = sqrt(sum(map(mul, scaled, scaled)))
    return array("d", [number / length for number in scaled])


def _nearest(
    entries: "Sequence[tuple[VectorEntry, array[float]]]", wanted: "array[float]", k: int
) -> tuple[VectorHit, ...]:
    hits = (VectorHit(entry, max(-1.0, min(1.0, sum(map(mul, unit, wanted))))) for entry, unit in entries)
    return tuple(nsmallest(k, hits, key=lambda hit: (-hit.score, hit.entry.id)))

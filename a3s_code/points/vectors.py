"""VectorStore: keeps vectors and finds the nearest."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from attrs import field, frozen

from a3s_code.points.embedding import Vector

__all__ = ["VectorEntry", "VectorHit", "VectorStore"]


@frozen(kw_only=True)
class VectorEntry:
    """A vector with the text it stands for. An entry with the id of an older one replaces it."""

    id: str
    embedding: Vector = field(repr=False)
    content: str = ""
    source: str | None = None
    content_type: str = "text"
    token_count: int = 0
    metadata: dict[str, str] = field(factory=dict)


@frozen
class VectorHit:
    """An entry and its cosine similarity, -1 to 1."""

    entry: VectorEntry
    score: float


@runtime_checkable
class VectorStore(Protocol):
    """Keeps vectors of one dimension.

    Contract: `search` gives the best first, ties by id; a vector of another dimension raises ValueError.
    """

    async def insert_batch(self, entries: Sequence[VectorEntry]) -> None: ...

    async def search(self, query: Vector, k: int) -> tuple[VectorHit, ...]: ...

    async def delete(self, ids: Sequence[str]) -> int:
        """Removes entries; how many there were."""
        ...

    async def clear(self) -> None: ...

    async def count(self) -> int: ...

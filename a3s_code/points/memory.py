"""MemoryStore: what is worth knowing in later sessions."""

from enum import Enum
from math import exp
from typing import Protocol, runtime_checkable

from attrs import field, frozen

__all__ = ["MemoryItem", "MemoryStore", "MemoryType", "score"]


class MemoryType(Enum):
    EPISODIC = "episodic"
    SEMANTIC = "semantic"
    PROCEDURAL = "procedural"
    WORKING = "working"


def _unit(value: float) -> float:
    return min(1.0, max(0.0, value))


@frozen(kw_only=True)
class MemoryItem:
    """One memory; *timestamp* in seconds since the epoch, *importance* clamped to 0..1."""

    id: str
    content: str
    timestamp: float
    importance: float = field(default=0.5, converter=_unit)
    tags: tuple[str, ...] = ()
    memory_type: MemoryType = MemoryType.EPISODIC
    metadata: dict[str, str] = field(factory=dict)


def score(
    item: MemoryItem,
    now: float,
    *,
    importance_weight: float = 0.7,
    recency_weight: float = 0.3,
    decay_days: float = 30.0,
) -> float:
    """Rank of a memory: weighted importance plus recency that falls to 1/e after *decay_days*."""
    age_days = max(0.0, now - item.timestamp) / 86_400
    return item.importance * importance_weight + exp(-age_days / decay_days) * recency_weight


@runtime_checkable
class MemoryStore(Protocol):
    """Keeps memories.

    Contract: `store` replaces by id; searches give the best `score` first, ties by id; a damaged item is left out and
    never hides the others.
    """

    async def store(self, item: MemoryItem) -> None: ...

    async def retrieve(self, id: str) -> MemoryItem | None: ...

    async def search(self, query: str, limit: int) -> tuple[MemoryItem, ...]: ...

    async def search_by_tags(self, tags: tuple[str, ...], limit: int) -> tuple[MemoryItem, ...]: ...

    async def get_recent(self, limit: int) -> tuple[MemoryItem, ...]: ...

    async def get_important(self, threshold: float, limit: int) -> tuple[MemoryItem, ...]: ...

    async def delete(self, id: str) -> bool: ...

    async def clear(self) -> int:
        """Removes all; how many there were."""
        ...

    async def count(self) -> int: ...

"""Which memories answer a question, and in which order: pure functions for every memory store."""

from collections.abc import Iterable
from functools import partial

from a3s_code.plugin import MemoryConfig, MemoryItem, score

__all__ = ["containing", "important", "recent", "tagged"]


def containing(
    memories: Iterable[MemoryItem], query: str, limit: int, *, now: float, config: MemoryConfig
) -> tuple[MemoryItem, ...]:
    """Those whose content holds *query* in any case, best score first."""
    wanted = query.casefold()
    return _best((memory for memory in memories if wanted in memory.content.casefold()), limit, now, config)


def tagged(
    memories: Iterable[MemoryItem], tags: tuple[str, ...], limit: int, *, now: float, config: MemoryConfig
) -> tuple[MemoryItem, ...]:
    """Those with at least one of *tags*, best score first."""
    wanted = set(tags)
    return _best((memory for memory in memories if not wanted.isdisjoint(memory.tags)), limit, now, config)


def recent(memories: Iterable[MemoryItem], limit: int) -> tuple[MemoryItem, ...]:
    """The newest first, ties by id."""
    return tuple(sorted(memories, key=lambda memory: (-memory.timestamp, memory.id))[: max(0, limit)])


def important(memories: Iterable[MemoryItem], threshold: float, limit: int) -> tuple[MemoryItem, ...]:
    """Those whose importance is at least *threshold*, the most important first, ties by id."""
    chosen = (memory for memory in memories if memory.importance >= threshold)
    return tuple(sorted(chosen, key=lambda memory: (-memory.importance, memory.id))[: max(0, limit)])


def _best(memories: Iterable[MemoryItem], limit: int, now: float, config: MemoryConfig) -> tuple[MemoryItem, ...]:
    relevance = config.relevance
    rank = partial(
        score,
        now=now,
        importance_weight=relevance.importance_weight,
        recency_weight=relevance.recency_weight,
        decay_days=relevance.decay_days,
    )
    return tuple(sorted(memories, key=lambda memory: (-rank(memory), memory.id))[: max(0, limit)])

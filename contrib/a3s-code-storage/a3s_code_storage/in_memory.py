"""InMemoryStore: memories of this process, gone with it."""

from collections.abc import Callable
from time import time

from a3s_code.plugin import MemoryConfig, MemoryItem, MemoryStore
from a3s_code_storage import memory_ranking

__all__ = ["InMemoryStore"]


class InMemoryStore(MemoryStore):
    """Keeps memories in a dictionary.

    Args:
        config: How memories are ranked.
        clock: Seconds since the epoch, for their age.
    """

    def __init__(self, config: MemoryConfig | None = None, *, clock: Callable[[], float] = time):
        self._config = config or MemoryConfig()
        self._clock = clock
        self._memories: dict[str, MemoryItem] = {}

    async def store(self, item: MemoryItem) -> None:
        """Keeps *item*; an older one of its id is replaced."""
        self._memories[item.id] = item

    async def retrieve(self, id: str) -> MemoryItem | None:
        """The memory with this id."""
        return self._memories.get(id)

    async def search(self, query: str, limit: int) -> tuple[MemoryItem, ...]:
        """Memories whose content holds *query* in any case, best first."""
        return memory_ranking.containing(self._memories.values(), query, limit, now=self._clock(), config=self._config)

    async def search_by_tags(self, tags: tuple[str, ...], limit: int) -> tuple[MemoryItem, ...]:
        """Memories with at least one of *tags*, best first."""
        return memory_ranking.tagged(self._memories.values(), tags, limit, now=self._clock(), config=self._config)

    async def get_recent(self, limit: int) -> tuple[MemoryItem, ...]:
        """The newest memories."""
        return memory_ranking.recent(self._memories.values(), limit)

    async def get_important(self, threshold: float, limit: int) -> tuple[MemoryItem, ...]:
        """The most important memories."""
        return memory_ranking.important(self._memories.values(), threshold, limit)

    async def delete(self, id: str) -> bool:
        """Removes a memory; False when there was none."""
        return self._memories.pop(id, None) is not None

    async def clear(self) -> int:
        """Removes all; how many there were."""
        count = len(self._memories)
        self._memories.clear()
        return count

    async def count(self) -> int:
        """How many there are."""
        return len(self._memories)

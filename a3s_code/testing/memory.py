"""A memory store for tests: a dict."""

import time
from collections.abc import Callable, Iterable

from a3s_code.plugin import MemoryItem, MemoryStore, score

__all__ = ["DictMemoryStore"]


class DictMemoryStore(MemoryStore):
    """Keeps memories in a dict; a search finds what contains all words of the query.

    Args:
        now: Seconds since the epoch, for the ranking.
    """

    def __init__(self, now: Callable[[], float] = time.time):
        self._items: dict[str, MemoryItem] = {}
        self._now = now

    async def store(self, item: MemoryItem) -> None:
        self._items[item.id] = item

    async def retrieve(self, id: str) -> MemoryItem | None:
        return self._items.get(id)

    async def search(self, query: str, limit: int) -> tuple[MemoryItem, ...]:
        words = query.lower().split()
        return self._best((item for item in self._all() if all(word in item.content.lower() for word in words)), limit)

    async def search_by_tags(self, tags: tuple[str, ...], limit: int) -> tuple[MemoryItem, ...]:
        return self._best((item for item in self._all() if set(tags) & set(item.tags)), limit)

    async def get_recent(self, limit: int) -> tuple[MemoryItem, ...]:
        return tuple(sorted(self._all(), key=lambda item: (-item.timestamp, item.id))[:limit])

    async def get_important(self, threshold: float, limit: int) -> tuple[MemoryItem, ...]:
        return self._best((item for item in self._all() if item.importance >= threshold), limit)

    async def delete(self, id: str) -> bool:
        return self._items.pop(id, None) is not None

    async def clear(self) -> int:
        removed = len(self._items)
        self._items.clear()
        return removed

    async def count(self) -> int:
        return len(self._items)

    def _all(self) -> Iterable[MemoryItem]:
        return self._items.values()

    def _best(self, items: Iterable[MemoryItem], limit: int) -> tuple[MemoryItem, ...]:
        now = self._now()
        return tuple(sorted(items, key=lambda item: (-score(item, now), item.id))[:limit])

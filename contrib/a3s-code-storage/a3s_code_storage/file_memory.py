"""FileMemoryStore: memories in files, one for each, shared by processes."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from time import time
from typing import TypeVar

from a3s_code.plugin import Log, MemoryConfig, MemoryItem, MemoryStore, get_log
from a3s_code_storage import memory_ranking
from a3s_code_storage.durable_files import reported, state_dir
from a3s_code_storage.memory_files import MemoryFolder

__all__ = ["FileMemoryStore"]

T = TypeVar("T")


class FileMemoryStore(MemoryStore):
    """Keeps each memory in `<dir>/items/<name>.json`; there is no index that could be lost or overwritten.

    Raises `SessionError` when the folder cannot be read or written; a damaged file is left out with a warning.

    Args:
        dir: The folder; default `$XDG_STATE_HOME/a3s-code/memory`.
        config: How memories are ranked.
        log: Where damaged files are reported.
        clock: Seconds since the epoch, for the age of memories.
    """

    def __init__(
        self,
        dir: str | os.PathLike[str] | None = None,
        config: MemoryConfig | None = None,
        *,
        log: Log | None = None,
        clock: Callable[[], float] = time,
    ):
        root = Path(dir).expanduser().absolute() if dir else state_dir("memory")
        self._path = root / "items"
        self._folder = MemoryFolder(self._path, log or get_log("a3s_code.storage"))
        self._config = config or MemoryConfig()
        self._clock = clock
        self._lock = Lock()

    async def _run(self, work: Callable[[], T]) -> T:
        """Runs *work* in a worker thread, one at a time."""

        def locked() -> T:
            with self._lock, reported("read or write the memories in", self._path):
                return work()

        return await asyncio.to_thread(locked)

    async def store(self, item: MemoryItem) -> None:
        """Keeps *item*, durable when it returns; an older one of its id is replaced."""
        await self._run(lambda: self._folder.put(item))

    async def retrieve(self, id: str) -> MemoryItem | None:
        """The memory with this id."""
        return await self._run(lambda: self._folder.memories().get(id))

    async def search(self, query: str, limit: int) -> tuple[MemoryItem, ...]:
        """Memories whose content holds *query* in any case, best first."""
        return await self._run(
            lambda: memory_ranking.containing(
                self._folder.memories().values(), query, limit, now=self._clock(), config=self._config
            )
        )

    async def search_by_tags(self, tags: tuple[str, ...], limit: int) -> tuple[MemoryItem, ...]:
        """Memories with at least one of *tags*, best first."""
        return await self._run(
            lambda: memory_ranking.tagged(
                self._folder.memories().values(), tags, limit, now=self._clock(), config=self._config
            )
        )

    async def get_recent(self, limit: int) -> tuple[MemoryItem, ...]:
        """The newest memories."""
        return await self._run(lambda: memory_ranking.recent(self._folder.memories().values(), limit))

    async def get_important(self, threshold: float, limit: int) -> tuple[MemoryItem, ...]:
        """The most important memories."""
        return await self._run(lambda: memory_ranking.important(self._folder.memories().values(), threshold, limit))

    async def delete(self, id: str) -> bool:
        """Removes a memory; False when there was none."""
        return await self._run(lambda: self._folder.remove(id))

    async def clear(self) -> int:
        """Removes all; how many there were. Damaged files stay for whoever wants to mend them."""
        return await self._run(lambda: sum(self._folder.remove(id) for id in self._folder.memories()))

    async def count(self) -> int:
        """How many can be read."""
        return await self._run(lambda: len(self._folder.memories()))

"""FileSystemContextProvider: looks for the words of a prompt in the files of a folder."""

import asyncio
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event
from time import monotonic

from a3s_code.plugin import ContextDepth, ContextItem, ContextProvider, ContextQuery, ContextResult
from a3s_code_context.ranking import Counts, count, rarity, score
from a3s_code_context.snippets import best_snippet
from a3s_code_context.terms import terms
from a3s_code_context.workspace_files import FileFilter, read_text, walk

__all__ = ["FileSystemContextProvider"]

BUDGET_S = 2.0
MAX_FILES = 20_000
CHARS_PER_TOKEN = 4

_DEPTH_TOKENS = {ContextDepth.ABSTRACT: 100, ContextDepth.OVERVIEW: 2_000}


class FileSystemContextProvider(ContextProvider):
    """Gives the lines around the words of the prompt, from the files that hold the rarest of them most often.

    Nothing is kept between prompts, so what was just written is found. Links are never followed.

    Args:
        root: The folder.
        include: Files that are searched, written as in .gitignore; empty means all.
        exclude: Files that are not; they win.
        clock: Seconds that only grow; a search ends after two of them.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        *,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        clock: Callable[[], float] = monotonic,
    ):
        self._root = Path(root).absolute()
        self._chosen = FileFilter(include, exclude)
        self._clock = clock

    @property
    def name(self) -> str:
        return "filesystem"

    async def query(self, query: ContextQuery) -> ContextResult:
        """See `ContextProvider.query`; runs in a worker thread that a cancelled query stops."""
        search = _Search(self._root, self._chosen, self._clock)
        try:
            return await asyncio.to_thread(search.run, query)
        finally:
            search.cancelled.set()

    async def on_turn_complete(self, session_id: str, prompt: str, response: str) -> None:
        """Nothing is learned from answers."""


class _Search:
    def __init__(self, root: Path, chosen: FileFilter, clock: Callable[[], float]):
        self._root = root
        self._chosen = chosen
        self._clock = clock
        self._deadline = clock() + BUDGET_S
        self._files = 0
        self._truncated = False
        self.cancelled = Event()

    def run(self, query: ContextQuery) -> ContextResult:
        wanted = terms(query.query)
        if not wanted or query.max_results < 1:
            return ContextResult(provider="filesystem")
        found = self._count(wanted)
        weights = rarity(wanted, found, self._files)
        ranked = sorted(((score(counts, weights), counts.path) for counts in found), key=lambda hit: (-hit[0], hit[1]))
        items = self._items(ranked, wanted, weights, query)
        return ContextResult(provider="filesystem", items=items, truncated=self._truncated)

    def _is_over(self) -> bool:
        self._truncated = self._files >= MAX_FILES or self._clock() > self._deadline or self.cancelled.is_set()
        return self._truncated

    def _count(self, wanted: Sequence[str]) -> list[Counts]:
        found = []
        for file in walk(self._root, self._chosen, is_over=self._is_over):
            self._files += 1
            counts = count(file.path, file.text, wanted)
            if counts is not None:
                found.append(counts)
        return found

    def _items(
        self, ranked: Sequence[tuple[float, str]], wanted: Sequence[str], weights: Sequence[float], query: ContextQuery
    ) -> tuple[ContextItem, ...]:
        """The best snippet of each of the best files, as many as fit."""
        room = query.max_tokens * CHARS_PER_TOKEN
        share = room // min(query.max_results, len(ranked)) if ranked else 0
        depth = _DEPTH_TOKENS.get(query.depth)
        size = room if depth is None else min(share, depth * CHARS_PER_TOKEN)
        items: list[ContextItem] = []
        for relevance, path in ranked:
            if len(items) == query.max_results or room < 1:
                break
            snippet = best_snippet(read_text(self._root, path) or "", wanted, weights, min(size, room))
            if snippet is None:  # changed in between, or nothing fits any more
                continue
            place = f"{path}:{snippet.first}-{snippet.last}"
            tokens = -(-len(snippet.text) // CHARS_PER_TOKEN)
            items.append(
                ContextItem(id=place, content=snippet.text, token_count=tokens, relevance=relevance, source=place)
            )
            room -= tokens * CHARS_PER_TOKEN
        return tuple(items)

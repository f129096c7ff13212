"""Finding text for a prompt: context providers and memory, asked once and recorded with the prompt."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from xml.sax.saxutils import escape, quoteattr

from attrs import frozen

from a3s_code.events import ContextResolved, ContextResolving, Event, MemoriesSearched, MemoryRecalled, Warned
from a3s_code.points.context import ContextItem, ContextProvider, ContextQuery, ContextResult
from a3s_code.points.memory import MemoryItem, MemoryStore
from a3s_code.redaction import Cleaner

__all__ = ["Finder", "Found"]

DEADLINE_S = 10.0
RECALLED_AT_MOST = 5


@frozen
class Found:
    """Text found for a prompt, "" when there is none, and the events that tell of it."""

    text: str = ""
    events: tuple[Event, ...] = ()


@frozen(kw_only=True)
class Finder:
    """Asks the providers and the memory.

    Args:
        providers: Gives the context providers; no providers, no events.
        memory: Gives the memory store, or None when the session keeps no memory.
        cleaner: Cleans what is found.
        session_id: The asking session.
    """

    providers: Callable[[], Awaitable[Sequence[ContextProvider]]]
    memory: Callable[[], Awaitable[MemoryStore | None]]
    cleaner: Cleaner
    session_id: str

    async def find(self, prompt: str) -> Found:
        """What helps with *prompt*; a provider or a memory that fails is left out with a warning."""
        events: list[Event] = []
        blocks = [*await self._recalled(prompt, events), *await self._context(prompt, events)]
        if not blocks:
            return Found(events=tuple(events))
        return Found(await self.cleaner.clean("\n\n".join(blocks)), tuple(events))

    async def answered(self, prompt: str, response: str) -> None:
        """Tells the providers that a prompt was answered."""
        for provider in await self.providers():
            try:
                async with asyncio.timeout(DEADLINE_S):
                    await provider.on_turn_complete(self.session_id, prompt, response)
            except Exception:  # noqa: BLE001, S110 # foreign code, told out of courtesy
                pass

    async def _context(self, prompt: str, events: list[Event]) -> list[str]:
        providers = await self.providers()
        if not providers:
            return []
        events.append(ContextResolving(tuple(provider.name for provider in providers)))
        query = ContextQuery(query=prompt, session_id=self.session_id)
        answers = await asyncio.gather(*(self._ask(provider, query, events) for provider in providers))
        items = [item for answer in answers for item in answer.items]
        events.append(ContextResolved(len(items), sum(item.token_count for item in items)))
        return [_element(item) for item in items]

    async def _ask(self, provider: ContextProvider, query: ContextQuery, events: list[Event]) -> ContextResult:
        try:
            async with asyncio.timeout(DEADLINE_S):
                result: object = await provider.query(query)
            if isinstance(result, ContextResult):
                return result
            problem = f"answered {type(result).__name__}"
        except TimeoutError:
            problem = f"did not answer within {DEADLINE_S:g} s"
        except (Exception, SystemExit) as error:  # noqa: BLE001 # foreign code: it is left out of this prompt
            problem = f"failed: {type(error).__name__}: {error}"
        problem = await self.cleaner.clean(problem)
        events.append(Warned(f"the context provider {provider.name} {problem}; it was left out"))
        return ContextResult(provider=provider.name)

    async def _recalled(self, prompt: str, events: list[Event]) -> list[str]:
        try:
            store = await self.memory()
            if store is None:
                return []
            async with asyncio.timeout(DEADLINE_S):
                items = await store.search(prompt, RECALLED_AT_MOST)
        except (Exception, SystemExit) as error:  # noqa: BLE001 # foreign code: this prompt does without it
            problem = await self.cleaner.clean(str(error) or type(error).__name__)
            events.append(Warned(f"the memory could not be searched: {problem}"))
            return []
        events.append(MemoriesSearched(prompt, len(items)))
        events.extend(MemoryRecalled(item.id, item.content, item.importance) for item in items)
        return [_experience(items)] if items else []


def _experience(items: Sequence[MemoryItem]) -> str:
    return "## Relevant past experience\n" + "\n".join(f"- {item.content}" for item in items)


def _element(item: ContextItem) -> str:
    source = f" source={quoteattr(item.source)}" if item.source else ""
    return f"<context type={quoteattr(item.type)}{source}>\n{escape(item.content)}\n</context>"

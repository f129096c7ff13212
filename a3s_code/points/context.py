"""ContextProvider: finds text that helps with a prompt."""

from enum import Enum
from typing import Protocol, runtime_checkable

from attrs import field, frozen

__all__ = ["ContextDepth", "ContextItem", "ContextProvider", "ContextQuery", "ContextResult"]


class ContextDepth(Enum):
    """How much of each source: about 100 tokens, about 2000, or all."""

    ABSTRACT = "abstract"
    OVERVIEW = "overview"
    FULL = "full"


@frozen(kw_only=True)
class ContextQuery:
    """What to look for.

    Args:
        query: The person's prompt.
        depth: How much of each source is wanted.
        max_results: Items at the most.
        max_tokens: Tokens of all items together at the most.
        session_id: The asking session, or None.
    """

    query: str
    depth: ContextDepth = ContextDepth.OVERVIEW
    max_results: int = 5
    max_tokens: int = 4000
    session_id: str | None = None


@frozen(kw_only=True)
class ContextItem:
    """A piece of text with its origin; *relevance* is 0 to 1."""

    id: str
    content: str
    token_count: int
    relevance: float
    type: str = "resource"
    source: str | None = None
    metadata: dict[str, str] = field(factory=dict)


@frozen(kw_only=True)
class ContextResult:
    """What one provider found, best first."""

    provider: str
    items: tuple[ContextItem, ...] = ()
    truncated: bool = False

    @property
    def total_tokens(self) -> int:
        return sum(item.token_count for item in self.items)


@runtime_checkable
class ContextProvider(Protocol):
    """Finds text for a prompt.

    Contract: asked once per prompt, side by side with the others, under a deadline; raising leaves this provider out
    of this prompt with a warning. Nothing from outside the workspace may come back unless configured so.
    """

    @property
    def name(self) -> str: ...

    async def query(self, query: ContextQuery) -> ContextResult: ...

    async def on_turn_complete(self, session_id: str, prompt: str, response: str) -> None:
        """Told when a prompt was answered; the default does nothing."""
        return  # a body, so that implementations may leave it out

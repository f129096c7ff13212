"""A context provider for tests that always finds the same."""

from a3s_code.plugin import ContextItem, ContextProvider, ContextQuery, ContextResult

__all__ = ["StaticContextProvider"]


class StaticContextProvider(ContextProvider):
    """Finds the given texts, in their order, as far as the query's limits go; a word counts as one token.

    Attributes:
        queries: Every query.
        turns: (session id, prompt, response) of every answered prompt.
    """

    def __init__(self, *texts: str | ContextItem, name: str = "static"):
        self._name = name
        self._items = tuple(_item(text, number) for number, text in enumerate(texts, 1))
        self.queries: list[ContextQuery] = []
        self.turns: list[tuple[str, str, str]] = []

    @property
    def name(self) -> str:
        return self._name

    async def query(self, query: ContextQuery) -> ContextResult:
        self.queries.append(query)
        found: list[ContextItem] = []
        tokens_left = query.max_tokens
        for entry in self._items[: query.max_results]:
            tokens_left -= entry.token_count
            if tokens_left < 0:
                break
            found.append(entry)
        return ContextResult(provider=self.name, items=tuple(found), truncated=len(found) < len(self._items))

    async def on_turn_complete(self, session_id: str, prompt: str, response: str) -> None:
        self.turns.append((session_id, prompt, response))


def _item(text: str | ContextItem, number: int) -> ContextItem:
    if isinstance(text, ContextItem):
        return text
    return ContextItem(id=f"static-{number}", content=text, token_count=len(text.split()), relevance=1 / number)

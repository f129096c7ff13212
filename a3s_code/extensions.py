"""Extensions: one lazy slot for each extension point, opened at first need and closed in reverse order."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Generic, Protocol, TypeVar

from attrs import frozen

from a3s_code.errors import PluginError
from a3s_code.hookspecs import POINTS, Arity, Point, Scope
from a3s_code.logs import get_log
from a3s_code.plugins import Factory, Offer, Selection, check_filling, dependencies
from a3s_code.points.confirmation import ConfirmationProvider
from a3s_code.points.context import ContextProvider
from a3s_code.points.embedding import EmbeddingProvider
from a3s_code.points.hooks import Hook, HookExecutor
from a3s_code.points.http import HttpClient
from a3s_code.points.llm import LlmClient
from a3s_code.points.mcp import McpTransportMaker
from a3s_code.points.memory import MemoryStore
from a3s_code.points.permission import PermissionChecker
from a3s_code.points.planning import Planner
from a3s_code.points.sandbox import BashSandbox
from a3s_code.points.security import SecurityProvider
from a3s_code.points.session_command import SessionCommandMaker
from a3s_code.points.sessions import SessionStore
from a3s_code.points.skills import SkillScorer, SkillValidator
from a3s_code.points.tools import Tool
from a3s_code.points.vectors import VectorStore
from a3s_code.threads import in_thread

__all__ = ["Extensions", "Family", "Members", "Opening", "PluginFailure", "Slot"]

CLOSE_DEADLINE_S = 5.0
OPEN_DEADLINE_S = 30.0

T = TypeVar("T")


class Settings(Protocol):
    """Gives a factory its `config`: the plugin's own block, or the kernel's part that the point configures."""

    def for_factory(self, factory: Factory, provider: str | None) -> object: ...


@frozen
class PluginFailure:
    """A member of a many-point that could not be opened and is left out."""

    plugin: str
    error: str


class Opening(Generic[T]):
    """Opens something once, however many ask at once; a failure is not kept, so the next need tries again."""

    def __init__(self, open: Callable[[], Awaitable[T]]):
        self._open = open
        self._task: asyncio.Task[T] | None = None

    async def get(self) -> T:
        task = self._task
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            # its own task: the first caller may be cancelled while others still wait for the same object
            task = self._task = asyncio.ensure_future(self._open())  # noqa: TID251 # `settle` ends it
        return await asyncio.shield(task)

    async def settle(self) -> None:
        """Waits until nothing is being opened any more."""
        if self._task is not None and not self._task.done():
            await asyncio.wait({self._task}, timeout=CLOSE_DEADLINE_S)
            self._task.cancel()


@frozen
class Slot(Generic[T]):
    """A one-point."""

    _opening: Opening[T]

    async def get(self) -> T:
        """What fills the point. Raises PluginError, at each need anew while it fails."""
        return await self._opening.get()


@frozen
class Members(Generic[T]):
    """A many-point."""

    _opening: Opening[tuple[T, ...]]

    async def get(self) -> tuple[T, ...]:
        """All members that could be opened; the others are in `Extensions.failures`."""
        return await self._opening.get()


class Family(Generic[T]):
    """A by-name point: each name is opened at its first need."""

    def __init__(self, open: Callable[[str, str | None], Awaitable[T]]):
        self._open = open
        self._openings: dict[tuple[str, str | None], Opening[T]] = {}

    async def get(self, name: str, provider: str | None = None) -> T:
        """The member of that name; *provider* says which provider's block configures it."""
        key = (name, provider)
        if key not in self._openings:
            self._openings[key] = Opening(lambda: self._open(name, provider))
        return await self._openings[key].get()

    async def settle(self) -> None:
        for opening in self._openings.values():
            await opening.settle()


class Extensions:
    """All slots of one scope. A session's extensions share the agent's slots of agent scope.

    Args:
        selection: Who fills which point.
        settings: Gives factories their config.
        given: Facts for factories: "workspace", "session_id", "answerer".
        overrides: Objects passed by the caller, by point; a tuple for many-points. They are never closed here.
        agent: The agent's extensions, for a session's.
    """

    def __init__(
        self,
        selection: Selection,
        settings: Settings,
        *,
        given: Mapping[str, object] | None = None,
        overrides: Mapping[str, object] | None = None,
        agent: "Extensions | None" = None,
    ):
        self.selection = selection
        self.failures: list[PluginFailure] = []
        self._settings = settings
        self._given = dict(given or {})
        self._overrides = dict(overrides or {})
        self._agent = agent
        self._opened: list[tuple[str, object]] = []
        self._closed = False
        self._openings: list[Opening[object] | Family[object]] = []
        for name, value in self._overrides.items():
            point = POINTS[name]
            for one in value if point.arity is Arity.MANY and isinstance(value, tuple) else (value,):
                check_filling(point, one, f"the {name} passed in code")
        self.security_provider: Slot[SecurityProvider] = self._slot("security_provider")
        self.permission_checker: Slot[PermissionChecker] = self._slot("permission_checker")
        self.confirmation_provider: Slot[ConfirmationProvider] = self._slot("confirmation_provider")
        self.context_provider: Members[ContextProvider] = self._members("context_provider")
        self.embedding_provider: Family[EmbeddingProvider] = self._family("embedding_provider")
        self.vector_store: Slot[VectorStore] = self._slot("vector_store")
        self.session_store: Slot[SessionStore] = self._slot("session_store")
        self.memory_store: Slot[MemoryStore] = self._slot("memory_store")
        self.tool: Members[Tool] = self._members("tool")
        self.planner: Slot[Planner] = self._slot("planner")
        self.hook_handler: Members[Hook] = self._members("hook_handler")
        self.hook_executor: Slot[HookExecutor] = self._slot("hook_executor")
        self.mcp_transport: Family[McpTransportMaker] = self._family("mcp_transport")
        self.http_client: Slot[HttpClient] = self._slot("http_client")
        self.session_command: Slot[SessionCommandMaker] = self._slot("session_command")
        self.llm_client: Family[LlmClient] = self._family("llm_client")
        self.bash_sandbox: Slot[BashSandbox] = self._slot("bash_sandbox")
        self.skill_validator: Slot[SkillValidator] = self._slot("skill_validator")
        self.skill_scorer: Slot[SkillScorer] = self._slot("skill_scorer")

    def filled_by(self, name: str) -> str:
        """Who fills a point of one, for people; opens nothing."""
        if name in self._overrides:
            return f"{type(self._overrides[name]).__name__} (given in code)"
        try:
            return self.selection.one(POINTS[name]).name
        except PluginError as error:
            return f"none: {error}"

    async def aclose(self) -> list[str]:
        """Closes what was opened here, last opened first, each with a deadline; the texts of all errors."""
        self._closed = True
        for opening in self._openings:
            await opening.settle()
        errors: list[str] = []
        while self._opened:
            id, value = self._opened.pop()
            try:
                async with asyncio.timeout(CLOSE_DEADLINE_S):
                    await _close(value)
            except Exception as error:  # noqa: BLE001 # foreign code; all are closed before anything is said
                errors.append(f"{id} failed to close: {type(error).__name__}: {error}")
        return errors

    # Making slots

    def _shared(self, name: str) -> bool:
        """Whether the slot is the agent's: neither it nor what it needs is another in this session."""
        return (
            self._agent is not None
            and POINTS[name].scope is Scope.AGENT
            and name not in self._overrides
            and not any(offer.group == name for offer in self.selection.from_code)
            and all(self._shared(needed) for needed in dependencies(POINTS[name]))
        )

    def _slot(self, name: str) -> Slot[T]:
        if self._shared(name):
            return getattr(self._agent, name)  # type: ignore[no-any-return] # the slot of the same name

        async def open_one() -> T:
            if name in self._overrides:
                return self._overrides[name]  # type: ignore[return-value] # checked at the start
            offer = self.selection.one(POINTS[name])
            return (await self._open(POINTS[name], offer))[0]  # type: ignore[return-value] # checked by Factory.call

        return Slot(self._remember(Opening(open_one)))

    def _members(self, name: str) -> Members[T]:
        async def open_all() -> tuple[T, ...]:
            passed = self._overrides.get(name, ())
            members: list[object] = []
            for offer in self.selection.many(name):
                try:
                    members.extend(await self._open(POINTS[name], offer))
                except PluginError as error:
                    self.failures.append(PluginFailure(offer.id, str(error)))
                    get_log().warning("plugin left out", plugin=offer.id, error=str(error))
            return (*members, *passed)  # type: ignore[arg-type,misc] # checked by Factory.call and at the start

        return Members(self._remember(Opening(open_all)))

    def _family(self, name: str) -> Family[T]:
        if self._shared(name):
            return getattr(self._agent, name)  # type: ignore[no-any-return] # the family of the same name

        async def open_named(member: str, provider: str | None) -> T:
            if name in self._overrides:
                return self._overrides[name]  # type: ignore[return-value] # checked at the start
            own = [offer for offer in self.selection.from_code if offer.group == name and offer.name == member]
            offer = own[0] if own else self.selection.named(POINTS[name], member)
            return (await self._open(POINTS[name], offer, provider))[0]  # type: ignore[return-value] # checked

        family: Family[T] = Family(open_named)
        self._openings.append(family)  # type: ignore[arg-type] # only settled
        return family

    def _remember(self, opening: Opening[T]) -> Opening[T]:
        self._openings.append(opening)  # type: ignore[arg-type] # only settled
        return opening

    # Opening

    async def _open(self, point: Point, offer: Offer, provider: str | None = None) -> tuple[object, ...]:
        if self._closed:
            raise PluginError(f"{offer.id} is needed after the {point.scope.value} was closed", plugin=offer.id)
        factory = await _off_loop(offer, Factory.of, point, offer)
        arguments: dict[str, object] = {}
        for name in factory.parameters():
            arguments[name] = await self._argument(name, factory, provider)
        made: tuple[object, ...] = await _off_loop(offer, factory.call, arguments)
        self._opened.extend((offer.id, value) for value in made)
        return made

    async def _argument(self, name: str, factory: Factory, provider: str | None) -> object:
        if name == "config":
            return self._settings.for_factory(factory, provider)
        if name == "log":
            return get_log(f"a3s_code.{factory.offer.id}")
        if name not in POINTS:
            return self._given.get(name)
        if POINTS[name].arity is Arity.BY_NAME:  # these have no default as a dependency
            chosen = self.selection.chosen.get(name)
            return None if chosen is None else await getattr(self, name).get(chosen)
        return await getattr(self, name).get()


async def _off_loop(offer: Offer, function: Callable[..., T], *args: object) -> T:
    """Imports and factories run in a worker thread, so that a slow SDK import stops nobody."""
    try:
        return await in_thread(function, *args, timeout_s=OPEN_DEADLINE_S)
    except TimeoutError:
        raise PluginError(f"{offer.id} of {offer.origin} did not open within {OPEN_DEADLINE_S:.0f} s") from None


async def _close(value: object) -> None:
    """Awaits `aclose`, or runs a plain `close` in a worker thread, where it can be abandoned at the deadline."""
    close, plain = getattr(value, "aclose", None), getattr(value, "close", None)
    if close is not None:
        await close()
    elif plain is not None:
        await in_thread(plain)

"""The catalogue of the plug board: one hookspec per extension point.

The parameters of a hookspec are what a factory may depend on; a factory names those it wants and gets no others.
`config` is the plugin's own attrs class (the annotation says which), `log` a structured log; the rest are other points
(opened because they are named), or facts of the session (`workspace`, `session_id`, `answerer`).
"""

from enum import Enum
from typing import TYPE_CHECKING

import pluggy
from attrs import frozen

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
from a3s_code.points.slash import SlashCommand
from a3s_code.points.tools import Tool, Workspace
from a3s_code.points.vectors import VectorStore

if TYPE_CHECKING:
    from a3s_code.logs import Log
    from a3s_code.points.confirmation import Answerer

__all__ = ["GIVEN", "POINTS", "REGISTRIES", "Arity", "Point", "Scope", "Specs", "hookimpl", "hookspec"]

hookspec = pluggy.HookspecMarker("a3s_code")
hookimpl = pluggy.HookimplMarker("a3s_code")

GIVEN = ("config", "log", "workspace", "session_id", "answerer")
"""Parameters that are not extension points."""


class Specs:
    """The 19 hookspecs. A factory is a plain synchronous function; whatever it returns does the awaiting."""

    @hookspec
    def a3s_code_security_provider(self, config: object, log: "Log") -> SecurityProvider:
        """Redacts secrets and personal data from what tools and the model say."""

    @hookspec
    def a3s_code_permission_checker(self, config: object, log: "Log", workspace: Workspace) -> PermissionChecker:
        """Decides whether a call may run, is asked about, or is refused."""

    @hookspec
    def a3s_code_confirmation_provider(
        self, config: object, log: "Log", answerer: "Answerer | None"
    ) -> ConfirmationProvider:
        """Asks a person; *answerer* is the callback the caller registered, or None."""

    @hookspec
    def a3s_code_context_provider(
        self,
        config: object,
        log: "Log",
        workspace: Workspace,
        embedding_provider: EmbeddingProvider | None,
        vector_store: VectorStore,
    ) -> ContextProvider | tuple[ContextProvider, ...]:
        """Finds text that helps with a prompt."""

    @hookspec
    def a3s_code_embedding_provider(self, config: object, log: "Log", http_client: HttpClient) -> EmbeddingProvider:
        """Turns texts into vectors."""

    @hookspec
    def a3s_code_vector_store(self, config: object, log: "Log") -> VectorStore:
        """Keeps vectors and finds the nearest."""

    @hookspec
    def a3s_code_session_store(self, config: object, log: "Log") -> SessionStore:
        """Keeps the journals of sessions."""

    @hookspec
    def a3s_code_memory_store(self, config: object, log: "Log") -> MemoryStore:
        """Keeps what is worth knowing in later sessions."""

    @hookspec
    def a3s_code_tool(
        self,
        config: object,
        log: "Log",
        workspace: Workspace,
        bash_sandbox: BashSandbox,
        http_client: HttpClient,
    ) -> Tool | tuple[Tool, ...]:
        """Something the model can do."""

    @hookspec
    def a3s_code_planner(self, config: object, log: "Log") -> Planner:
        """Turns a prompt into steps."""

    @hookspec
    def a3s_code_hook_handler(self, config: object, log: "Log", workspace: Workspace) -> Hook | tuple[Hook, ...]:
        """Lifecycle hooks: handlers with the event they see."""

    @hookspec
    def a3s_code_hook_executor(self, config: object, log: "Log") -> HookExecutor:
        """Runs the hooks of an event in order."""

    @hookspec
    def a3s_code_mcp_transport(
        self, config: object, log: "Log", workspace: Workspace, http_client: HttpClient
    ) -> McpTransportMaker:
        """Makes connections to MCP servers of one scheme."""

    @hookspec
    def a3s_code_http_client(self, config: object, log: "Log") -> HttpClient:
        """The only way out to the network."""

    @hookspec
    def a3s_code_session_command(self, config: object, log: "Log") -> SessionCommandMaker:
        """Makes units of queued work from calls that passed the gate."""

    @hookspec
    def a3s_code_llm_client(self, config: object, log: "Log", http_client: HttpClient) -> LlmClient:
        """Asks the models of one provider; config is that provider's block."""

    @hookspec
    def a3s_code_bash_sandbox(self, config: object, log: "Log", workspace: Workspace) -> BashSandbox:
        """Where shell commands run."""

    @hookspec
    def a3s_code_skill_validator(self, config: object, log: "Log") -> SkillValidator:
        """Decides whether a skill is acceptable."""

    @hookspec
    def a3s_code_skill_scorer(self, config: object, log: "Log") -> SkillScorer:
        """Keeps score of how skills do."""


class Arity(Enum):
    """ONE: one implementation at a time. MANY: all that are selected. BY_NAME: a family, each opened by its name."""

    ONE = "one"
    MANY = "many"
    BY_NAME = "by name"


class Scope(Enum):
    """How long what a factory made lives; nothing of AGENT scope may need something of SESSION scope."""

    AGENT = "agent"
    SESSION = "session"


@frozen
class Point:
    """An extension point.

    Args:
        name: Its name: the Protocol in snake case.
        protocol: The Protocol of the README.
        filled_with: What the factory returns; mostly the Protocol itself.
        arity: How many implementations there are at a time.
        scope: How long they live.
        default: The official default's name, None when there is none.
    """

    name: str
    protocol: str
    filled_with: type
    arity: Arity
    scope: Scope
    default: str | None = None

    @property
    def spec_name(self) -> str:
        return f"a3s_code_{self.name}"

    @property
    def group(self) -> str:
        return f"a3s_code.{self.name}"


POINTS: dict[str, Point] = {
    point.name: point
    for point in (
        Point("security_provider", "SecurityProvider", SecurityProvider, Arity.ONE, Scope.SESSION, "default"),
        Point("permission_checker", "PermissionChecker", PermissionChecker, Arity.ONE, Scope.SESSION, "policy"),
        Point(
            "confirmation_provider", "ConfirmationProvider", ConfirmationProvider, Arity.ONE, Scope.SESSION, "manager"
        ),
        Point("context_provider", "ContextProvider", ContextProvider, Arity.MANY, Scope.SESSION),
        Point("embedding_provider", "EmbeddingProvider", EmbeddingProvider, Arity.BY_NAME, Scope.AGENT),
        Point("vector_store", "VectorStore", VectorStore, Arity.ONE, Scope.AGENT, "in-memory"),
        Point("session_store", "SessionStore", SessionStore, Arity.ONE, Scope.AGENT, "file"),
        Point("memory_store", "MemoryStore", MemoryStore, Arity.ONE, Scope.AGENT, "in-memory"),
        Point("tool", "Tool", Tool, Arity.MANY, Scope.SESSION),
        Point("planner", "Planner", Planner, Arity.ONE, Scope.SESSION, "llm"),
        Point("hook_handler", "HookHandler", Hook, Arity.MANY, Scope.SESSION),
        Point("hook_executor", "HookExecutor", HookExecutor, Arity.ONE, Scope.SESSION, "engine"),
        Point("mcp_transport", "McpTransport", McpTransportMaker, Arity.BY_NAME, Scope.SESSION),
        Point("http_client", "HttpClient", HttpClient, Arity.ONE, Scope.AGENT, "default"),
        Point("session_command", "SessionCommand", SessionCommandMaker, Arity.ONE, Scope.SESSION, "tool"),
        Point("llm_client", "LlmClient", LlmClient, Arity.BY_NAME, Scope.AGENT),
        Point("bash_sandbox", "BashSandbox", BashSandbox, Arity.ONE, Scope.SESSION, "auto"),
        Point("skill_validator", "SkillValidator", SkillValidator, Arity.ONE, Scope.AGENT, "default"),
        Point("skill_scorer", "SkillScorer", SkillScorer, Arity.ONE, Scope.AGENT, "default"),
    )
}

REGISTRIES: dict[str, type | None] = {
    "a3s_code.slash_command": SlashCommand,
    "a3s_code.cli": None,
    "a3s_code.lane_backend": None,
}
"""Groups that only add: slash commands, verbs of the command line, and where lanes send work in external mode."""

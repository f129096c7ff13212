"""SessionOptions: everything about a session that code can set."""

from collections.abc import Sequence
from pathlib import Path

import attrs
from attrs import define

from a3s_code.config import QueueConfig, setting
from a3s_code.points.confirmation import Answerer, ConfirmationPolicy, ConfirmationProvider
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
from a3s_code.points.skills import Skill, SkillScorer, SkillValidator
from a3s_code.points.slash import SlashCommand
from a3s_code.points.tools import Tool
from a3s_code.points.vectors import VectorStore
from a3s_code.prompts import SystemPromptSlots

__all__ = ["SessionOptions"]


@define(kw_only=True)
class SessionOptions:
    """Options of a session; every one is optional and can be given as a keyword or assigned later.

    The session takes a copy when it is made: changing the options afterwards changes only later sessions. An option
    wins over the configuration file, which wins over the default. Objects given here are the caller's to close.
    """

    # The model
    model: str | None = setting(None, 'The model as "provider/model".')
    temperature: float | None = setting(None, "Sampling temperature; not sent to models that take none.")
    thinking_budget: int | None = setting(None, "Tokens for thinking, for models with reasoning = true.")
    llm_client: LlmClient | None = setting(None, "Asks the model, whatever the provider is called.")

    # The prompt
    role: str | None = setting(None, "Replaces the identity at the start of the system prompt.")
    guidelines: str | None = setting(None, "Appended as the section Guidelines.")
    response_style: str | None = setting(None, "Replaces the section Response Format.")
    extra: str | None = setting(None, "Free instructions at the end of the system prompt.")
    prompt_slots: SystemPromptSlots | None = setting(None, "The four above as one value; they win over it.")

    # Safety
    permissive: bool | None = setting(None, "Run what would be asked about; deny still wins.")
    default_security: bool | None = setting(None, "Accepted; the default security provider is on anyway.")
    security_provider: SecurityProvider | None = setting(None, "Redacts what tools and the model say.")
    permission_checker: PermissionChecker | None = setting(None, "Judges calls.")
    confirmation_provider: ConfirmationProvider | None = setting(None, "Asks a person.")
    confirmation_policy: ConfirmationPolicy | None = setting(None, "Settings of the default confirmation manager.")
    on_confirm: Answerer | None = setting(None, "Callback that answers questions: True, False or an Answer.")
    govern_direct_calls: bool = setting(False, "Send session.bash and the like through the whole gate.")
    hook_executor: HookExecutor | None = setting(None, "Runs lifecycle hooks; replaces the hook engine.")
    hooks: Sequence[Hook] = setting((), "Lifecycle hooks to register.")
    bash_sandbox: BashSandbox | None = setting(None, "Where shell commands run.")

    # Tools and skills
    tools: Sequence[Tool] = setting((), "Additional tools.")
    builtin_skills: bool = setting(False, "Load the seven built-in skills.")
    skill_dirs: Sequence[str | Path] = setting((), "Folders with skills, besides those of the configuration.")
    skills: Sequence[Skill] = setting((), "Additional skills.")
    agent_dirs: Sequence[str | Path] = setting((), "Folders with subagents.", later="yes")
    plugins: Sequence[str | Path] = setting((), "Paths of one-file plugins.")
    slash_commands: Sequence[SlashCommand] = setting((), "Additional slash commands.")

    # Planning, context, memory
    planning: bool = setting(False, "Plan the prompt and work through the steps.")
    goal_tracking: bool = setting(False, "Track the goal over several turns.", later="yes")
    planner: Planner | None = setting(None, "Makes plans.")
    fs_context: bool | str | Path = setting(False, "Search the workspace (or this folder in it) for each prompt.")
    context_providers: Sequence[ContextProvider] = setting((), "Additional providers of context.")
    memory_dir: str | Path | None = setting(None, "Keep memories in files in this folder.")
    memory_store: MemoryStore | None = setting(None, "Where memories are kept.")

    # The session
    session_id: str | None = setting(None, "The id; default: a new one.")
    session_store: SessionStore | None = setting(None, "Where journals are kept.")
    sessions_dir: str | Path | None = setting(None, "Keep journals in files in this folder.")
    auto_save: bool = setting(True, "Accepted; the journal is always on.")
    auto_compact: bool = setting(True, "Compact the history when it fills the context window.")
    auto_compact_threshold: float = setting(0.80, "Share of the context window at which it is compacted.")

    # Limits and resilience
    max_tool_rounds: int | None = setting(None, "Rounds of a prompt until it ends with what it has.")
    max_parse_retries: int = setting(2, "Replies in a row with unreadable tool arguments that are forgiven.")
    tool_timeout_ms: int | None = setting(None, "Longest run of a tool in milliseconds.")
    circuit_breaker_threshold: int = setting(3, "Failures in a row until the provider is left alone for a while.")
    continuation_enabled: bool = setting(True, "Go on when the model stopped in the middle of its work.")
    max_continuation_turns: int = setting(3, "How often that may happen in one prompt.")
    queue_config: QueueConfig | None = setting(None, "The lanes.")

    # Other extension points
    embedding_provider: EmbeddingProvider | None = setting(None, "Turns texts into vectors.")
    vector_store: VectorStore | None = setting(None, "Keeps vectors.")
    http_client: HttpClient | None = setting(None, "The way out to the network.")
    mcp_transport: McpTransportMaker | None = setting(None, "Makes connections to MCP servers.")
    session_command: SessionCommandMaker | None = setting(None, "Makes units of queued work.")
    skill_validator: SkillValidator | None = setting(None, "Decides whether a skill is acceptable.")
    skill_scorer: SkillScorer | None = setting(None, "Keeps score of skills.")

    def slots(self) -> SystemPromptSlots:
        """The prompt slots: single options over `prompt_slots`."""
        given = self.prompt_slots or SystemPromptSlots()
        return SystemPromptSlots(
            role=self.role if self.role is not None else given.role,
            guidelines=self.guidelines if self.guidelines is not None else given.guidelines,
            response_style=self.response_style if self.response_style is not None else given.response_style,
            extra=self.extra if self.extra is not None else given.extra,
        )

    def copy(self) -> "SessionOptions":
        """A copy that later changes of this object do not reach; sequences become tuples."""
        changes = {
            name: tuple(value)
            for name in attrs.fields_dict(SessionOptions)
            if isinstance(value := getattr(self, name), list)
        }
        return attrs.evolve(self, **changes)  # type: ignore[arg-type] # only sequences change, to sequences

    def without_effect(self) -> tuple[str, ...]:
        """Names of options that are set and have no effect yet."""
        return tuple(
            one.name
            for one in attrs.fields(SessionOptions)
            if one.metadata.get("later") and getattr(self, one.name) != one.default
        )

    def overrides(self) -> dict[str, object]:
        """The objects that fill extension points, by point."""
        given: dict[str, object] = {
            name: value for name in _POINT_OPTIONS if (value := getattr(self, name)) is not None
        }
        for option, point in (("tools", "tool"), ("context_providers", "context_provider"), ("hooks", "hook_handler")):
            if members := tuple(getattr(self, option)):
                given[point] = members
        return given


_POINT_OPTIONS = (
    "security_provider",
    "permission_checker",
    "confirmation_provider",
    "embedding_provider",
    "vector_store",
    "session_store",
    "memory_store",
    "planner",
    "hook_executor",
    "mcp_transport",
    "http_client",
    "session_command",
    "llm_client",
    "bash_sandbox",
    "skill_validator",
    "skill_scorer",
)

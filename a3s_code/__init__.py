"""a3s-code: an embeddable AI coding agent.

    from a3s_code import Agent, SessionOptions

Every name is imported at its first use; the names of default plugins (`PermissionPolicy`, `builtin_skills`, ...) come
from the distributions that export them.
"""

from importlib import import_module

__version__ = "0.1.0"

_HOMES = {
    "a3s_code.agent": ("AsyncAgent",),
    "a3s_code.attachments": ("Attachment",),
    "a3s_code.commands": ("CommandRegistry", "FunctionCommand"),
    "a3s_code.config": (
        "Config",
        "ModelConfig",
        "PluginsConfig",
        "ProviderConfig",
        "QueueConfig",
        "SearchConfig",
        "Secret",
    ),
    "a3s_code.errors": (
        "A3SCodeError",
        "ConfigError",
        "ModelError",
        "PluginError",
        "PromptError",
        "SessionBusyError",
        "SessionError",
        "SessionLockedError",
        "SessionNotFoundError",
        "ToolError",
    ),
    "a3s_code.events": ("Event",),
    "a3s_code.history": ("FileVersion", "Undone"),
    "a3s_code.lanes": ("Lane",),
    "a3s_code.messages": ("Image", "Message", "ToolCall", "ToolResult"),
    "a3s_code.options": ("SessionOptions",),
    "a3s_code.points.confirmation": (
        "Answer",
        "ConfirmationPolicy",
        "ConfirmationRequest",
        "Outcome",
        "TimeoutAction",
    ),
    "a3s_code.points.function_tool": ("WorkspacePath", "tool"),
    "a3s_code.points.hooks": ("Hook", "HookAction", "HookEvent", "HookEventType", "HookMatcher", "HookResponse"),
    "a3s_code.points.skills": ("Skill", "SkillKind"),
    "a3s_code.points.slash": ("CommandContext", "CommandReply", "SlashCommand"),
    "a3s_code.points.tools": ("Effects", "Tool", "ToolOutput", "ToolSpec"),
    "a3s_code.prompts": ("SystemPromptSlots",),
    "a3s_code.results": ("Result",),
    "a3s_code.session": ("AsyncAgentSession",),
    "a3s_code.streams": ("EventStream",),
    "a3s_code.sync": ("Agent", "AgentSession"),
    "a3s_code.usage": ("Price", "Usage"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

_EXPORTED_BY = {
    "a3s-code-anthropic": ("AnthropicClient",),
    "a3s-code-context": ("FileSystemContextProvider", "InMemoryVectorStore"),
    "a3s-code-guard": ("ConfirmationManager", "DefaultSecurityProvider", "PermissionPolicy", "PermissionRule"),
    "a3s-code-hooks": ("HookEngine",),
    "a3s-code-http": ("Httpx2Client",),
    "a3s-code-mcp": ("connect_mcp",),
    "a3s-code-openai": ("OpenAiClient", "OpenAiEmbeddingProvider"),
    "a3s-code-planning": ("LlmPlanner",),
    "a3s-code-skills": (
        "DefaultSkillScorer",
        "DefaultSkillValidator",
        "SkillRegistry",
        "builtin_skills",
        "skills_prompt",
    ),
    "a3s-code-storage": ("FileMemoryStore", "FileSessionStore", "InMemoryStore", "MemorySessionStore"),
    "a3s-code-tools": ("LocalBashExecutor",),
}
_EXPORTER_OF = {name: distribution for distribution, names in _EXPORTED_BY.items() for name in names}

__all__ = sorted({"__version__", *_HOME_OF, *_EXPORTER_OF})  # noqa: PLE0605 # each name stands once, above


def __getattr__(name: str) -> object:
    if name in _HOME_OF:
        value: object = getattr(import_module(_HOME_OF[name]), name)
    elif name in _EXPORTER_OF:
        from a3s_code.plugins import export

        try:
            value = export(name)
        except AttributeError:
            raise ImportError(
                f"{name} is part of {_EXPORTER_OF[name]}: pip install {_EXPORTER_OF[name]}", name=__name__
            ) from None
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)

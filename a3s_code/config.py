"""The configuration: attrs classes that spell each setting once."""

from collections.abc import Mapping
from typing import Any, TypeVar, cast

from attrs import field, frozen

from a3s_code.usage import Price

__all__ = [
    "Config",
    "HealthConfig",
    "McpServerConfig",
    "MemoryConfig",
    "Modalities",
    "ModelConfig",
    "ModelLimit",
    "PluginsConfig",
    "PriorityBoostConfig",
    "ProviderConfig",
    "QueueConfig",
    "RateLimitConfig",
    "RelevanceConfig",
    "RetryPolicyConfig",
    "SearchConfig",
    "SearchEngineConfig",
    "Secret",
    "StorageConfig",
    "setting",
]

T = TypeVar("T")


def setting(default: T, about: str, *, later: str = "") -> T:
    """An attrs field with its one sentence for the reference page.

    Args:
        default: The default; a dict is copied for each instance.
        about: One sentence for users.
        later: The issue that gives the setting its effect, when it has none yet; setting it warns.
    """
    metadata = {"about": about, "later": later}
    if isinstance(default, dict):
        return cast(T, field(factory=default.copy, metadata=metadata))  # attrs types a field as its value
    return field(default=default, metadata=metadata)


def needed(about: str) -> Any:  # a field without a default takes the type of its annotation
    """A required setting."""
    return field(metadata={"about": about, "later": ""})


class Secret:
    """A string that neither prints nor logs itself; `reveal()` gives it."""

    __slots__ = ("_value",)

    def __init__(self, value: str):
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret('***')"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


@frozen(kw_only=True)
class ModelLimit:
    """Sizes of a model in tokens; 0 is unknown."""

    context: int = setting(0, "Size of the context window in tokens.")
    output: int = setting(0, "Longest reply in tokens; sent as max_tokens.")


@frozen(kw_only=True)
class Modalities:
    """What a model takes and gives."""

    input: tuple[str, ...] = setting((), 'Such as "text" and "image".')
    output: tuple[str, ...] = setting((), 'Such as "text".')


@frozen(kw_only=True)
class ModelConfig:
    """A `models` block of a provider."""

    id: str = needed("The provider's id of the model.")
    name: str | None = setting(None, "Name for people.")
    family: str | None = setting(None, "Family of models it belongs to.")
    api_key: Secret | None = setting(None, "Key for this model; default: the provider's.")
    base_url: str | None = setting(None, "Address for this model; default: the provider's.")
    headers: Mapping[str, str] = setting({}, "Additional HTTP headers; they win over the provider's.")
    session_id_header: str | None = setting(None, "Header that carries the session's id.")
    attachment: bool = setting(False, "It takes attachments.")
    reasoning: bool = setting(False, "It can think; thinking_budget is sent to such models only.")
    tool_call: bool = setting(True, "It can call tools.")
    temperature: bool = setting(True, "It takes a temperature.")
    release_date: str | None = setting(None, "When it came out.")
    modalities: Modalities = setting(Modalities(), "What it takes and gives.")
    cost: Price | None = setting(None, "US dollars per million tokens.")
    limit: ModelLimit = setting(ModelLimit(), "Its sizes.")


@frozen(kw_only=True)
class ProviderConfig:
    """A `providers` block."""

    name: str = needed("The word before the slash in a model's name.")
    client: str | None = setting(
        None, "The llm_client that speaks to it; default: the plugin of its name, else openai."
    )
    api_key: Secret | None = setting(None, "The key.")
    base_url: str | None = setting(None, "The address as the SDK takes it: Anthropic without /v1, OpenAI with it.")
    headers: Mapping[str, str] = setting({}, "Additional HTTP headers, kept verbatim.")
    session_id_header: str | None = setting(None, "Header that carries the session's id.")
    models: tuple[ModelConfig, ...] = setting((), "What is known of its models; others work too.")


@frozen(kw_only=True)
class RetryPolicyConfig:
    """`queue { retry_policy { } }`"""

    strategy: str = setting("exponential", '"exponential", "fixed" or "none".')
    max_retries: int = setting(3, "Tries after the first.")
    initial_delay_ms: int = setting(100, "Delay before the first retry.")
    fixed_delay_ms: int = setting(100, "Delay of the fixed strategy.")


@frozen(kw_only=True)
class RateLimitConfig:
    """`queue { rate_limit { } }`"""

    limit_type: str = setting("unlimited", '"per_second", "per_minute", "per_hour" or "unlimited".')
    max_operations: int = setting(0, "Operations in that time; 0 is unlimited.")


@frozen(kw_only=True)
class PriorityBoostConfig:
    """`queue { priority_boost { } }`"""

    strategy: str = setting("disabled", '"standard", "aggressive" or "disabled".')
    deadline_ms: int = setting(300_000, "Age at which a command is most urgent.")


@frozen(kw_only=True)
class QueueConfig:
    """The `queue` block."""

    control_max_concurrency: int = setting(4, "Control commands running at once.")
    query_max_concurrency: int = setting(12, "Read-only tools running at once.")
    execute_max_concurrency: int = setting(4, "Side-effecting tools running at once.")
    generate_max_concurrency: int = setting(8, "Model calls running at once.")
    enable_metrics: bool = setting(False, "Keep counters and latencies.", later="5 of 8")
    enable_dlq: bool = setting(False, "Keep commands that failed for good.", later="5 of 8")
    dlq_max_size: int = setting(1000, "Dead letters kept.", later="5 of 8")
    enable_alerts: bool = setting(False, "Report pressure.", later="5 of 8")
    default_timeout_ms: int | None = setting(None, "Longest run of a command.")
    storage_path: str | None = setting(None, "Where the queue keeps its state.", later="5 of 8")
    retry_policy: RetryPolicyConfig | None = setting(None, "Retries of idempotent commands.", later="5 of 8")
    rate_limit: RateLimitConfig | None = setting(None, "Limit of starts.", later="5 of 8")
    priority_boost: PriorityBoostConfig | None = setting(None, "Ageing of waiting commands.", later="5 of 8")
    pressure_threshold: int | None = setting(None, "Waiting commands that count as pressure.", later="5 of 8")
    lane_timeouts: Mapping[str, int] = setting({}, "Longest run of a command by lane, milliseconds.")
    backend: str | None = setting(None, "Where external lanes send their work.", later="5 of 8")


@frozen(kw_only=True)
class HealthConfig:
    """`search { health { } }`"""

    max_failures: int = setting(3, "Failures in a row until an engine is suspended.")
    suspend_seconds: int = setting(60, "How long it is left alone.")


@frozen(kw_only=True)
class SearchEngineConfig:
    """An engine's block in `search { engine { } }`"""

    enabled: bool = setting(True, "Whether it is asked.")
    weight: float = setting(1.0, "How much its results count.")
    timeout: float | None = setting(None, "Seconds; default: the block's.")


@frozen(kw_only=True)
class SearchConfig:
    """The `search` block."""

    timeout: float = setting(10.0, "Seconds for a search.", later="2 of 8")
    health: HealthConfig = setting(HealthConfig(), "When failing engines rest.", later="2 of 8")
    engine: Mapping[str, SearchEngineConfig] = setting({}, "Engines by name.", later="2 of 8")


@frozen(kw_only=True)
class RelevanceConfig:
    """`memory { relevance { } }`"""

    decay_days: float = setting(30.0, "Days until recency falls to 1/e.")
    importance_weight: float = setting(0.7, "Weight of importance.")
    recency_weight: float = setting(0.3, "Weight of recency.")


@frozen(kw_only=True)
class MemoryConfig:
    """The `memory` block."""

    dir: str | None = setting(None, "Folder of the file store; set by memory_dir.")
    relevance: RelevanceConfig = setting(RelevanceConfig(), "How memories are ranked.")
    max_short_term: int = setting(100, "Memories of a session kept at hand.", later="7 of 8")
    max_working: int = setting(10, "Memories of a task kept at hand.", later="7 of 8")


@frozen(kw_only=True)
class StorageConfig:
    """Where sessions are kept; made of storage_backend, sessions_dir and storage_url."""

    dir: str | None = setting(None, "Folder; default $XDG_STATE_HOME/a3s-code/sessions.")
    url: str | None = setting(None, "Address of a database.", later="4 of 8")


@frozen(kw_only=True)
class McpServerConfig:
    """An `mcp_servers` block."""

    name: str = needed("Its tools are called mcp__<name>__<tool>.")
    transport: str = setting("stdio", '"stdio"; "http" and "sse" come later.')
    command: str | None = setting(None, "The program.")
    args: tuple[str, ...] = setting((), "Its arguments.")
    url: str | None = setting(None, "The address.")
    headers: Mapping[str, str] = setting({}, "HTTP headers, kept verbatim.")
    env: Mapping[str, str] = setting({}, "Environment variables, kept verbatim.")
    enabled: bool = setting(True, "Whether it is connected.")
    timeout: float = setting(60.0, "Seconds for one request.")


@frozen(kw_only=True)
class PluginsConfig:
    """The `plugins` block: `use`, `disabled`, `dirs`, and any extension point's name to say who fills it."""

    use: tuple[str, ...] = setting((), "Additional members of many-points, slash commands and verbs.")
    disabled: tuple[str, ...] = setting((), 'Offers that are never used, as "llm_client:openai".')
    dirs: tuple[str, ...] = setting((), "Folders of one-file plugins.", later="3 of 8")
    select: Mapping[str, str] = setting({}, "Who fills a one-point, by the point's name.")


@frozen(kw_only=True)
class Config:
    """A whole configuration. Relative folders are relative to the file's folder."""

    default_model: str = needed('The model as "provider/model".')
    providers: tuple[ProviderConfig, ...] = setting((), "Who serves models.")
    max_tool_rounds: int = setting(50, "Rounds of a prompt until it ends with what it has.")
    thinking_budget: int | None = setting(None, "Tokens for thinking, for models with reasoning = true.")
    permissive: bool = setting(False, "Run what would be asked about; deny still wins.")
    skill_dirs: tuple[str, ...] = setting((), "Folders with skills.")
    agent_dirs: tuple[str, ...] = setting((), "Folders with definitions of subagents.", later="6 of 8")
    storage_backend: str = setting("file", '"file", "memory" or the name of a session_store plugin.')
    sessions_dir: str | None = setting(None, "Folder of the sessions.")
    storage_url: str | None = setting(None, "Address of the session database.", later="4 of 8")
    memory_dir: str | None = setting(None, "Folder of the memories; setting it selects the file store.")
    queue: QueueConfig = setting(QueueConfig(), "The lanes.")
    search: SearchConfig = setting(SearchConfig(), "Web search.")
    memory: MemoryConfig = setting(MemoryConfig(), "Long-term memory.")
    mcp_servers: tuple[McpServerConfig, ...] = setting((), "MCP servers.")
    plugins: PluginsConfig = setting(PluginsConfig(), "Which plugins are used.")

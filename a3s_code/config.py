"""The configuration: attrs classes that spell each setting once, and how a file becomes one."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import attrs
from attrs import frozen

from a3s_code import hcl
from a3s_code.errors import ConfigError
from a3s_code.hcl import Attribute, Block, Body, Fault, ListValue, Position, Scalar
from a3s_code.lanes import Lane
from a3s_code.settings import Secret, at_least, key_of, more_than, nearest, needed, one_of, setting
from a3s_code.structure import structure, unfinished
from a3s_code.usage import Price

__all__ = [
    "MANY_POINTS",
    "POINT_NAMES",
    "Config",
    "HealthConfig",
    "LoadedConfig",
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
    "discover",
    "load",
    "needed",
    "setting",
    "structure",
    "validate",
]

POINT_NAMES = (
    "security_provider",
    "permission_checker",
    "confirmation_provider",
    "context_provider",
    "embedding_provider",
    "vector_store",
    "session_store",
    "memory_store",
    "tool",
    "planner",
    "hook_handler",
    "hook_executor",
    "mcp_transport",
    "http_client",
    "session_command",
    "llm_client",
    "bash_sandbox",
    "skill_validator",
    "skill_scorer",
)
"""The extension points. They are repeated from the hookspecs because those import pluggy; a test compares them."""

MANY_POINTS = ("context_provider", "tool", "hook_handler")
"""The points with any number of members, which `plugins { use = [...] }` adds to."""


def _lane_timeouts(timeouts: Mapping[str, int]) -> str | None:
    lanes = [lane.value for lane in Lane]
    for name, timeout_ms in timeouts.items():
        if name not in lanes:
            return f'has no lane "{name}"; {nearest(name, lanes)}'
        if timeout_ms < 1:
            return f'must be at least 1 for "{name}"'
    return None


def _model_name(name: str) -> str | None:
    provider, _, model = name.partition("/")
    return None if provider and model else 'must be "provider/model", such as "anthropic/claude-sonnet-4-20250514"'


def _selection(select: Mapping[str, str]) -> str | None:
    return next(filter(None, map(_not_selectable, select)), None)


def _not_selectable(point: str) -> str | None:
    if point in MANY_POINTS:
        return f'cannot select "{point}": it has any number of members; name them in use = ["..."]'
    return None if point in POINT_NAMES else f'has no extension point "{point}"; {nearest(point, POINT_NAMES)}'


@frozen(kw_only=True)
class ModelLimit:
    """Sizes of a model in tokens; 0 is unknown."""

    context: int = setting(0, "Size of the context window in tokens.", check=at_least(0))
    output: int = setting(0, "Longest reply in tokens; sent as max_tokens.", check=at_least(0))


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
    family: str | None = setting(
        None, 'Family of models it belongs to, such as "gpt"; tools describe themselves to it. Default: the id.'
    )
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

    strategy: str = setting(
        "exponential", '"exponential", "fixed" or "none".', check=one_of("exponential", "fixed", "none")
    )
    max_retries: int = setting(3, "Tries after the first.", check=at_least(0))
    initial_delay_ms: int = setting(100, "Delay before the first retry.", check=at_least(0))
    fixed_delay_ms: int = setting(100, "Delay of the fixed strategy.", check=at_least(0))


@frozen(kw_only=True)
class RateLimitConfig:
    """`queue { rate_limit { } }`"""

    limit_type: str = setting(
        "unlimited",
        '"per_second", "per_minute", "per_hour" or "unlimited".',
        check=one_of("per_second", "per_minute", "per_hour", "unlimited"),
    )
    max_operations: int = setting(0, "Operations in that time; 0 is unlimited.", check=at_least(0))


@frozen(kw_only=True)
class PriorityBoostConfig:
    """`queue { priority_boost { } }`"""

    strategy: str = setting(
        "disabled", '"standard", "aggressive" or "disabled".', check=one_of("standard", "aggressive", "disabled")
    )
    deadline_ms: int = setting(300_000, "Age at which a command is most urgent.", check=at_least(1))


@frozen(kw_only=True)
class QueueConfig:
    """The `queue` block."""

    control_max_concurrency: int = setting(4, "Control commands running at once.", check=at_least(1))
    query_max_concurrency: int = setting(12, "Read-only tools running at once.", check=at_least(1))
    execute_max_concurrency: int = setting(4, "Side-effecting tools running at once.", check=at_least(1))
    generate_max_concurrency: int = setting(8, "Model calls running at once.", check=at_least(1))
    enable_metrics: bool = setting(False, "Keep counters and latencies.", later="5 of 8")
    enable_dlq: bool = setting(False, "Keep commands that failed for good.", later="5 of 8")
    dlq_max_size: int = setting(1000, "Dead letters kept.", later="5 of 8", check=at_least(1))
    enable_alerts: bool = setting(False, "Report pressure.", later="5 of 8")
    default_timeout_ms: int | None = setting(None, "Longest run of a command.", check=at_least(1))
    storage_path: str | None = setting(None, "Where the queue keeps its state.", later="5 of 8", path=True)
    retry_policy: RetryPolicyConfig | None = setting(None, "Retries of idempotent commands.", later="5 of 8")
    rate_limit: RateLimitConfig | None = setting(None, "Limit of starts.", later="5 of 8")
    priority_boost: PriorityBoostConfig | None = setting(None, "Ageing of waiting commands.", later="5 of 8")
    pressure_threshold: int | None = setting(
        None, "Waiting commands that count as pressure.", later="5 of 8", check=at_least(1)
    )
    lane_timeouts: Mapping[str, int] = setting(
        {}, "Longest run of a command by lane, milliseconds.", check=_lane_timeouts
    )
    backend: str | None = setting(None, "Where external lanes send their work.", later="5 of 8")


@frozen(kw_only=True)
class HealthConfig:
    """`search { health { } }`"""

    max_failures: int = setting(3, "Failures in a row until an engine is suspended.", check=at_least(1))
    suspend_seconds: int = setting(60, "How long it is left alone.", check=at_least(0))


@frozen(kw_only=True)
class SearchEngineConfig:
    """An engine's block in `search { engine { } }`"""

    enabled: bool = setting(True, "Whether it is asked.")
    weight: float = setting(1.0, "How much its results count.", check=at_least(0))
    timeout: float | None = setting(None, "Seconds; default: the block's.", check=more_than(0))


def _is_web_address(value: str) -> str | None:
    return None if value.startswith(("http://", "https://")) else 'must be an address such as "http://localhost:8888"'


@frozen(kw_only=True)
class SearchConfig:
    """The `search` block."""

    timeout: float = setting(10.0, "Seconds for a search.", check=more_than(0))
    health: HealthConfig = setting(HealthConfig(), "When failing engines rest.")
    engine: Mapping[str, SearchEngineConfig] = setting({}, "Engines by name; default: all that need no setting.")
    searxng_url: str | None = setting(None, "Address of a SearXNG server that answers JSON.", check=_is_web_address)


@frozen(kw_only=True)
class RelevanceConfig:
    """`memory { relevance { } }`"""

    decay_days: float = setting(30.0, "Days until recency falls to 1/e.", check=more_than(0))
    importance_weight: float = setting(0.7, "Weight of importance.", check=at_least(0))
    recency_weight: float = setting(0.3, "Weight of recency.", check=at_least(0))


@frozen(kw_only=True)
class MemoryConfig:
    """The `memory` block."""

    dir: str | None = setting(None, "Folder of the file store; set by memory_dir.", path=True)
    relevance: RelevanceConfig = setting(RelevanceConfig(), "How memories are ranked.")
    max_short_term: int = setting(100, "Memories of a session kept at hand.", later="7 of 8", check=at_least(1))
    max_working: int = setting(10, "Memories of a task kept at hand.", later="7 of 8", check=at_least(1))


@frozen(kw_only=True)
class StorageConfig:
    """Where sessions are kept; made of storage_backend, sessions_dir and storage_url."""

    dir: str | None = setting(None, "Folder; default $XDG_STATE_HOME/a3s-code/sessions.", path=True)
    url: str | None = setting(None, "Address of a database.", later="4 of 8", path=True)


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
    timeout: float = setting(60.0, "Seconds for one request.", check=more_than(0))


@frozen(kw_only=True)
class PluginsConfig:
    """The `plugins` block: `use`, `disabled`, `dirs`, and any extension point's name to say who fills it."""

    use: tuple[str, ...] = setting((), "Additional members of many-points, slash commands and verbs.")
    disabled: tuple[str, ...] = setting((), 'Offers that are never used, as "llm_client:openai".')
    dirs: tuple[str, ...] = setting((), "Folders of one-file plugins.", later="3 of 8", path=True)
    select: Mapping[str, str] = setting({}, "Who fills a one-point, by the point's name.", check=_selection)


@frozen(kw_only=True)
class Config:
    """A whole configuration. Relative folders are relative to the file's folder."""

    default_model: str = needed('The model as "provider/model".', check=_model_name)
    providers: tuple[ProviderConfig, ...] = setting((), "Who serves models.")
    max_tool_rounds: int = setting(50, "Rounds of a prompt until it ends with what it has.", check=at_least(1))
    thinking_budget: int | None = setting(
        None, "Tokens for thinking, for models with reasoning = true.", check=at_least(0)
    )
    permissive: bool = setting(False, "Run what would be asked about; deny still wins.")
    skill_dirs: tuple[str, ...] = setting((), "Folders with skills.", path=True)
    agent_dirs: tuple[str, ...] = setting((), "Folders with definitions of subagents.", later="6 of 8", path=True)
    storage_backend: str = setting("file", '"file", "memory" or the name of a session_store plugin.')
    sessions_dir: str | None = setting(None, "Folder of the sessions.", path=True)
    storage_url: str | None = setting(None, "Address of the session database.", later="4 of 8", path=True)
    memory_dir: str | None = setting(None, "Folder of the memories; setting it selects the file store.", path=True)
    queue: QueueConfig = setting(QueueConfig(), "The lanes.")
    search: SearchConfig = setting(SearchConfig(), "Web search.")
    memory: MemoryConfig = setting(MemoryConfig(), "Long-term memory.")
    mcp_servers: tuple[McpServerConfig, ...] = setting((), "MCP servers.")
    plugins: PluginsConfig = setting(PluginsConfig(), "Which plugins are used.")


# --- loading


@frozen(kw_only=True)
class LoadedConfig:
    """A configuration with what is known of its text.

    Args:
        config: The configuration; its paths are absolute.
        path: The file, or None when it was given as text.
        folder: What relative paths are relative to: the file's folder, for text the working directory.
        plugin_blocks: The `plugin "point" "name" { }` and `plugin "name" { }` blocks, for the plug board to structure.
        warnings: One line for each setting that has no effect yet.
        unset_keys: For a provider whose api_key is the env() of a variable that is not set: where that is written,
            such as "agent.hcl:5:13: the environment variable OPENAI_API_KEY is not set".
        named_at: Where the `plugins` block names a plugin, such as {"docker": "agent.hcl:9:18"}.
    """

    config: Config
    path: Path | None = None
    folder: Path
    plugin_blocks: tuple[Block, ...] = ()
    warnings: tuple[str, ...] = ()
    unset_keys: Mapping[str, str] = attrs.field(factory=dict)
    named_at: Mapping[str, str] = attrs.field(factory=dict)


def load(source: str | Path, environ: Mapping[str, str] = os.environ) -> LoadedConfig:
    """The configuration in a file or a text.

    Args:
        source: A path (a Path, a str that ends in .hcl or names a file) or HCL text (a str with a line break, "{" or
            "="). Relative paths inside are relative to the file's folder, or to the working directory.
        environ: Where `env("NAME")` looks.

    Raises:
        ConfigError: For the first mistake, with file, line and column.
    """
    file = _file_of(source)
    name = str(file) if file else "<string>"
    text = _read(file) if file else str(source)
    folder = Path(os.path.abspath(file)).parent if file else Path.cwd()  # noqa: PTH100 # resolve() would leave a link
    _refuse_json(text, name)
    body = hcl.parse(text, name, environ)
    try:
        plugin_blocks = tuple(block for block in body.blocks if block.type == "plugin")
        _check_labels(plugin_blocks)
        body = _with_selection(attrs.evolve(body, blocks=tuple(b for b in body.blocks if b.type != "plugin")))
        config = _with_memory_dir(structure(body, Config, path=name, folder=folder))
        for place, message in _mistakes(config):
            raise Fault(message, _place(body, place))
    except Fault as fault:
        raise fault.error(name) from None
    return LoadedConfig(
        config=config,
        path=file,
        folder=folder,
        plugin_blocks=plugin_blocks,
        warnings=unfinished(body, Config, path=name),
        unset_keys=_unset_keys(body, config, name),
        named_at=_named_at(body, name),
    )


_OTHER_FORMATS = {".json": "JSON", ".yaml": "YAML", ".yml": "YAML", ".toml": "TOML"}
_USE_HCL = 'configuration is not supported, use HCL: default_model = "anthropic/claude-sonnet-4-20250514"'
_LARGEST = 1 << 20


def _file_of(source: str | Path) -> Path | None:
    if isinstance(source, str) and ("\n" in source or not source.strip()):
        return None
    file = Path(source)
    suffix = file.suffix.lower()
    looks_like_text = isinstance(source, str) and ("{" in source or "=" in source)
    if suffix in _OTHER_FORMATS and not looks_like_text:
        raise ConfigError(f"{_OTHER_FORMATS[suffix]} {_USE_HCL}", path=str(source))
    if isinstance(source, Path) or suffix == ".hcl" or _exists(source):
        return file
    if looks_like_text:
        return None
    raise ConfigError(f"there is no such file, and it is no HCL text either: {source!r}")


def _exists(name: str) -> bool:
    try:
        return os.path.exists(name)  # noqa: PTH110 # Path.exists raises for names that are too long
    except ValueError:  # a NUL
        return False


def _read(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            content = stream.read(_LARGEST + 1)
    except IsADirectoryError:
        raise ConfigError("this is a folder; name the file in it", path=str(file)) from None
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else exc
        raise ConfigError(f"the configuration cannot be read: {reason}", path=str(file)) from exc
    if len(content) > _LARGEST:
        raise ConfigError("the file is larger than 1 MiB; this is no configuration", path=str(file))
    try:
        return content.decode()
    except UnicodeDecodeError as exc:
        before = content[: exc.start]
        column = len(before.rpartition(b"\n")[2].decode(errors="replace")) + 1
        message = f"the file is not UTF-8: byte 0x{content[exc.start]:02x} at offset {exc.start}; save it as UTF-8"
        raise ConfigError(message, path=str(file), line=before.count(b"\n") + 1, column=column) from None


def _refuse_json(text: str, name: str) -> None:
    if text.lstrip("\ufeff \t\r\n").startswith("{"):
        import json

        try:
            json.loads(text.lstrip("\ufeff"))
        except (ValueError, RecursionError):
            return
        raise ConfigError(f"JSON {_USE_HCL}", path=name, line=1, column=1)


def _check_labels(plugin_blocks: tuple[Block, ...]) -> None:
    seen: dict[tuple[str, ...], int] = {}
    for block in plugin_blocks:
        if len(block.labels) not in (1, 2):
            raise Fault('write plugin "name" { ... } or plugin "extension_point" "name" { ... }', block.position)
        if len(block.labels) == 2 and block.labels[0] not in POINT_NAMES:
            hint = nearest(block.labels[0], POINT_NAMES)
            raise Fault(f'there is no extension point "{block.labels[0]}"; {hint}', block.position)
        if block.labels in seen:
            raise Fault(f"this plugin has a block already, in line {seen[block.labels]}", block.position)
        seen[block.labels] = block.position.line


def _with_selection(body: Body) -> Body:
    """The `plugins` block with the names of extension points gathered into `select`."""
    return attrs.evolve(
        body,
        blocks=tuple(
            attrs.evolve(block, body=_selecting(block.body)) if block.type == "plugins" else block
            for block in body.blocks
        ),
    )


def _selecting(body: Body) -> Body:
    known = ("use", "disabled", "dirs")
    kept: dict[str, Attribute] = {}
    select: dict[str, Attribute] = {}
    for attribute in body.attributes.values():
        name = key_of(attribute.name, (*known, *POINT_NAMES))
        if name is None:
            hint = nearest(attribute.name, (*known, *POINT_NAMES))
            raise Fault(f'unknown key "{attribute.name}"; {hint}', attribute.position)
        if name in kept or name in select:
            raise Fault(f'"{name}" is given twice', attribute.position)
        if name not in known and (complaint := _not_selectable(name)):
            raise Fault(f'"plugins" {complaint}', attribute.position)
        (kept if name in known else select)[name] = attribute
    if select:
        kept["select"] = Attribute("select", Body(select, (), body.position), body.position)
    return attrs.evolve(body, attributes=kept)


def _with_memory_dir(config: Config) -> Config:
    if config.memory_dir is None:
        return config
    return attrs.evolve(config, memory=attrs.evolve(config.memory, dir=config.memory_dir))


def _unset_keys(body: Body, config: Config, name: str) -> dict[str, str]:
    unset = {}
    blocks = [block for block in body.blocks if key_of(block.type, ("providers",))]
    for block, provider in zip(blocks, config.providers, strict=False):  # providers may be a list of maps instead
        key = _attribute(block.body, "api_key")
        if key and isinstance(key.value, Scalar) and key.value.value is None and key.value.variable:
            at = key.value.position
            where = f"{name}:{at.line}:{at.column}"
            unset[provider.name] = f"{where}: the environment variable {key.value.variable} is not set"
    return unset


def _named_at(body: Body, name: str) -> dict[str, str]:
    values = [one.value for key, one in body.attributes.items() if key_of(key, ("storage_backend",))]
    for block in body.blocks:
        if block.type == "plugins":
            values.extend(attribute.value for attribute in block.body.attributes.values())
    places: dict[str, str] = {}
    while values:
        match values.pop():
            case Scalar(value=str(word), position=at):
                places[word] = f"{name}:{at.line}:{at.column}"
            case ListValue(elements=elements):
                values.extend(elements)
            case Body(attributes=attributes):
                values.extend(attribute.value for attribute in attributes.values())
            case Scalar():
                pass  # no name
    return places


def _attribute(body: Body, name: str) -> Attribute | None:
    return next((each for key, each in body.attributes.items() if key_of(key, (name,))), None)


# --- validating


_Place = tuple[str | int, ...]
_TRANSPORTS = ("stdio", "http", "streamable-http", "sse")


def validate(config: Config) -> None:
    """Raises ConfigError for the first thing in *config* that contradicts another."""
    for place, message in _mistakes(config):
        where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place).removeprefix(".")
        raise ConfigError(f"{where}: {message}")


def _mistakes(config: Config) -> Iterator[tuple[_Place, str]]:
    """Where something is wrong, as the steps from the configuration to the setting, and what."""
    provider = config.default_model.partition("/")[0]
    names = [each.name for each in config.providers]
    if provider not in names:
        there_are = f"there are: {', '.join(names)}" if names else f'write providers {{ name = "{provider}" ... }}'
        yield ("default_model",), f'no providers block named "{provider}"; {there_are}'
    yield from _repeated(("providers",), "name", names)
    for index, each in enumerate(config.providers):
        yield from _repeated(("providers", index, "models"), "id", [model.id for model in each.models])
    yield from _repeated(("mcp_servers",), "name", [server.name for server in config.mcp_servers])
    for index, server in enumerate(config.mcp_servers):
        yield from _unreachable(("mcp_servers", index), server, config.plugins)


def _repeated(place: _Place, key: str, names: list[str]) -> Iterator[tuple[_Place, str]]:
    for index, name in enumerate(names):
        if name in names[:index]:
            yield (*place, index, key), f'two {place[-1]} blocks have the {key} "{name}"'


def _unreachable(place: _Place, server: McpServerConfig, plugins: PluginsConfig) -> Iterator[tuple[_Place, str]]:
    """A transport is one that we know or one that a plugin brings; ours need to know where the server is."""
    brought = [plugins.select.get("mcp_transport", ""), *(name.removeprefix("mcp_transport:") for name in plugins.use)]
    known = server.transport in _TRANSPORTS
    if not known and server.transport not in brought:
        hint = nearest(server.transport, _TRANSPORTS)
        yield (*place, "transport"), f'no transport "{server.transport}"; {hint}; a plugin\'s is named in plugins.use'
    wanted = "command" if server.transport == "stdio" else "url"
    if known and server.enabled and getattr(server, wanted) is None:
        yield (*place, "name"), f'the transport "{server.transport}" needs "{wanted}"'


def _place(body: Body, place: _Place) -> Position:
    """Where in the text a setting stands, or what comes nearest."""
    position = body.position
    for step in place:
        if isinstance(step, int):
            continue
        blocks = [block for block in body.blocks if key_of(block.type, (step,))]
        index = place[place.index(step) + 1] if blocks else None
        if isinstance(index, int) and index < len(blocks):
            body, position = blocks[index].body, blocks[index].position
        elif attribute := _attribute(body, step):
            return attribute.value.position
    return position


# --- finding


def discover(flag: str | None, environ: Mapping[str, str], home: Path, cwd: Path) -> Path:
    """The file that the command line uses: -c, else A3S_CONFIG, else ~/.a3s/config.hcl.

    Args:
        flag: What -c says; relative to the working directory of the process.
        environ: Where A3S_CONFIG may be set.
        home: The user's home folder.
        cwd: The folder whose agent.hcl is mentioned, but not used: folders are not trusted.

    Raises:
        ConfigError: When there is none; the text says what to do.
    """
    if given := flag or environ.get("A3S_CONFIG"):
        return Path(given)
    if os.path.lexists(home / ".a3s" / "config.hcl"):  # a broken link too: loading it says so
        return home / ".a3s" / "config.hcl"
    if os.path.lexists(cwd / "agent.hcl"):
        raise ConfigError("found ./agent.hcl; pass -c ./agent.hcl to use it")
    raise ConfigError(_NOTHING_FOUND)


_NOTHING_FOUND = """\
no configuration found; write to ~/.a3s/config.hcl: default_model = "anthropic/claude-sonnet-4-20250514" \
providers { name = "anthropic", api_key = env("ANTHROPIC_API_KEY") } and set that variable,
or use a local endpoint: default_model = "openai/your-model" \
providers { name = "openai", base_url = "http://localhost:11434/v1" }, or try it without a key: a3s-code demo"""

"""From the command line's options to a configuration and an agent."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen

from a3s_code.cli.arguments import Options, UsageError
from a3s_code.config import Config, LoadedConfig, ProviderConfig, discover, load
from a3s_code.errors import A3SCodeError, ConfigError

if TYPE_CHECKING:
    from a3s_code import AgentSession
    from a3s_code.points.confirmation import Answerer

__all__ = [
    "KEY_VARIABLES",
    "NO_CONFIG",
    "Found",
    "Opened",
    "check_key",
    "config_path",
    "load_config",
    "load_if_possible",
    "opened_session",
]

PATIENCE_MS = 600_000
"""How long a question waits for the person at the terminal, who may be reading the diff."""


@frozen
class Found:
    """A configuration that may be missing or wrong: what was loaded, and the error if there is one."""

    loaded: LoadedConfig | None
    error: A3SCodeError | None = None

    @property
    def config(self) -> Config:
        """The configuration; without one, one that only has defaults."""
        return self.loaded.config if self.loaded is not None else NO_CONFIG


@frozen
class Opened:
    """A session and the configuration it was made of."""

    session: "AgentSession"
    config: Config


NO_CONFIG = Config(default_model="none/none", providers=(ProviderConfig(name="none"),))


def config_path(options: Options, environ: Mapping[str, str] = os.environ) -> Path:
    """The configuration file that the options, the environment and the home folder name. Raises ConfigError."""
    try:
        return discover(options.config, environ, Path.home(), Path.cwd())
    except FileNotFoundError:  # of cwd()
        raise UsageError("the working directory does not exist any more; cd to one that does") from None


def load_config(options: Options) -> LoadedConfig:
    """The configuration that a session is made of. Raises ConfigError."""
    return load(config_path(options))


def load_if_possible(options: Options) -> Found:
    """The configuration, for commands that also work without one; "there is none" is no error then."""
    try:
        path = config_path(options)
    except ConfigError:
        return Found(None)
    try:
        return Found(load(path))
    except ConfigError as error:
        return Found(None, error)


@contextmanager
def opened_session(options: Options, answerer: "Answerer") -> Iterator["Opened"]:
    """A new session, or the saved one that the options name; closed with its agent at the end.

    Args:
        options: The command line's.
        answerer: Asks the person.

    Raises:
        A3SCodeError: Whatever keeps the session from being made.
    """
    from a3s_code import Agent, ConfirmationPolicy, SessionOptions

    loaded = load_config(options)
    check_key(loaded, options.model or loaded.config.default_model)
    has_own_patience = any(block.labels[-1] == "manager" for block in loaded.plugin_blocks)
    is_replaced = "confirmation_provider" in loaded.config.plugins.select
    chosen = SessionOptions(
        model=options.model,
        permissive=True if options.permissive else None,
        on_confirm=answerer,
        confirmation_policy=(None if has_own_patience or is_replaced else ConfirmationPolicy(timeout_ms=PATIENCE_MS)),
    )
    if options.workspace is not None and not Path(options.workspace).is_dir():
        raise UsageError(f"--workspace {options.workspace} is no folder")
    assert loaded.path is not None
    with Agent(loaded.path) as agent:
        if options.resume is not None:
            session = agent.resume_session(options.resume, chosen, workspace=options.workspace)
        else:
            session = agent.session(options.workspace or ".", chosen)
        yield Opened(session, loaded.config)


KEY_VARIABLES = {"anthropic": "ANTHROPIC_API_KEY", "openai": "OPENAI_API_KEY"}
_ADVICE = (
    'set it to your key, or use a local endpoint: providers { name = "openai", base_url = '
    '"http://localhost:11434/v1" }, or try it without a key: a3s-code demo'
)


def check_key(loaded: LoadedConfig, model: str, environ: Mapping[str, str] = os.environ) -> None:
    """Raises ConfigError when the model's provider surely needs a key and has none."""
    name = model.partition("/")[0]
    provider = next((one for one in loaded.config.providers if one.name == name), None)
    if provider is None or provider.base_url is not None or environ.get(KEY_VARIABLES.get(name, "")):
        return
    if provider.api_key is not None or any(known.api_key is not None for known in provider.models):
        return
    if name in loaded.unset_keys:
        raise ConfigError(f"{loaded.unset_keys[name]};\n{_ADVICE}")
    if name in KEY_VARIABLES and provider.client is None and not provider.headers:
        line = f'api_key = env("{KEY_VARIABLES[name]}")'
        raise ConfigError(f'the provider "{name}" has no key: write {line} into its block;\n{_ADVICE}')

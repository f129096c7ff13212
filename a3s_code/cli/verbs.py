"""Commands that other distributions bring through the registry `a3s_code.cli`.

An entry point of that group names a function that takes the arguments after the command and returns the exit code.
Those of official distributions are always there, others when `plugins { use = ["name"] }` names them.
"""

from collections.abc import Callable, Sequence

from a3s_code.cli.arguments import Options, UsageError
from a3s_code.cli.setup import load_if_possible
from a3s_code.plugins import Offer, scan

__all__ = ["CONVERSATION", "Verb", "active", "find"]

CONVERSATION = "repl"
"""The entry that holds conversations; it is no command."""

Verb = Callable[[Sequence[str]], int]


def active() -> list[str]:
    """The names of the commands that are there without being named in the configuration."""
    return [offer.name for offer in scan().of("cli") if offer.origin.is_official and offer.name != CONVERSATION]


def find(options: Options) -> Verb | None:
    """The command that `options.verb` names, or None.

    Raises:
        UsageError: It is installed and the configuration does not name it.
        PluginError: It cannot be loaded, or two distributions offer it.
    """
    name = options.verb or ""
    offer = scan().find("cli", name) if name != CONVERSATION else None
    if offer is None:
        return None
    if not offer.origin.is_official and not _is_named(offer, options):
        raise UsageError(
            f'"{name}" comes from {offer.origin} and is not used; write into the configuration: '
            f'plugins {{ use = ["{name}"] }}'
        )
    verb = offer.load()
    if not callable(verb):
        raise UsageError(f"{offer.id} of {offer.origin} is no command: it must be a function of the arguments")
    return verb


def _is_named(offer: Offer, options: Options) -> bool:
    loaded = load_if_possible(options).loaded
    plugins = loaded.config.plugins if loaded is not None else None
    return (
        plugins is not None
        and (offer.name in plugins.use or offer.id in plugins.use)
        and offer.id not in plugins.disabled
    )

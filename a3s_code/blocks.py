"""Plugin blocks: the settings of plugins, structured and checked at the start without importing any SDK."""

import inspect

from a3s_code.config import (
    LoadedConfig,
    MemoryConfig,
    ProviderConfig,
    QueueConfig,
    SearchConfig,
    StorageConfig,
)
from a3s_code.errors import ConfigError, PluginError
from a3s_code.hcl import Block
from a3s_code.hookspecs import POINTS
from a3s_code.plugins import Factory, Offer, Selection
from a3s_code.structure import structure

__all__ = ["PluginSettings"]


class PluginSettings:
    """Gives each factory its `config`.

    Args:
        loaded: The configuration.
        selection: Which plugins are used; a block for another one is an error.

    Raises:
        ConfigError: A block is wrong or belongs to no plugin that is used.
        PluginError: The plugin of a block cannot be loaded.
    """

    def __init__(self, loaded: LoadedConfig, selection: Selection):
        self._loaded = loaded
        self._path = str(loaded.path) if loaded.path is not None else "<string>"
        self._settings: dict[str, object] = {}
        for block in loaded.plugin_blocks:
            self._read(block, selection)

    def for_factory(self, factory: Factory, provider: str | None) -> object:
        """The settings for *factory*; *provider* names the providers block of an llm_client.

        Raises:
            PluginError: The plugin needs settings that nobody wrote.
        """
        if factory.offer.id in self._settings:
            return self._settings[factory.offer.id]
        kind = factory.config_class()
        if kind is None:
            return None
        own = self._own(kind, provider)
        if own is not None:
            return own
        try:
            inspect.signature(kind).bind()
        except TypeError as error:
            raise PluginError(
                f'{factory.offer.id} needs settings: write plugin "{factory.offer.group}" "{factory.offer.name}" '
                f"{{ ... }} ({error})",
                plugin=factory.offer.id,
            ) from error
        made: object = kind()
        return made

    def _own(self, kind: type, provider: str | None) -> object:
        """The part of the configuration that the kernel spells itself."""
        config = self._loaded.config
        if kind is ProviderConfig:
            return next((one for one in config.providers if one.name == provider), None)
        if kind is StorageConfig:
            return StorageConfig(dir=config.sessions_dir, url=config.storage_url)
        return {MemoryConfig: config.memory, SearchConfig: config.search, QueueConfig: config.queue}.get(kind)

    def _read(self, block: Block, selection: Selection) -> None:
        offer = self._offer(block, selection)
        factory = Factory.of(POINTS[offer.group], offer)
        kind = factory.config_class()
        if kind is None:
            raise self._error(block, f"the plugin {offer.id} takes no settings; remove this block")
        if offer.id in self._settings:
            raise self._error(block, f"the plugin {offer.id} has a block already")
        self._settings[offer.id] = structure(block.body, kind, path=self._path, folder=self._loaded.folder)

    def _offer(self, block: Block, selection: Selection) -> Offer:
        *groups, name = block.labels
        offers = [
            offer
            for offer in selection.catalogue.offers
            if offer.name == name and offer.group in POINTS and (not groups or offer.group == groups[0])
        ]
        selected = [offer for offer in offers if selection.is_selected(offer) or _by_option(offer)]
        if len({offer.id for offer in selected}) > 1:
            ids = " and ".join(sorted(offer.group for offer in selected))
            raise self._error(block, f'"{name}" is the name of {ids}: write plugin "{selected[0].group}" "{name}"')
        if selected:
            return selection.named(POINTS[selected[0].group], name)
        if offers:
            raise self._error(block, f"the plugin {offers[0].id} is not used; {how_to_select(offers[0])}")
        where = f'{groups[0]} "{name}"' if groups else f'"{name}"'
        raise self._error(block, f"no installed plugin offers {where}; install it or remove this block")

    def _error(self, block: Block, message: str) -> ConfigError:
        return ConfigError(message, path=self._path, line=block.position.line, column=block.position.column)


def _by_option(offer: Offer) -> bool:
    """Whether an option of a session (`fs_context`) uses it without a word in the configuration."""
    return offer.id == "context_provider:filesystem" and offer.origin.is_official


def how_to_select(offer: Offer) -> str:
    """What to write so that *offer* is used."""
    point = POINTS.get(offer.group)
    if point is None or point.arity.value == "many":
        return f'plugins {{ use = ["{offer.name}"] }} uses it'
    return f'plugins {{ {offer.group} = "{offer.name}" }} uses it'

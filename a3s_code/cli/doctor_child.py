"""The child of `plugins doctor` and `plugins show`: `python -m a3s_code.cli.doctor_child ACTION ID CONFIG FD`.

Loads one plugin and writes what it found as JSON to the descriptor FD.
"""

import asyncio
import inspect
import json
import os
import sys
import tempfile
from enum import Enum
from pathlib import Path

import attrs

from a3s_code.blocks import PluginSettings
from a3s_code.cli.setup import NO_CONFIG
from a3s_code.config import LoadedConfig, ProviderConfig, Secret, load
from a3s_code.errors import ConfigError, PluginError
from a3s_code.extensions import Extensions
from a3s_code.hookspecs import POINTS, Arity
from a3s_code.plugins import Catalogue, Factory, Offer, Selection, scan

__all__ = ["main"]


def main(action: str, id: str, config: str, descriptor: str) -> int:
    group, _, name = id.partition(":")
    try:
        offer = scan().need(group, name)
        loaded = load(Path(config)) if config else LoadedConfig(config=NO_CONFIG, folder=Path.cwd())
        said = _describe(offer) if action == "describe" else asyncio.run(_open(offer, loaded))
    except (PluginError, ConfigError) as error:
        said = {"status": "unconfigured" if _lacks_settings(error) else "failed", "text": str(error)}
    os.write(int(descriptor), json.dumps(said).encode())
    os._exit(0)  # a plugin's threads and exit functions are not waited for


def _lacks_settings(error: PluginError | ConfigError) -> bool:
    return isinstance(error.__cause__, ConfigError | TypeError)


async def _open(offer: Offer, loaded: LoadedConfig) -> dict[str, object]:
    """Opens *offer* as a session would, and closes it."""
    if offer.group not in POINTS:
        offer.load()
        return {"status": "ok"}
    loaded = _only_its_block(offer, loaded)
    provider = _provider(offer, loaded)
    config = attrs.evolve(loaded.config, providers=(*loaded.config.providers, provider))
    loaded = attrs.evolve(loaded, config=config)
    selection = _selecting(offer, Selection.of(config, scan()))
    with tempfile.TemporaryDirectory() as folder:
        given = {"workspace": _workspace(folder), "session_id": "doctor", "answerer": None}
        extensions = Extensions(selection, PluginSettings(loaded, selection), given=given)
        slot = getattr(extensions, offer.group)
        by_name = POINTS[offer.group].arity is Arity.BY_NAME
        await (slot.get(offer.name, provider.name) if by_name else slot.get())
        failures = [one.error for one in extensions.failures if one.plugin == offer.id]
        failures += await extensions.aclose()
    return {"status": "failed" if failures else "ok", "text": "\n".join(failures)}


def _workspace(folder: str) -> object:
    from a3s_code.workspace import FolderWorkspace

    return FolderWorkspace(folder)


def _only_its_block(offer: Offer, loaded: LoadedConfig) -> LoadedConfig:
    """A mistake in another plugin's block is not this one's."""
    own = tuple(
        block
        for block in loaded.plugin_blocks
        if block.labels[-1] == offer.name and block.labels[0] in (offer.name, offer.group)
    )
    return attrs.evolve(loaded, plugin_blocks=own)


def _provider(offer: Offer, loaded: LoadedConfig) -> ProviderConfig:
    """The providers block that a client would get, or a made-up one: opening asks nobody."""
    own = (one for one in loaded.config.providers if offer.name in (one.client, one.name))
    found = next(own, None) or ProviderConfig(name=offer.name, api_key=Secret("none"))
    return attrs.evolve(found, name="doctor")


def _selecting(offer: Offer, selection: Selection) -> Selection:
    """The selection in which *offer* is used, and no other member of its point."""
    point = POINTS[offer.group]
    others = tuple(one for one in selection.catalogue.offers if one.group != offer.group or one.id == offer.id)
    chosen = dict(selection.chosen)
    if point.arity is Arity.ONE or point.name == "embedding_provider":
        chosen[point.name] = offer.name
    is_many = point.arity is Arity.MANY
    return attrs.evolve(
        selection,
        catalogue=Catalogue(others),
        chosen=chosen,
        used=(offer.id,) if is_many else (),
        clients=frozenset({offer.name}),
        disabled=tuple(id for id in selection.disabled if id != offer.id),
    )


def _describe(offer: Offer) -> dict[str, object]:
    parameters: tuple[str, ...] = ()
    settings: list[list[str]] = []
    if offer.group in POINTS:
        factory = Factory.of(POINTS[offer.group], offer)
        parameters = tuple(name for name in factory.parameters() if name not in ("config", "log"))
        kind = factory.config_class()
        if kind is not None and kind is not ProviderConfig:
            settings = [_setting(one) for one in attrs.fields(kind)]
    else:
        offer.load()
    return {"status": "ok", "facts": {"parameters": list(parameters), "settings": settings}}


def _setting(one: "attrs.Attribute[object]") -> list[str]:
    default = one.default
    if default is attrs.NOTHING:
        shown = "required"
    elif isinstance(default, attrs.Factory):  # type: ignore[arg-type] # the class that field(factory=...) makes
        shown = "{}"
    else:
        shown = _hcl(default)
    return [one.name, shown, inspect.cleandoc(str(one.metadata.get("about", "")))]


def _hcl(value: object) -> str:
    """A default as it would be written in HCL."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case tuple():
            return f"[{', '.join(map(_hcl, value))}]"
        case str():
            return json.dumps(value, ensure_ascii=False)
        case int() | float():
            return str(value)
        case Enum():
            return _hcl(value.value)
        case _:
            return "{ ... }"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

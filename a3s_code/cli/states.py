"""Whether what is installed is used, and why; found out without importing any of it."""

from collections.abc import Sequence

from attrs import frozen

from a3s_code.cli.setup import Found
from a3s_code.errors import PluginError
from a3s_code.hookspecs import POINTS, REGISTRIES, Arity
from a3s_code.plugins import Catalogue, Offer, Selection

__all__ = ["MEMBER_GROUPS", "State", "missing", "state"]

MEMBER_GROUPS = (
    *(name for name, point in POINTS.items() if point.arity is Arity.MANY),
    *(group.removeprefix("a3s_code.") for group in REGISTRIES),
)
"""The points and registries with any number of members, which `plugins { use = [...] }` names."""


@frozen
class State:
    """Whether an offer is used, and why or how it would be."""

    is_used: bool
    text: str


def state(offer: Offer, selection: Selection, found: Found) -> State:
    """What becomes of *offer*; nothing is imported for it."""
    others = [other for other in selection.catalogue.of(offer.group) if other.name == offer.name and other != offer]
    if offer.id in selection.disabled:
        return State(False, "disabled by plugins.disabled")
    used = _used(offer, selection, found)
    if others:
        names = ", ".join(str(other.origin) for other in others)
        return State(used.is_used, f"CLASH with {names}: uninstall one of them")
    return used


def _used(offer: Offer, selection: Selection, found: Found) -> State:
    point = POINTS.get(offer.group)
    if point is not None and point.arity is Arity.BY_NAME:
        return _used_by_name(offer, selection, found)
    if point is None or point.arity is Arity.MANY:
        is_named = selection.names(offer)
        if is_named or _is_always_there(offer):
            return State(True, f"used: plugins.use{_place(offer, found)}" if is_named else "default")
        if offer.group == "lane_backend":
            return _unused(offer, f'queue {{ backend = "{offer.name}" }}')
        return _unused(offer, f'plugins {{ use = ["{offer.name}"] }}')
    chosen = selection.chosen.get(point.name) or point.default
    is_default = offer.name == point.default or (point.name == "bash_sandbox" and offer.name == "local")
    if chosen == offer.name or (chosen == "auto" and is_default):
        place = _place(offer, found)
        return State(True, f'used: {point.name} = "{offer.name}"{place}' if place or not is_default else "default")
    return _unused(offer, f'{point.name} = "{offer.name}"')


def _is_always_there(offer: Offer) -> bool:
    """Members of a many-point or a registry that need not be named."""
    if offer.group == "cli":
        return offer.origin.is_official
    return offer in Selection(Catalogue((offer,))).many(offer.group)


def _used_by_name(offer: Offer, selection: Selection, found: Found) -> State:
    name = offer.name
    if offer.group == "llm_client":
        providers = [one.name for one in found.config.providers if name in (one.client, one.name)]
        if found.loaded is not None and not providers and name == "openai":  # it speaks to any OpenAI-compatible server
            known = {other.name for other in selection.catalogue.of("llm_client")}
            providers = [one.name for one in found.config.providers if one.base_url and one.name not in known]
        if providers:
            return State(True, f"used: providers {', '.join(providers)}")
        setting = "name" if offer.origin.is_official and name != "scripted" else "client"
        return _unused(offer, f'providers {{ {setting} = "{name}" }}')
    if offer.group == "mcp_transport":
        servers = [server.name for server in found.config.mcp_servers if server.transport == name]
        if servers:
            return State(True, f"used: mcp_servers {', '.join(servers)}")
        return _unused(offer, f'mcp_servers {{ transport = "{name}" }}')
    if selection.chosen.get(offer.group) == name:
        return State(True, f'used: {offer.group} = "{name}"{_place(offer, found)}')
    return _unused(offer, f'{offer.group} = "{name}"')


def _unused(offer: Offer, line: str) -> State:
    return State(False, f"installed, not used: {line} uses it")


def _place(offer: Offer, found: Found) -> str:
    places = found.loaded.named_at if found.loaded is not None else {}
    place = places.get(offer.name) or places.get(offer.id)
    return f" ({place})" if place else ""


def missing(selection: Selection, found: Found) -> list[str]:
    """What the configuration names and nobody offers, one text each."""
    places = found.loaded.named_at if found.loaded is not None else {}
    texts = {}
    for point, name in selection.chosen.items():
        if (point, name) != ("bash_sandbox", "auto") and not _offers(selection, name, (point,)):
            try:
                selection.catalogue.need(point, name)
            except PluginError as error:
                texts[name] = str(error)
    for name in selection.used:
        if not _offers(selection, name, MEMBER_GROUPS):
            texts[name] = f'plugins.use names "{name}", which no installed plugin offers; install or remove it'
    return [f"{places[name]}: {text}" if name in places else text for name, text in texts.items()]


def _offers(selection: Selection, name: str, groups: Sequence[str]) -> bool:
    return any(offer.group in groups and name in (offer.name, offer.id) for offer in selection.catalogue.offers)

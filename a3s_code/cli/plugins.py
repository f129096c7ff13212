"""`a3s-code plugins`: what is installed, what is used, and whether it works."""

import importlib.util
import subprocess
import sys
from collections.abc import Sequence

from attrs import frozen

from a3s_code.cli.arguments import ExitCode, Options, UsageError
from a3s_code.cli.setup import Found, load_if_possible
from a3s_code.cli.table import table
from a3s_code.errors import PluginError
from a3s_code.hookspecs import POINTS, REGISTRIES, Arity
from a3s_code.plugins import Catalogue, Offer, Selection, scan

__all__ = ["State", "missing", "pick", "run", "state"]


def run(options: Options) -> int:
    match options.action:
        case "doctor":
            from a3s_code.cli.doctor import doctor

            return doctor(load_if_possible(options))
        case "show":
            from a3s_code.cli.doctor import show

            return show(pick(scan(), options.name), load_if_possible(options))
        case "check":
            return _check(pick(scan(), options.name))
        case "use":
            from a3s_code.cli.choice import use

            return use(options)
        case _:
            return _list(load_if_possible(options))


def _list(found: Found) -> int:
    if found.error is not None:
        print(f"a3s-code: the configuration is left out here: {found.error}", file=sys.stderr)
    catalogue = scan()
    selection = Selection.of(found.config, catalogue)
    rows = [
        (offer.group, offer.name, str(offer.origin), state(offer, selection, found).text)
        for offer in catalogue.offers
        if offer.group != "exports"
    ]
    print(table(("point", "name", "distribution", "state"), rows))
    for text in missing(selection, found):
        print(f"MISSING  {text}")
    return ExitCode.OK


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
    groups = [group for group, point in POINTS.items() if point.arity is Arity.MANY]
    for name in selection.used:
        if not _offers(selection, name, (*groups, *(group.removeprefix("a3s_code.") for group in REGISTRIES))):
            texts[name] = f'plugins.use names "{name}", which no installed plugin offers; install or remove it'
    return [f"{places[name]}: {text}" if name in places else text for name, text in texts.items()]


def _offers(selection: Selection, name: str, groups: Sequence[str]) -> bool:
    return any(
        offer.group in groups and name in (offer.name, offer.id) for offer in selection.catalogue.offers
    )


def pick(catalogue: Catalogue, name: str) -> Offer:
    """The offer called *name*, or with the id *name*.

    Raises:
        UsageError: There is none, or there are several.
    """
    offers = [offer for offer in catalogue.offers if offer.group != "exports" and name in (offer.name, offer.id)]
    if not offers:
        raise UsageError(f'no plugin is called "{name}"; `a3s-code plugins list` shows all')
    if len(offers) > 1:
        ids = sorted({offer.id for offer in offers})
        if len(ids) == 1:
            raise UsageError(f"{ids[0]} is offered by {' and '.join(str(offer.origin) for offer in offers)}")
        raise UsageError(f'"{name}" is the name of several plugins; say which: {", ".join(ids)}')
    return offers[0]


def _check(offer: Offer) -> int:
    """Runs the contract suite of the offer's point, which shows its own report."""
    if offer.group not in POINTS:
        raise UsageError(f"{offer.id} fills no extension point; there is no contract to check")
    if importlib.util.find_spec("a3s_code_testing") is None:
        raise UsageError("contract suites are in a distribution of their own: pip install a3s-code-testing")
    done = subprocess.run([sys.executable, "-m", "a3s_code_testing", offer.group, offer.name], check=False)
    return done.returncode if done.returncode in (ExitCode.OK, ExitCode.USAGE) else ExitCode.FAILED

"""Plugins: what is installed, what is selected, and how a factory is loaded and called.

Finding is one scan of the installed metadata and imports nothing. Loading is stevedore's work, calling pluggy's.
"""

import importlib.metadata
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any

import attrs
import pluggy
from attrs import field, frozen

from a3s_code.config import Config
from a3s_code.errors import PluginError
from a3s_code.hookspecs import GIVEN, POINTS, REGISTRIES, Arity, Point, Specs, hookimpl
from a3s_code.points.function_tool import FunctionTool

__all__ = [
    "DEFAULTS",
    "OFFICIAL",
    "Catalogue",
    "Factory",
    "Offer",
    "Origin",
    "Selection",
    "check_filling",
    "dependencies",
    "export",
    "from_file",
    "refuse_foreign_distribution",
    "scan",
]

EXPORTS = "a3s_code.exports"

DEFAULTS = (
    "a3s-code-core",
    "a3s-code-anthropic",
    "a3s-code-openai",
    "a3s-code-http",
    "a3s-code-tools",
    "a3s-code-guard",
    "a3s-code-context",
    "a3s-code-storage",
    "a3s-code-planning",
    "a3s-code-hooks",
    "a3s-code-skills",
    "a3s-code-mcp",
    "a3s-code-terminal",
    "a3s-code-sandbox-bubblewrap",
)
"""The default distributions; members of many-points that they offer are used without being named."""

OFFICIAL = frozenset(
    {
        *DEFAULTS,
        "a3s-code-sandbox-docker",
        "a3s-code-ray",
        "a3s-code-otel",
        "a3s-code-vector-faiss",
        "a3s-code-vector-pgvector",
        "a3s-code-testing",
    }
)

_INSTALL = {
    "security_provider": "a3s-code-guard",
    "permission_checker": "a3s-code-guard",
    "confirmation_provider": "a3s-code-guard",
    "context_provider": "a3s-code-context",
    "embedding_provider": "a3s-code-openai",
    "vector_store": "a3s-code-context",
    "session_store": "a3s-code-storage",
    "memory_store": "a3s-code-storage",
    "tool": "a3s-code-tools",
    "planner": "a3s-code-planning",
    "hook_handler": "a3s-code-hooks",
    "hook_executor": "a3s-code-hooks",
    "mcp_transport": "a3s-code-mcp",
    "http_client": "a3s-code-http",
    "llm_client": "a3s-code-anthropic or a3s-code-openai",
    "bash_sandbox": "a3s-code-tools",
    "skill_validator": "a3s-code-skills",
    "skill_scorer": "a3s-code-skills",
}


@frozen(kw_only=True)
class Origin:
    """Where an offer comes from.

    Args:
        distribution: Normalised name of the distribution, or None for files and code.
        version: Its version.
        target: "package.module:object", or the path of a one-file plugin.
    """

    distribution: str | None
    version: str | None
    target: str

    @property
    def is_official(self) -> bool:
        return self.distribution in OFFICIAL

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}" if self.distribution else self.target


@frozen
class Offer:
    """Something that can fill a point or stand in a registry.

    Args:
        group: Name of the point, or of a registry such as "slash_command".
        name: What users type in HCL.
        origin: Where it comes from.
        load: Imports it and gives the factory or object. Raises PluginError.
    """

    group: str
    name: str
    origin: Origin
    load: Callable[[], object] = field(eq=False, repr=False)

    @property
    def id(self) -> str:
        return f"{self.group}:{self.name}"


# Finding


@frozen
class Catalogue:
    """All offers, in a stable order."""

    offers: tuple[Offer, ...]

    def of(self, group: str) -> tuple[Offer, ...]:
        return tuple(offer for offer in self.offers if offer.group == group)

    def find(self, group: str, name: str) -> Offer | None:
        """The offer of that name.

        Raises:
            PluginError: Two distributions offer it.
        """
        found = [offer for offer in self.of(group) if offer.name == name]
        if len(found) > 1:
            origins = " and ".join(str(offer.origin) for offer in found)
            raise PluginError(
                f"{group}:{name} is offered by {origins}; uninstall one of them",
                plugin=f"{group}:{name}",
            )
        return found[0] if found else None

    def need(self, group: str, name: str) -> Offer:
        """The offer of that name; raises PluginError that says what is there or what to install."""
        offer = self.find(group, name)
        if offer is not None:
            return offer
        names = sorted({other.name for other in self.of(group)})
        near = get_close_matches(name, names, 1)
        point = POINTS.get(group)
        is_default = point is not None and name == point.default
        cure = (
            f'did you mean "{near[0]}"?'
            if near
            else f"pip install {_INSTALL[group]}"
            if group in _INSTALL and (is_default or not names)
            else f"there are: {', '.join(names)}"
            if names
            else "install the distribution that offers it"
        )
        raise PluginError(f'no plugin offers {group} "{name}": {cure}', plugin=f"{group}:{name}", is_missing=True)

    def clashes(self) -> tuple[tuple[Offer, ...], ...]:
        """Groups of offers with one id."""
        by_id: dict[str, list[Offer]] = {}
        for offer in self.offers:
            by_id.setdefault(offer.id, []).append(offer)
        return tuple(tuple(offers) for offers in by_id.values() if len(offers) > 1)

    def with_offers(self, offers: Iterable[Offer]) -> "Catalogue":
        return Catalogue((*self.offers, *offers))


def scan() -> Catalogue:
    """All offers of the installed distributions, found in one pass over their metadata without importing any."""
    return _scan(tuple((path, _mtime(path)) for path in sys.path))


def _mtime(path: str) -> int:
    try:
        return Path(path or ".").stat().st_mtime_ns
    except OSError:
        return 0


@lru_cache(maxsize=4)
def _scan(_paths: tuple[tuple[str, int], ...]) -> Catalogue:
    offers: list[Offer] = []
    seen: set[str] = set()
    for distribution in importlib.metadata.distributions():
        text = distribution.read_text("entry_points.txt")
        if not text or "a3s_code." not in text:
            continue
        name = _normalised(distribution.metadata["Name"] or "")
        if name in seen:  # an older copy further down sys.path
            continue
        seen.add(name)
        version = distribution.version
        for entry in distribution.entry_points:
            group = entry.group.removeprefix("a3s_code.")
            if entry.group == group or not (group in POINTS or entry.group in REGISTRIES or entry.group == EXPORTS):
                continue
            origin = Origin(distribution=name, version=version, target=entry.value)
            offers.append(Offer(group, entry.name, origin, _loader(entry, origin, f"{group}:{entry.name}")))
    return Catalogue(tuple(sorted(offers, key=lambda offer: (offer.group, offer.name, str(offer.origin)))))


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def refuse_foreign_distribution() -> None:
    """Raises PluginError when another project's distribution "a3s-code" shares this package's folder.

    On PyPI that name belongs to the reference's own bindings, which install a package `a3s_code` too.
    """
    try:
        foreign = importlib.metadata.distribution("a3s-code")
    except importlib.metadata.PackageNotFoundError:
        return
    if not any(requirement.startswith("a3s-code-core") for requirement in foreign.requires or ()):
        raise PluginError(
            f"another project's distribution a3s-code {foreign.version} is installed over this package; "
            "run: pip uninstall -y a3s-code a3s-code-core && pip install a3s-code-core"
        )


# Loading


def _loader(entry: importlib.metadata.EntryPoint, origin: Origin, id: str) -> Callable[[], object]:
    def load() -> object:
        from stevedore.named import NamedExtensionManager

        failures: list[BaseException] = []

        class OneOffer(NamedExtensionManager):  # type: ignore[type-arg] # stevedore is typed by what it loads
            def list_entry_points(self) -> list[importlib.metadata.EntryPoint]:
                return [entry]  # from our own scan: stevedore's disk cache can be stale and loses the distribution

            def _load_one_plugin(self, *args: Any) -> Any:  # stevedore's own signature
                try:
                    return super()._load_one_plugin(*args)
                except (SystemExit, AssertionError) as error:  # stevedore lets these two through
                    raise ImportError(f"{type(error).__name__}: {error}") from error

        manager = OneOffer(
            entry.group,
            [entry.name],
            on_load_failure_callback=lambda _manager, _entry, error: failures.append(error),
        )
        if failures:
            error = failures[0]
            raise PluginError(
                f"{id} of {origin} cannot be loaded from {entry.value}: {_said(error)}; "
                f'reinstall or upgrade {origin.distribution}, or disable it: plugins {{ disabled = ["{id}"] }}',
                plugin=id,
            ) from error
        return manager.extensions[0].plugin

    return load


def _said(error: BaseException) -> str:
    text = str(error)
    return text if isinstance(error, ImportError) and text else f"{type(error).__name__}: {text}"


def from_file(path: str | Path) -> tuple[Offer, ...]:
    """The offers of a one-file plugin: `@hookimpl` functions `a3s_code_<point>`, `@tool` objects, `slash_commands`.

    Raises:
        PluginError: The file cannot be read or run, or offers nothing.
    """
    path = Path(path).resolve()
    origin = Origin(distribution=None, version=None, target=str(path))
    spec = importlib.util.spec_from_file_location(f"a3s_code_plugins_{abs(hash(str(path)))}_{path.stem}", path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise PluginError(f"{path} is no one-file plugin: it must be a readable .py file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # a stranger's module may raise anything
        raise PluginError(f"the plugin {path} fails when it is loaded: {type(error).__name__}: {error}") from error
    offers: list[Offer] = []
    for name, value in vars(module).items():
        point = name.removeprefix("a3s_code_")
        if getattr(value, f"{hookimpl.project_name}_impl", None) is not None and point in POINTS:
            offers.append(Offer(point, path.stem, origin, _same(value)))
        elif isinstance(value, FunctionTool) and value.function.__module__ == module.__name__:
            offers.append(Offer("tool", value.spec.name, origin, _same(value)))
    offers.extend(
        Offer("slash_command", command.name, origin, _same(command))
        for command in getattr(module, "slash_commands", ())
    )
    if not offers:
        raise PluginError(
            f"the plugin {path} offers nothing: it needs a function marked @hookimpl and named a3s_code_<point>, "
            "a @tool function, or a list slash_commands"
        )
    return tuple(offers)


def _same(value: object) -> Callable[[], object]:
    return lambda: value


def export(name: str) -> object:
    """The object that an official distribution exports under *name*.

    Raises:
        AttributeError: No official distribution that is installed exports it.
        PluginError: It cannot be loaded.
    """
    for offer in scan().of("exports"):
        if offer.name == name and offer.origin.is_official:
            return offer.load()
    raise AttributeError(name)


# Selecting


@frozen
class Selection:
    """Who fills which point: what configuration names, else the official default; being installed decides nothing.

    Args:
        catalogue: What there is.
        chosen: One-points' names by point, from configuration.
        used: Names or ids of additional members.
        disabled: Ids that are never used.
        from_code: Offers of one-file plugins passed in code; they are used without being named.
        clients: llm_clients that providers blocks name.
    """

    catalogue: Catalogue
    chosen: Mapping[str, str] = field(factory=dict)
    used: tuple[str, ...] = ()
    disabled: tuple[str, ...] = ()
    from_code: tuple[Offer, ...] = ()
    clients: frozenset[str] = frozenset()

    @classmethod
    def of(cls, config: Config, catalogue: Catalogue) -> "Selection":
        chosen = {"session_store": config.storage_backend}
        if config.memory_dir is not None:
            chosen["memory_store"] = "file"
        chosen.update(config.plugins.select)
        clients = frozenset(provider.client for provider in config.providers if provider.client is not None)
        return cls(catalogue, chosen, config.plugins.use, config.plugins.disabled, clients=clients)

    def with_files(self, offers: tuple[Offer, ...]) -> "Selection":
        return attrs.evolve(self, from_code=(*self.from_code, *offers))

    def one(self, point: Point) -> Offer:
        """Who fills a one-point. Raises PluginError."""
        own = [offer for offer in self.from_code if offer.group == point.name]
        if len(own) > 1:
            raise PluginError(f"{own[0].origin} and {own[1].origin} both fill {point.name}; pass only one of them")
        if own:
            return own[0]
        name = self.chosen.get(point.name) or point.default
        if name is None:
            raise PluginError(f'nothing is selected for {point.name}; write: plugins {{ {point.name} = "..." }}')
        if point.name == "bash_sandbox" and name == "auto":
            name = "local"  # bubblewrap joins here when its distribution exists
        return self.named(point, name)

    def named(self, point: Point, name: str) -> Offer:
        """The offer of that name, if it is not disabled. Raises PluginError."""
        if f"{point.name}:{name}" in self.disabled:
            raise PluginError(f"{point.name}:{name} is needed but disabled in the plugins block; select another one")
        return self.catalogue.need(point.name, name)

    def is_chosen(self, point: Point) -> bool:
        return point.name in self.chosen

    def many(self, group: str) -> tuple[Offer, ...]:
        """The members of a many-point or registry: official defaults, what `use` names, and what code passed."""
        members: list[Offer] = []
        for offer in self.catalogue.of(group):
            is_default = offer.origin.distribution in DEFAULTS and group != "context_provider"
            if offer.id in self.disabled or not (is_default or self.names(offer)):
                continue
            self.catalogue.find(group, offer.name)  # two offers of one selected name are an error
            members.append(offer)
        members.extend(offer for offer in self.from_code if offer.group == group)
        return tuple(members)

    def names(self, offer: Offer) -> bool:
        return offer.name in self.used or offer.id in self.used

    def is_selected(self, offer: Offer) -> bool:
        """Whether the offer would be used, without opening anything."""
        if offer.id in self.disabled:
            return False
        point = POINTS.get(offer.group)
        if point is not None and point.arity is Arity.ONE:
            name = self.chosen.get(point.name) or point.default
            return offer.name == name or (point.name == "bash_sandbox" and name == "auto" and offer.name == "local")
        if point is not None and point.arity is Arity.BY_NAME:
            is_named = self.chosen.get(point.name) == offer.name
            return (
                is_named
                or offer.origin.distribution in DEFAULTS
                or (point.name == "llm_client" and offer.name in self.clients)
            )
        return offer in self.many(offer.group)

    def check(self, named_at: Mapping[str, str]) -> None:
        """Looks at every plugin that configuration names, without opening any.

        Args:
            named_at: Where a name stands, such as {"docker": "agent.hcl:9:18"}.

        Raises:
            PluginError: Nobody offers a name, or its module is broken; says where it is named and what to do.
        """
        names = [*self.chosen.values(), *self.used, *self.disabled]
        for name in names:
            try:
                self._check_name(name)
            except PluginError as error:
                place = named_at.get(name)
                text = f"{place}: {error}" if place else str(error)
                raise PluginError(text, plugin=error.plugin, is_missing=error.is_missing) from error

    def _check_name(self, name: str) -> None:
        for group in (group for group, chosen in self.chosen.items() if chosen == name):
            is_rule = (group, name) == ("bash_sandbox", "auto")
            if POINTS[group].default != name and not is_rule:  # defaults are looked at when they are needed
                self.catalogue.need(group, name).load()
        if name in self.used:
            self._check_member(name)
        if name in self.disabled and ":" not in name:
            raise PluginError(f'plugins.disabled takes full ids such as "llm_client:openai", not "{name}"')

    def _check_member(self, name: str) -> None:
        members = [offer for offer in self.catalogue.offers if self._is_member(offer)]
        found = [offer for offer in members if name in (offer.name, offer.id)]
        if not found:
            near = get_close_matches(name, sorted({offer.name for offer in members}), 1)
            cure = f'did you mean "{near[0]}"?' if near else "install the distribution that offers it"
            raise PluginError(f'plugins.use names "{name}", which no installed plugin offers: {cure}', is_missing=True)
        for offer in found:
            self.catalogue.find(offer.group, offer.name)
            offer.load()

    @staticmethod
    def _is_member(offer: Offer) -> bool:
        point = POINTS.get(offer.group)
        return offer.group != "exports" and (point is None or point.arity is Arity.MANY)


# Calling


class _Namespace:
    """What pluggy registers: an object that holds one factory under its hookspec's name."""


@frozen
class Factory:
    """A loaded factory of a point, checked before it is called."""

    point: Point
    offer: Offer
    function: Callable[..., object]

    @classmethod
    def of(cls, point: Point, offer: Offer) -> "Factory":
        """Loads the offer's factory and checks that pluggy can call it. Raises PluginError."""
        loaded = offer.load()
        if isinstance(loaded, FunctionTool) and point.name == "tool":
            return cls(point, offer, hookimpl(_maker(loaded)))
        marks = getattr(loaded, f"{hookimpl.project_name}_impl", None)
        where = f"{offer.id} of {offer.origin} ({offer.origin.target})"
        if not inspect.isfunction(loaded):
            raise PluginError(f"{where} must be a plain function, not {type(loaded).__name__}", plugin=offer.id)
        if marks is None:
            raise PluginError(f"{where} must be marked with @hookimpl from a3s_code.plugin", plugin=offer.id)
        kinds = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)
        if any(is_kind(loaded) for is_kind in kinds):
            raise PluginError(
                f"{where} must be a synchronous function; await in the object it returns", plugin=offer.id
            )
        if marks.get("wrapper") or marks.get("hookwrapper"):
            raise PluginError(f"{where} must not be a hook wrapper; it makes one object", plugin=offer.id)
        if marks.get("specname") not in (None, point.spec_name):
            raise PluginError(f"{where} is marked for {marks['specname']}, not for {point.spec_name}", plugin=offer.id)
        return cls(point, offer, loaded)

    def parameters(self) -> tuple[str, ...]:
        """The dependencies that the factory names, checked against its hookspec."""
        spec = tuple(inspect.signature(getattr(Specs, self.point.spec_name)).parameters)[1:]
        names = []
        for parameter in inspect.signature(self.function).parameters.values():
            if parameter.kind is not parameter.POSITIONAL_OR_KEYWORD or parameter.name not in spec:
                raise PluginError(
                    f"{self.offer.id} of {self.offer.origin}: parameter {parameter} is not one that {self.point.name} "
                    f"gives; there are: {', '.join(spec)}",
                    plugin=self.offer.id,
                )
            if parameter.default is not parameter.empty:
                raise PluginError(
                    f"{self.offer.id} of {self.offer.origin}: parameter {parameter.name} must not have a default; "
                    "pluggy would pass nothing for it",
                    plugin=self.offer.id,
                )
            names.append(parameter.name)
        return tuple(names)

    def config_class(self) -> type | None:
        """The attrs class of its settings, or None when it takes none."""
        parameter = inspect.signature(self.function).parameters.get("config")
        if parameter is None:
            return None
        hint = parameter.annotation
        if isinstance(hint, str):
            try:
                hint = eval(hint, self.function.__globals__)  # noqa: S307 # the plugin's own annotation
            except (NameError, AttributeError) as error:
                raise PluginError(
                    f"{self.offer.id} of {self.offer.origin}: the annotation of config cannot be resolved: {error}",
                    plugin=self.offer.id,
                ) from error
        return hint if isinstance(hint, type) and attrs.has(hint) else None

    def call(self, arguments: Mapping[str, object]) -> tuple[object, ...]:
        """What the factory makes, always as a tuple; runs it through pluggy alone, with a fresh manager.

        Raises:
            PluginError: It raised, or made nothing, an awaitable, or something that does not satisfy the Protocol.
        """
        id, origin = self.offer.id, self.offer.origin
        manager = pluggy.PluginManager(hookimpl.project_name)  # a fresh one: pluggy refuses a name twice
        manager.add_hookspecs(Specs)
        namespace = _Namespace()
        setattr(namespace, self.point.spec_name, self.function)
        spec = tuple(inspect.signature(getattr(Specs, self.point.spec_name)).parameters)[1:]
        try:
            manager.register(namespace, name=id)
            caller = getattr(manager.hook, self.point.spec_name)
            made = caller(**{name: arguments.get(name) for name in spec})
        except PluginError:
            raise
        except (Exception, SystemExit) as error:  # a factory is foreign code and may raise anything
            raise PluginError(f"{id} of {origin} failed to open: {type(error).__name__}: {error}", plugin=id) from error
        if not made:
            raise PluginError(
                f"{id} of {origin}: its factory returned None instead of a {self.point.protocol}", plugin=id
            )
        value = made[0]
        values = value if isinstance(value, tuple) and self.point.arity is Arity.MANY else (value,)
        for one in values:
            check_filling(self.point, one, f"{id} of {origin}")
        return values


def check_filling(point: Point, value: object, where: str) -> None:
    """Raises PluginError unless *value* can fill *point*."""
    if inspect.isawaitable(value):
        close = getattr(value, "close", None)
        if close is not None:
            close()
        raise PluginError(f"{where} gave an awaitable; a factory is synchronous, await in the object it returns")
    if not isinstance(value, point.filled_with):
        missing = sorted(
            name
            for name in getattr(point.filled_with, "__protocol_attrs__", ()) or _public(point.filled_with)
            if not hasattr(value, name)
        )
        raise PluginError(
            f"{where} gave a {type(value).__name__}, which is no {point.protocol}"
            + (f": it lacks {', '.join(missing)}" if missing else "")
        )


def _public(kind: type) -> tuple[str, ...]:
    return tuple(name for name in vars(kind) if not name.startswith("_"))


def _maker(tool: FunctionTool) -> Callable[[], FunctionTool]:
    def a3s_code_tool() -> FunctionTool:
        return tool

    return a3s_code_tool


def dependencies(point: Point) -> tuple[str, ...]:
    """The points that a factory of *point* may name."""
    spec = tuple(inspect.signature(getattr(Specs, point.spec_name)).parameters)[1:]
    return tuple(name for name in spec if name not in GIVEN)

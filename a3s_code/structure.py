"""How HCL becomes an instance of an attrs class: strictly, and with the place of each mistake.

cattrs walks the types; it is imported when the first block is structured.
"""

import functools
import os
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar, Union, cast

import attrs
from attrs import NOTHING, frozen

from a3s_code.errors import ConfigError, PluginError
from a3s_code.hcl import Attribute, Block, Body, Fault, ListValue, Position, Scalar, Value
from a3s_code.settings import Check, Secret, key_of, nearest, settings_class

if TYPE_CHECKING:
    from cattrs import Converter

__all__ = ["anchored", "structure", "unfinished"]

T = TypeVar("T")


@frozen
class _Blocks:
    """All blocks of one type in a body."""

    blocks: tuple[Block, ...]

    @property
    def position(self) -> Position:
        return self.blocks[0].position


_Given: TypeAlias = Value | _Blocks


class _Unfit(Fault):
    """A value does not fit its type; the message continues the key's name."""

    def named(self, key: str) -> Fault:
        return Fault(f'"{key}" {self.message}', self.position)


def structure(body: Body, cls: type[T], *, path: str = "<string>", folder: Path | None = None) -> T:
    """An instance of *cls* from what a file or a block says.

    Strict: text is no number and a number no text. A null attribute counts as absent.

    Args:
        body: The body, from `hcl.parse`.
        cls: Any attrs class; annotations may be str, int, float, bool, Secret, Path, object, enums, Literals, other
            attrs classes, `X | None`, tuples, lists and `Mapping[str, X]`.
        path: Name of the text in errors.
        folder: What relative paths are relative to; None leaves them as they are.

    Raises:
        ConfigError: For an unknown key, a wrong type, a bad value or a missing setting, the first in the text.
        PluginError: When *cls* declares a type that cannot be written in HCL.
    """
    from cattrs.errors import StructureHandlerNotFoundError

    try:
        instance: T = _converter().structure(body, cls)
    except Fault as fault:
        raise fault.error(path) from None
    except StructureHandlerNotFoundError as exc:
        raise PluginError(f"{cls.__module__}.{cls.__qualname__} has a setting that HCL cannot give: {exc}") from exc
    return instance if folder is None else anchored(instance, folder)


@functools.cache
def _converter() -> "Converter":
    from cattrs import Converter

    converter = Converter(detailed_validation=False)
    for kind, accepted in _SCALARS.items():
        converter.register_structure_hook(kind, functools.partial(_scalar, accepted))
    converter.register_structure_hook_func(_is_anything, lambda given, _: _plain(given))
    converter.register_structure_hook_func(_is_literal, _literal)
    converter.register_structure_hook_func(_is_enum, _enum)
    converter.register_structure_hook_func(_is_union, functools.partial(_union, converter))
    converter.register_structure_hook_func(_is_sequence, functools.partial(_sequence, converter))
    converter.register_structure_hook_func(_is_mapping, functools.partial(_mapping, converter))
    converter.register_structure_hook_func(attrs.has, functools.partial(_instance, converter))
    return converter


_SCALARS: Mapping[type, tuple[tuple[type, ...], str]] = {
    str: ((str,), "text in quotes"),
    Secret: ((str,), "text in quotes"),
    Path: ((str,), "text in quotes"),
    int: ((int,), "a whole number"),
    float: ((int, float), "a number"),
    bool: ((bool,), "true or false"),
}


def _scalar(accepted: tuple[tuple[type, ...], str], given: _Given, kind: Callable[[Any], T]) -> T:
    types_, wanted = accepted
    if isinstance(given, Scalar) and type(given.value) in types_:
        return kind(given.value)
    raise _Unfit(f"must be {wanted}, not {_described(given)}", given.position)


def _described(given: _Given) -> str:
    match given:
        case Scalar(value=None, variable=str() as variable):
            return f"null: the environment variable {variable} is not set"
        case Scalar(variable=str() as variable):
            return f'env("{variable}"), which is always text'
        case Scalar(value=bool() as value):
            return "true" if value else "false"
        case Scalar(value=None):
            return "null"
        case Scalar(value=str()):
            return "text in quotes"
        case Scalar(value=int()):
            return "a whole number"
        case Scalar():
            return "a number with a fraction"
        case ListValue():
            return "a list"
        case Body():
            return "a map"
        case _:
            return "a block"


def _is_anything(kind: object) -> bool:
    return kind is object or kind is Any


def _plain(given: _Given) -> object:
    match given:
        case Scalar(value=value):
            return value
        case ListValue(elements=elements):
            return [_plain(element) for element in elements]
        case _:
            body = _single_body(given)
            values: dict[str, _Given] = {key: each.value for key, each in body.attributes.items()}
            values |= {key: _Blocks(blocks) for key, blocks in _by_type(body).items()}
            return {key: _plain(each) for key, each in values.items()}


def _is_literal(kind: object) -> bool:
    return typing.get_origin(kind) == Literal


def _literal(given: _Given, kind: object) -> object:
    return _choice(given, {word: word for word in typing.get_args(kind)})


def _is_enum(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Enum)


def _enum(given: _Given, kind: type[Enum]) -> object:
    return _choice(given, {member.value: member for member in kind})


def _choice(given: _Given, choices: Mapping[object, object]) -> object:
    if isinstance(given, Scalar):
        for value, meaning in choices.items():
            if type(value) is type(given.value) and value == given.value:
                return meaning
    words = [f'"{value}"' if isinstance(value, str) else str(value).lower() for value in choices]
    raise _Unfit(f"must be {' or '.join(words)}", given.position)


def _is_union(kind: object) -> bool:
    return typing.get_origin(kind) in (Union, types.UnionType)


def _union(converter: "Converter", given: _Given, kind: object) -> object:
    members = typing.get_args(kind)
    if isinstance(given, Scalar) and given.value is None and type(None) in members:
        return None
    complaints = []
    for member in members:
        if member is not type(None):
            try:
                return converter.structure(given, member)
            except Fault as fault:
                complaints.append(fault)
    raise max(complaints, key=lambda fault: fault.position)  # the member that was understood furthest


_COLLECTIONS: Mapping[object, Callable[[list[object]], object]] = {
    tuple: tuple,
    Sequence: tuple,
    list: list,
    frozenset: frozenset,
}


def _is_sequence(kind: object) -> bool:
    return typing.get_origin(kind) in _COLLECTIONS


def _sequence(converter: "Converter", given: _Given, kind: object) -> object:
    member = typing.get_args(kind)[0]
    match given:
        case ListValue(elements=elements):
            parts: Sequence[_Given] = elements
        case _Blocks(blocks=blocks) if settings_class(member):
            parts = [_Blocks((block,)) for block in blocks]
        case Body() if settings_class(member):
            parts = [given]
        case _:
            wanted = "a block" if settings_class(member) else "a list"
            raise _Unfit(f"must be {wanted}, not {_described(given)}", given.position)
    collect = _COLLECTIONS[typing.get_origin(kind)]
    return collect(_all(functools.partial(converter.structure, part, member) for part in parts))


def _is_mapping(kind: object) -> bool:
    return typing.get_origin(kind) in (dict, Mapping)


def _mapping(converter: "Converter", given: _Given, kind: object) -> object:
    member = typing.get_args(kind)[1]
    if not isinstance(given, Body | _Blocks):
        raise _Unfit(f"must be a map, not {_described(given)}", given.position)
    body = _single_body(given)
    entries: dict[str, _Given] = {key: each.value for key, each in body.attributes.items() if not _is_null(each.value)}
    for key, blocks in _by_type(body).items():
        if key in body.attributes:
            raise Fault(f'"{key}" is both an attribute and a block', blocks[0].position)
        entries[key] = _Blocks(blocks)
    return dict(zip(entries, _all(_named(converter, key, each, member) for key, each in entries.items()), strict=True))


def _named(converter: "Converter", key: str, given: _Given, kind: Any) -> Callable[[], object]:
    """Structures one value; what is wrong with it is said of *key*."""

    def run() -> object:
        try:
            return converter.structure(given, kind)
        except _Unfit as unfit:
            raise unfit.named(key) from None

    return run


def _all(steps: Iterable[Callable[[], object]]) -> list[object]:
    """The result of each step; of several faults the first in the text is raised."""
    results, faults = [], []
    for step in steps:
        try:
            results.append(step())
        except Fault as fault:
            faults.append(fault)
    if faults:
        raise min(faults, key=lambda fault: fault.position)
    return results


def _is_null(given: _Given) -> bool:
    return isinstance(given, Scalar) and given.value is None


def _by_type(body: Body) -> dict[str, tuple[Block, ...]]:
    found: dict[str, tuple[Block, ...]] = {}
    for block in body.blocks:
        found[block.type] = (*found.get(block.type, ()), block)
    return found


def _single_body(given: _Given) -> Body:
    match given:
        case Body():
            return given
        case _Blocks(blocks=(block,)):
            if block.labels:
                raise Fault(f'"{block.type}" takes no label: write {block.type} {{ ... }}', block.position)
            return block.body
        case _Blocks(blocks=(first, second, *_)):
            raise Fault(f'only one "{first.type}" block; the first is in line {first.position.line}', second.position)
        case _:
            raise _Unfit(f"must be a block, not {_described(given)}", given.position)


def _instance(converter: "Converter", given: _Given, cls: type) -> object:
    body = _single_body(given)
    fields = {each.name: each for each in attrs.fields(attrs.resolve_types(cls)) if each.init}
    faults: list[Fault] = []
    missing: list[Fault] = []
    found = _settings(body, tuple(fields), faults)
    values = {}
    for name, each in fields.items():
        given_here = found.get(name)
        if given_here is not None and not _is_null(given_here):
            try:
                values[each.alias] = _checked(converter, each, given_here)
            except Fault as fault:
                faults.append(fault)
        elif each.default is NOTHING:
            missing.append(_missing(each, given_here, body))
    if faults or missing:  # what is missing may be there, misspelt: the unknown key says more
        raise min(faults or missing, key=lambda fault: fault.position)
    try:
        return cls(**values)
    except (ConfigError, ValueError, TypeError) as exc:  # a validator of the class's own
        raise Fault(str(exc.args[0] if exc.args else exc), body.position) from exc


def _settings(body: Body, names: tuple[str, ...], faults: list[Fault]) -> dict[str, _Given]:
    """What is given for each setting; unknown and repeated keys join the faults."""
    found: dict[str, _Given] = {}
    parts: list[tuple[str, _Given, Position]] = [(a.name, a.value, a.position) for a in body.attributes.values()]
    parts += [(key, _Blocks(blocks), blocks[0].position) for key, blocks in _by_type(body).items()]
    for key, given, position in sorted(parts, key=lambda part: part[2]):
        name = key_of(key, names)
        if name is None:
            faults.append(Fault(f'unknown key "{key}"; {nearest(key, names)}', position))
        elif name in found:
            faults.append(Fault(f'"{name}" is given twice', position))
        else:
            found[name] = given
    return found


def _missing(each: "attrs.Attribute[Any]", given: _Given | None, body: Body) -> Fault:
    if isinstance(given, Scalar) and given.variable:
        message = f'the environment variable {given.variable} is not set; set it or write "{each.name}" out'
        return Fault(message, given.position)
    about = each.metadata.get("about")
    place = given.position if given else body.position
    return Fault(f'"{each.name}" is missing' + (f": {about}" if about else ""), place)


def _checked(converter: "Converter", each: "attrs.Attribute[Any]", given: _Given) -> object:
    value = _named(converter, each.name, given, each.type)()
    check: Check | None = each.metadata.get("check")
    if check and value is not None and (complaint := check(value)):
        raise Fault(f'"{each.name}" {complaint}', given.position)
    return value


def anchored(instance: T, folder: Path) -> T:
    """The same settings with relative paths made absolute: texts declared as paths, and values of type Path."""
    changes = {}
    for each in attrs.fields(cast(Any, type(instance))):  # T is an attrs class
        value = getattr(instance, each.name)
        anchor = _anchor(value, folder, is_path=bool(each.metadata.get("path")))
        if each.init and anchor != value:
            changes[each.alias] = anchor
    return attrs.evolve(cast(Any, instance), **changes) if changes else instance


def _anchor(value: Any, folder: Path, *, is_path: bool) -> Any:  # walks values of every type
    match value:
        case Path():
            return folder / _home_expanded(value)
        case str() if is_path and "://" not in value:
            return str(folder / _home_expanded(Path(value)))
        case tuple() | list():
            return type(value)(_anchor(each, folder, is_path=is_path) for each in value)
        case dict():
            return {key: _anchor(each, folder, is_path=is_path) for key, each in value.items()}
        case _ if attrs.has(type(value)):
            return anchored(value, folder)
        case _:
            return value


def _home_expanded(path: Path) -> Path:
    return Path(os.path.expanduser(path))  # noqa: PTH111 # Path.expanduser raises for a home that is not known


def unfinished(body: Body, cls: type, *, path: str = "<string>") -> tuple[str, ...]:
    """One warning for each setting in *body* that has no effect yet, in the order of the text."""
    warnings = sorted(_unfinished(body, cls, ""))
    return tuple(f"{path}:{at.line}:{at.column}: {name} has no effect yet" for at, name in warnings)


def _unfinished(body: Body, cls: type, prefix: str) -> Iterator[tuple[Position, str]]:
    fields = {each.name: each for each in attrs.fields(attrs.resolve_types(cls))}
    parts: list[Attribute | Block] = [*body.attributes.values(), *body.blocks]
    for part in parts:
        name = part.name if isinstance(part, Attribute) else part.type
        each = fields.get(key_of(name, tuple(fields)) or "")
        inner = part.body if isinstance(part, Block) else part.value
        if each is None or _is_null(inner):
            continue
        if each.metadata.get("later"):
            yield part.position, prefix + each.name
        elif isinstance(inner, Body) and (nested := settings_class(each.type)):
            yield from _unfinished(inner, nested, f"{prefix}{each.name}.")

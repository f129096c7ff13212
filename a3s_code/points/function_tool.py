"""`@tool`: a typed Python function with a docstring is a tool."""

import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Literal, overload

from attrs import frozen

from a3s_code.errors import PluginError, ToolError, ToolErrorKind
from a3s_code.messages import Json, JsonObject
from a3s_code.points.tools import (
    Effects,
    OtherTarget,
    PathTarget,
    Target,
    ToolOutput,
    ToolSpec,
    ToolUse,
    Workspace,
)
from a3s_code.threads import in_thread

__all__ = ["FunctionTool", "WorkspacePath", "tool"]


class WorkspacePath:
    """A path inside the workspace, as a parameter type of a `@tool` function.

    The argument is declared as a target, so the gate judges it; each access checks confinement again.
    """

    def __init__(self, workspace: Workspace, path: str):
        self._workspace = workspace
        self._path = path

    def __str__(self) -> str:
        return self._path

    def __fspath__(self) -> str:
        return str(self._workspace.resolve(self._path))

    def resolve(self) -> Path:
        return self._workspace.resolve(self._path)

    def read_bytes(self) -> bytes:
        return self._workspace.read_bytes(self._path)

    def read_text(self, encoding: str = "utf-8") -> str:
        return self._workspace.read_bytes(self._path).decode(encoding)

    def write_bytes(self, data: bytes) -> None:
        self._workspace.write_bytes(self._path, data)

    def write_text(self, text: str, encoding: str = "utf-8") -> None:
        self._workspace.write_bytes(self._path, text.encode(encoding))


@frozen(kw_only=True)
class FunctionTool:
    """What `@tool` makes of a function; still callable as the function."""

    spec: ToolSpec
    function: Callable[..., object]
    parameters: Mapping[str, object]
    wants_use: bool = False

    def __call__(self, *args: object, **kwargs: object) -> object:
        return self.function(*args, **kwargs)

    async def run(self, args: JsonObject, use: ToolUse) -> ToolOutput:
        values = {name: _value(value, _options(self.parameters[name]), use) for name, value in args.items()}
        if self.wants_use:
            values["use"] = use
        if inspect.iscoroutinefunction(self.function):
            answer = await self.function(**values)
        else:
            answer = await in_thread(partial(self.function, **values))
        return answer if isinstance(answer, ToolOutput) else ToolOutput.ok(_text(answer))


@overload
def tool(function: Callable[..., object], /) -> FunctionTool: ...
@overload
def tool(
    *,
    read_only: bool = False,
    idempotent: bool = False,
    destructive: bool = False,
    open_world: bool = False,
    name: str | None = None,
    targets: Callable[[JsonObject], Sequence[Target]] | None = None,
) -> Callable[[Callable[..., object]], FunctionTool]: ...
def tool(
    function: Callable[..., object] | None = None,
    /,
    *,
    read_only: bool = False,
    idempotent: bool = False,
    destructive: bool = False,
    open_world: bool = False,
    name: str | None = None,
    targets: Callable[[JsonObject], Sequence[Target]] | None = None,
) -> FunctionTool | Callable[[Callable[..., object]], FunctionTool]:
    """Makes a tool of a typed function with a docstring.

    The schema comes from the type hints, the descriptions from the docstring (its first lines and its "Args:").
    Each `WorkspacePath` of a parameter, alone or in a list or tuple, is a path target; a parameter named `use` of type
    `ToolUse` gets the running call.
    A plain function runs in a worker thread. Without flags the tool counts as side-effecting and asks.

    Args:
        function: The function, when used without parentheses.
        read_only: It changes nothing.
        idempotent: Running it twice is like once.
        destructive: It may remove something.
        open_world: It reaches beyond this machine.
        name: The tool's name; default the function's.
        targets: What a call touches; default: its WorkspacePath parameters.

    Raises:
        PluginError: A parameter has no type hint or one that has no JSON form, or there is no docstring.
    """
    effects = Effects.NONE
    for flag, wanted in (
        (Effects.READ_ONLY, read_only),
        (Effects.IDEMPOTENT, idempotent),
        (Effects.DESTRUCTIVE, destructive),
        (Effects.OPEN_WORLD, open_world),
    ):
        if wanted:
            effects |= flag

    def make(function: Callable[..., object]) -> FunctionTool:
        return _make(function, name or function.__name__, effects, targets)

    return make(function) if function is not None else make


def _make(
    function: Callable[..., object],
    name: str,
    effects: Effects,
    targets: Callable[[JsonObject], Sequence[Target]] | None,
) -> FunctionTool:
    from docstring_parser import parse

    where = f"@tool {function.__module__}.{function.__qualname__}"
    docs = parse(inspect.getdoc(function) or "")
    description = "\n\n".join(part for part in (docs.short_description, docs.long_description) if part)
    if not description:
        raise PluginError(f"{where}: a docstring is needed, the model reads it to know when to use the tool")
    about = {entry.arg_name: entry.description or "" for entry in docs.params}
    hints = typing.get_type_hints(function, include_extras=True)
    properties: dict[str, Json] = {}
    required: list[Json] = []
    parameters: dict[str, object] = {}
    wants_use = False
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name == "use":
            wants_use = True
            continue
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise PluginError(f"{where}: *args, **kwargs and positional-only parameters have no JSON form")
        if parameter.name not in hints:
            raise PluginError(f"{where}: parameter {parameter.name!r} needs a type hint")
        schema = _schema(hints[parameter.name], f"{where}: parameter {parameter.name!r}")
        if about.get(parameter.name):
            schema["description"] = about[parameter.name]
        if parameter.default is parameter.empty:
            required.append(parameter.name)
        elif isinstance(parameter.default, str | int | float | bool):
            schema["default"] = parameter.default
        properties[parameter.name] = schema
        parameters[parameter.name] = hints[parameter.name]
    writes = Effects.READ_ONLY not in effects

    def own_targets(args: JsonObject) -> Sequence[Target]:
        paths = [path for name, value in args.items() for path in _paths(value, _options(parameters.get(name)))]
        if not paths:
            return [OtherTarget(" ".join(str(value) for value in args.values()))]
        return [PathTarget(path, writes) for path in paths]

    spec = ToolSpec(
        name=name,
        description=description,
        schema={
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": False,
        },
        effects=effects,
        targets=targets or own_targets,
    )
    return FunctionTool(spec=spec, function=function, parameters=parameters, wants_use=wants_use)


_ARRAYS = (list, tuple, Sequence)
_SCALARS: dict[object, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}


def _schema(hint: object, where: str) -> dict[str, Json]:
    if hint is WorkspacePath:
        return {"type": "string"}
    if isinstance(hint, type) and hint in _SCALARS:
        return {"type": _SCALARS[hint]}
    if isinstance(hint, type) and issubclass(hint, Enum):
        return {"enum": [member.value for member in hint]}
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return {"enum": list(args)}
    if origin in (typing.Union, types.UnionType):
        options = [option for option in args if option is not type(None)]
        if len(options) == 1:
            return _schema(options[0], where)
        return {"anyOf": [_schema(option, where) for option in options]}
    if origin in _ARRAYS and _is_of_one_kind(origin, args):
        return {"type": "array", "items": _schema(args[0], where)}
    if origin in (dict, Mapping) and args and args[0] is str:
        if _has_path(args[1]):
            raise PluginError(f"{where}: {hint!r} hides paths from the gate; use list[WorkspacePath]")
        return {"type": "object", "additionalProperties": _schema(args[1], where)}
    if origin is typing.Annotated:
        schema = _schema(args[0], where)
        for note in args[1:]:
            if isinstance(note, str):
                schema["description"] = note
        return schema
    raise PluginError(
        f"{where}: {hint!r} has no JSON form; use str, int, float, bool, Literal, an Enum, list[...], dict[str, ...], "
        "WorkspacePath or a union of these"
    )


def _is_of_one_kind(origin: object, args: tuple[object, ...]) -> bool:
    """Whether each element has the same type; of tuples only `tuple[X, ...]` says so."""
    return len(args) == 2 and args[1] is ... if origin is tuple else len(args) == 1


def _has_path(hint: object) -> bool:
    return hint is WorkspacePath or any(_has_path(part) for part in typing.get_args(hint))


def _options(*hints: object) -> tuple[object, ...]:
    """The types that hints allow, with unions and notes taken apart."""
    flat: list[object] = []
    for hint in hints:
        origin, args = typing.get_origin(hint), typing.get_args(hint)
        if origin in (typing.Union, types.UnionType):
            flat += _options(*args)
        elif origin is typing.Annotated:
            flat += _options(args[0])
        else:
            flat.append(hint)
    return tuple(flat)


def _elements(options: Sequence[object]) -> tuple[object, ...]:
    """The types that the elements of a list may have."""
    return _options(*(typing.get_args(option)[0] for option in options if typing.get_origin(option) in _ARRAYS))


def _paths(value: Json, options: Sequence[object]) -> list[str]:
    """The paths in an argument; a text that may be a path or another text counts, so that the gate judges it."""
    if isinstance(value, list):
        return [path for one in value for path in _paths(one, _elements(options))]
    return [value] if isinstance(value, str) and WorkspacePath in options else []


def _value(value: Json, options: Sequence[object], use: ToolUse) -> object:
    """An argument as the function wants it."""
    if isinstance(value, list):
        made = [_value(one, _elements(options), use) for one in value]
        return tuple(made) if any(typing.get_origin(option) is tuple for option in options) else made
    if isinstance(value, str) and WorkspacePath in options:
        return WorkspacePath(use.workspace, value)
    enums = [option for option in options if isinstance(option, type) and issubclass(option, Enum)]
    for enum in enums:
        with suppress(ValueError):
            return enum(value)
    if enums and set(options) <= {*enums, type(None)} and value is not None:
        names = " or ".join(enum.__name__ for enum in enums)
        raise ToolError(f"{value!r} is not a valid {names}", ToolErrorKind.INVALID_ARGUMENT)
    return value


def _text(answer: object) -> str:
    if isinstance(answer, str):
        return answer
    if isinstance(answer, bytes):
        return answer.decode("utf-8", "replace")
    if answer is None:
        return "done"
    if isinstance(answer, dict | list | tuple):
        import json

        return json.dumps(answer, ensure_ascii=False, default=str)
    return str(answer)

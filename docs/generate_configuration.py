"""Writes docs/reference/configuration.md from the attrs fields of the configuration.

Run `python docs/generate_configuration.py` after changing a setting; a test compares the page with the fields.
"""

import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path

import attrs

from a3s_code.config import MANY_POINTS, POINT_NAMES, Config, Secret
from a3s_code.settings import settings_class

PAGE = Path(__file__).parent / "reference" / "configuration.md"

INTRODUCTION = """\
# Configuration

<!-- Made by docs/generate_configuration.py from the attrs fields; do not edit. -->

The configuration is written in HCL.
The command line uses the file given with `-c`, else the one that `A3S_CONFIG` names, else `~/.a3s/config.hcl`.
`Agent("agent.hcl")` reads a file, `Agent("default_model = ...")` a text.

A value is text in quotes, a number, `true`, `false`, `null`, a list, a map, a heredoc or `env("NAME")`.
`env("NAME")` is the text of an environment variable, and null when the variable is not set; null counts as absent.
Text is no number and a number no text: `"5"` is not `5`.
Keys may be written in snake_case or camelCase; the keys of `headers` and `env` stay as they are.
In a block one comma may stand between two attributes: `google { enabled = true, weight = 1.5 }`.
Paths are relative to the file's folder; in a configuration given as text, to the working directory.
A key that does not exist, a wrong type or a bad value is an error with file, line and column.
"""

PLUGINS = f"""\
Every other key is the name of an extension point and says who fills it, such as `bash_sandbox = "docker"`:
{", ".join(f"`{name}`" for name in POINT_NAMES if name not in MANY_POINTS)}.
{", ".join(f"`{name}`" for name in MANY_POINTS)} have any number of members, which `use` adds to.

The settings of a plugin itself stand in a block `plugin "extension_point" "name" {{ }}`,
or `plugin "name" {{ }}` where the name is unique.
"""


def render() -> str:
    """The page."""
    return "\n".join([INTRODUCTION, *_section(Config, "")])


def _section(cls: type, block: str) -> Iterator[str]:
    yield f"## {f'`{block}`' if block else 'Top level'}\n"
    yield "| key | type | default | |\n|---|---|---|---|"
    nested: list[tuple[type, str]] = []
    for each in attrs.fields(attrs.resolve_types(cls)):
        if block == "plugins" and each.name == "select":
            continue
        inner = settings_class(each.type)
        later = " *Has no effect yet.*" if each.metadata.get("later") else ""
        about = each.metadata.get("about", "") + later
        yield f"| `{each.name}` | {_type(each.type)} | {_default(each)} | {about} |"
        if inner:
            named = " <name>" if typing.get_origin(each.type) is Mapping else ""
            nested.append((inner, f"{block}.{each.name}{named}".removeprefix(".")))
    yield ""
    if block == "plugins":
        yield PLUGINS
    for inner, name in nested:
        yield from _section(inner, name)


_WORDS = {str: "text", Secret: "text", int: "whole number", float: "number", bool: "true or false"}


def _type(kind: typing.Any) -> str:  # an annotation
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return _type(arguments[0])
    if origin is Mapping:
        return "blocks by name" if settings_class(kind) else f"map to {_type(arguments[1])}"
    if origin is tuple:
        return "blocks" if settings_class(kind) else f"list of {_type(arguments[0])}"
    return _WORDS.get(kind, "block")


def _default(each: "attrs.Attribute[typing.Any]") -> str:
    match each.default:
        case attrs.NOTHING:
            return "**required**"
        case bool() as flag:
            return f"`{str(flag).lower()}`"
        case str() | int() | float() as value:
            return f"`{value}`"
        case _:
            return ""


if __name__ == "__main__":
    PAGE.write_text(render(), "utf-8")

"""Writes docs/reference/extension-points.md from the hookspecs, the Protocols and the entry points in contrib/.

Run `python docs/generate_extension_points.py` after changing one of them; a test compares the page with the code.
"""

import ast
import inspect
import tomllib
from collections.abc import Iterator
from pathlib import Path

from a3s_code import plugin
from a3s_code.hookspecs import POINTS, REGISTRIES, Arity, Point, Specs

ROOT = Path(__file__).parents[1]
PAGE = Path(__file__).parent / "reference" / "extension-points.md"

INTRODUCTION = """\
# Extension points

<!-- Made by docs/generate_extension_points.py from the hookspecs and Protocols; do not edit. -->

There are 19 extension points.
A plugin fills one with a *factory*: a plain synchronous function marked `@hookimpl`, whose parameters are some of those of the hookspec.
What the factory names is opened and handed in; what it does not name is not opened.
`config` is the plugin's own attrs class (the annotation says which), `log` a structured log.
A factory of a point with many members returns one object or a tuple of them.
Every type below is imported from `a3s_code.plugin`.
[Write a plugin](../how-to/write-a-plugin.md) shows the whole way.

*one*: a single implementation at a time, chosen with `plugins { point = "name" }`.
*many*: all that are selected; `plugins { use = ["name"] }` adds to them.
*by name*: a family, each member opened by its name.
What has *agent* scope is made once for an agent, what has *session* scope once for each session; nothing of agent scope depends on something of session scope.
"""  # noqa: E501 # one sentence per line

ADDING = """\
## Registries

Three groups only add and are not counted as extension points.

| group | what it holds |
|---|---|
| `a3s_code.slash_command` | slash commands: objects with `name`, `description` and `execute(args, context)` |
| `a3s_code.cli` | verbs of the command line |
| `a3s_code.lane_backend` | where lanes send work in external mode (planned; nothing reads it yet) |

A slash command or verb of a distribution that is not a default one is active only when `plugins { use = [...] }` names it.
"""  # noqa: E501 # one sentence per line


def render() -> str:
    """The page."""
    offered = _offered()
    sections = [section for point in POINTS.values() for section in _section(point, offered.get(point.group, {}))]
    assert len(REGISTRIES) == 3, "describe the new registry in ADDING"
    return "\n".join([INTRODUCTION, _overview(), *sections, ADDING])


def signature(point: Point) -> str:
    """The hookspec as a factory's author sees it: `a3s_code_tool(config, log, ...)`."""
    names = tuple(inspect.signature(getattr(Specs, point.spec_name)).parameters)[1:]
    return f"{point.spec_name}({', '.join(names)})"


def _overview() -> str:
    rows = [
        f"| [{one.protocol}](#{one.protocol.lower()}) | {one.arity.value} | {one.scope.value} | {_default(one)} |"
        for one in POINTS.values()
    ]
    return "\n".join(["| extension point | | scope | default |", "|---|---|---|---|", *rows, ""])


def _default(point: Point) -> str:
    """Who fills the point when nobody says anything."""
    if point.arity is Arity.BY_NAME:
        return "by the name that is asked for"
    if point.arity is Arity.MANY:
        return "none" if point.name == "context_provider" else "those of the default distributions"
    return f"`{point.default}`"


def _section(point: Point, offered: dict[str, str]) -> Iterator[str]:
    spec = getattr(Specs, point.spec_name)
    yield f"## {point.protocol}\n"
    yield f"{inspect.getdoc(spec)}\n"
    yield f"```text\n{signature(point)}\n```\n"
    yield f"- Entry-point group: `{point.group}`"
    yield f"- {point.arity.value.capitalize()}, {point.scope.value} scope; default: {_default(point)}"
    if offered:
        yield "- Implementations here: " + ", ".join(f"`{name}` ({where})" for name, where in offered.items())
    yield f"- The factory returns: {_returned(point)}\n"
    protocol = getattr(plugin, point.protocol)
    if point.filled_with is not protocol and point.arity is not Arity.MANY:
        yield from _contract(point.filled_with)
    yield from _contract(protocol)


def _returned(point: Point) -> str:
    kind = f"`{point.filled_with.__name__}`"
    return f"{kind} or a tuple of them" if point.arity is Arity.MANY else kind


def _contract(protocol: type) -> Iterator[str]:
    """A Protocol as its source says it, without what only the interpreter needs."""
    (tree,) = ast.parse(inspect.getsource(protocol)).body
    assert isinstance(tree, ast.ClassDef)
    docs = ast.get_docstring(tree)
    yield f"### `{protocol.__name__}`\n" if protocol.__name__.endswith("Maker") else "### Contract\n"
    if docs:
        yield f"{docs}\n"
    methods = [_method(node) for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    yield "\n".join(["```text", "\n\n".join(methods), "```\n"])


def _method(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    is_property = any(isinstance(mark, ast.Name) and mark.id == "property" for mark in node.decorator_list)
    returns = ast.unparse(node.returns).strip("'\"") if node.returns else "None"
    if is_property:
        head = f"{node.name}: {returns}"
    else:
        node.args.args = node.args.args[1:]  # self
        prefix = "async " if isinstance(node, ast.AsyncFunctionDef) else ""
        head = f"{prefix}{node.name}({ast.unparse(node.args)}) -> {returns}"
    docs = ast.get_docstring(node) or ""
    return "\n".join([head, *(f"    {line}".rstrip() for line in docs.splitlines())])


def _offered() -> dict[str, dict[str, str]]:
    """Name and distribution of each offer in this checkout, by entry-point group."""
    found: dict[str, dict[str, str]] = {}
    for file in [ROOT / "pyproject.toml", *sorted((ROOT / "contrib").glob("*/pyproject.toml"))]:
        project = tomllib.loads(file.read_text("utf-8"))["project"]
        for group, entries in project.get("entry-points", {}).items():
            for name in entries:
                found.setdefault(group, {})[name] = project["name"]
    return found


if __name__ == "__main__":
    PAGE.write_text(render(), "utf-8")

"""Writes docs/reference/tools.md from the specs of the tools in a3s-code-tools.

Run `python docs/generate_tools.py` after changing a tool; a test compares the page with the specs.
"""

import inspect
import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from a3s_code_guard.permission import PermissionPolicy
from a3s_code_http.client import Httpx2Client
from a3s_code_tools import plugin
from a3s_code_tools.sandbox import LocalBashExecutor

from a3s_code.errors import ToolErrorKind
from a3s_code.plugin import Decision, Effects, PathTarget, PermissionRequest, Tool, ToolSpec
from a3s_code.points.tools import lane_of

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference" / "tools.md"

INTRODUCTION = f"""\
# Tools

<!-- Made by docs/generate_tools.py from the specs of the tools in a3s-code-tools; do not edit. -->

These tools come with `a3s-code-tools`.
`session.tool(name, arguments)` calls one directly; the model sees the names, descriptions and parameters below.
A file is reached through the session's workspace only, and a call that names a path outside of it is refused.

*Effects* are what a tool says of itself; they decide its lane, whether calls run side by side, and the default permission.
*Default permission* is what the default policy says to the examples; [rules](../how-to/approve-tool-calls.md) change it.
Settings are in [Configuration](configuration.md).

A call that fails has one of these words in `result.kind`: {", ".join(f"`{kind.value}`" for kind in ToolErrorKind)}.
[Errors](errors.md) says what each means.
"""  # noqa: E501 # one sentence per line


def render() -> str:
    """The page."""
    return "\n".join([INTRODUCTION, *(line for tool in _tools() for line in _section(tool.spec))])


def _tools() -> Iterator[Tool]:
    project = tomllib.loads((ROOT / "contrib" / "a3s-code-tools" / "pyproject.toml").read_text("utf-8"))["project"]
    points = {"bash_sandbox": LocalBashExecutor, "http_client": Httpx2Client}
    for path in project["entry-points"]["a3s_code.tool"].values():
        factory = getattr(plugin, path.rpartition(":")[2])
        parameters = inspect.signature(factory).parameters.values()
        yield factory(**{one.name: points.get(one.name, one.annotation)() for one in parameters})


def _section(spec: ToolSpec) -> Iterator[str]:
    description = spec.description.replace("<", "&lt;").replace("*", "\\*")
    yield f"## {spec.name}\n\n{description}\n"
    if spec.describe is not None:
        yield f"To models of the GPT families it says:\n\n```text\n{spec.describe('gpt')}\n```\n"
    yield f"- Effects: {_by_the_call(_words(spec.effects_for(example)) for example in _examples(spec))}"
    yield f"- Lane: {_lane(spec)}"
    yield f"- Default permission: {_permission(spec)}\n"
    yield "| parameter | type | default | |\n|---|---|---|---|"
    required = spec.schema.get("required", [])
    properties = spec.schema["properties"]
    assert isinstance(properties, Mapping)
    for name, schema in properties.items():
        yield _row(name, schema, is_required=name in required)
    yield "\n```json"
    yield from (json.dumps(example, ensure_ascii=False) for example in _examples(spec))
    yield "```\n"


def _examples(spec: ToolSpec) -> list[dict[str, object]]:
    examples = spec.schema["examples"]
    assert isinstance(examples, list)
    assert examples
    return examples


def _permission(spec: ToolSpec) -> str:
    policy = PermissionPolicy()
    decisions = {
        policy.check(
            PermissionRequest(
                tool=spec.name,
                arguments=example,
                targets=tuple(
                    PathTarget(f"/ws/{target.path}", target.write) if isinstance(target, PathTarget) else target
                    for target in spec.targets(example)
                ),
                effects=spec.effects_for(example),
                workspace="/ws",
            )
        ).decision
        for example in _examples(spec)
    }
    words = {Decision.ALLOW: "runs", Decision.ASK: "asks", Decision.DENY: "is refused"}
    return _by_the_call(words[decision] for decision in words if decision in decisions)


def _words(effects: Effects) -> str:
    return ", ".join(f"`{flag.name}`" for flag in Effects if flag in effects and flag.name) or "none declared"


def _lane(spec: ToolSpec) -> str:
    if spec.orchestrates:
        return "none; the calls that it starts have theirs"
    return _by_the_call(f"`{lane_of(spec.effects_for(example)).value}`" for example in _examples(spec))


def _by_the_call(words: Iterable[str]) -> str:
    """What holds for the examples, each once."""
    different = tuple(dict.fromkeys(words))
    return " or ".join(different) + (", by the call" if len(different) > 1 else "")


def _row(name: str, schema: Mapping[str, object], *, is_required: bool) -> str:
    default = "required" if is_required else f"`{json.dumps(schema['default'])}`" if "default" in schema else ""
    about = str(schema.get("description", "")).replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")
    return f"| `{name}` | {_type(schema)} | {default} | {about} |"


def _type(schema: Mapping[str, object]) -> str:
    """The type in words, with its limits."""
    match schema:
        case {"enum": list(values)}:
            return ", ".join(f"`{value}`" for value in values)
        case {"anyOf": list(options)}:
            return " or ".join(_type(option) for option in options)
        case {"type": "array", "items": dict(items)}:
            return f"list of {_type(items)}{_limits(schema, 'minItems', 'maxItems')}"
        case {"type": "object", "properties": dict(properties)}:
            required = schema.get("required", [])
            assert isinstance(required, list)
            return "{" + ", ".join(f"{name}{'' if name in required else '?'}" for name in properties) + "}"
    return f"{schema.get('type', 'any')}{_limits(schema, 'minimum', 'maximum')}"


def _limits(schema: Mapping[str, object], lowest: str, highest: str) -> str:
    match schema.get(lowest), schema.get(highest):
        case None, None:
            return ""
        case low, None:
            return f", at least {low}"
        case None, high:
            return f", at most {high}"
        case low, high:
            return f", {low} to {high}"


if __name__ == "__main__":
    PAGE.write_text(render(), "utf-8")

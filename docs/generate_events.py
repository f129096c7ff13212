"""Writes docs/reference/events.md from the classes in a3s_code/events.py.

Run `python docs/generate_events.py` after changing an event; a test compares the page with the classes.
"""

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

from a3s_code import events, transcript

PAGE = Path(__file__).parent / "reference" / "events.md"

INTRODUCTION = """\
# Events

<!-- Made by docs/generate_events.py from a3s_code/events.py; do not edit. -->

`session.stream(prompt)` gives these while a prompt runs.
Each is a frozen class in `a3s_code.events`; `event_type` is the wire name.

An event with a `seq` is the view of a journal record: what it tells is already on disk.
Events without one (their `seq` is None) are not kept.
A slash command is not recorded, so its `agent_start` and `agent_end` have no `seq`.
The run ends with `agent_end`; a run that fails ends with `error`, and the exception is raised to the caller.
Texts have passed the security provider.
"""


def render() -> str:
    """The page."""
    kinds = [kind for name in events.__all__ if issubclass(kind := getattr(events, name), events.Event)]
    kinds.remove(events.Event)
    order = list(vars(events))
    kinds.sort(key=lambda kind: order.index(kind.__name__))
    return "\n".join([INTRODUCTION, *(line for kind in kinds for line in _section(kind, _recorded()))])


def _section(kind: type[events.Event], recorded: frozenset[str]) -> Iterator[str]:
    (tree,) = ast.parse(inspect.getsource(kind)).body
    assert isinstance(tree, ast.ClassDef)
    yield f"## `{kind.event_type}`\n"
    yield f"`{kind.__name__}`, {'with' if kind.__name__ in recorded else 'without'} a `seq`.\n"
    docs = ast.get_docstring(tree)
    if docs:
        yield f"{docs}\n"
    rows = list(_attributes(tree))
    if rows:
        yield "\n".join(["| attribute | type |", "|---|---|", *rows, ""])


def _attributes(tree: ast.ClassDef) -> Iterator[str]:
    for node in tree.body:
        match node:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=kind) if name != "event_type":
                yield f"| `{name}` | {_type(kind)} |"
            case ast.FunctionDef(name=name, returns=ast.expr() as kind):
                yield f"| `{name}` (derived) | {_type(kind)} |"


def _type(kind: ast.expr) -> str:
    return " or ".join(f"`{part}`" for part in ast.unparse(kind).split(" | "))


def _recorded() -> frozenset[str]:
    """The classes that the transcript makes of records: those it gives a seq."""
    tree = ast.parse(inspect.getsource(transcript.event_of))
    return frozenset(
        call.func.id
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and any(keyword.arg == "seq" for keyword in call.keywords)
    )


if __name__ == "__main__":
    PAGE.write_text(render(), "utf-8")

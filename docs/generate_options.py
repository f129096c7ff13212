"""Writes docs/reference/options.md from the fields of SessionOptions.

Run `python docs/generate_options.py` after changing an option; a test compares the page with the class.
"""

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

import attrs

from a3s_code.options import SessionOptions

PAGE = Path(__file__).parent / "reference" / "options.md"

INTRODUCTION = """\
# SessionOptions

<!-- Made by docs/generate_options.py from the fields of SessionOptions; do not edit. -->

Every option is optional.
It can be given as a keyword, `SessionOptions(model="...")`, assigned later, `options.model = "..."`, or given to `agent.session(".", model="...")`.
The session takes a copy when it is made, so later assignments change only later sessions.
An option wins over the configuration file, which wins over the default.
Objects given here are yours to close.
"""  # noqa: E501 # one sentence per line


def render() -> str:
    """The page."""
    return INTRODUCTION + "\n".join(_tables()) + "\n"


def _tables() -> Iterator[str]:
    lines = inspect.getsource(SessionOptions).splitlines()
    (tree,) = ast.parse("\n".join(lines)).body
    assert isinstance(tree, ast.ClassDef)
    title = ""
    for node in tree.body:
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
            continue
        above = lines[node.lineno - 2].strip()
        if above.startswith("# "):
            title = above.removeprefix("# ")
            yield f"\n## {title}\n\n| option | type | default | |\n|---|---|---|---|"
        yield _row(getattr(attrs.fields(SessionOptions), node.target.id), node.annotation)


def _row(option: "attrs.Attribute[object]", annotation: ast.expr) -> str:
    kinds = " or ".join(f"`{kind}`" for kind in _kinds(annotation) if kind != "None")
    default = "" if option.default in (None, ()) else f"`{option.default}`"
    later = " *Has no effect yet.*" if option.metadata.get("later") else ""
    return f"| `{option.name}` | {kinds} | {default} | {option.metadata['about']}{later} |"


def _kinds(annotation: ast.expr) -> Iterator[str]:
    if isinstance(annotation, ast.BinOp):
        yield from _kinds(annotation.left)
        yield from _kinds(annotation.right)
    else:
        yield ast.unparse(annotation).replace(" | ", " or ")


if __name__ == "__main__":
    PAGE.write_text(render(), "utf-8")

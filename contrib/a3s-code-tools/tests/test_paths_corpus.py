"""Every row of the path corpus that a tool of this distribution can run, as the gate and the tool answer it."""

import asyncio
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from a3s_code_tools.edit import EditTool
from a3s_code_tools.git_worktree import GitWorktreeTool
from a3s_code_tools.glob import GlobTool
from a3s_code_tools.grep import GrepTool
from a3s_code_tools.ls import LsTool
from a3s_code_tools.patch import PatchTool
from a3s_code_tools.read import ReadTool
from a3s_code_tools.write import WriteTool

from a3s_code.plugin import PathTarget, Tool, ToolError, ToolErrorKind, ToolOutput, ToolUse

CORPUS = Path(__file__).parents[3] / "tests" / "corpus" / "paths.jsonl"
TOOLS: dict[str, Tool] = {
    tool.spec.name: tool
    for tool in (EditTool(), GitWorktreeTool(), GlobTool(), GrepTool(), LsTool(), PatchTool(), ReadTool(), WriteTool())
}
ROWS = [
    row
    for row in map(json.loads, CORPUS.read_text().splitlines())
    if row["tool"] in TOOLS and "race" not in row  # races are in tests/test_workspace.py
]


class Places:
    """The folders that the placeholders of the corpus stand for."""

    def __init__(self, base: Path):
        self._names = {
            "$LITERAL_HOME": "$HOME",
            "$WS-evil": f"{base}/ws-evil",
            "$WSLINK": f"{base}/wslink",
            "$WS": f"{base}/ws",
            "$OUT": f"{base}/outdir",
            "$HOME": f"{base}/home",
        }
        for name in ("ws", "outdir", "home"):
            (base / name).mkdir()

    def filled(self, text: str) -> str:
        for name, place in self._names.items():
            if name in text:
                return text.replace(name, place)
        return text

    def path(self, text: str) -> Path:
        path = Path(self.filled(text))
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def arrange(self, setup: dict[str, Any]) -> None:
        for name in setup["dirs"]:
            Path(self.filled(name)).mkdir(parents=True, exist_ok=True)
        for name, text in setup["files"].items():
            self.path(name).write_text(text)
        for name, target in setup["symlinks"].items():
            self.path(name).symlink_to(self.filled(target))
        for name in setup.get("fifos", ()):
            os.mkfifo(self.path(name))
        for name, target in setup.get("hardlinks", {}).items():
            self.path(name).hardlink_to(self.filled(target))
        for name, size in dict(setup.get("sparse") or {}).items():
            os.truncate(self.path(name), size)
        for name in setup.get("sockets", ()):
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(str(self.path(name)))


def answer(tool: Tool, args: dict[str, Any], use: ToolUse) -> ToolOutput | ToolError:
    """As the gate does it: each path target is resolved before the tool runs."""
    try:
        for target in tool.spec.targets(args):
            if isinstance(target, PathTarget):
                use.workspace.resolve(target.path, write=target.write)
        return asyncio.run(tool.run(args, use))
    except ToolError as error:
        return error


@pytest.mark.parametrize("row", [pytest.param(row, id=row["id"]) for row in ROWS])
def test_a_path_is_answered_as_the_corpus_says(row: dict[str, Any], tmp_path: Path, use_in: Callable[[Path], Any]):
    places = Places(tmp_path)
    places.arrange(row["setup"])
    args = {key: places.filled(value) if isinstance(value, str) else value for key, value in row["args"].items()}
    watched = {name: Path(places.filled(name)).read_bytes() for name in row.get("must_not_change", ())}

    said = answer(TOOLS[row["tool"]], args, use_in(Path(places.filled(row.get("workspace", "$WS")))))

    refused = isinstance(said, ToolError) and said.kind is ToolErrorKind.DENIED
    assert ("refused" if refused else "allowed") in [row["expect"], *row["also_ok"]], f"{row['why']}: {said}"
    assert refused or isinstance(said, ToolOutput), f"{row['why']}: {said}"
    for name in row.get("must_not_list", ()):
        assert isinstance(said, ToolOutput)
        assert name not in said.text
    for name, content in watched.items():
        assert Path(places.filled(name)).read_bytes() == content

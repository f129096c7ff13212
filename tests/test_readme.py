"""Every block of Python and HCL in README.md, docs/ and the READMEs of the distributions runs, against a model server
on loopback.

The blocks of a page share a folder and their names, as they would in the hands of a reader. A comment above a block
says what the page does not show:

    <!-- not run: why -->                    a fragment
    <!-- file: word_count.py -->             the block is this file; pyproject.toml: installed, test_*.py: run by pytest
    <!-- model: read {"file_path": "x"} -->  the model's next turn; after the last one it says "It is done."
    <!-- output -->                          a text block with what the Python block above it prints
"""

import ast
import asyncio
import inspect
import io
import json
import os
import re
import subprocess
import sys
import tomllib
from collections import deque
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path

import pytest
from a3s_code_testing.loopback import Call, LoopbackServer, Say, Turn
from attrs import frozen

from a3s_code import Agent

ROOT = Path(__file__).parents[1]
PAGES = (
    ROOT / "README.md",
    ROOT / "plugins" / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted(ROOT.glob("contrib/*/README.md")),
)
MINIMAL = """\
default_model = "anthropic/claude-sonnet-4-20250514"

providers {
  name    = "anthropic"
  api_key = env("ANTHROPIC_API_KEY")
}

"""
BLOCK = re.compile(r"(?P<notes>(?:<!-- .*? -->\n)*)```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
NOTE = re.compile(r"<!-- (.*?) -->")


@frozen
class PageBlock:
    """A fenced block; *line* is that of its first line of text."""

    language: str
    text: str
    line: int
    notes: tuple[tuple[str, str], ...]

    def noted(self, key: str) -> list[str]:
        return [value for word, value in self.notes if word == key]


def blocks(page: Path) -> Iterator[PageBlock]:
    text = page.read_text("utf-8")
    for match in BLOCK.finditer(text):
        pairs = (note.partition(":") for note in NOTE.findall(match["notes"]))
        notes = tuple((key.strip(), value.strip()) for key, _, value in pairs)
        yield PageBlock(match["language"], match["text"], text.count("\n", 0, match.start("text")) + 1, notes)


class Reader:
    """Does with a page what its reader would do.

    Args:
        page: The page.
        folder: Where the reader works.
        script: The model's next turns.
    """

    def __init__(self, page: Path, folder: Path, script: "deque[Turn]"):
        self.page = page
        self.folder = folder
        self.script = script
        self.names: dict[str, object] = {"__name__": "__main__"}
        self.printed = ""

    def read(self, block: PageBlock) -> None:
        if block.noted("not run"):
            return
        if files := block.noted("file"):
            self._write(files[0], block.text)
        elif block.language == "hcl":
            self._configure(block.text)
        elif block.language == "python":
            self._run(block)
        elif block.noted("output") or ("output", "") in block.notes:
            assert self.printed == block.text, f"{self.page}:{block.line}: the Python block above prints something else"

    def close(self) -> None:
        for value in self.names.values():
            if isinstance(value, Agent):
                value.close()

    def _write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        if path.name == "pyproject.toml":
            _install(tomllib.loads(text), path.parent)
        if path.name.startswith("test_"):
            command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(path)]
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
            done = subprocess.run(
                command, capture_output=True, text=True, cwd=self.folder, env=environment, check=False
            )
            assert done.returncode == 0, done.stdout + done.stderr

    def _configure(self, text: str) -> None:
        """A block without a model is an addition to the quick start's file."""
        whole = text if "default_model" in text else MINIMAL + text
        Agent(whole).close()
        (self.folder / "agent.hcl").write_text(whole, "utf-8")

    def _run(self, block: PageBlock) -> None:
        for turn in block.noted("model"):
            name, _, arguments = turn.partition(" ")
            self.script.append(Call((name, json.loads(arguments))))
        code = compile("\n" * (block.line - 1) + block.text, str(self.page), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        with redirect_stdout(io.StringIO()) as printed:
            if code.co_flags & inspect.CO_COROUTINE:
                asyncio.run(eval(code, self.names))
            else:
                exec(code, self.names)
        self.printed = printed.getvalue()
        assert not self.script, f"{self.page}:{block.line}: the model was not asked often enough"


def _install(project: dict[str, dict[str, object]], folder: Path) -> None:
    """What an editable installation leaves behind: metadata beside the modules."""
    about = project["project"]
    name, version = str(about["name"]), str(about["version"])
    metadata = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", "utf-8")
    groups = about["entry-points"]
    assert isinstance(groups, dict)
    lines = [
        f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in one.items()) for group, one in groups.items()
    ]
    (metadata / "entry_points.txt").write_text("\n".join(lines), "utf-8")
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))  # taken back by the fixture


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A small project with the quick start's configuration, as a reader has it."""
    project = tmp_path / "project"
    (project / "src").mkdir(parents=True)
    (project / "src" / "main.py").write_text("def greet():\n    return 'hello'  # TODO: the name\n", "utf-8")
    (project / "agent.hcl").write_text(MINIMAL, "utf-8")
    (project / "screenshot.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(64))
    monkeypatch.chdir(project)
    monkeypatch.syspath_prepend(project)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("PATH", os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])))
    return project


@pytest.mark.parametrize("page", [pytest.param(page, id=str(page.relative_to(ROOT))) for page in PAGES])
def test_every_block_runs(page, folder, monkeypatch):
    script: deque[Turn] = deque()

    def turns() -> Iterator[Turn]:
        while True:
            yield script.popleft() if script else Say("It is done.")

    with LoopbackServer(turns()) as server:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "a-key")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        reader = Reader(page, folder, script)
        try:
            for block in blocks(page):
                reader.read(block)
        finally:
            reader.close()


def test_few_blocks_are_not_run():
    """A page of fragments proves nothing: at most one block in ten is left out, and each says why."""
    runnable = [block for page in PAGES for block in blocks(page) if block.language in ("python", "hcl")]
    left_out = [block for block in runnable if block.noted("not run")]
    assert len(left_out) * 10 <= len(runnable)
    assert all(block.noted("not run")[0] for block in left_out)

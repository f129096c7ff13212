"""A call that cannot succeed says why with a word of the small set, and what to do next."""

import asyncio
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from a3s_code_http.client import Httpx2Client
from a3s_code_tools import plugin

from a3s_code.plugin import SearchConfig, Tool, ToolError, ToolOutput, Workspace
from a3s_code.testing import RecordingUse
from a3s_code.workspace import FolderWorkspace


class Use(RecordingUse):
    """A call in a real workspace."""

    @property
    def workspace(self) -> Workspace:
        return FolderWorkspace(super().workspace.root)


def tools() -> dict[str, Tool]:
    return {
        "read": plugin.read(),
        "write": plugin.write(),
        "edit": plugin.edit(),
        "patch": plugin.patch(),
        "ls": plugin.ls(),
        "glob": plugin.glob(config=plugin.GlobConfig()),
        "grep": plugin.grep(config=plugin.GrepConfig()),
        "bash": plugin.bash(config=plugin.BashConfig(), bash_sandbox=plugin.local()),
        "batch": plugin.batch(),
        "git_worktree": plugin.git_worktree(),
        "web_fetch": plugin.web_fetch(http_client=Httpx2Client()),
        "web_search": plugin.web_search(config=SearchConfig(), http_client=Httpx2Client()),
    }


def _patch(old: str, path: str = "a.py") -> str:
    return f"--- a/{path}\n+++ b/{path}\n@@ -1 +1 @@\n-{old}\n+two\n"


CASES: tuple[tuple[str, dict[str, Any], str, str], ...] = (
    ("read", {"file_path": "missing"}, "not_found", "does not exist"),
    ("read", {"file_path": "../outside"}, "denied", "workspace"),
    ("read", {"file_path": "folder"}, "unsupported", "folder"),
    ("read", {"file_path": "binary"}, "unsupported", "binary"),
    ("read", {"file_path": "a.py", "offset": 99}, "invalid_argument", "exceeds file length"),
    ("write", {"file_path": "../outside", "content": ""}, "denied", "workspace"),
    ("write", {"file_path": ".git/config", "content": ""}, "denied", ".git"),
    ("write", {"file_path": "folder", "content": ""}, "unsupported", "folder"),
    ("write", {"file_path": "new", "content": "\ud800"}, "invalid_argument", "surrogate"),
    ("edit", {"file_path": "missing", "old_string": "x", "new_string": "y"}, "not_found", "does not exist"),
    ("edit", {"file_path": "a.py", "old_string": "none", "new_string": "y"}, "not_found", "not found"),
    ("edit", {"file_path": "a.py", "old_string": "", "new_string": "y"}, "invalid_argument", "use write"),
    ("edit", {"file_path": "a.py", "old_string": "one", "new_string": "1"}, "invalid_argument", "replace_all"),
    ("edit", {"file_path": "../outside", "old_string": "x", "new_string": "y"}, "denied", "workspace"),
    ("edit", {"file_path": "binary", "old_string": "x", "new_string": "y"}, "unsupported", "binary"),
    ("patch", {"diff": "nothing"}, "invalid_argument", "@@"),
    ("patch", {"diff": _patch("none")}, "not_found", "a.py"),
    ("patch", {"diff": _patch("one", "missing")}, "not_found", "missing"),
    ("patch", {"diff": _patch("one", "../outside")}, "denied", "workspace"),
    ("ls", {"path": "missing"}, "not_found", "does not exist"),
    ("ls", {"path": "a.py"}, "invalid_argument", "use read"),
    ("ls", {"path": ".."}, "denied", "workspace"),
    ("glob", {"pattern": "../**"}, "denied", "outside"),
    ("glob", {"pattern": "*", "path": "missing"}, "not_found", "missing"),
    ("grep", {"pattern": "("}, "invalid_argument", "unterminated"),
    ("grep", {"pattern": "x", "path": "missing"}, "not_found", "does not exist"),
    ("grep", {"pattern": "x", "path": ".."}, "denied", "workspace"),
    ("grep", {"pattern": "x", "cursor": "made up"}, "invalid_argument", "first page"),
    ("bash", {"command": "sleep 60", "timeout": 100}, "timeout", "timed out after 100ms"),
    ("bash", {"command": "exit 3"}, "failed", "[Exit code: 3]"),
    ("bash", {}, "invalid_argument", "command"),
    ("bash", {"job": "b99"}, "not_found", "there are: none"),
    ("batch", {"invocations": [{"tool": "batch"}]}, "invalid_argument", "cannot hold a batch"),
    ("git_worktree", {"command": "status"}, "not_found", "git init"),
    ("git_worktree", {"command": "create", "branch": "--force"}, "denied", "option"),
    ("git_worktree", {"command": "create", "branch": "a\x00b"}, "invalid_argument", "control character"),
    ("web_fetch", {"url": "file:///etc/passwd"}, "denied", "http"),
    ("web_fetch", {"url": "http://127.0.0.1/"}, "denied", "127.0.0.1"),
    ("web_fetch", {"url": "http://user:pw@example.org/"}, "denied", "send credentials in a header"),
    ("web_search", {"query": " "}, "invalid_argument", "say what to search for"),
    ("web_search", {"query": "x", "engines": ["nobody"]}, "unsupported", "nobody"),
)


def _name(case: object) -> str | None:
    return case if isinstance(case, str) else None


@pytest.fixture
def full(folder: Path) -> Path:
    """The workspace with a few files."""
    (folder / "a.py").write_text("one\none\n")
    (folder / "binary").write_bytes(b"\0\1\2")
    (folder / "folder").mkdir()
    return folder


def _fail(name: str, args: dict[str, Any], folder: Path) -> tuple[str, str]:
    """The kind and text of what came of a call."""

    async def call() -> ToolOutput:
        async with asyncio.timeout(20):
            return await tools()[name].run(args, Use(folder))

    try:
        output = asyncio.run(call())
    except ToolError as error:
        return error.kind.value, str(error)
    assert not output.success
    return output.kind.value if output.kind is not None else "failed", output.text


@pytest.mark.parametrize(("name", "args", "kind", "text"), CASES, ids=_name)
def test_a_bad_call_has_its_kind_and_tells_what_to_do(
    full: Path, name: str, args: dict[str, Any], kind: str, text: str
):
    jsonschema.validate(args, tools()[name].spec.schema)
    found, said = _fail(name, args, full)
    assert (found, text if text in said else said) == (kind, text)
    said.encode()


def test_every_tool_has_a_bad_call():
    assert {name for name, *_ in CASES} == set(tools())

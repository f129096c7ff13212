"""bash passes commands to the session's sandbox and tells the model what came of them."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from a3s_code_tools.bash import BashTool
from a3s_code_tools.child import allowed_env
from a3s_code_tools.sandbox import LocalBashExecutor

from a3s_code.plugin import BashCommand, BashResult, Isolation, ToolError, ToolErrorKind, ToolOutput


class RecordingSandbox:
    """Keeps the commands and answers each with one result."""

    isolation = Isolation.SANDBOX

    def __init__(self, result: BashResult):
        self.commands: list[BashCommand] = []
        self._result = result

    async def run(self, command: BashCommand, on_output: Callable[[str], None]) -> BashResult:
        self.commands.append(command)
        on_output(self._result.output)
        return self._result

    async def aclose(self) -> None:
        pass


def bash(use: Any, command: str, **more: object) -> ToolOutput:
    return asyncio.run(BashTool(LocalBashExecutor()).run({"command": command, **more}, use))


def test_a_command_runs_in_the_workspace(folder: Path, use: Any):
    assert bash(use, "pwd").text == f"{folder}\n"


def test_output_is_shown_while_it_comes(use: Any):
    bash(use, "echo one; echo two >&2")
    assert "".join(use.shown) == "one\ntwo\n"


def test_a_failure_has_the_exit_code(use: Any):
    said = bash(use, "echo oops; exit 7")
    assert (said.success, said.exit_code, said.metadata["exit_code"]) == (False, 7, 7)
    assert said.text == "oops\n[Exit code: 7]"


def test_no_output_is_said(use: Any):
    assert bash(use, "true").text == "(no output)"


def test_a_timeout_tells_what_came_so_far(use: Any):
    with pytest.raises(ToolError) as caught:
        bash(use, "echo partial; sleep 60", timeout=200)
    assert caught.value.kind is ToolErrorKind.TIMEOUT
    assert str(caught.value) == "partial\n[Command timed out after 200ms]"


@pytest.mark.parametrize(("args", "expected"), [({}, 120_000), ({"timeout": 500}, 500), ({"timeout": 10**9}, 600_000)])
def test_the_timeout_is_exact_and_limited(use: Any, args: dict[str, int], expected: int):
    sandbox = RecordingSandbox(BashResult(output="", exit_code=0))
    asyncio.run(BashTool(sandbox).run({"command": "x", **args}, use))
    assert sandbox.commands[0].timeout_ms == expected


def test_commands_see_no_secrets(use: Any, monkeypatch: pytest.MonkeyPatch):
    for name in ("ANTHROPIC_API_KEY", "GITHUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "PYTHON_API_KEY", "GIT_DIR", "BASH_ENV"):
        monkeypatch.setenv(name, "nobody-sees-me")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    text = bash(use, "env").text
    assert "nobody-sees-me" not in text
    assert f"PATH={os.environ['PATH']}\n" in text
    assert "LC_ALL=C.UTF-8\n" in text


def test_further_variables_are_passed_on_when_named(monkeypatch: pytest.MonkeyPatch):
    for name in ("CI", "NPM_MIRROR", "NPM_TOKEN", "DEPLOY_TOKEN"):
        monkeypatch.setenv(name, "x")
    env = allowed_env(["CI", "NPM_*", "DEPLOY_TOKEN"])
    assert {"CI", "NPM_MIRROR", "DEPLOY_TOKEN"} <= env.keys()
    assert "NPM_TOKEN" not in env

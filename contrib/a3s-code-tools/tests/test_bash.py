"""bash passes commands to the session's sandbox and tells the model what came of them."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from a3s_code_tools.bash import BashTool, without_overwritten
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
    async def run() -> ToolOutput:
        tool = BashTool(LocalBashExecutor())
        try:
            return await tool.run({"command": command, **more}, use)
        finally:
            await tool.aclose()

    return asyncio.run(run())


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
        bash(use, "echo partial; sleep 60", timeout=2000)
    assert caught.value.kind is ToolErrorKind.TIMEOUT
    assert str(caught.value) == "partial\n[Command timed out after 2000ms]"


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


def test_programs_do_not_wait_for_somebody_at_a_terminal(use: Any, monkeypatch: pytest.MonkeyPatch):
    """An editor that git opens ends at once; a variable that the configuration names is passed on as it is."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("PAGER", "less")
    said = bash(
        use,
        "git init -q && git -c user.name=a -c user.email=a@b commit --allow-empty; echo $TERM $PAGER",
        timeout=20_000,
    )
    assert "empty commit message" in said.text
    assert said.text.endswith("dumb cat\n")

    sandbox = RecordingSandbox(BashResult(output="", exit_code=0))
    asyncio.run(BashTool(sandbox, env_names=["PAGER"]).run({"command": "x"}, use))
    assert sandbox.commands[0].env["PAGER"] == "less"
    assert sandbox.commands[0].env["TERM"] == "dumb"


PROVIDER_KEYS = (
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AZURE_OPENAI_API_KEY",
    "COHERE_API_KEY",
    "DASHSCOPE_API_KEY",
    "DEEPSEEK_API_KEY",
    "GEMINI_API_KEY",
    "GH_TOKEN",
    "GITHUB_TOKEN",
    "GOOGLE_API_KEY",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "GROQ_API_KEY",
    "HF_TOKEN",
    "HUGGING_FACE_HUB_TOKEN",
    "MISTRAL_API_KEY",
    "MOONSHOT_API_KEY",
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "OPENAI_ORG_ID",
    "OPENROUTER_API_KEY",
    "PERPLEXITY_API_KEY",
    "TOGETHER_API_KEY",
    "XAI_API_KEY",
    "ZHIPUAI_API_KEY",
)


def test_no_key_of_a_provider_reaches_a_command_or_its_supervisor(use: Any, monkeypatch: pytest.MonkeyPatch):
    for name in PROVIDER_KEYS:
        monkeypatch.setenv(name, "nobody-sees-me")
    text = bash(use, "env; tr '\\0' '\\n' < /proc/$PPID/environ").text
    assert "PATH=" in text
    assert "nobody-sees-me" not in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\nb\n", "a\nb\n"),
        ("a\r\nb\r\n", "a\r\nb\r\n"),
        ("10%\r50%\r100%\ndone\n", "100%\ndone\n[2 overwritten states of lines left out]\n"),
        ("1\r2\r3\r", "3\r\n[2 overwritten states of lines left out]\n"),
        ("a\rb\r\nc", "b\r\nc\n[1 overwritten states of lines left out]\n"),
        ("", ""),
    ],
)
def test_of_progress_bars_the_last_state_is_shown(text: str, expected: str):
    assert without_overwritten(text) == expected


def test_events_show_progress_as_it_came(use: Any):
    text = bash(use, r"printf '1%%\r2%%\r3%%\n'").text
    assert text == "3%\n[2 overwritten states of lines left out]\n"
    assert "".join(use.shown) == "1%\r2%\r3%\n"


def test_a_flood_is_shown_in_few_events(use: Any):
    said = bash(use, "head -c 20000000 /dev/zero | tr '\\0' x; echo end")
    assert said.metadata["omitted_bytes"] == 20_000_004 - 102_400
    assert sum(map(len, use.shown)) < 2_000_000
    assert use.shown[-1].endswith("xend\n")

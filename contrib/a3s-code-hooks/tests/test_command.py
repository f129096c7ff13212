"""A hook that is a command gets the event on stdin and answers by exit code and JSON."""

import asyncio
import json
import os
from pathlib import Path

import pytest
from a3s_code_hooks.engine import HookEngine
from a3s_code_hooks.plugin import CommandHook, CommandHooksConfig, a3s_code_hook_handler

from a3s_code.plugin import HookEvent, HookEventType, HookResult, PluginError


class Folder:
    def __init__(self, root: Path):
        self.root = root


def fire(folder: Path, command: str, event: str = "pre_tool_use", timeout_ms: int = 20_000) -> HookResult:
    event_type = HookEventType(event)
    config = CommandHooksConfig(hook=(CommandHook(id="h", event=event_type, command=command, timeout_ms=timeout_ms),))
    engine = HookEngine()
    for hook in a3s_code_hook_handler(config, Folder(folder)):
        engine.register(hook)
    payload = {"tool": "bash", "args": {"command": "ls"}}
    return asyncio.run(engine.fire(HookEvent(event_type=event_type, session_id="s", payload=payload)))


def test_it_gets_the_event_and_runs_in_the_workspace(tmp_path):
    fire(tmp_path, "cat > seen.json")

    assert json.loads((tmp_path / "seen.json").read_text()) == {
        "event_type": "pre_tool_use",
        "session_id": "s",
        "payload": {"tool": "bash", "args": {"command": "ls"}},
    }


@pytest.mark.parametrize("command", ["true", "echo All checks passed!"])
def test_nothing_or_plain_text_means_continue(tmp_path, command):
    assert fire(tmp_path, command).blocked is None


def test_it_changes_the_arguments(tmp_path):
    result = fire(tmp_path, """echo '{"action": "modify", "modified": {"args": {"command": "ls -l"}}}'""")

    assert result.payload["args"] == {"command": "ls -l"}


def test_it_blocks_by_its_answer(tmp_path):
    assert fire(tmp_path, """echo '{"action": "block", "reason": "no"}'""").blocked == "no"


def test_exit_code_2_blocks_with_the_error_output(tmp_path):
    assert fire(tmp_path, "echo not today >&2; exit 2").blocked == "not today"


@pytest.mark.parametrize(
    "command",
    ["exit 1", "echo '{broken'", """echo '{"action": "maybe"}'""", """echo '{"actoin": "block"}'""", "kill $$"],
)
def test_any_other_failure_blocks_a_gate(tmp_path, command):
    assert '"h"' in fire(tmp_path, command).blocked


def test_a_failure_elsewhere_changes_nothing(tmp_path):
    assert fire(tmp_path, "exit 1", event="post_tool_use").blocked is None


def test_a_timeout_kills_the_whole_process_group(tmp_path):
    """The child holds a pipe open; that its end can be read shows that nobody is left."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    held = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    result = fire(tmp_path, "sleep 1000 > fifo & wait", timeout_ms=300)
    os.set_blocking(held, True)

    assert "300 ms" in result.blocked
    assert os.read(held, 1) == b""
    os.close(held)


def test_a_background_child_does_not_outlive_the_hook(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    held = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    fire(tmp_path, "sleep 1000 > fifo 2>/dev/null & true")
    os.set_blocking(held, True)

    assert os.read(held, 1) == b""
    os.close(held)


def test_without_blocks_there_are_no_hooks(tmp_path):
    assert a3s_code_hook_handler(CommandHooksConfig(), Folder(tmp_path)) == ()


@pytest.mark.parametrize("missing", ["id", "event", "command"])
def test_an_incomplete_block_is_an_error(tmp_path, missing):
    settings = {"id": "h", "event": HookEventType.PRE_PROMPT, "command": "true"}
    del settings[missing]

    with pytest.raises(PluginError, match="needs id, event and command"):
        a3s_code_hook_handler(CommandHooksConfig(hook=(CommandHook(**settings),)), Folder(tmp_path))

"""Fixtures of the kernel's tests: a workspace, a configuration without a network, and no traces outside the test."""

import signal
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest

from a3s_code.config import QueueConfig
from a3s_code.events import Event
from a3s_code.executor import ExecutorSettings, ToolBox, ToolExecutor
from a3s_code.gate import Gate, GatePoints, GateSettings
from a3s_code.messages import Json, Message, Role, StopReason, ToolCall, ToolResult, user
from a3s_code.outputs import Outputs
from a3s_code.points.tools import Tool
from a3s_code.queue.lane_queue import LaneQueue
from a3s_code.records import Prompted, Replied
from a3s_code.redaction import Cleaner
from a3s_code.testing import (
    AllowAll,
    DictSessionStore,
    ListHookExecutor,
    PlainSecurityProvider,
    ScriptedConfirmation,
    call,
)
from a3s_code.tool_command import ToolCommands
from a3s_code.transcript import Transcript
from a3s_code.usage import Usage
from a3s_code.workspace import FolderWorkspace

# a runner in the background ignores SIGINT, and what it starts would too: Ctrl-C is tested on real processes
signal.signal(signal.SIGINT, signal.default_int_handler)

CHECK_DEADLINE_S = 5.0
"""Seconds that a check of the bench may take; tests of checks that hang give less."""

CONFIG = """
default_model   = "anthropic/claude-sonnet-4-20250514"
storage_backend = "memory"

providers {
  name    = "anthropic"
  api_key = "sk-not-used"
}
"""


@pytest.fixture(autouse=True)
def state_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where sessions go that name no folder: never the home of whoever runs the tests."""
    folder = tmp_path_factory.mktemp("state")
    monkeypatch.setenv("XDG_STATE_HOME", str(folder))
    monkeypatch.delenv("A3S_CODE_LANE_CONCURRENCY", raising=False)
    return folder


@pytest.fixture
def config() -> str:
    """A configuration whose sessions live in memory; the model is passed as SessionOptions.llm_client."""
    return CONFIG


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A small project."""
    folder = tmp_path / "ws"
    folder.mkdir()
    (folder / "a.py").write_text("def a():\n    return 1\n")
    (folder / "b.py").write_text("def b():\n    return 2\n")
    return folder


class Bench:
    """A gate and an executor with short deadlines, and a transcript in memory; every point is given by the test.

    Args:
        folder: The workspace.
        tools: The tools.
        permission: A checker, or a function that opens one; likewise the other points.
        settings: Changes of the gate's settings.
        tool_timeout_s: Longest run of a tool.

    Attributes:
        events: Everything that was shown.
        checker, confirmation, hooks: The points as given.
    """

    def __init__(
        self,
        folder: Path,
        *tools: Tool,
        permission: object = None,
        confirmation: object = None,
        hooks: object = None,
        security: object = None,
        tool_timeout_s: float | None = 5.0,
        clean_deadline_s: float = CHECK_DEADLINE_S,
        **settings: object,
    ):
        self.events: list[Event] = []
        self.checker = permission if permission is not None else AllowAll()
        self.confirmation = confirmation if confirmation is not None else ScriptedConfirmation()
        self.hooks = hooks if hooks is not None else ListHookExecutor()
        self.workspace = FolderWorkspace(folder)
        cleaner = Cleaner(
            opener(security if security is not None else PlainSecurityProvider()), deadline_s=clean_deadline_s
        )
        defaults: dict[str, object] = {"hook_deadline_s": CHECK_DEADLINE_S, "check_deadline_s": CHECK_DEADLINE_S}
        self.executor = ToolExecutor(
            tools=ToolBox(tools),
            gate=Gate(
                GatePoints(
                    permission=opener(self.checker),
                    confirmation=opener(self.confirmation),
                    hooks=opener(self.hooks),
                ),
                self.workspace,
                cleaner,
                GateSettings(session_id="bench", **{**defaults, **settings}),  # type: ignore[arg-type] # the test's own
                self.events.append,
            ),
            queue=LaneQueue(QueueConfig(), environ={}),
            commands=opener(ToolCommands()),
            hooks=opener(self.hooks),
            workspace=self.workspace,
            outputs=Outputs(folder.parent),
            cleaner=cleaner,
            settings=ExecutorSettings(session_id="bench", tool_timeout_s=tool_timeout_s),
            emit=self.events.append,
        )
        self.transcript: Transcript | None = None

    async def open(self) -> Transcript:
        """The transcript, with a first prompt."""
        if self.transcript is None:
            self.transcript = Transcript(await DictSessionStore().open("bench", create=True))
            self.transcript.listen(self.events.append)
            await self.transcript.add(Prompted(run_id="run", message=user("go"), prompt="go"))
        return self.transcript

    async def reply(self, *calls: ToolCall) -> tuple[ToolResult, ...]:
        """The results of calls that the model makes in one reply."""
        transcript = await self.open()
        message = Message(Role.ASSISTANT, calls)
        replied = Replied(message=message, usage=Usage(), stop_reason=StopReason.TOOL_USE, model="m")
        await transcript.add(replied)
        await self.executor.run_all(calls, transcript)
        assert transcript.open_calls() == ()
        return transcript.messages[-1].tool_results

    async def call(self, tool: str, /, **arguments: Json) -> ToolResult:
        """The result of one call of the model."""
        (result,) = await self.reply(call(tool, **arguments))
        return result

    async def host(self, tool: str, /, **arguments: Json) -> ToolResult:
        """The result of a direct call of the embedding program."""
        return await self.executor.run(call(tool, **arguments), await self.open(), "host")


def opener(value: object) -> Callable[[], Awaitable[Any]]:  # each point has its own type
    """Opens a point: gives *value*, or what it returns when it is a plain function."""

    async def open_it() -> Any:  # as above
        return value() if isinstance(value, FunctionType) else value

    return open_it


@pytest.fixture
def bench(workspace: Path) -> Callable[..., Bench]:
    """Makes a `Bench` in the workspace."""
    return partial(Bench, workspace)

"""What every maker of SessionCommands promises."""

import json

import pytest

from a3s_code.plugin import (
    Permit,
    SessionCommand,
    SessionCommandMaker,
    ToolCall,
    ToolError,
    ToolOutput,
    ToolWork,
)
from a3s_code_testing.running import run

__all__ = ["SessionCommandContract"]

PERMIT = Permit(
    call_hash="0" * 64,
    targets=("command:ls",),
    rule="bash(ls*)",
    policy_version="1",
    origin="model",
    isolation="none",
    expires_at=1e12,
)
CALL = ToolCall(id="call_1", name="bash", arguments={"command": "ls -l /tmp", "env": {"DEEP": [1, None, "ü"]}})


class Performed:
    """Counts how often the tool ran."""

    def __init__(self, failure: Exception | None = None):
        self.times = 0
        self.failure = failure

    async def __call__(self) -> ToolOutput:
        self.times += 1
        if self.failure is not None:
            raise self.failure
        return ToolOutput(text="total 0", metadata={"exit_code": 0})


class SessionCommandContract:
    """Inherit it and give `session_command_maker`."""

    @pytest.fixture
    def session_command_maker(self) -> SessionCommandMaker:
        raise NotImplementedError("give a fixture session_command_maker")

    def test_making_does_not_run_the_tool(self, session_command_maker: SessionCommandMaker) -> None:
        """A command is a unit of queued work: it runs when its lane says so."""
        performed = Performed()
        _make(session_command_maker, performed)
        assert performed.times == 0

    def test_it_has_a_type(self, session_command_maker: SessionCommandMaker) -> None:
        """Queues and workers tell commands apart by their type."""
        command_type = _make(session_command_maker, Performed()).command_type
        assert isinstance(command_type, str)
        assert command_type

    def test_type_and_payload_are_enough_to_do_the_work_elsewhere(
        self, session_command_maker: SessionCommandMaker
    ) -> None:
        """`command_type` and `payload` are enough for a worker elsewhere: tool and arguments survive JSON."""
        command = _make(session_command_maker, Performed())
        sent = json.loads(json.dumps([command.command_type, dict(command.payload)]))
        assert CALL.name in _values(sent)
        assert [value for value in ("ls -l /tmp", "ü") if value not in _values(sent)] == []

    def test_the_payload_stays_the_same(self, session_command_maker: SessionCommandMaker) -> None:
        """A command that is sent again is the same work."""
        command = _make(session_command_maker, Performed())
        assert dict(command.payload) == dict(command.payload)

    def test_execute_runs_the_tool_here(self, session_command_maker: SessionCommandMaker) -> None:
        """`execute` runs it here and gives the tool's output."""
        performed = Performed()
        output = run(_make(session_command_maker, performed).execute())
        assert (performed.times, output) == (1, ToolOutput(text="total 0", metadata={"exit_code": 0}))

    def test_a_failed_tool_is_not_run_again(self, session_command_maker: SessionCommandMaker) -> None:
        """`execute` runs it once: retries are the queue's business, never the command's."""
        performed = Performed(ToolError("no such file"))
        command = _make(session_command_maker, performed)
        with pytest.raises(ToolError):
            run(command.execute())
        assert performed.times == 1

    def test_what_the_tool_raises_comes_through(self, session_command_maker: SessionCommandMaker) -> None:
        """The executor turns a tool's error into a result, so it must arrive as it was raised."""
        with pytest.raises(ToolError, match="no such file"):
            run(_make(session_command_maker, Performed(ToolError("no such file"))).execute())


def _make(maker: SessionCommandMaker, performed: Performed) -> SessionCommand:
    return maker.make(ToolWork(call=CALL, permit=PERMIT, perform=performed))


def _values(sent: object) -> set[object]:
    """All texts in a JSON value."""
    if isinstance(sent, dict):
        return {value for child in sent.values() for value in _values(child)}
    if isinstance(sent, list):
        return {value for child in sent for value in _values(child)}
    return {sent}

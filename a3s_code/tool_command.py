"""ToolCommand: the default unit of queued work, a call that runs in this process."""

from attrs import frozen

from a3s_code.hookspecs import hookimpl
from a3s_code.messages import JsonObject
from a3s_code.points.session_command import SessionCommandMaker, ToolWork
from a3s_code.points.tools import ToolOutput

__all__ = ["ToolCommand", "ToolCommands"]


@frozen
class ToolCommand:
    """Runs a tool; type and payload say what it is to queues and workers."""

    work: ToolWork

    @property
    def command_type(self) -> str:
        return self.work.call.name

    @property
    def payload(self) -> JsonObject:
        return self.work.call.arguments

    async def execute(self) -> ToolOutput:
        return await self.work.perform()


class ToolCommands:
    """Makes a `ToolCommand` of each call."""

    def make(self, work: ToolWork) -> ToolCommand:
        return ToolCommand(work)


@hookimpl
def a3s_code_session_command() -> SessionCommandMaker:
    return ToolCommands()

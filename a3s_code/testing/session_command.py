"""A maker of session commands for tests: work runs where it is asked for."""

from a3s_code.plugin import JsonObject, SessionCommand, SessionCommandMaker, ToolOutput, ToolWork

__all__ = ["InlineCommand", "InlineCommands"]


class InlineCommand(SessionCommand):
    """A call as a unit of work: its type is the tool's name, its payload the arguments.

    Attributes:
        work: The call with its permit.
        executions: How often `execute` was called.
    """

    def __init__(self, work: ToolWork):
        self.work = work
        self.executions = 0

    @property
    def command_type(self) -> str:
        return self.work.call.name

    @property
    def payload(self) -> JsonObject:
        return dict(self.work.call.arguments)

    async def execute(self) -> ToolOutput:
        self.executions += 1
        return await self.work.perform()


class InlineCommands(SessionCommandMaker):
    """Makes `InlineCommand`s.

    Attributes:
        made: Every command, in order.
    """

    def __init__(self) -> None:
        self.made: list[InlineCommand] = []

    def make(self, work: ToolWork) -> SessionCommand:
        command = InlineCommand(work)
        self.made.append(command)
        return command

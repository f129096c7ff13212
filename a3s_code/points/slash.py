"""SlashCommand: a word with "/" that the person types and the model never sees."""

from collections.abc import Awaitable
from typing import Protocol, runtime_checkable

from attrs import frozen

from a3s_code.usage import Usage

__all__ = ["CommandAction", "CommandContext", "CommandReply", "SlashCommand"]


@frozen(kw_only=True)
class CommandContext:
    """What a command may know of the session."""

    session_id: str
    workspace: str
    model: str
    history_len: int
    usage: Usage
    cost_usd: float | None
    tool_names: tuple[str, ...]


class CommandAction:
    """Base of what a command can make the session do; see `a3s_code.commands`."""


@frozen
class CommandReply:
    """Text for the person and, rarely, something for the session to do."""

    text: str
    action: CommandAction | None = None


@runtime_checkable
class SlashCommand(Protocol):
    """Contract: name without "/"; plain functions run in a worker thread; raising shows the error to the person."""

    @property
    def name(self) -> str: ...

    @property
    def description(self) -> str: ...

    def execute(self, args: str, context: CommandContext) -> "CommandReply | str | Awaitable[CommandReply | str]": ...

"""Slash commands: words that the person types and the model never sees."""

from collections.abc import Callable, Iterable

from attrs import field, frozen

from a3s_code.points.slash import CommandAction, CommandContext, CommandReply, SlashCommand

__all__ = [
    "ClearHistory",
    "CommandRegistry",
    "Compact",
    "FunctionCommand",
    "RedoFiles",
    "ShowStatus",
    "SwitchModel",
    "UndoFiles",
    "builtin_commands",
]


@frozen
class Compact(CommandAction):
    """Compact the history now."""


@frozen
class ClearHistory(CommandAction):
    """Forget the conversation."""


@frozen
class ShowStatus(CommandAction):
    """Append what the session knows of its plugins and protections."""


@frozen
class SwitchModel(CommandAction):
    """Ask another model from now on."""

    model: str


@frozen
class UndoFiles(CommandAction):
    """Take back what the last *turns* prompts did to files; *force* also where somebody else changed them since."""

    turns: int = 1
    force: bool = False


@frozen
class RedoFiles(CommandAction):
    """Take the last undo back."""

    force: bool = False


@frozen
class FunctionCommand:
    """A slash command made of a function."""

    name: str
    description: str
    execute: Callable[[str, CommandContext], CommandReply | str] = field(repr=False)


class CommandRegistry:
    """The commands of a session by name; the last registration of a name wins."""

    def __init__(self, commands: Iterable[SlashCommand] = ()):
        self._commands: dict[str, SlashCommand] = {}
        for command in commands:
            self.register(command)

    def register(self, command: SlashCommand) -> None:
        self._commands[command.name.removeprefix("/").lower()] = command

    def get(self, name: str) -> SlashCommand | None:
        return self._commands.get(name.removeprefix("/").lower())

    def list(self) -> tuple[SlashCommand, ...]:
        """All commands by name."""
        return tuple(self._commands[name] for name in sorted(self._commands))

    @staticmethod
    def parse(prompt: str) -> tuple[str, str] | None:
        """Name and arguments when *prompt* is a command; a first word with another slash is a path, not a command."""
        text = prompt.strip()
        word, _, args = text.partition(" ")
        if not text.startswith("/") or "/" in word[1:] or "\n" in word or not word[1:]:
            return None
        return word[1:], args.strip()

    def help(self) -> str:
        width = max(len(command.name) for command in self.list())
        return "\n".join(f"/{command.name:<{width}}  {command.description}" for command in self.list())


def builtin_commands(registry: CommandRegistry) -> tuple[SlashCommand, ...]:
    """The commands that every session has."""

    def cost(_args: str, context: CommandContext) -> str:
        usage = context.usage
        dollars = "unknown (the model has no cost block)" if context.cost_usd is None else f"${context.cost_usd:.4f}"
        return (
            f"Session {context.session_id[:8]}, model {context.model}\n"
            f"Tokens: {usage.prompt_tokens:,} in ({usage.cache_read_tokens:,} from cache), "
            f"{usage.output_tokens:,} out\n"
            f"Cost: {dollars}"
        )

    def model(args: str, context: CommandContext) -> CommandReply:
        if not args:
            return CommandReply(f"Model: {context.model}")
        if "/" not in args:
            return CommandReply("Usage: /model provider/model, such as /model anthropic/claude-sonnet-4-20250514")
        return CommandReply(f"Model: {args}", SwitchModel(args))

    def undo(args: str, _context: CommandContext) -> CommandReply:
        words = args.split()
        turns = [word for word in words if word != "force"] or ["1"]
        if len(turns) > 1 or not turns[0].isdecimal() or turns[0] == "0":
            return CommandReply("Usage: /undo [number of prompts] [force]")
        return CommandReply("", UndoFiles(int(turns[0]), "force" in words))

    def redo(args: str, _context: CommandContext) -> CommandReply:
        if args not in ("", "force"):
            return CommandReply("Usage: /redo [force]")
        return CommandReply("", RedoFiles(args == "force"))

    def history(_args: str, context: CommandContext) -> str:
        return f"{context.history_len} messages, {context.usage.total_tokens:,} tokens so far"

    def tools(_args: str, context: CommandContext) -> str:
        builtin = [name for name in context.tool_names if not name.startswith("mcp__")]
        mcp = [name for name in context.tool_names if name.startswith("mcp__")]
        lines = [f"Tools ({len(builtin)}): {', '.join(builtin) or 'none'}"]
        if mcp:
            lines.append(f"MCP ({len(mcp)}): {', '.join(mcp)}")
        return "\n".join(lines)

    return (
        FunctionCommand("help", "List the commands", lambda _args, _context: registry.help()),
        FunctionCommand("compact", "Make the history smaller now", lambda _a, _c: CommandReply("", Compact())),
        FunctionCommand("cost", "Show tokens and cost", cost),
        FunctionCommand("model", "Show or switch the model", model),
        FunctionCommand("clear", "Forget the conversation", lambda _a, _c: CommandReply("Cleared.", ClearHistory())),
        FunctionCommand("history", "Show the size of the conversation", history),
        FunctionCommand("tools", "List the tools", tools),
        FunctionCommand("undo", "Take back what the last prompt did to files", undo),
        FunctionCommand("redo", "Take the last undo back", redo),
        FunctionCommand("status", "Show plugins and protections", lambda _a, _c: CommandReply("", ShowStatus())),
    )

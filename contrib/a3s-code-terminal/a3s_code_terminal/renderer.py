"""Shows events as they come."""

import json
from collections.abc import Mapping
from typing import TextIO

from a3s_code.events import (
    AgentEnd,
    AgentStart,
    CommandOutput,
    ConfirmationReceived,
    ContextCompacted,
    Error,
    Event,
    PermissionDenied,
    PersistenceFailed,
    PluginFailed,
    StepStart,
    TextDelta,
    TextRetracted,
    ToolEnd,
    ToolStart,
    Warned,
)
from a3s_code.plugin import Json, JsonObject, ToolResult
from a3s_code_terminal.screen import Style, diff_line, has_colour, styled, visible

__all__ = ["Renderer", "summary"]

_TELLING = ("command", "pattern", "query", "url", "file_path", "path", "prompt", "description", "name")
_MORE = ("branch", "path", "background")
"""Shown behind the most telling argument, because it says little without them."""
_ERROR_LINES = 8
_DIFF_LINES = 200


class Renderer:
    """Writes events to a terminal, or as plain text where there is none.

    Args:
        out: Where to write.
        colour: Whether to colour; None decides by *out* and the environment.
    """

    def __init__(self, out: TextIO, *, colour: bool | None = None) -> None:
        self._out = out
        self._colour = has_colour(out) if colour is None else colour
        self._in_line = False
        self._has_text = False
        self._rejected: set[str] = set()

    def render(self, event: Event) -> None:
        """Shows one event; events that a person need not see show nothing."""
        match event:
            case AgentStart():
                self._has_text = False
            case TextDelta(text=text):
                self._write(visible(text))
                self._has_text = True
            case TextRetracted(reason=reason):
                self._line(f"… starting again: {reason}", Style.DIM)
            case ToolStart(tool_name=name, args=args):
                self._line(f"● {name} {summary(args)}".rstrip(), Style.DIM)
            case ConfirmationReceived(tool_id=id, approved=False):
                self._rejected.add(id)
            case PermissionDenied(tool_id=id, tool_name=name, args=args) if id not in self._rejected:
                self._line(f"● {name} {summary(args)}".rstrip(), Style.DIM)  # it never starts
            case ToolEnd(result=result) if result.call_id in self._rejected:
                self._line("  not run", Style.DIM)  # its text is for the model: the person said it
            case ToolEnd(result=result):
                self._result(result)
            case StepStart(step_number=number, total_steps=total, description=text):
                self._line(f"{number}/{total} {text}", Style.BOLD)
            case CommandOutput(text=text):
                self._line(text)
                self._has_text = True  # agent_end says the same once more
            case ContextCompacted(before_messages=before, after_messages=after):
                self._line(f"… history shortened from {before} to {after} messages", Style.DIM)
            case Warned(text=text):
                self._line(text, Style.YELLOW)
            case PluginFailed(plugin=name, error=text):
                self._line(f"{name} is left out: {text}", Style.YELLOW)
            case PersistenceFailed(operation=name, error=text):
                self._line(f"{name} failed: {text}", Style.RED)
            case Error(error=text):
                self._line(text, Style.RED)
            case AgentEnd():
                self._end(event)
            case _:
                pass

    def _result(self, result: ToolResult) -> None:
        diff = result.metadata.get("diff")
        if isinstance(diff, str):
            self._diff(diff)
        if result.is_error:
            lines = result.output.strip().splitlines() or [f"{result.name} failed with exit code {result.exit_code}"]
            for line in lines[:_ERROR_LINES]:
                self._line(f"  {line}", Style.RED)
            self._omitted(len(lines) - _ERROR_LINES)

    def _diff(self, diff: str) -> None:
        lines = [line.removesuffix("\r") for line in diff.removesuffix("\n").split("\n")]
        for line in lines[:_DIFF_LINES]:
            self._own_line(diff_line(line, colour=self._colour))
        self._omitted(len(lines) - _DIFF_LINES)

    def _omitted(self, count: int) -> None:
        if count > 0:
            self._line(f"  … {count} more lines", Style.DIM)

    def _end(self, event: AgentEnd) -> None:
        if event.text and not self._has_text:
            self._line(event.text)
        tools = f" · {event.tool_calls_count} tool calls" if event.tool_calls_count else ""
        reason = "" if event.stop_reason in ("end_turn", "command") else f" · {event.stop_reason.replace('_', ' ')}"
        if event.stop_reason != "command":
            self._line(f"{event.total_tokens:,} tokens{tools}{reason}", Style.DIM)

    def _line(self, text: str, *styles: Style) -> None:
        self._own_line(styled(visible(text), *styles, colour=self._colour))

    def _own_line(self, shown: str) -> None:
        """A line of its own, also when text without a line end was shown before."""
        start = "\n" if self._in_line else ""
        self._write(f"{start}{shown}\n")

    def _write(self, text: str) -> None:
        if text:
            self._out.write(text)
            self._out.flush()
            self._in_line = not text.endswith("\n")


def summary(args: JsonObject, width: int = 100) -> str:
    """The arguments in one short line: the most telling one, else those that are short, as JSON."""
    first = next((name for name in _TELLING if isinstance(args.get(name), str)), None)
    if first is None:
        short = {name: value for name, value in args.items() if _is_short(value)}
        text = json.dumps(short, ensure_ascii=False) if short else ""
    else:
        more = [name for name in _MORE if args.get(name) and name != first]
        text = " ".join([str(args[first]), *(name if args[name] is True else str(args[name]) for name in more)])
    text = visible(" ".join(text.split()), one_line=True)
    return text if len(text) <= width else text[: width - 1] + "…"


def _is_short(value: Json) -> bool:
    """Whether it tells something in a line: no patch, no list of calls."""
    if isinstance(value, list | tuple):
        return all(isinstance(one, str) for one in value)
    return not isinstance(value, Mapping) and "\n" not in str(value)

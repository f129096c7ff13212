"""How events are shown and questions asked: by a3s-code-terminal where it is installed, else plainly."""

import asyncio
import os
import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Protocol, TextIO, runtime_checkable

from a3s_code import Answer, ConfirmationRequest
from a3s_code.cli.layout import plain_text
from a3s_code.cli.verbs import CONVERSATION
from a3s_code.errors import PluginError
from a3s_code.events import (
    AgentEnd,
    CommandOutput,
    Event,
    PersistenceFailed,
    PluginFailed,
    TextDelta,
    TextRetracted,
    ToolEnd,
    ToolStart,
    Warned,
)
from a3s_code.plugins import scan

__all__ = ["Conversing", "PlainTerminal", "Streaming", "Terminal", "installed", "is_interactive", "terminal"]


class Terminal(Protocol):
    """Shows events and asks."""

    def render(self, event: Event) -> None: ...

    async def confirm(self, request: ConfirmationRequest) -> "Answer | bool": ...


class Streaming(Protocol):
    """The part of a session that a conversation needs; leaving the stream's block cancels what still runs."""

    def stream(self, prompt: str, /) -> AbstractContextManager[Iterable[Event]]: ...

    def cancel(self) -> bool: ...


@runtime_checkable
class Conversing(Terminal, Protocol):
    """A terminal that can also hold a conversation: what the entry `repl` of the registry `a3s_code.cli` is."""

    def __call__(self, session: "Streaming", /) -> int: ...


def installed() -> Conversing | None:
    """The terminal that an official distribution brings, or None.

    Raises:
        PluginError: It is installed and cannot be loaded.
    """
    offer = scan().find("cli", CONVERSATION)
    if offer is None or not offer.origin.is_official:
        return None
    found = offer.load()
    if not isinstance(found, Conversing):
        raise PluginError(f"{offer.id} of {offer.origin} is no terminal; upgrade {offer.origin.distribution}")
    return found


def terminal() -> Terminal:
    """The installed terminal, or a plain one."""
    return installed() or PlainTerminal(sys.stdout)


def is_interactive() -> bool:
    """Whether somebody can be asked."""
    return sys.stdin.isatty() and sys.stdout.isatty()


class PlainTerminal:
    """Text as it comes, one line for each tool, diffs."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._in_line = False
        self._has_text = False

    def render(self, event: Event) -> None:
        match event:
            case TextDelta(text):
                self._write(plain_text(text))
                self._has_text = True
            case TextRetracted(reason):
                self._line(f"... starting again: {reason}")
            case ToolStart(tool_name=name, args=args):
                self._line(f"* {name} {_first(args.values())}".rstrip())
            case ToolEnd(result):
                diff = result.metadata.get("diff")
                self._line(diff if isinstance(diff, str) else "")
                self._line(result.output if result.is_error else "")
            case CommandOutput(text) | Warned(text):
                self._line(text)
            case PluginFailed(plugin, error):
                self._line(f"{plugin} is left out: {error}")
            case PersistenceFailed(operation, error):
                self._line(f"{operation} failed: {error}")
            case AgentEnd(text):
                self._line("" if self._has_text else text)
                self._has_text = False
                if self._in_line:
                    self._write("\n")
            case _:
                pass

    async def confirm(self, request: ConfirmationRequest) -> bool:
        """Asks on standard error and reads one line; only a clear yes approves, the end of input refuses."""
        arguments = ", ".join(f"{name}={value!r}" for name, value in request.arguments.items())
        call = plain_text(f"{request.tool_name}({arguments})").replace("\n", "\\n")
        print(f"\n{call}\nrun it? [y/N] ", end="", file=sys.stderr, flush=True)
        return (await _line()).strip().lower() in ("y", "yes")

    def _line(self, text: str) -> None:
        if text:
            start = "\n" if self._in_line else ""
            self._write(start + plain_text(text).removesuffix("\n") + "\n")

    def _write(self, text: str) -> None:
        if text:
            self._out.write(text)
            self._out.flush()
            self._in_line = not text.endswith("\n")


def _first(values: Iterable[object]) -> str:
    """The first argument that is a text, on one short line."""
    text = next((value for value in values if isinstance(value, str)), "")
    text = " ".join(text.split())
    return text if len(text) <= 100 else text[:99] + "…"


async def _line() -> str:
    """A line of standard input, read by the event loop, so that a cancelled question reads nothing any more."""
    loop = asyncio.get_running_loop()
    descriptor = sys.stdin.fileno()
    arrived: asyncio.Future[bytes] = loop.create_future()

    def read() -> None:
        loop.remove_reader(descriptor)
        if not arrived.done():
            arrived.set_result(os.read(descriptor, 4096))  # a terminal gives whole lines

    loop.add_reader(descriptor, read)
    try:
        return (await arrived).decode(errors="replace")
    finally:
        loop.remove_reader(descriptor)

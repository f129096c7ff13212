"""The question before a tool runs."""

import asyncio
import json
import os
import sys
from typing import TextIO

from a3s_code.plugin import Answer, ConfirmationRequest, JsonObject, Outcome
from a3s_code_terminal.screen import Style, has_colour, styled, visible

__all__ = ["answer_of", "prompt_confirmation", "question"]


async def prompt_confirmation(
    request: ConfirmationRequest, *, source: TextIO | None = None, out: TextIO | None = None
) -> Answer:
    """Asks on the terminal whether the call may run. Cancelling it leaves nobody reading the terminal.

    Args:
        request: The call.
        source: Where the answer is read; default standard input.
        out: Where the question is shown; default standard output.
    """
    source, out = source or sys.stdin, out or sys.stdout
    _forget_typed(source)
    out.write(question(request, colour=has_colour(out)))
    out.flush()
    return answer_of(await _line(source))


def question(request: ConfirmationRequest, *, colour: bool) -> str:
    """The question with everything the call would do; its last line waits for the answer."""
    head = styled(f"● {visible(request.tool_name, one_line=True)} wants to run", Style.YELLOW, colour=colour)
    reason = f"  ({visible(request.reason, one_line=True)})" if request.reason else ""
    lines = [f"\n{head}{reason}", *_arguments(request.arguments), "run it? [y/N, or a sentence why not] "]
    return "\n".join(lines)


def answer_of(line: str | None) -> Answer:
    """What the person meant; None is the end of input. Only a clear yes approves."""
    said = (line or "").strip()
    match said.lower():
        case "y" | "yes":
            return Answer(outcome=Outcome.APPROVED)
        case "" | "n" | "no":
            return Answer(outcome=Outcome.REJECTED)
        case _:
            return Answer(outcome=Outcome.REJECTED, reason=said)


def _arguments(arguments: JsonObject) -> list[str]:
    lines = []
    for name, value in arguments.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        shown = visible(text).replace("\n", "\n    ")
        lines.append(f"  {visible(name, one_line=True)}: {shown}")
    return lines


def _forget_typed(source: TextIO) -> None:
    """Drops what was typed before the question, which cannot be its answer."""
    if source.isatty():
        import termios

        termios.tcflush(source.fileno(), termios.TCIFLUSH)


async def _line(source: TextIO) -> str | None:
    """The next line, read by the event loop, so that a cancelled question does not keep eating lines."""
    loop = asyncio.get_running_loop()
    arrived: asyncio.Future[str | None] = loop.create_future()
    descriptor = source.fileno()
    pieces: list[bytes] = []

    def read() -> None:
        # one byte at a time: what follows the line belongs to the conversation
        byte = os.read(descriptor, 1)
        if byte in (b"", b"\n"):
            loop.remove_reader(descriptor)
            if not arrived.done():
                ended = not byte and not pieces
                arrived.set_result(None if ended else b"".join(pieces).decode(errors="replace"))
        else:
            pieces.append(byte)

    try:
        loop.add_reader(descriptor, read)
    except PermissionError:  # a regular file: always readable, and unknown to epoll
        return source.readline() or None
    try:
        return await arrived
    finally:
        loop.remove_reader(descriptor)

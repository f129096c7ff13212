"""The question before a tool runs."""

import asyncio
import difflib
import json
import os
import sys
from collections.abc import Iterator
from typing import TextIO

from a3s_code.plugin import Answer, ConfirmationRequest, JsonObject, Outcome
from a3s_code_terminal.renderer import summary
from a3s_code_terminal.screen import Style, diff_line, has_colour, styled, visible

__all__ = ["ALWAYS", "answer_of", "call_group", "prompt_confirmation", "question"]

ALWAYS = Answer(outcome=Outcome.APPROVED, reason="always")
"""A yes to this call and to those like it that follow."""

_FITS_LINES = 16
"""Lines of a question that are seen together, also on a terminal of 24 lines where long ones are wrapped."""

_EXACT = {"command": "this command", "url": "this address"}
"""Arguments by which calls of a tool differ too much to be approved together."""

_HARMLESS = ("timeout", "limit", "offset", "max_chars", "format")
"""Arguments that such a call may have differently: how long to wait, and how much to show."""

_MOST_COMPARED = 4_000_000
"""Lines of the old text times lines of the new one; beyond it difflib would take seconds."""


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
    line = await _line(source)
    if line is None:
        out.write("\n")  # nobody has ended the line of the question
    return answer_of(line)


def question(request: ConfirmationRequest, *, colour: bool) -> str:
    """The question with everything the call would do; its last line waits for the answer."""
    name = visible(request.tool_name, one_line=True)
    lines = ["", styled(f"● {name} wants to run", Style.YELLOW, colour=colour)]
    if request.reason:
        lines.append(f"  ({visible(request.reason, one_line=True)})")
    lines += _arguments(request.arguments, colour=colour)
    if len(lines) > _FITS_LINES:  # the head has scrolled away
        lines.append(styled(f"● {name} {summary(request.arguments)}".rstrip(), Style.YELLOW, colour=colour))
    return "\n".join([*lines, _choice(request)])


def call_group(request: ConfirmationRequest) -> str:
    """What "always" stands for: the same tool asked about for the same reason; a command or address, too."""
    is_exact = any(name in request.arguments for name in _EXACT)
    same = {name: value for name, value in request.arguments.items() if name not in _HARMLESS} if is_exact else {}
    return json.dumps([request.tool_name, request.reason, same], sort_keys=True)


def answer_of(line: str | None) -> Answer:
    """What the person meant; None is the end of input. Only a clear yes approves."""
    said = (line or "").strip()
    match said.lower():
        case "y" | "yes":
            return Answer(outcome=Outcome.APPROVED)
        case "a" | "always":
            return ALWAYS
        case "" | "n" | "no":
            return Answer(outcome=Outcome.REJECTED)
        case _:
            return Answer(outcome=Outcome.REJECTED, reason=said)


def _choice(request: ConfirmationRequest) -> str:
    every = f"every {visible(request.tool_name, one_line=True)}"
    group = next((text for name, text in _EXACT.items() if name in request.arguments), every)
    return f"run it? [y/N, a: {group} from now on, or a sentence why not] "


def _arguments(arguments: JsonObject, *, colour: bool) -> list[str]:
    """Every argument whole: a replacement and a patch as a diff, all else as text."""
    left = dict(arguments)
    old, new = left.get("old_string"), left.get("new_string")
    changes: list[str] = []
    if isinstance(old, str) and isinstance(new, str):
        del left["old_string"], left["new_string"]
        changes = [f"    {diff_line(line, colour=colour)}" for line in _replacement(old, new)]
    lines: list[str] = []
    for name, value in left.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        shown = [diff_line(line, colour=colour and name == "diff") for line in text.removesuffix("\n").split("\n")]
        label = f"  {visible(name, one_line=True)}:"
        lines += [f"{label} {shown[0]}"] if len(shown) == 1 else [label, *(f"    {line}" for line in shown)]
    return [*lines, "  change:", *changes] if changes else lines


def _replacement(old: str, new: str) -> Iterator[str]:
    """The lines of both texts, each once, marked as in a diff."""
    if old.endswith("\n") and new.endswith("\n"):
        old, new = old[:-1], new[:-1]
    before, after = old.split("\n"), new.split("\n")
    if len(before) * len(after) > _MOST_COMPARED:
        yield from (f"-{line}" for line in before)
        yield from (f"+{line}" for line in after)
        return
    everything = max(len(before), len(after))
    changed = list(difflib.unified_diff(before, after, n=everything, lineterm=""))[3:]
    yield from changed or [f" {line}" for line in before]


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

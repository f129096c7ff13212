"""Telling how far a call has come that takes long."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from a3s_code.plugin import ToolUse

__all__ = ["progress"]

EVERY_S = 3.0
"""Seconds between two lines, and before the first: a call that is quick says nothing."""


@contextmanager
def progress(use: ToolUse, tell: Callable[[], str]) -> Iterator[None]:
    """Shows a line such as "[6 s: 14 file(s) with matches so far]" every three seconds while the body runs.

    Args:
        use: The running call.
        tell: Says how far it has come; is called in the event loop.
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    timer: asyncio.TimerHandle

    def show() -> None:
        nonlocal timer
        timer = loop.call_later(EVERY_S, show)
        use.emit(f"[{loop.time() - began:.0f} s: {tell()}]\n")

    timer = loop.call_later(EVERY_S, show)
    try:
        yield
    finally:
        timer.cancel()

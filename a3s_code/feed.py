"""The feed: events on their way from a run to whoever reads them."""

import asyncio
from collections import deque

from a3s_code.events import Event

__all__ = ["Feed"]

HIGH_WATER = 512


class Feed:
    """Events of one run, in order. One side emits, the other takes batches.

    A reader who holds the feed but does not read pauses the run at its next stop, where it holds no slot. A feed whose
    reader only wants the end keeps nothing.

    Args:
        keep: False drops the events as they come.
    """

    def __init__(self, *, keep: bool = True):
        self._keep = keep
        self._events: deque[Event] = deque()
        self._error: BaseException | None = None
        self._ended = False
        self._something = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    def emit(self, event: Event) -> None:
        if not self._keep or self._ended:
            return
        self._events.append(event)
        self._something.set()
        if len(self._events) >= HIGH_WATER:
            self._room.clear()

    async def room(self) -> None:
        """Returns when the reader has kept up, or nobody reads any more."""
        await self._room.wait()

    def end(self, error: BaseException | None = None) -> None:
        """No more events; the reader gets *error* after the last one."""
        self._ended = True
        self._error = error
        self._something.set()
        self._room.set()

    def drop(self) -> None:
        """The reader is gone: nothing is kept and nothing waits for it."""
        self._keep = False
        self._events.clear()
        self._room.set()

    async def batch(self) -> list[Event]:
        """All events since the last batch, at least one; an empty list after the last. Raises the run's error there."""
        while not self._events and not self._ended:
            self._something.clear()
            await self._something.wait()
        events = list(self._events)
        self._events.clear()
        self._room.set()
        if not events and self._error is not None:
            error, self._error = self._error, None
            raise error
        return events

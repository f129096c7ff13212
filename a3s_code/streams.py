"""A running prompt and the stream of its events."""

import asyncio
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self

from attrs import define

from a3s_code.events import Event
from a3s_code.feed import Feed
from a3s_code.results import Result

__all__ = ["EventStream", "RunningPrompt"]


@define
class RunningPrompt:
    """A run in the background: its task, which never raises CancelledError, and its events."""

    task: asyncio.Task[Result]
    feed: Feed
    was_cancelled: bool = False

    def cancel(self) -> bool:
        """Ends the run in order; False when it is over or being cancelled already."""
        if self.task.done() or self.was_cancelled:
            return False
        self.was_cancelled = True
        # not at once: a task that is cancelled before its first step never gets to end its feed
        self.task.get_loop().call_soon(self.task.cancel)
        return True

    def abandon(self) -> None:
        """Nobody reads the events any more: the run is cancelled."""
        self.feed.drop()
        self.cancel()


class EventStream:
    """The events of one prompt, in order, ending with `agent_end`.

        async with session.stream("...") as events:
            async for event in events: ...

    Leaving the block, or dropping the stream, cancels the run if it is not over. Holding the stream without reading
    pauses the run.
    """

    def __init__(self, run: RunningPrompt):
        self._run = run
        self._loop = asyncio.get_running_loop()
        self._batch: list[Event] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        if not self._batch:
            self._batch = (await self.batch())[::-1]
            if not self._batch:
                raise StopAsyncIteration
        return self._batch.pop()

    async def batch(self) -> list[Event]:
        """All events since the last batch; an empty list at the end. Raises the run's error there."""
        return await self._run.feed.batch()

    async def result(self) -> Result:
        """The result, when the run is over; the events not read until then are dropped."""
        self._run.feed.drop()
        return await asyncio.shield(self._run.task)

    async def aclose(self) -> None:
        """Cancels the run if it is not over, and waits until it has ended in order."""
        self._run.abandon()
        if not self._run.task.done():
            await asyncio.wait({self._run.task})

    def __del__(self) -> None:
        if not self._run.task.done() and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._run.abandon)

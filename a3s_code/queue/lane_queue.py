"""The lane queue: work waits here for a slot of its lane and then runs in its caller's own task."""

import asyncio
import os
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TypeVar

from attrs import frozen

from a3s_code.config import QueueConfig
from a3s_code.errors import ConfigError, SessionError, ToolError, ToolErrorKind
from a3s_code.lanes import Lane

__all__ = ["LaneQueue", "LaneStats", "QueueStats"]

T = TypeVar("T")

CONCURRENCY_VARIABLE = "A3S_CODE_LANE_CONCURRENCY"
_CLOSED = "the queue is closed"


@frozen(kw_only=True)
class LaneStats:
    """One lane at this moment."""

    pending: int
    active: int
    max_concurrency: int


@frozen(kw_only=True)
class QueueStats:
    """The queue at this moment."""

    total_pending: int
    total_active: int
    lanes: Mapping[Lane, LaneStats]


class LaneQueue:
    """Gives each lane its slots; the slots of one lane never starve another.

    There is no scheduler: whoever frees a slot hands it to the next in line, first come first served within a lane.

    Args:
        config: The `queue` block: slots of each lane and the longest run of a command.
        max_total: Slots of all lanes together, or None; a freed one goes to the waiting lane of the highest priority.
        environ: Where A3S_CODE_LANE_CONCURRENCY is read; when set, each lane has that many slots.

    Raises:
        ConfigError: The variable is not a whole number of at least 1.
    """

    def __init__(
        self, config: QueueConfig, *, max_total: int | None = None, environ: Mapping[str, str] = os.environ
    ) -> None:
        self._slots = _slots(config, environ)
        self._limits_s = _limits_s(config)
        self._max_total = max_total
        self._active = dict.fromkeys(Lane, 0)
        # ordered, and a cancelled one leaves from the middle without a search
        self._waiting: dict[Lane, OrderedDict[asyncio.Future[None], None]] = {lane: OrderedDict() for lane in _ORDER}
        self._running: set[asyncio.Timeout] = set()
        self._closed = False
        self._drained = asyncio.Event()

    async def run(self, lane: Lane, work: Callable[[], Awaitable[T]], *, timeout_s: float | None = None) -> T:
        """Waits for a slot of *lane*, awaits *work* in the caller's task and returns what it returns.

        Cancelling while it waits leaves the line; cancelling while it runs cancels the work, and the slot is free when
        the work has really ended.

        Args:
            lane: Whose slot it takes.
            work: Called once, when it is its turn.
            timeout_s: Seconds the work may run, not counting the wait; a shorter limit of the lane's wins.

        Raises:
            ToolError: TIMEOUT, the work ran too long and was stopped.
            SessionError: The queue is closed, or was closed while the work waited or ran.
        """
        limit_s = min((limit for limit in (timeout_s, self._limits_s[lane]) if limit is not None), default=None)
        deadline = asyncio.timeout(limit_s)
        async with self.slot(lane):
            try:
                async with deadline:
                    self._running.add(deadline)
                    return await work()
            except TimeoutError as error:
                if not deadline.expired():  # the work's own TimeoutError
                    raise
                if self._closed:
                    raise SessionError(_CLOSED) from error
                message = f"stopped after {limit_s:g} s, the limit in the {lane.value} lane; do it in smaller steps"
                raise ToolError(message, ToolErrorKind.TIMEOUT) from error
            finally:
                self._running.discard(deadline)

    @asynccontextmanager
    async def slot(self, lane: Lane) -> AsyncIterator[None]:
        """Holds a slot of *lane* for a block, such as a stream; the block has no deadline and `aclose` waits for it.

        Raises:
            SessionError: The queue is closed, or was closed while the block waited.
        """
        await self._take(lane)
        try:
            if self._closed:  # between the handing over of the slot and this line
                raise SessionError(_CLOSED)
            yield
        finally:
            self._free(lane)

    def stats(self) -> QueueStats:
        lanes = {
            lane: LaneStats(
                pending=len(self._waiting[lane]),
                active=self._active[lane],
                max_concurrency=self._slots[lane],
            )
            for lane in Lane
        }
        return QueueStats(
            total_pending=sum(lane.pending for lane in lanes.values()),
            total_active=sum(lane.active for lane in lanes.values()),
            lanes=lanes,
        )

    async def aclose(self, deadline_s: float) -> None:
        """Refuses new work, fails what waits, cancels what runs and waits until it has ended; a second call only waits.

        Args:
            deadline_s: Seconds to wait for running work.

        Raises:
            SessionError: Some work did not end in time; names its lanes.
        """
        self._closed = True
        for waiting in self._waiting.values():
            for turn in waiting:
                if not turn.done():
                    turn.set_exception(SessionError(_CLOSED))
            waiting.clear()
        now = asyncio.get_running_loop().time()
        for deadline in self._running:
            if not deadline.expired():
                deadline.reschedule(now)  # cancels the work alone; the caller's task goes on with a SessionError
        if not any(self._active.values()):
            return
        try:
            async with asyncio.timeout(deadline_s):
                await self._drained.wait()
        except TimeoutError as error:
            lanes = ", ".join(lane.value for lane, active in self._active.items() if active)
            raise SessionError(f"work in these lanes did not end within {deadline_s:g} s: {lanes}") from error

    async def _take(self, lane: Lane) -> None:
        if self._closed:
            raise SessionError(_CLOSED)
        waiting = self._waiting[lane]
        if not waiting and self._has_room(lane):
            self._active[lane] += 1
            return
        turn = asyncio.get_running_loop().create_future()
        waiting[turn] = None
        try:
            await turn
        except asyncio.CancelledError:
            waiting.pop(turn, None)
            if not turn.cancelled() and turn.exception() is None:  # it got the slot and was cancelled before it woke
                self._free(lane)
            raise

    def _free(self, lane: Lane) -> None:
        self._active[lane] -= 1
        for next_lane in _ORDER:
            waiting = self._waiting[next_lane]
            while waiting and self._has_room(next_lane):
                turn, _ = waiting.popitem(last=False)
                if not turn.done():  # a cancelled one has not woken yet
                    turn.set_result(None)
                    self._active[next_lane] += 1
        if self._closed and not any(self._active.values()):
            self._drained.set()

    def _has_room(self, lane: Lane) -> bool:
        if self._active[lane] >= self._slots[lane]:
            return False
        return self._max_total is None or sum(self._active.values()) < self._max_total


_ORDER = sorted(Lane, key=lambda lane: lane.priority)


def _slots(config: QueueConfig, environ: Mapping[str, str]) -> dict[Lane, int]:
    override = environ.get(CONCURRENCY_VARIABLE, "")
    if override:
        if not override.isdecimal() or int(override) < 1:
            raise ConfigError(f'{CONCURRENCY_VARIABLE} is "{override}"; write a whole number of at least 1')
        return dict.fromkeys(Lane, int(override))
    return {
        Lane.CONTROL: config.control_max_concurrency,
        Lane.QUERY: config.query_max_concurrency,
        Lane.EXECUTE: config.execute_max_concurrency,
        Lane.GENERATE: config.generate_max_concurrency,
    }


def _limits_s(config: QueueConfig) -> dict[Lane, float | None]:
    """Seconds that a command of each lane may run, or None."""
    limits_ms = {lane: config.lane_timeouts.get(lane.value, config.default_timeout_ms) for lane in Lane}
    return {lane: None if limit is None else limit / 1000 for lane, limit in limits_ms.items()}

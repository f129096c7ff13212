"""FakeClock: time that passes only when the test says so."""

import asyncio

__all__ = ["FakeClock"]


class FakeClock:
    """A clock for code that takes `now` and `sleep`; `advance` wakes whoever's time has come."""

    def __init__(self, start: float = 1_000.0):
        self._now = start
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []
        self._changed = asyncio.Event()

    def now(self) -> float:
        """Seconds on this clock."""
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Returns once the clock was advanced by *seconds*; at once when that is not positive."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        sleeper = (self._now + seconds, asyncio.get_running_loop().create_future())
        self._sleepers.append(sleeper)
        self._changed.set()
        try:
            await sleeper[1]
        finally:
            if sleeper in self._sleepers:
                self._sleepers.remove(sleeper)

    async def sleeping(self, count: int = 1) -> None:
        """Waits until *count* sleepers sleep, so that `advance` comes neither too early nor too late."""
        while len(self._sleepers) < count:
            self._changed.clear()
            await self._changed.wait()

    def advance(self, seconds: float) -> None:
        """Lets time pass; sleepers that are due wake in the order of their times."""
        self._now += seconds
        due = sorted((one for one in self._sleepers if one[0] <= self._now), key=lambda one: one[0])
        self._sleepers = [one for one in self._sleepers if one[0] > self._now]
        for _, sleeper in due:
            if not sleeper.done():
                sleeper.set_result(None)

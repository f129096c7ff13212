"""Leaves search engines alone for a while that failed several times in a row."""

import time
from collections.abc import Callable

__all__ = ["EngineHealth"]


class EngineHealth:
    """Counts failures in a row; what has failed too often rests, and one more failure after that lets it rest again.

    Args:
        max_failures: Failures in a row until an engine rests.
        suspend_s: Seconds that it rests.
        clock: Gives the time in seconds.
    """

    def __init__(self, *, max_failures: int, suspend_s: float, clock: Callable[[], float] = time.monotonic):
        self._max_failures = max_failures
        self._suspend_s = suspend_s
        self._clock = clock
        self._failures: dict[str, int] = {}
        self._rests_until: dict[str, float] = {}

    def rests_for(self, engine: str) -> float:
        """Seconds that the engine still rests; 0 when it may be asked."""
        return max(self._rests_until.get(engine, 0.0) - self._clock(), 0.0)

    def failures(self, engine: str) -> int:
        return self._failures.get(engine, 0)

    def failed(self, engine: str) -> None:
        self._failures[engine] = self.failures(engine) + 1
        if self._failures[engine] >= self._max_failures:
            self._rests_until[engine] = self._clock() + self._suspend_s

    def worked(self, engine: str) -> None:
        self._failures.pop(engine, None)
        self._rests_until.pop(engine, None)

"""Retries and the circuit breaker: what stands between a model call and a provider's bad minute."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

from attrs import frozen

from a3s_code.errors import ModelError, ModelErrorKind

__all__ = ["CircuitBreaker", "Clock", "RetryPolicy", "SystemClock", "backoff", "retrying"]

T = TypeVar("T")


class Clock(Protocol):
    """Time; tests bring their own."""

    def now(self) -> float:
        """Seconds since some fixed moment; never goes back."""
        ...

    async def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The real clock."""

    def now(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@frozen(kw_only=True)
class RetryPolicy:
    """When a failed model call is made again.

    Args:
        max_retries: Tries after the first.
        base_s: Seconds before the first retry; doubled for each further one.
        cap_s: Longest doubled delay in seconds, before jitter.
        jitter: Share by which a delay varies in both directions, so that many sessions do not retry at once.
        retry_after_cap_s: Longest wait in seconds that a provider may ask for.
    """

    max_retries: int = 3
    base_s: float = 1.0
    cap_s: float = 30.0
    jitter: float = 0.25
    retry_after_cap_s: float = 60.0


def backoff(
    policy: RetryPolicy, attempt: int, retry_after_s: float | None, random: Callable[[], float] = random.random
) -> float | None:
    """Seconds to wait after *attempt* failed, or None to give up.

    Args:
        policy: The limits.
        attempt: The number of the attempt that failed; the first is 1.
        retry_after_s: What the provider asked for; it is kept to, up to the policy's cap.
        random: Gives a number from 0 to 1.
    """
    if attempt > policy.max_retries:
        return None
    if retry_after_s is not None:
        return min(max(retry_after_s, 0.0), policy.retry_after_cap_s)
    doublings = min(attempt - 1, 64)  # beyond, the cap decides and a float overflows
    delay = min(policy.base_s * 2.0**doublings, policy.cap_s)
    return delay * (1 + policy.jitter * (2 * random() - 1))


class CircuitBreaker:
    """Leaves a failing provider alone: after *threshold* transient failures in a row it refuses calls for *reset_s*.

    Then it lets one call through as a probe; its success closes the circuit, its failure opens it anew. A failure that
    is not transient (a refused key, a bad request) is an answer: the provider is there.

    Args:
        threshold: Transient failures in a row until it opens.
        reset_s: Seconds that it stays open.
        clock: Tells the time.
    """

    def __init__(self, threshold: int, reset_s: float, clock: Clock) -> None:
        self._threshold = threshold
        self._reset_s = reset_s
        self._clock = clock
        self._failures = 0
        self._last_error = ""
        self._opened_at: float | None = None
        self._probing = False

    @property
    def open_for_s(self) -> float:
        """Seconds until a call may be tried; 0 when calls pass or a probe may start."""
        if self._opened_at is None:
            return 0.0
        return max(0.0, self._opened_at + self._reset_s - self._clock.now())

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Surrounds one call and learns from how it ends.

        Raises:
            ModelError: CIRCUIT_OPEN, the call was not made.
        """
        probes = self._admit()
        try:
            yield
        except ModelError as error:
            self._learn(probes, error if error.is_transient else None)
            raise
        except BaseException:  # cancelled or broken on our side: says nothing of the provider
            self._probing = self._probing and not probes
            raise
        self._learn(probes, None)

    def _admit(self) -> bool:
        """Whether the call is the probe."""
        if self._opened_at is None:
            return False
        wait_s = self.open_for_s
        if wait_s > 0 or self._probing:
            when = f"it is tried again in {wait_s:.1f} s" if wait_s > 0 else "one call is trying it now"
            raise ModelError(
                f"the model's provider failed {self._failures} times in a row and {when}; last: {self._last_error}",
                kind=ModelErrorKind.CIRCUIT_OPEN,
                retry_after_s=wait_s,
            )
        self._probing = True
        return True

    def _learn(self, probes: bool, failure: ModelError | None) -> None:
        if self._opened_at is not None and not probes:
            return  # a call from before the circuit opened: only the probe decides
        self._probing = False
        if failure is None:
            self._failures = 0
            self._opened_at = None
            return
        self._failures += 1
        self._last_error = str(failure)
        if self._failures >= self._threshold:
            self._opened_at = self._clock.now()


async def retrying(
    call: Callable[[], Awaitable[T]],
    policy: RetryPolicy,
    breaker: CircuitBreaker,
    clock: Clock,
    on_retry: Callable[[ModelError], Awaitable[None]] | None = None,
) -> T:
    """What *call* returns, tried again after transient errors.

    Args:
        call: Called once for each attempt.
        policy: When to try again.
        breaker: Shared by the calls to one provider.
        clock: Does the waiting.
        on_retry: Told why, before the wait for the next attempt.

    Raises:
        ModelError: The last error; its text says after how many attempts.
    """
    attempt = 1
    while True:
        try:
            with breaker.guard():
                return await call()
        except ModelError as error:
            delay_s = _delay_or_raise(error, attempt, policy, breaker)
            reason = error
        if on_retry is not None:
            await on_retry(reason)
        await clock.sleep(delay_s)
        attempt += 1


def _delay_or_raise(error: ModelError, attempt: int, policy: RetryPolicy, breaker: CircuitBreaker) -> float:
    """Seconds until the next attempt; raises when there is none."""
    delay_s = backoff(policy, attempt, error.retry_after_s) if error.is_transient else None
    if delay_s is not None and delay_s >= breaker.open_for_s:
        return delay_s
    made = attempt - 1 if error.kind is ModelErrorKind.CIRCUIT_OPEN else attempt
    if made <= 1:
        raise error
    message = f"{error} (after {made} attempts)"
    raise ModelError(message, kind=error.kind, status=error.status, retry_after_s=error.retry_after_s) from error

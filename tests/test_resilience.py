"""Retries and the circuit breaker."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a3s_code.errors import ModelError, ModelErrorKind
from a3s_code.messages import StopReason, assistant
from a3s_code.points.llm import ModelEvent, Reply
from a3s_code.resilience import CircuitBreaker, RetryPolicy, SystemClock, backoff, retrying
from a3s_code.usage import Usage

POLICY = RetryPolicy(jitter=0)
REPLY = Reply(message=assistant("whole"), usage=Usage(), stop_reason=StopReason.END_TURN)
OVERLOADED = ModelErrorKind.OVERLOADED


class FakeClock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.time = 0.0
        self.slept: list[float] = []
        self.is_stopped = False

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        if self.is_stopped:
            await asyncio.Event().wait()
        self.slept.append(seconds)
        self.time += seconds
        await asyncio.sleep(0)


def failure(kind: ModelErrorKind = OVERLOADED, retry_after_s: float | None = None) -> ModelError:
    return ModelError("overloaded", kind=kind, status=529, retry_after_s=retry_after_s)


class Script:
    """A model whose attempts go as written: each a list of events and perhaps an error at its end."""

    def __init__(self, *attempts: Sequence[ModelEvent | BaseException]):
        self.attempts = list(attempts)
        self.opened = 0
        self.closed = 0

    async def stream(self) -> AsyncIterator[ModelEvent]:
        self.opened += 1
        try:
            for step in self.attempts[self.opened - 1]:
                if isinstance(step, BaseException):
                    raise step
                yield step
                await asyncio.sleep(0)
        finally:
            self.closed += 1

    async def call(self) -> Reply:
        reply: Reply | None = None
        async for event in self.stream():
            if isinstance(event, Reply):
                reply = event
        assert reply is not None
        return reply


def breaker(clock: FakeClock, threshold: int = 99, reset_s: float = 30) -> CircuitBreaker:
    return CircuitBreaker(threshold, reset_s, clock)


# backoff


def test_delays_double_and_end_after_the_last_retry():
    assert [backoff(POLICY, attempt, None) for attempt in (1, 2, 3, 4)] == [1, 2, 4, None]


def test_no_retries_means_giving_up_at_once():
    assert backoff(RetryPolicy(max_retries=0), 1, None) is None


@pytest.mark.parametrize(("asked", "waits"), [(7.5, 7.5), (0, 0), (600, 60), (-5, 0)])
def test_the_providers_wish_is_kept_to_up_to_a_minute(asked: float, waits: float):
    assert backoff(RetryPolicy(), 2, asked) == waits


@given(attempt=st.integers(1, 10_000), share=st.floats(0, 1))
def test_a_delay_is_its_doubled_base_with_a_quarter_of_jitter(attempt: int, share: float):
    delay = backoff(RetryPolicy(max_retries=10_000), attempt, None, lambda: share)
    middle = min(2.0 ** min(attempt - 1, 10), 30)
    assert delay is not None
    assert 0.75 * middle <= delay <= 1.25 * middle


# retrying


def test_a_call_that_succeeds_is_made_once():
    clock, script = FakeClock(), Script([REPLY])
    assert asyncio.run(retrying(script.call, POLICY, breaker(clock), clock)) is REPLY
    assert (script.opened, clock.slept) == (1, [])


def test_a_transient_error_is_tried_again_after_the_delay():
    clock, script = FakeClock(), Script([failure()], [failure(retry_after_s=9)], [REPLY])
    assert asyncio.run(retrying(script.call, POLICY, breaker(clock), clock)) is REPLY
    assert clock.slept == [1, 9]


def test_giving_up_says_after_how_many_attempts_and_keeps_the_facts():
    clock, script = FakeClock(), Script(*[[failure()]] * 4)
    with pytest.raises(ModelError, match=r"^overloaded \(after 4 attempts\)$") as caught:
        asyncio.run(retrying(script.call, POLICY, breaker(clock), clock))
    assert (caught.value.kind, caught.value.status) == (OVERLOADED, 529)


@pytest.mark.parametrize("kind", [kind for kind in ModelErrorKind if not failure(kind).is_transient])
def test_an_error_that_is_not_transient_is_raised_as_it_is(kind: ModelErrorKind):
    clock, error = FakeClock(), failure(kind)
    script = Script([error])
    with pytest.raises(ModelError) as caught:
        asyncio.run(retrying(script.call, POLICY, breaker(clock), clock))
    assert caught.value is error
    assert script.opened == 1


def test_an_error_of_another_kind_is_not_retried():
    clock, script = FakeClock(), Script([KeyError("ours")])
    with pytest.raises(KeyError):
        asyncio.run(retrying(script.call, POLICY, breaker(clock), clock))
    assert script.opened == 1


def test_the_reason_of_a_retry_is_told_before_the_wait():
    clock, script = FakeClock(), Script([failure()], [REPLY])
    told: list[tuple[str, list[float]]] = []

    async def note(error: ModelError) -> None:
        told.append((str(error), list(clock.slept)))

    asyncio.run(retrying(script.call, POLICY, breaker(clock), clock, note))

    assert told == [("overloaded", [])]


def test_the_wait_before_a_retry_can_be_cancelled():
    async def main() -> None:
        clock, script = FakeClock(), Script([failure()], [REPLY])
        clock.is_stopped = True
        task = asyncio.create_task(retrying(script.call, POLICY, breaker(clock), clock))  # noqa: TID251 # awaited
        for _ in range(5):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert script.opened == 1

    asyncio.run(main())


def test_retries_end_when_the_circuit_opens():
    clock, script = FakeClock(), Script(*[[failure()]] * 4)
    with pytest.raises(ModelError, match=r"^overloaded \(after 2 attempts\)$"):
        asyncio.run(retrying(script.call, POLICY, breaker(clock, threshold=2), clock))
    assert clock.slept == [1]


# the circuit breaker


def fail(circuit: CircuitBreaker, kind: ModelErrorKind = OVERLOADED) -> None:
    with pytest.raises(ModelError), circuit.guard():
        raise failure(kind)


def is_refused(circuit: CircuitBreaker) -> bool:
    try:
        with circuit.guard():
            raise asyncio.CancelledError
    except ModelError:
        return True
    except asyncio.CancelledError:
        return False


def test_the_circuit_opens_after_the_threshold_and_says_how_long():
    clock = FakeClock()
    circuit = breaker(clock, threshold=3, reset_s=30)
    for _ in range(3):
        assert circuit.open_for_s == 0
        fail(circuit)
    clock.time = 10
    with (
        pytest.raises(ModelError, match=r"failed 3 times in a row .* again in 20\.0 s; last: overloaded") as caught,
        circuit.guard(),
    ):
        pass
    assert caught.value.kind is ModelErrorKind.CIRCUIT_OPEN
    assert not caught.value.is_transient
    assert caught.value.retry_after_s == circuit.open_for_s == 20


def test_only_failures_in_a_row_open_the_circuit():
    circuit = breaker(FakeClock(), threshold=2)
    for _ in range(5):
        fail(circuit)
        with circuit.guard():
            pass
    assert not is_refused(circuit)


def test_an_answer_that_is_a_refusal_does_not_open_the_circuit():
    circuit = breaker(FakeClock(), threshold=1)
    fail(circuit, ModelErrorKind.AUTHENTICATION)
    assert not is_refused(circuit)


def test_a_half_open_circuit_lets_one_probe_through():
    clock = FakeClock()
    circuit = breaker(clock, threshold=1)
    fail(circuit)
    clock.time = 30
    with circuit.guard():
        assert is_refused(circuit)
    assert not is_refused(circuit)


def test_a_failed_probe_opens_the_circuit_anew():
    clock = FakeClock()
    circuit = breaker(clock, threshold=3)
    for _ in range(3):
        fail(circuit)
    clock.time = 31
    fail(circuit)
    assert circuit.open_for_s == 30


def test_a_cancelled_probe_frees_its_place():
    clock = FakeClock()
    circuit = breaker(clock, threshold=1)
    fail(circuit)
    clock.time = 30
    assert [is_refused(circuit) for _ in range(3)] == [False, False, False]


def test_a_call_from_before_the_opening_settles_nothing():
    clock = FakeClock()
    circuit = breaker(clock, threshold=1)
    with circuit.guard():
        fail(circuit)
        clock.time = 30
        probe = circuit.guard()
        probe.__enter__()
    assert is_refused(circuit)  # the old call's success neither closed the circuit nor took the probe's place
    probe.__exit__(None, None, None)
    assert not is_refused(circuit)


@given(steps=st.lists(st.tuples(st.sampled_from(["succeed", "fail", "cancel", "start", "end"]), st.integers(0, 40))))
def test_the_circuit_never_stays_shut_for_good(steps: list[tuple[str, int]]):
    """Whatever happened, once all calls have ended and the time is up a call passes."""
    clock = FakeClock()
    circuit = breaker(clock, threshold=2)
    under_way = []
    for step, seconds in steps:
        clock.time += seconds
        call = circuit.guard()
        try:
            call.__enter__()
        except ModelError:
            continue
        under_way.append(call)
        if step != "start":
            error = {"fail": failure(), "cancel": asyncio.CancelledError()}.get(step)
            call = under_way.pop(seconds % len(under_way))
            assert not call.__exit__(type(error) if error else None, error, None)
    for call in under_way:
        call.__exit__(None, None, None)
    clock.time += 30
    assert not is_refused(circuit)


# streams


def test_the_system_clock_goes_forward():
    clock = SystemClock()
    before = clock.now()
    asyncio.run(clock.sleep(0))
    assert clock.now() >= before

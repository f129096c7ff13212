"""The lane queue: slots of four lanes, first come first served, and no slot ever leaks."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import ContextVar
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from a3s_code.config import QueueConfig
from a3s_code.errors import ConfigError, SessionError, ToolError, ToolErrorKind
from a3s_code.lanes import Lane
from a3s_code.queue.lane_queue import LaneQueue

T = TypeVar("T")

ONE = {"A3S_CODE_LANE_CONCURRENCY": "1"}


def queue(*, environ: dict[str, str] | None = None, max_total: int | None = None, **config: object) -> LaneQueue:
    return LaneQueue(QueueConfig(**config), max_total=max_total, environ=environ or {})  # type: ignore[arg-type]


async def settle() -> None:
    """Lets every task run until it waits."""
    for _ in range(20):
        await asyncio.sleep(0)


class Gate:
    """Work that begins, says so, and ends when it is opened."""

    def __init__(self, name: str, log: list[str]):
        self.name = name
        self.log = log
        self.opened = asyncio.Event()

    async def __call__(self) -> str:
        self.log.append(self.name)
        await self.opened.wait()
        return self.name


def start(work: Coroutine[None, None, T]) -> "asyncio.Task[T]":
    return asyncio.create_task(work)  # noqa: TID251 # the test awaits it


def test_the_lanes_have_the_slots_of_the_config():
    lanes = queue(query_max_concurrency=3).stats().lanes
    assert {lane: stats.max_concurrency for lane, stats in lanes.items()} == {
        Lane.CONTROL: 4,
        Lane.QUERY: 3,
        Lane.EXECUTE: 4,
        Lane.GENERATE: 8,
    }


def test_the_variable_overrides_all_lanes():
    lanes = queue(environ={"A3S_CODE_LANE_CONCURRENCY": "2"}).stats().lanes
    assert {stats.max_concurrency for stats in lanes.values()} == {2}


@pytest.mark.parametrize("value", ["0", "-1", "many", "1.5"])
def test_a_nonsense_variable_is_an_error_that_names_it(value: str):
    with pytest.raises(ConfigError, match="A3S_CODE_LANE_CONCURRENCY"):
        queue(environ={"A3S_CODE_LANE_CONCURRENCY": value})


def test_run_returns_what_the_work_returns():
    async def work() -> int:
        return 42

    assert asyncio.run(queue().run(Lane.QUERY, work)) == 42


def test_an_error_of_the_work_reaches_the_caller_and_frees_the_slot():
    async def work() -> None:
        raise KeyError("mine")

    async def main() -> None:
        lanes = queue(environ=ONE)
        for _ in range(3):
            with pytest.raises(KeyError, match="mine"):
                await lanes.run(Lane.EXECUTE, work)
        assert lanes.stats().total_active == 0

    asyncio.run(main())


def test_work_runs_in_the_callers_task_and_sees_its_context():
    variable: ContextVar[str] = ContextVar("variable")

    async def main() -> None:
        variable.set("seen")
        task = asyncio.current_task()

        async def work() -> None:
            assert asyncio.current_task() is task
            assert variable.get() == "seen"

        await queue().run(Lane.QUERY, work)

    asyncio.run(main())


def test_a_lane_is_first_come_first_served():
    async def main() -> None:
        lanes, log = queue(environ=ONE), list[str]()
        gates = [Gate(str(number), log) for number in range(5)]
        tasks = [start(lanes.run(Lane.EXECUTE, gate)) for gate in gates]
        for number, gate in enumerate(gates):
            await settle()
            assert log == [str(n) for n in range(number + 1)]
            gate.opened.set()
        assert await asyncio.gather(*tasks) == ["0", "1", "2", "3", "4"]

    asyncio.run(main())


def test_a_newcomer_does_not_overtake_one_that_was_given_the_slot():
    async def main() -> None:
        lanes, log = queue(environ=ONE), list[str]()
        first, second = Gate("first", log), Gate("second", log)
        async with lanes.slot(Lane.EXECUTE):
            task = start(lanes.run(Lane.EXECUTE, first))
            await settle()
        for gate in (first, second):
            gate.opened.set()
        assert await lanes.run(Lane.EXECUTE, second) == "second"  # the first has the slot and has not woken
        assert log == ["first", "second"]
        await task

    asyncio.run(main())


def test_a_full_lane_does_not_hold_up_another():
    async def main() -> None:
        lanes, log = queue(environ=ONE), list[str]()
        tasks = [start(lanes.run(Lane.CONTROL, Gate(name, log))) for name in ("a", "b")]
        await settle()
        quick = Gate("query", log)
        quick.opened.set()
        assert await lanes.run(Lane.QUERY, quick) == "query"
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(main())


def test_a_shared_slot_goes_to_the_waiting_lane_of_the_highest_priority():
    async def main() -> None:
        lanes, log = queue(max_total=1), list[str]()
        gates = {lane: Gate(lane.value, log) for lane in Lane}
        holder = Gate("holder", log)
        tasks = [start(lanes.run(Lane.GENERATE, holder))]
        await settle()
        tasks += [start(lanes.run(lane, gates[lane])) for lane in reversed(Lane)]
        await settle()
        for gate in (holder, *gates.values()):
            gate.opened.set()
        await asyncio.gather(*tasks)
        assert log == ["holder", "control", "query", "execute", "generate"]

    asyncio.run(main())


def test_stats_count_what_waits_and_what_runs():
    async def main() -> None:
        lanes, log = queue(environ=ONE), list[str]()
        tasks = [start(lanes.run(Lane.QUERY, Gate(str(n), log))) for n in range(3)]
        await settle()
        stats = lanes.stats()
        assert (stats.total_pending, stats.total_active) == (2, 1)
        assert (stats.lanes[Lane.QUERY].pending, stats.lanes[Lane.QUERY].active) == (2, 1)
        assert stats.lanes[Lane.CONTROL].active == 0
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(main())


def test_cancelling_a_waiting_run_removes_it():
    async def main() -> None:
        lanes, log = queue(environ=ONE), list[str]()
        first, second, third = (Gate(name, log) for name in ("first", "second", "third"))
        tasks = [start(lanes.run(Lane.QUERY, gate)) for gate in (first, second, third)]
        await settle()
        tasks[1].cancel()
        await settle()
        assert lanes.stats().total_pending == 1
        first.opened.set()
        third.opened.set()
        assert await tasks[2] == "third"
        assert log == ["first", "third"]

    asyncio.run(main())


def test_one_that_is_cancelled_after_it_was_given_the_slot_passes_it_on():
    async def main() -> None:
        lanes, log = queue(environ=ONE), list[str]()
        second, third = Gate("second", log), Gate("third", log)
        async with lanes.slot(Lane.QUERY):
            tasks = [start(lanes.run(Lane.QUERY, gate)) for gate in (second, third)]
            await settle()
        tasks[0].cancel()  # the second has the slot and has not woken
        third.opened.set()
        assert await tasks[1] == "third"
        assert log == ["third"]
        assert lanes.stats().total_active == 0

    asyncio.run(main())


def test_cancelling_running_work_frees_the_slot_only_when_it_has_ended():
    async def main() -> None:
        lanes, log = queue(environ=ONE), list[str]()
        tidied = asyncio.Event()

        async def stubborn() -> str:
            try:
                await asyncio.Event().wait()
            finally:
                await tidied.wait()
            return ""

        first = start(lanes.run(Lane.EXECUTE, stubborn))
        await settle()
        second = start(lanes.run(Lane.EXECUTE, Gate("second", log)))
        first.cancel()
        await settle()
        assert (log, lanes.stats().total_active) == ([], 1)
        tidied.set()
        await settle()
        assert first.cancelled()
        assert log == ["second"]
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("config", "timeout_s"),
    [
        pytest.param({}, 0.001, id="the caller's"),
        pytest.param({"lane_timeouts": {"execute": 1}}, None, id="the lane's"),
        pytest.param({"default_timeout_ms": 1}, None, id="the default"),
        pytest.param({"lane_timeouts": {"execute": 1}}, 3600, id="the shorter one"),
    ],
)
def test_work_that_runs_too_long_is_stopped_with_a_timeout(config: dict[str, object], timeout_s: float | None):
    async def main() -> None:
        lanes = queue(**config)
        with pytest.raises(ToolError, match=r"0\.001 s") as caught:
            await lanes.run(Lane.EXECUTE, asyncio.Event().wait, timeout_s=timeout_s)
        assert caught.value.kind is ToolErrorKind.TIMEOUT
        assert lanes.stats().total_active == 0

    asyncio.run(main())


def test_a_timeout_error_of_the_work_itself_stays_what_it_is():
    async def work() -> None:
        raise TimeoutError("mine")

    async def main() -> None:
        with pytest.raises(TimeoutError, match="mine"):
            await queue().run(Lane.EXECUTE, work, timeout_s=60)

    asyncio.run(main())


def test_the_wait_for_a_slot_does_not_count_as_running():
    async def main() -> None:
        loop = asyncio.get_running_loop()
        lanes, log = queue(environ=ONE), list[str]()
        first, second = Gate("first", log), Gate("second", log)
        tasks = [start(lanes.run(Lane.QUERY, first)), start(lanes.run(Lane.QUERY, second, timeout_s=0.05))]
        until = loop.create_future()
        loop.call_later(0.06, until.set_result, None)
        await until
        first.opened.set()
        second.opened.set()
        assert await asyncio.gather(*tasks) == ["first", "second"]

    asyncio.run(main())


def test_closing_refuses_new_work_fails_the_waiting_and_stops_the_running():
    async def main() -> None:
        lanes, log = queue(environ=ONE), list[str]()
        tasks = [start(lanes.run(Lane.EXECUTE, Gate(name, log))) for name in ("running", "waiting")]
        await settle()
        await lanes.aclose(5)
        for task in tasks:
            with pytest.raises(SessionError, match="the queue is closed"):
                await task
        with pytest.raises(SessionError, match="the queue is closed"):
            await lanes.run(Lane.EXECUTE, Gate("late", log))
        assert log == ["running"]
        assert (lanes.stats().total_pending, lanes.stats().total_active) == (0, 0)
        await lanes.aclose(5)

    asyncio.run(main())


def test_closing_stops_one_that_was_given_the_slot_and_has_not_woken():
    async def main() -> None:
        lanes, log = queue(environ=ONE), list[str]()
        async with lanes.slot(Lane.EXECUTE):
            task = start(lanes.run(Lane.EXECUTE, Gate("second", log)))
            await settle()
        await lanes.aclose(5)
        with pytest.raises(SessionError, match="the queue is closed"):
            await task
        assert log == []

    asyncio.run(main())


def test_closing_says_which_lane_did_not_end_in_time():
    async def main() -> None:
        lanes, release = queue(), asyncio.Event()

        async def stubborn() -> str:
            try:
                await asyncio.Event().wait()
            finally:
                await release.wait()
            return ""

        task = start(lanes.run(Lane.EXECUTE, stubborn))
        await settle()
        with pytest.raises(SessionError, match="execute"):
            await lanes.aclose(0)
        release.set()
        await lanes.aclose(5)
        with pytest.raises(SessionError, match="closed"):
            await task

    asyncio.run(main())


def test_closing_waits_for_a_slot_that_is_held():
    async def main() -> None:
        lanes, release = queue(), asyncio.Event()

        async def stream() -> str:
            async with lanes.slot(Lane.GENERATE):
                await release.wait()
            return "whole"

        task = start(stream())
        await settle()
        closing = start(lanes.aclose(60))
        await settle()
        assert not closing.done()
        release.set()
        await closing
        assert await task == "whole"

    asyncio.run(main())


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["submit", "finish", "fail", "cancel", "turn"]), st.sampled_from(Lane), st.integers(0, 99)
    ),
    max_size=80,
)


@settings(max_examples=300, deadline=None)
@given(actions=ACTIONS, slots=st.integers(1, 3), max_total=st.none() | st.integers(1, 4), closes=st.booleans())
def test_whatever_happens_no_lane_has_too_many_and_no_slot_leaks(
    actions: list[tuple[str, Lane, int]], slots: int, max_total: int | None, closes: bool
):
    running: dict[Lane, int] = dict.fromkeys(Lane, 0)

    def check(lanes: LaneQueue) -> None:
        stats = lanes.stats()
        assert all(running[lane] <= stats.lanes[lane].active <= slots for lane in Lane)
        assert stats.total_active <= (max_total or 99)
        # nothing waits while there is room for it
        if max_total is None or stats.total_active < max_total:
            assert all(one.pending == 0 or one.active == slots for one in stats.lanes.values())

    def work_in(lane: Lane, ended: "asyncio.Future[None]") -> Callable[[], Awaitable[None]]:
        async def work() -> None:
            running[lane] += 1
            try:
                await ended
            finally:
                try:
                    await asyncio.sleep(0)  # tidying up takes a moment
                finally:
                    running[lane] -= 1

        return work

    async def main() -> None:
        lanes = queue(environ={"A3S_CODE_LANE_CONCURRENCY": str(slots)}, max_total=max_total)
        loop = asyncio.get_running_loop()
        tasks: list[asyncio.Task[None]] = []
        ends: list[asyncio.Future[None]] = []
        for action, lane, number in actions:
            if action == "submit":
                ends.append(loop.create_future())
                tasks.append(start(lanes.run(lane, work_in(lane, ends[-1]))))
            elif action == "turn":
                await asyncio.sleep(0)
            elif tasks:
                chosen = number % len(tasks)
                if action == "cancel":
                    tasks[chosen].cancel()
                elif not ends[chosen].done():
                    if action == "finish":
                        ends[chosen].set_result(None)
                    else:
                        ends[chosen].set_exception(KeyError("failed"))
            check(lanes)
        if closes:
            await lanes.aclose(60)
        else:
            for end in ends:
                if not end.done():
                    end.set_result(None)
        await asyncio.gather(*tasks, return_exceptions=True)
        for end in ends:
            if end.done() and not end.cancelled():
                end.exception()  # seen, so that asyncio does not complain of it
        stats = lanes.stats()
        assert (stats.total_active, stats.total_pending, sum(running.values())) == (0, 0, 0)

    asyncio.run(main())

"""A question gets exactly one answer, and no answer is never an approval unless the policy says so."""

import asyncio
import threading

import pytest
from a3s_code_guard.confirmation import ConfirmationManager
from a3s_code_guard.plugin import ConfirmationConfig, a3s_code_confirmation_provider

from a3s_code.plugin import (
    Answer,
    ConfirmationPolicy,
    ConfirmationProvider,
    ConfirmationRequest,
    Lane,
    Outcome,
    TimeoutAction,
)


def question(tool_id: str = "t1", lane: Lane = Lane.EXECUTE) -> ConfirmationRequest:
    return ConfirmationRequest(tool_id=tool_id, tool_name="bash", arguments={"command": "ls"}, lane=lane)


def ask(manager: ConfirmationManager, request: ConfirmationRequest | None = None) -> Answer:
    return asyncio.run(manager.confirm(request or question()))


def test_nobody_to_ask_is_unavailable_at_once():
    assert ask(ConfirmationManager()).outcome is Outcome.UNAVAILABLE


def test_a_yolo_lane_is_approved_without_a_question():
    policy = ConfirmationPolicy(yolo_lanes=frozenset({Lane.QUERY}))

    assert ask(ConfirmationManager(policy), question(lane=Lane.QUERY)).outcome is Outcome.APPROVED


@pytest.mark.parametrize(
    ("said", "outcome"),
    [(True, Outcome.APPROVED), (False, Outcome.REJECTED), (Answer(outcome=Outcome.REJECTED), Outcome.REJECTED)],
)
def test_a_plain_answerer_runs_in_a_thread_of_its_own(said, outcome):
    threads = []

    def answerer(request):
        threads.append(threading.current_thread())
        return said

    assert ask(ConfirmationManager(answerer=answerer)).outcome is outcome
    assert threads[0] is not threading.main_thread()


def test_an_async_answerer_is_awaited():
    async def answerer(request):
        return Answer(outcome=Outcome.APPROVED, arguments={"command": "ls -l"})

    assert ask(ConfirmationManager(answerer=answerer)).arguments == {"command": "ls -l"}


@pytest.mark.parametrize("said", ["yes", None, 1])
def test_nonsense_is_a_rejection(said):
    answer = ask(ConfirmationManager(answerer=lambda request: said))

    assert answer.outcome is Outcome.REJECTED
    assert type(said).__name__ in answer.reason


@pytest.mark.parametrize("error", [ValueError("boom"), SystemExit(0)])
def test_an_answerer_that_raises_is_a_rejection_with_the_reason(error):
    def answerer(request):
        raise error

    answer = ask(ConfirmationManager(answerer=answerer))

    assert answer.outcome is Outcome.REJECTED
    assert "failed" in answer.reason


@pytest.mark.parametrize(
    ("action", "outcome"), [(TimeoutAction.REJECT, Outcome.TIMEOUT), (TimeoutAction.AUTO_APPROVE, Outcome.APPROVED)]
)
def test_no_answer_in_time(action, outcome):
    policy = ConfirmationPolicy(enabled=True, timeout_ms=1, timeout_action=action)

    assert ask(ConfirmationManager(policy)).outcome is outcome


def test_an_answerer_that_hangs_delays_nobody():
    hang = threading.Event()
    manager = ConfirmationManager(ConfirmationPolicy(timeout_ms=1), lambda request: hang.wait())

    assert ask(manager).outcome is Outcome.TIMEOUT
    hang.set()


async def open_question(manager: ConfirmationManager, tool_id: str = "t1") -> asyncio.Task[Answer]:
    task = asyncio.ensure_future(manager.confirm(question(tool_id)))  # noqa: TID251 # the caller awaits it
    await asyncio.sleep(0)
    return task


def test_an_answer_from_outside():
    async def scene():
        manager = ConfirmationManager(ConfirmationPolicy(enabled=True))
        asked = await open_question(manager)
        waiting = [request.tool_id for request in manager.pending()]
        found = await asyncio.to_thread(manager.respond, "t1", approved=False, reason="not today")
        return waiting, found, await asked, manager.pending(), manager.respond("t1", approved=True)

    waiting, found, answer, left, late = asyncio.run(scene())

    assert waiting == ["t1"]
    assert found
    assert answer == Answer(outcome=Outcome.REJECTED, reason="not today")
    assert left == ()
    assert not late


def test_two_open_questions_with_one_id_are_both_rejected():
    async def scene():
        manager = ConfirmationManager(ConfirmationPolicy(enabled=True))
        first = await open_question(manager)
        second = await open_question(manager)
        return await first, await second, manager.pending()

    first, second, left = asyncio.run(scene())

    assert (first.outcome, second.outcome) == (Outcome.REJECTED, Outcome.REJECTED)
    assert left == ()


def test_cancelling_the_run_removes_the_question():
    async def scene():
        manager = ConfirmationManager(ConfirmationPolicy(enabled=True))
        asked = await open_question(manager)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        return manager.pending(), asked.cancelled()

    assert asyncio.run(scene()) == ((), True)


def test_the_factory_reads_the_config():
    settings = {
        "enabled": True,
        "timeout_ms": 5,
        "timeout_action": TimeoutAction.AUTO_APPROVE,
        "yolo_lanes": frozenset({Lane.QUERY}),
    }
    manager = a3s_code_confirmation_provider(ConfirmationConfig(**settings), None)

    assert isinstance(manager, ConfirmationProvider)
    assert manager.policy == ConfirmationPolicy(**settings)

"""What every ConfirmationProvider promises."""

import asyncio
from collections.abc import Callable
from typing import TypeAlias

import pytest

from a3s_code.plugin import Answer, Answerer, ConfirmationPolicy, ConfirmationProvider, ConfirmationRequest, Outcome
from a3s_code_testing.running import run, start

__all__ = ["ConfirmationProviderContract", "MakeProvider"]

MakeProvider: TypeAlias = Callable[[Answerer | None, ConfirmationPolicy], ConfirmationProvider]

PATIENT = ConfirmationPolicy(enabled=True, timeout_ms=10_000)
IMPATIENT = ConfirmationPolicy(enabled=True, timeout_ms=20)


class ConfirmationProviderContract:
    """Inherit it and give `make_provider(answerer, policy)`; the answerer is a callback or None.

    A provider that takes no answers from outside (it inherits `respond`) skips the tests about those.
    """

    @pytest.fixture
    def make_provider(self) -> MakeProvider:
        raise NotImplementedError("give a fixture make_provider(answerer, policy) -> ConfirmationProvider")

    def test_yes_approves(self, make_provider: MakeProvider) -> None:
        """A callback answers True, False or an `Answer`."""
        assert _confirm(make_provider(lambda request: True, PATIENT)).outcome is Outcome.APPROVED

    def test_no_rejects(self, make_provider: MakeProvider) -> None:
        """A callback answers True, False or an `Answer`."""
        assert _confirm(make_provider(lambda request: False, PATIENT)).outcome is Outcome.REJECTED

    def test_a_full_answer_arrives_as_it_is(self, make_provider: MakeProvider) -> None:
        """The person's words and changed arguments reach the kernel unchanged."""
        answer = Answer(outcome=Outcome.APPROVED, reason="but gently", arguments={"command": "ls"})
        assert _confirm(make_provider(lambda request: answer, PATIENT)) == answer

    def test_an_async_callback_is_awaited(self, make_provider: MakeProvider) -> None:
        """A callback may be asynchronous."""

        async def answerer(request: ConfirmationRequest) -> bool:
            await asyncio.sleep(0)
            return request.tool_name == "bash"

        assert _confirm(make_provider(answerer, PATIENT)).outcome is Outcome.APPROVED

    def test_nobody_there_is_an_answer(self, make_provider: MakeProvider) -> None:
        """`confirm` never raises for "no answer", it returns TIMEOUT or UNAVAILABLE."""
        answer = _confirm(make_provider(None, ConfirmationPolicy(timeout_ms=20)))
        assert answer.outcome in (Outcome.TIMEOUT, Outcome.UNAVAILABLE)

    def test_a_person_who_does_not_answer_is_a_timeout(self, make_provider: MakeProvider) -> None:
        """`timeout_ms` are the milliseconds to wait for an answer."""

        async def silent(request: ConfirmationRequest) -> bool:
            await asyncio.Event().wait()
            return True

        assert _confirm(make_provider(silent, IMPATIENT)).outcome is Outcome.TIMEOUT

    def test_the_policy_is_the_one_it_was_made_with(self, make_provider: MakeProvider) -> None:
        """`policy` says how questions are answered."""
        assert make_provider(None, IMPATIENT).policy == IMPATIENT

    def test_cancelling_the_run_cancels_the_question(self, make_provider: MakeProvider) -> None:
        """Cancelling the run cancels the question: it is no longer open."""

        async def scenario() -> tuple[ConfirmationRequest, ...]:
            asked = asyncio.Event()

            async def silent(request: ConfirmationRequest) -> bool:
                asked.set()
                await asyncio.Event().wait()
                return True

            provider = make_provider(silent, PATIENT)
            question = start(provider.confirm(_question("call_1")))
            await asked.wait()
            question.cancel()
            with pytest.raises(asyncio.CancelledError):
                await question
            return provider.pending()

        assert run(scenario()) == ()

    def test_an_answer_from_outside_settles_the_question(self, make_provider: MakeProvider) -> None:
        """`respond` answers an open question from outside."""

        async def scenario(provider: ConfirmationProvider) -> Answer:
            question = await _open(provider, "call_1")
            assert provider.respond("call_1", approved=False, reason="too risky")
            return await question

        answer = run(scenario(_answerable(make_provider)))
        assert (answer.outcome, answer.reason) == (Outcome.REJECTED, "too risky")

    def test_open_questions_are_listed_oldest_first(self, make_provider: MakeProvider) -> None:
        """`pending` gives the open questions, oldest first."""

        async def scenario(provider: ConfirmationProvider) -> list[str]:
            questions = [await _open(provider, id) for id in ("b", "a")]
            listed = [request.tool_id for request in provider.pending()]
            for id in ("a", "b"):
                provider.respond(id, approved=True)
            await asyncio.gather(*questions)
            return listed

        assert run(scenario(_answerable(make_provider))) == ["b", "a"]

    def test_a_late_answer_is_refused(self, make_provider: MakeProvider) -> None:
        """`respond` gives False when there is no open question with this id."""

        async def scenario(provider: ConfirmationProvider) -> list[bool]:
            question = await _open(provider, "call_1")
            provider.respond("call_1", approved=True)
            await question
            return [provider.respond("call_1", approved=True), provider.respond("call_2", approved=True)]

        assert run(scenario(_answerable(make_provider))) == [False, False]


def _question(id: str) -> ConfirmationRequest:
    return ConfirmationRequest(tool_id=id, tool_name="bash", arguments={"command": "ls"})


def _confirm(provider: ConfirmationProvider) -> Answer:
    return run(provider.confirm(_question("call_1")))


def _answerable(make_provider: MakeProvider) -> ConfirmationProvider:
    provider = make_provider(None, PATIENT)
    if type(provider).respond is ConfirmationProvider.respond:
        pytest.skip("this provider takes no answers from outside")
    return provider


async def _open(provider: ConfirmationProvider, id: str) -> "asyncio.Task[Answer]":
    """Asks and waits until the question is open."""
    question = start(provider.confirm(_question(id)))
    while id not in [request.tool_id for request in provider.pending()]:
        assert not question.done(), f"the question was settled by itself: {question}"
        await asyncio.sleep(0.001)  # the contract gives no event for an opened question
    return question

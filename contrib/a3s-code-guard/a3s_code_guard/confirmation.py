"""ConfirmationManager: asks a person, by a callback or by an answer from outside."""

import asyncio
import inspect
import threading
from collections.abc import Awaitable
from typing import cast

from a3s_code.plugin import Answer, Answerer, ConfirmationPolicy, ConfirmationRequest, Outcome, TimeoutAction, in_thread

__all__ = ["ConfirmationManager"]


class ConfirmationManager:
    """Gets answers from an answerer, or from `respond` when the policy is enabled; the first one counts.

    Args:
        policy: How long to wait and what no answer means.
        answerer: A function that answers, or None; a plain one runs in a thread of its own.
    """

    def __init__(self, policy: ConfirmationPolicy | None = None, answerer: Answerer | None = None) -> None:
        self._policy = policy or ConfirmationPolicy()
        self._answerer = answerer
        self._open: dict[str, _Question] = {}
        self._lock = threading.Lock()

    @property
    def policy(self) -> ConfirmationPolicy:
        return self._policy

    async def confirm(self, request: ConfirmationRequest) -> Answer:
        if request.lane in self._policy.yolo_lanes:
            return Answer(outcome=Outcome.APPROVED)
        if self._answerer is None and not self._policy.enabled:
            return Answer(outcome=Outcome.UNAVAILABLE, reason="nobody is there to ask")
        question = _Question(request)
        if not self._register(question):
            return _rejected(f"there was another open question with the id {request.tool_id}")
        try:
            return await self._wait(question)
        finally:
            with self._lock:
                if self._open.get(request.tool_id) is question:
                    del self._open[request.tool_id]

    def respond(self, tool_id: str, *, approved: bool, reason: str | None = None) -> bool:
        """Answers an open question; False when there is none with this id. Any thread may call it."""
        with self._lock:
            question = self._open.pop(tool_id, None)
        if question is None:
            return False
        question.settle(Answer(outcome=Outcome.APPROVED if approved else Outcome.REJECTED, reason=reason))
        return True

    def pending(self) -> tuple[ConfirmationRequest, ...]:
        with self._lock:
            return tuple(question.request for question in self._open.values())

    def _register(self, question: "_Question") -> bool:
        """False when the id was taken: then the earlier question is rejected too, as nobody can tell them apart."""
        tool_id = question.request.tool_id
        with self._lock:
            earlier = self._open.pop(tool_id, None)
            if earlier is None:
                self._open[tool_id] = question
                return True
        earlier.settle(_rejected(f"there was another open question with the id {tool_id}"))
        return False

    async def _wait(self, question: "_Question") -> Answer:
        asking: asyncio.Task[None] | None = None
        if self._answerer is not None:
            asking = asyncio.create_task(_ask(self._answerer, question))  # noqa: TID251 # ended and awaited below
        try:
            async with asyncio.timeout(self._policy.timeout_ms / 1000):
                return await question.answer
        except TimeoutError:
            waited = f"nobody answered within {self._policy.timeout_ms} ms"
            approves = self._policy.timeout_action is TimeoutAction.AUTO_APPROVE
            return Answer(outcome=Outcome.APPROVED if approves else Outcome.TIMEOUT, reason=waited)
        finally:
            if asking is not None:
                asking.cancel()
                await asyncio.gather(asking, return_exceptions=True)


class _Question:
    """An open question; the first answer stays."""

    def __init__(self, request: ConfirmationRequest) -> None:
        self.request = request
        self._loop = asyncio.get_running_loop()
        self.answer: asyncio.Future[Answer] = self._loop.create_future()

    def settle(self, answer: Answer) -> None:
        """Any thread may call it; too late is no error."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._settle, answer)

    def _settle(self, answer: Answer) -> None:
        if not self.answer.done():
            self.answer.set_result(answer)


async def _ask(answerer: Answerer, question: _Question) -> None:
    try:
        if inspect.iscoroutinefunction(answerer) or inspect.iscoroutinefunction(getattr(answerer, "__call__", None)):  # noqa: B004 # an object may have an async __call__
            said: object = answerer(question.request)
        else:
            said = await in_thread(answerer, question.request)
        if inspect.isawaitable(said):
            said = await cast(Awaitable[object], said)  # isawaitable narrows to Awaitable[Any]
        question.settle(_as_answer(said))
    except Exception as exc:  # noqa: BLE001 # the answerer is foreign code; a broken one refuses
        question.settle(_rejected(f"the answerer failed: {type(exc).__name__}: {exc}"))


def _as_answer(said: object) -> Answer:
    match said:
        case Answer():
            return said
        case bool():
            return Answer(outcome=Outcome.APPROVED if said else Outcome.REJECTED)
        case _:
            return _rejected(f"the answerer gave {type(said).__name__}, not True, False or an Answer")


def _rejected(reason: str) -> Answer:
    return Answer(outcome=Outcome.REJECTED, reason=reason)

"""A confirmation provider for tests: the person's answers are written down beforehand."""

import asyncio
import inspect
from collections import deque
from typing import TypeAlias

from a3s_code.plugin import (
    Answer,
    Answerer,
    ConfirmationPolicy,
    ConfirmationProvider,
    ConfirmationRequest,
    Outcome,
)

__all__ = ["ScriptedAnswer", "ScriptedConfirmation"]

ScriptedAnswer: TypeAlias = bool | Answer | Exception | Answerer
"""Yes, no, a full answer, an error to raise (a broken provider), or a function of the question."""


class ScriptedConfirmation(ConfirmationProvider):
    """Gives its answers one after the other; then nobody is there.

    With `policy.enabled` a question without an answer stays open until `respond` or the policy's timeout.

    Attributes:
        requests: Every question, in the order asked.
    """

    def __init__(self, *answers: ScriptedAnswer, policy: ConfirmationPolicy | None = None):
        self.requests: list[ConfirmationRequest] = []
        self._answers = deque(answers)
        self._policy = policy or ConfirmationPolicy()
        self._open: dict[str, tuple[ConfirmationRequest, asyncio.Future[Answer]]] = {}

    @property
    def policy(self) -> ConfirmationPolicy:
        return self._policy

    async def confirm(self, request: ConfirmationRequest) -> Answer:
        self.requests.append(request)
        if not self._answers and not self._policy.enabled:
            return Answer(outcome=Outcome.UNAVAILABLE)
        try:
            async with asyncio.timeout(self._policy.timeout_ms / 1000):
                return await (_ask(self._answers.popleft(), request) if self._answers else self._wait(request))
        except TimeoutError:
            return Answer(outcome=Outcome.TIMEOUT)

    def respond(self, tool_id: str, *, approved: bool, reason: str | None = None) -> bool:
        _, answer = self._open.pop(tool_id, (None, None))
        if answer is None or answer.done():
            return False
        answer.set_result(Answer(outcome=_outcome(approved), reason=reason))
        return True

    def pending(self) -> tuple[ConfirmationRequest, ...]:
        return tuple(request for request, _ in self._open.values())

    async def _wait(self, request: ConfirmationRequest) -> Answer:
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._open[request.tool_id] = (request, answer)
        try:
            return await answer
        finally:
            self._open.pop(request.tool_id, None)


async def _ask(answer: ScriptedAnswer, request: ConfirmationRequest) -> Answer:
    if isinstance(answer, Exception):
        raise answer
    if callable(answer):
        said = answer(request)
        answer = await said if inspect.isawaitable(said) else said
    return answer if isinstance(answer, Answer) else Answer(outcome=_outcome(answer))


def _outcome(approved: bool) -> Outcome:
    return Outcome.APPROVED if approved else Outcome.REJECTED

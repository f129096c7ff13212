"""ConfirmationProvider: asks a person whether a call may run."""

from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Protocol, TypeAlias, runtime_checkable

from attrs import frozen

from a3s_code.lanes import Lane
from a3s_code.messages import JsonObject

__all__ = [
    "Answer",
    "Answerer",
    "ConfirmationPolicy",
    "ConfirmationProvider",
    "ConfirmationRequest",
    "Outcome",
    "TimeoutAction",
]


class Outcome(Enum):
    """APPROVED and REJECTED are a person's words; TIMEOUT and UNAVAILABLE mean that nobody answered or could."""

    APPROVED = "approved"
    REJECTED = "rejected"
    TIMEOUT = "timeout"
    UNAVAILABLE = "unavailable"


@frozen(kw_only=True)
class ConfirmationRequest:
    """A question for a person.

    Args:
        tool_id: The id of the call; never two open questions with the same id.
        tool_name: The tool.
        arguments: The arguments it would run with, redacted for display.
        reason: Why it is asked.
        lane: The lane the call would run in.
    """

    tool_id: str
    tool_name: str
    arguments: JsonObject
    reason: str = ""
    lane: Lane = Lane.EXECUTE


@frozen(kw_only=True)
class Answer:
    """What the person said.

    Args:
        outcome: Approved, rejected, or nobody answered.
        reason: The person's words for the model, or None.
        arguments: Changed arguments, judged again from the start; None keeps them.
    """

    outcome: Outcome
    reason: str | None = None
    arguments: JsonObject | None = None


Answerer: TypeAlias = Callable[[ConfirmationRequest], "bool | Answer | Awaitable[bool | Answer]"]
"""A callback that answers: True, False or an `Answer`. A plain function runs in a worker thread."""


class TimeoutAction(Enum):
    REJECT = "reject"
    AUTO_APPROVE = "auto_approve"


@frozen(kw_only=True)
class ConfirmationPolicy:
    """How questions are answered.

    Args:
        enabled: Wait for `session.confirm_tool_use(...)` even when no answerer is registered.
        timeout_ms: Milliseconds to wait for an answer.
        timeout_action: What no answer means.
        yolo_lanes: Lanes whose calls are approved without a question.
    """

    enabled: bool = False
    timeout_ms: int = 30_000
    timeout_action: TimeoutAction = TimeoutAction.REJECT
    yolo_lanes: frozenset[Lane] = frozenset()


@runtime_checkable
class ConfirmationProvider(Protocol):
    """Asks a human. Cancelling the run cancels the question.

    Contract: `confirm` never raises for "no answer", it returns TIMEOUT or UNAVAILABLE; anything but an `Answer`
    counts as a refusal.
    """

    @property
    def policy(self) -> ConfirmationPolicy: ...

    async def confirm(self, request: ConfirmationRequest) -> Answer: ...

    def respond(self, tool_id: str, *, approved: bool, reason: str | None = None) -> bool:
        """Answers an open question from outside; False when there is none with this id."""
        return False

    def pending(self) -> tuple[ConfirmationRequest, ...]:
        """The open questions, oldest first."""
        return ()

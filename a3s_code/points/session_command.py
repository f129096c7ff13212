"""SessionCommand: one unit of queued work."""

from collections.abc import Awaitable, Callable
from typing import Protocol, runtime_checkable

from attrs import frozen

from a3s_code.messages import JsonObject, ToolCall
from a3s_code.points.tools import ToolOutput

__all__ = ["Permit", "SessionCommand", "SessionCommandMaker", "ToolWork"]


@frozen(kw_only=True)
class Permit:
    """Proof that a call passed the gate; a lane runs only what its permit still covers.

    Args:
        call_hash: SHA-256 of the canonical call: tool and arguments.
        targets: The resolved targets as text, such as "write:/ws/a.py".
        rule: The deciding rule, "" when a person decided.
        policy_version: Version of the policy that decided.
        origin: Who asked: "host", "model", "child", "hook" or "mcp".
        isolation: Required isolation: "none" or "sandbox".
        expires_at: Monotonic seconds after which it no longer holds.
    """

    call_hash: str
    targets: tuple[str, ...]
    rule: str
    policy_version: str
    origin: str
    isolation: str
    expires_at: float


@frozen(kw_only=True)
class ToolWork:
    """A call that may run.

    Args:
        call: The call, with the arguments that were judged.
        permit: Its permit.
        perform: Runs the tool in this process.
    """

    call: ToolCall
    permit: Permit
    perform: Callable[[], Awaitable[ToolOutput]]


@runtime_checkable
class SessionCommand(Protocol):
    """One unit of queued work: what it is (for queues and workers) and how it runs here.

    Contract: `command_type` and `payload` are enough for a worker elsewhere to do the work; `execute` runs it here,
    once.
    """

    @property
    def command_type(self) -> str: ...

    @property
    def payload(self) -> JsonObject: ...

    async def execute(self) -> ToolOutput: ...


@runtime_checkable
class SessionCommandMaker(Protocol):
    """What the point is filled with."""

    def make(self, work: ToolWork) -> SessionCommand: ...

"""HookHandler and HookExecutor: code that sees, blocks or changes what the agent does."""

from collections.abc import Awaitable
from enum import Enum
from typing import Protocol, runtime_checkable

from attrs import field, frozen

from a3s_code.messages import JsonObject

__all__ = [
    "Hook",
    "HookAction",
    "HookEvent",
    "HookEventType",
    "HookExecutor",
    "HookHandler",
    "HookMatcher",
    "HookResponse",
    "HookResult",
]


class HookEventType(Enum):
    """The lifecycle events; `is_gating` ones can block, and a failing hook blocks there."""

    PRE_TOOL_USE = "pre_tool_use"
    POST_TOOL_USE = "post_tool_use"
    GENERATE_START = "generate_start"
    GENERATE_END = "generate_end"
    SESSION_START = "session_start"
    SESSION_END = "session_end"
    SKILL_LOAD = "skill_load"
    SKILL_UNLOAD = "skill_unload"
    PRE_PROMPT = "pre_prompt"
    POST_RESPONSE = "post_response"
    ON_ERROR = "on_error"

    @property
    def is_gating(self) -> bool:
        return self in (HookEventType.PRE_TOOL_USE, HookEventType.PRE_PROMPT)


@frozen(kw_only=True)
class HookEvent:
    """What happened; *payload* has the fields of the event's table in docs/reference/hooks.md."""

    event_type: HookEventType
    session_id: str
    payload: JsonObject = field(factory=dict)


class HookAction(Enum):
    """CONTINUE; BLOCK it; MODIFY and continue; SKIP the remaining hooks; RETRY after a delay."""

    CONTINUE = "continue"
    BLOCK = "block"
    MODIFY = "modify"
    SKIP = "skip"
    RETRY = "retry"


@frozen(kw_only=True)
class HookResponse:
    """A handler's answer.

    Args:
        action: What to do.
        reason: Why it is blocked, for the model and the person.
        modified: For MODIFY: the fields of the payload that change, such as {"args": {...}}, {"prompt": "..."}
            or {"output": "..."}; later hooks see them.
        delay_ms: For RETRY.
    """

    action: HookAction = HookAction.CONTINUE
    reason: str = ""
    modified: JsonObject = field(factory=dict)
    delay_ms: int = 0


@runtime_checkable
class HookHandler(Protocol):
    """One subscriber.

    Contract: plain functions run in a worker thread; None means CONTINUE. Raising, answering anything else or not
    answering within the hook's timeout blocks a gating event and is only logged for the others.
    """

    def handle(self, event: HookEvent) -> "HookResponse | None | Awaitable[HookResponse | None]": ...


@frozen(kw_only=True)
class HookMatcher:
    """Which events a hook sees; everything given must match, and patterns are anchored at both ends.

    Args:
        tool: Glob over the tool's name.
        path: Glob over the path argument.
        command: Regular expression searched in the command argument.
        session_id: Exact id.
    """

    tool: str | None = None
    path: str | None = None
    command: str | None = None
    session_id: str | None = None


@frozen(kw_only=True)
class Hook:
    """A registered handler.

    Args:
        id: Registering the same id replaces the hook.
        event_type: The event it sees.
        handler: Who answers.
        matcher: Narrows the events; None sees all of the type.
        priority: Smaller first; equal ones in the order of registration. 1 security, 100 the default.
        timeout_ms: Milliseconds until it counts as failed.
    """

    id: str
    event_type: HookEventType
    handler: HookHandler
    matcher: HookMatcher | None = None
    priority: int = 100
    timeout_ms: int = 30_000


@frozen(kw_only=True)
class HookResult:
    """What all hooks of an event together decided.

    Args:
        payload: The payload after all modifications.
        blocked: The reason, or None when nothing blocked.
        retry_delay_ms: Set when a hook asked for a retry.
    """

    payload: JsonObject = field(factory=dict)
    blocked: str | None = None
    retry_delay_ms: int | None = None


@runtime_checkable
class HookExecutor(Protocol):
    """Runs the hooks of an event in order.

    Contract: each hook sees the modifications of those before it; a gating event with a failing hook comes back
    blocked; raising or answering anything but a `HookResult` blocks a gating event.
    """

    async def fire(self, event: HookEvent) -> HookResult: ...

    def register(self, hook: Hook) -> None: ...

    def unregister(self, hook_id: str) -> bool: ...

    def hook_count(self) -> int: ...

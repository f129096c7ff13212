"""Plain functions as lifecycle hooks, in the form of the reference's Python SDK."""

import inspect
from collections.abc import Awaitable, Callable, Mapping

from attrs import frozen

from a3s_code.errors import ConfigError
from a3s_code.messages import Json, JsonObject
from a3s_code.points.hooks import (
    Hook,
    HookAction,
    HookEvent,
    HookEventType,
    HookHandler,
    HookMatcher,
    HookResponse,
)
from a3s_code.threads import in_thread

__all__ = ["HookFunction", "hook_of"]

HookFunction = Callable[[dict[str, Json]], "JsonObject | None | Awaitable[JsonObject | None]"]


@frozen
class FunctionHandler:
    """A handler made of a function; what it answers is checked, so that nonsense blocks instead of passing."""

    function: HookFunction

    async def handle(self, event: HookEvent) -> HookResponse | None:
        told: dict[str, Json] = {"event_type": event.event_type.value, "payload": dict(event.payload)}
        answer: object = (
            await self.function(told)
            if inspect.iscoroutinefunction(self.function)
            else await in_thread(self.function, told)
        )
        if answer is None:
            return None
        if not isinstance(answer, Mapping):
            raise TypeError(f"a hook answers None or a dict with an action, not {type(answer).__name__}")
        return HookResponse(
            action=HookAction(answer.get("action", "continue")),
            reason=str(answer.get("reason") or ""),
            modified=answer.get("modified") or {},
            delay_ms=int(answer.get("delay_ms") or 0),
        )


def hook_of(
    hook_id: str,
    event_type: str,
    handler: HookHandler | HookFunction,
    *,
    matcher: Mapping[str, str] | None,
    priority: int,
    timeout_ms: int,
) -> Hook:
    """The hook that calls *handler*.

    Raises:
        ConfigError: There is no such event, or the matcher has an unknown word.
    """
    names = [one.value for one in HookEventType]
    if event_type not in names:
        raise ConfigError(f'unknown hook event "{event_type}"; there are: {", ".join(names)}')
    try:
        match = HookMatcher(**matcher) if matcher else None
    except TypeError as error:
        raise ConfigError(f"a matcher takes tool, path, command and session_id: {error}") from error
    return Hook(
        id=hook_id,
        event_type=HookEventType(event_type),
        handler=handler if isinstance(handler, HookHandler) else FunctionHandler(handler),
        matcher=match,
        priority=priority,
        timeout_ms=timeout_ms,
    )

"""A hook for tests that remembers what it saw, and an executor that keeps its hooks in a list."""

import asyncio
import inspect
import re
from collections.abc import Awaitable, Callable
from fnmatch import fnmatchcase
from typing import TypeAlias

from attrs import evolve

from a3s_code.plugin import (
    Hook,
    HookAction,
    HookEvent,
    HookEventType,
    HookExecutor,
    HookHandler,
    HookMatcher,
    HookResponse,
    HookResult,
    JsonObject,
)

__all__ = ["HookAnswer", "ListHookExecutor", "RecordingHook"]

HookAnswer: TypeAlias = (
    HookResponse | None | Exception | Callable[[HookEvent], "HookResponse | None | Awaitable[HookResponse | None]"]
)
"""A response, None to continue, an error to raise, or a function (plain or async) of the event."""


class RecordingHook(HookHandler):
    """Answers always the same.

    Attributes:
        events: Everything it saw.
    """

    def __init__(self, answer: HookAnswer = None):
        self.events: list[HookEvent] = []
        self._answer = answer

    def handle(self, event: HookEvent) -> "HookResponse | None | Awaitable[HookResponse | None]":
        self.events.append(event)
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer(event) if callable(self._answer) else self._answer

    def on(self, event_type: HookEventType, *, id: str = "recording", priority: int = 100) -> Hook:
        """This handler as a hook of *event_type*."""
        return Hook(id=id, event_type=event_type, handler=self, priority=priority)


class ListHookExecutor(HookExecutor):
    """Runs hooks from a list.

    Attributes:
        fired: Every event, in order.
    """

    def __init__(self, *hooks: Hook):
        self.fired: list[HookEvent] = []
        self._hooks: list[Hook] = []
        for hook in hooks:
            self.register(hook)

    async def fire(self, event: HookEvent) -> HookResult:
        self.fired.append(event)
        for hook in sorted(self._hooks, key=lambda hook: hook.priority):
            if hook.event_type is not event.event_type or not _sees(hook.matcher, event):
                continue
            response = await _ask(hook, event)
            match response.action:
                case HookAction.BLOCK:
                    return HookResult(payload=event.payload, blocked=response.reason or f"blocked by hook {hook.id}")
                case HookAction.RETRY:
                    return HookResult(payload=event.payload, retry_delay_ms=response.delay_ms)
                case HookAction.SKIP:
                    break
                case HookAction.MODIFY:
                    event = evolve(event, payload={**event.payload, **response.modified})
                case HookAction.CONTINUE:
                    pass
        return HookResult(payload=event.payload)

    def register(self, hook: Hook) -> None:
        self.unregister(hook.id)
        self._hooks.append(hook)

    def unregister(self, hook_id: str) -> bool:
        before = len(self._hooks)
        self._hooks = [hook for hook in self._hooks if hook.id != hook_id]
        return len(self._hooks) < before

    def hook_count(self) -> int:
        return len(self._hooks)


async def _ask(hook: Hook, event: HookEvent) -> HookResponse:
    """The hook's answer; a failure blocks a gating event and is passed over otherwise."""
    try:
        async with asyncio.timeout(hook.timeout_ms / 1000):
            if inspect.iscoroutinefunction(hook.handler.handle):
                answer = await hook.handler.handle(event)
            else:
                answer = await asyncio.to_thread(hook.handler.handle, event)
                answer = await answer if inspect.isawaitable(answer) else answer
        if answer is None or isinstance(answer, HookResponse):
            return answer or HookResponse()
        problem = f"answered {answer!r}"
    except Exception as error:  # noqa: BLE001 # a handler is foreign code
        problem = f"failed: {error!r}"
    action = HookAction.BLOCK if event.event_type.is_gating else HookAction.CONTINUE
    return HookResponse(action=action, reason=f"hook {hook.id} {problem}")


def _sees(matcher: HookMatcher | None, event: HookEvent) -> bool:
    if matcher is None:
        return True
    args = event.payload.get("args")
    arguments: JsonObject = args if isinstance(args, dict) else {}
    return (
        (matcher.tool is None or fnmatchcase(str(event.payload.get("tool", "")), matcher.tool))
        and (matcher.path is None or fnmatchcase(str(arguments.get("path", "")), matcher.path))
        and (matcher.command is None or re.search(matcher.command, str(arguments.get("command", ""))) is not None)
        and (matcher.session_id is None or matcher.session_id == event.session_id)
    )

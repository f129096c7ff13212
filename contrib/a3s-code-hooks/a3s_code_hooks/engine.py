"""HookEngine: runs the hooks of an event in order; what fails at a gate blocks it."""

import asyncio
import inspect
import threading
from collections.abc import Awaitable, Callable
from copy import deepcopy
from typing import cast

from attrs import evolve, frozen

from a3s_code.plugin import (
    Hook,
    HookAction,
    HookEvent,
    HookResponse,
    HookResult,
    Json,
    JsonObject,
    Log,
    get_log,
    in_thread,
)
from a3s_code_hooks.matching import check_matcher, matches

__all__ = ["HookEngine"]


@frozen
class _Failure:
    """Why a hook gave no usable answer."""

    why: str


class HookEngine:
    """Runs hooks by ascending priority, equal ones in the order of registration; each sees the changes before it.

    Args:
        log: Where failures of hooks at events that are no gate are written.
    """

    def __init__(self, log: Log | None = None) -> None:
        self._log = log or get_log("a3s_code.hooks")
        self._hooks: dict[str, Hook] = {}
        self._lock = threading.Lock()

    def register(self, hook: Hook) -> None:
        """Adds a hook, or replaces the one of the same id in its place.

        Raises:
            PluginError: The matcher's `command` is no regular expression.
        """
        check_matcher(hook)
        with self._lock:
            self._hooks[hook.id] = hook

    def unregister(self, hook_id: str) -> bool:
        with self._lock:
            return self._hooks.pop(hook_id, None) is not None

    def hook_count(self) -> int:
        return len(self._hooks)

    async def fire(self, event: HookEvent) -> HookResult:
        with self._lock:
            hooks = sorted(self._hooks.values(), key=lambda hook: hook.priority)
        for hook in hooks:
            if hook.event_type is not event.event_type or not matches(hook.matcher, event):
                continue
            response = await _answer(hook, event)
            if isinstance(response, _Failure):
                if event.event_type.is_gating:
                    return HookResult(payload=event.payload, blocked=f'hook "{hook.id}" {response.why}')
                self._log.warning("a hook failed", hook=hook.id, at=event.event_type.value, why=response.why)
                continue
            match response.action:
                case HookAction.CONTINUE:
                    pass
                case HookAction.MODIFY:
                    event = evolve(event, payload={**event.payload, **response.modified})
                case HookAction.SKIP:
                    break
                case HookAction.BLOCK:
                    return HookResult(payload=event.payload, blocked=response.reason or f'hook "{hook.id}" blocked it')
                case HookAction.RETRY:
                    return HookResult(payload=event.payload, retry_delay_ms=response.delay_ms)
        return HookResult(payload=event.payload)


async def _answer(hook: Hook, event: HookEvent) -> HookResponse | _Failure:
    """The hook's answer, or why there is none that can be used. The hook gets a copy, so it cannot change the event."""
    own = evolve(event, payload=cast(JsonObject, deepcopy(dict(event.payload))))  # deepcopy keeps the type
    try:
        async with asyncio.timeout(hook.timeout_ms / 1000) as limit:
            said = await _call(hook.handler.handle, own)
    except TimeoutError as exc:
        if limit.expired():
            return _Failure(f"did not answer within {hook.timeout_ms} ms")
        return _Failure(f"failed: {type(exc).__name__}: {exc}")
    except Exception as exc:  # noqa: BLE001 # a hook is foreign code; the caller decides what its failure means
        return _Failure(f"failed: {type(exc).__name__}: {exc}")
    return _checked(said, event.payload)


def _checked(said: object, payload: JsonObject) -> HookResponse | _Failure:
    if said is None:
        return HookResponse()
    if not isinstance(said, HookResponse) or not isinstance(said.action, HookAction):
        return _Failure(f"answered {type(said).__name__}, not a HookResponse or None")
    if said.action is HookAction.MODIFY:
        unknown = sorted(set(said.modified) - set(payload))
        if unknown:
            return _Failure(
                f"changed {', '.join(unknown)}, which the event does not have; it has: {', '.join(payload)}"
            )
        wrong = [key for key, value in said.modified.items() if not _same_shape(value, payload[key])]
        if wrong:
            return _Failure(f"changed {', '.join(wrong)} to another type")
    return said


def _same_shape(value: Json, before: Json) -> bool:
    """Texts stay texts and objects stay objects; only what was null may become anything."""
    if before is None:
        return True
    if isinstance(before, int | float) and not isinstance(before, bool):
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, type(before))


async def _call(handle: Callable[[HookEvent], object], event: HookEvent) -> object:
    said = handle(event) if inspect.iscoroutinefunction(handle) else await in_thread(handle, event)
    return await cast(Awaitable[object], said) if inspect.isawaitable(said) else said  # narrows to Awaitable[Any]

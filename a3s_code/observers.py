"""Telling lifecycle hooks what happens: observers, whose failures cost nothing, and the gate of the prompt."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from a3s_code.errors import PromptError
from a3s_code.logs import get_log
from a3s_code.messages import Json
from a3s_code.points.hooks import HookEvent, HookEventType, HookExecutor, HookResult

__all__ = ["Observers"]

DEADLINE_S = 60.0


class Observers:
    """Fires lifecycle events other than those of tools, which the gate and the executor fire.

    Args:
        hooks: Gives the hook executor.
        session_id: Whose events these are.
    """

    def __init__(self, hooks: Callable[[], Awaitable[HookExecutor]], session_id: str):
        self._hooks = hooks
        self._session_id = session_id

    async def tell(self, event_type: HookEventType, **payload: Json) -> None:
        """Tells the hooks; returns when they are done or their time is up."""
        try:
            hooks = await self._hooks()
            if not hooks.hook_count():
                return
            async with asyncio.timeout(DEADLINE_S):
                await hooks.fire(self._event(event_type, payload))
        except (Exception, SystemExit) as error:  # noqa: BLE001 # foreign code, and observers fail open
            get_log().warning("hooks failed", hook_event=event_type.value, error=type(error).__name__)

    async def prompt(self, prompt: str, message_count: int) -> str:
        """The prompt after the pre_prompt hooks, which gate it.

        Raises:
            PromptError: A hook blocked it, or failed.
        """
        event = self._event(HookEventType.PRE_PROMPT, {"prompt": prompt, "message_count": message_count})
        try:
            hooks = await self._hooks()
            if not hooks.hook_count():
                return prompt
            async with asyncio.timeout(DEADLINE_S):
                result: object = await hooks.fire(event)
        except TimeoutError as error:
            raise PromptError("the prompt was blocked: its hooks did not answer in time") from error
        except (Exception, SystemExit) as error:  # foreign code; a gating hook that fails blocks
            raise PromptError(f"the prompt was blocked: its hooks failed ({type(error).__name__}: {error})") from error
        if not isinstance(result, HookResult):
            raise PromptError(f"the prompt was blocked: the hook executor answered {type(result).__name__}")
        if result.blocked is not None:
            raise PromptError(f"the prompt was blocked by a hook: {result.blocked}")
        if result.retry_delay_ms is not None:
            raise PromptError(f"the prompt was put off by a hook; send it again in {result.retry_delay_ms} ms")
        changed = result.payload.get("prompt", prompt)
        return changed if isinstance(changed, str) else prompt

    def _event(self, event_type: HookEventType, payload: Mapping[str, Json]) -> HookEvent:
        return HookEvent(
            event_type=event_type,
            session_id=self._session_id,
            payload={"session_id": self._session_id, **payload},
        )

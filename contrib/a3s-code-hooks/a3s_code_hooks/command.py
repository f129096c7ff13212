"""Hooks that are shell commands."""

import asyncio
import json
import os
import signal
from pathlib import Path

from attrs import frozen

from a3s_code.plugin import (
    Hook,
    HookAction,
    HookEvent,
    HookMatcher,
    HookResponse,
    PluginError,
)
from a3s_code_hooks.plugin import CommandHook

__all__ = ["CommandHandler", "command_hook"]

_BLOCKS = 2  # exit code, as in other agents' command hooks
_FIELDS = frozenset({"action", "reason", "modified", "delay_ms"})


def command_hook(config: CommandHook, folder: Path) -> Hook:
    """The hook of a block.

    Raises:
        PluginError: The block lacks its id, event or command.
    """
    if not config.id or not config.command or config.event is None:
        raise PluginError(
            f'the hook "{config.id}" of hook_handler:command needs id, event and command', plugin="hook_handler:command"
        )
    return Hook(
        id=config.id,
        event_type=config.event,
        handler=CommandHandler(config.command, folder),
        matcher=HookMatcher(tool=config.tool, path=config.path, command=config.matches),
        priority=config.priority,
        timeout_ms=config.timeout_ms,
    )


@frozen
class CommandHandler:
    """Runs a command for each event; the engine's timeout cancels it, which kills its whole process group."""

    command: str
    folder: Path

    async def handle(self, event: HookEvent) -> HookResponse | None:
        message = {
            "event_type": event.event_type.value,
            "session_id": event.session_id,
            "payload": dict(event.payload),
        }
        code, out, err = await self._run(json.dumps(message).encode())
        if code == _BLOCKS:
            return HookResponse(action=HookAction.BLOCK, reason=err.strip() or f"blocked by: {self.command}")
        if code != 0:
            raise RuntimeError(f"{self.command} ended with exit code {code}: {err.strip()[-500:]}")
        return _response(out) if out.lstrip().startswith("{") else None

    async def _run(self, message: bytes) -> tuple[int, str, str]:
        process = await asyncio.create_subprocess_exec(
            "/bin/sh",
            "-c",
            self.command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=self.folder,
            start_new_session=True,
        )
        try:
            out, err = await process.communicate(message)
        finally:
            _kill_group(process.pid)
            await process.wait()
        return process.returncode or 0, out.decode(errors="replace"), err.decode(errors="replace")


def _kill_group(leader: int) -> None:
    """Ends what the command left behind; a group without members is no error."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def _response(text: str) -> HookResponse:
    """The answer that a command printed; raises ValueError when it is none."""
    answer = json.loads(text)
    unknown = sorted(set(answer) - _FIELDS)
    if unknown:
        raise ValueError(
            f"unknown fields in the answer: {', '.join(unknown)}; fields are: {', '.join(sorted(_FIELDS))}"
        )
    reason, modified, delay_ms = answer.get("reason", ""), answer.get("modified", {}), answer.get("delay_ms", 0)
    if not (isinstance(reason, str) and isinstance(modified, dict) and isinstance(delay_ms, int)):
        raise ValueError("reason must be text, modified an object and delay_ms a number")
    action = HookAction(answer.get("action", "modify" if modified else "continue"))
    return HookResponse(action=action, reason=reason, modified=modified, delay_ms=delay_ms)

"""Translates a script of `a3s_code.testing` to turns of the loopback server."""

from collections.abc import Iterable

from a3s_code.plugin import ModelError, ToolCall
from a3s_code.testing import Turn
from a3s_code_testing.loopback import Call, CutStream, Say, Status, ToolUse
from a3s_code_testing.loopback import Turn as LoopbackTurn

__all__ = ["loopback_turns"]


def loopback_turns(script: Iterable[Turn | ModelError]) -> list[LoopbackTurn]:
    """What the loopback server must send so that a client gives the answers of *script*."""
    return [_failure(turn) if isinstance(turn, ModelError) else _turn(turn) for turn in script]


def _turn(turn: Turn) -> LoopbackTurn:
    if turn.then is not None:
        return CutStream(turn.text)
    if turn.calls:
        calls = [_call(call) for call in turn.calls]
        return Call(*calls, text=turn.text, reasoning=turn.reasoning, usage=turn.usage)
    return Say(turn.text, reasoning=turn.reasoning, usage=turn.usage)


def _call(call: ToolCall) -> ToolUse:
    return call.name, call.arguments if call.parse_error is None else call.raw, call.id


def _failure(error: ModelError) -> LoopbackTurn:
    headers = {} if error.retry_after_s is None else {"retry-after": f"{error.retry_after_s:g}"}
    return Status(error.status or 500, headers, {"type": "error", "error": {"type": "error", "message": str(error)}})

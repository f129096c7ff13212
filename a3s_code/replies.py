"""Replies: what a client gave, made fit for a history that every provider takes and every journal keeps."""

from collections.abc import Mapping

import orjson
from attrs import evolve, fields

from a3s_code.errors import ModelError, ModelErrorKind
from a3s_code.messages import Block, Message, Reasoning, Text, ToolCall, valid_text
from a3s_code.points.llm import Reply
from a3s_code.usage import Usage

__all__ = ["fit", "problem_of"]

WRAPPED_AT_MOST = 20
"""Levels that records and requests put around the arguments; orjson takes 254 in all."""


def fit(reply: Reply) -> Reply:
    """The reply with valid text, arguments that are JSON, and ids that pair one call with one result.

    Raises:
        ModelError: It is no reply at all.
    """
    if not isinstance(reply.message, Message) or not _counts(reply.usage):
        raise ModelError("the model's client gave a reply that is none", kind=ModelErrorKind.PROTOCOL)
    blocks: list[Block] = []
    seen: set[str] = set()
    for block in reply.message.blocks:
        made = _fit_block(block)
        if isinstance(made, ToolCall):
            made = evolve(made, id=_unique(made.id, seen))
        blocks.append(made)
    if tuple(blocks) == reply.message.blocks:  # nearly always: the message keeps its wire form
        return reply
    return evolve(reply, message=Message(reply.message.role, tuple(blocks)))


def _counts(usage: object) -> bool:
    return isinstance(usage, Usage) and all(
        isinstance(count := getattr(usage, one.name), int) and 0 <= count < 2**53 for one in fields(Usage)
    )


def _fit_block(block: Block) -> Block:
    match block:
        case Text(text):
            return Text(valid_text(text))
        case Reasoning(text, signature, redacted):
            return Reasoning(valid_text(text), signature, redacted)
        case ToolCall(name=name, arguments=arguments, parse_error=error, raw=raw):
            problem = problem_of(arguments) if error is None else valid_text(error)
            if problem is None:
                return evolve(block, name=valid_text(name))
            return evolve(block, name=valid_text(name), arguments={}, parse_error=problem, raw=valid_text(raw))
        case _:
            return block


def problem_of(arguments: object) -> str | None:
    """Why the arguments cannot be kept, or None. Lone halves of characters, numbers beyond 64 bits, deep nesting."""
    if not isinstance(arguments, Mapping):
        return "they are no JSON object"
    wrapped: object = dict(arguments)
    for _ in range(WRAPPED_AT_MOST):
        wrapped = [wrapped]
    try:
        orjson.dumps(wrapped)
    except (TypeError, ValueError, RecursionError) as error:
        return str(error)
    return None


def _unique(id: str, seen: set[str]) -> str:
    name = valid_text(id) or "call"
    number = 1
    while name in seen:
        number += 1
        name = f"{id or 'call'}_{number}"
    seen.add(name)
    return name

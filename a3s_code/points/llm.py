"""LlmClient: asks one provider's models."""

from collections.abc import AsyncIterator
from typing import Protocol, TypeAlias, runtime_checkable

from attrs import frozen

from a3s_code.messages import JsonObject, Message, StopReason
from a3s_code.usage import Usage

__all__ = [
    "LlmClient",
    "ModelEvent",
    "ModelRequest",
    "ReasoningPart",
    "Reply",
    "TextModel",
    "TextPart",
    "ToolCallPart",
    "ToolDefinition",
]


@frozen(kw_only=True)
class ToolDefinition:
    """A tool as the model sees it."""

    name: str
    description: str
    schema: JsonObject


@frozen(kw_only=True)
class ModelRequest:
    """One request.

    Args:
        model: The provider's id of the model, without the provider's name.
        messages: The history; the last is a user message. Between two compactions it only grows at the end.
        system: The system prompt, "" for none.
        tools: Tool definitions, in a stable order.
        max_tokens: Tokens of the reply at the most; None leaves it to the client's default.
        temperature: None leaves it to the provider.
        thinking_budget: Tokens for thinking, None or 0 for none.
        cache: Whether to mark the stable prefix for the provider's prompt cache.
    """

    model: str
    messages: tuple[Message, ...]
    system: str = ""
    tools: tuple[ToolDefinition, ...] = ()
    max_tokens: int | None = None
    temperature: float | None = None
    thinking_budget: int | None = None
    cache: bool = True


@frozen
class TextPart:
    text: str


@frozen
class ReasoningPart:
    text: str


@frozen
class ToolCallPart:
    """A piece of a tool call's arguments; the first piece of a call has its name and may have no text."""

    id: str
    name: str
    text: str


@frozen(kw_only=True)
class Reply:
    """A complete reply."""

    message: Message
    usage: Usage
    stop_reason: StopReason

    @property
    def text(self) -> str:
        return self.message.text


ModelEvent: TypeAlias = TextPart | ReasoningPart | ToolCallPart | Reply


@runtime_checkable
class LlmClient(Protocol):
    """Asks the models of one provider.

    Contract: `stream` is an async generator whose last item is the one `Reply`; a stream that ends early or stalls
    raises `ModelError`, it never ends without a `Reply`. Every other failure is a `ModelError` with its kind, status
    and retry_after_s. The client itself does not retry. Closing the generator closes the connection. Malformed JSON
    arguments become a `ToolCall` with parse_error. May be called several times at once.
    """

    def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]: ...

    async def complete(self, request: ModelRequest) -> Reply:
        """The reply without the parts."""
        ...

    async def aclose(self) -> None:
        """Closes connections; a second call does nothing."""
        ...


@runtime_checkable
class TextModel(Protocol):
    """A model as planners, summarisers and scorers get it: already behind retry, breaker, budget and lane."""

    async def ask(self, prompt: str, *, system: str = "", max_tokens: int | None = None) -> Reply:
        """One answer without tools. Raises ModelError."""
        ...

"""The Anthropic Messages format: messages to bytes, and the provider's bytes to model events. Pure.

Formats: https://docs.anthropic.com/en/api/messages, .../messages-streaming, .../prompt-caching, .../extended-thinking.
"""

from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import orjson
from a3s_code_http.sse import SseDecoder

from a3s_code.plugin import (
    Block,
    Image,
    Json,
    JsonObject,
    Message,
    ModelConfig,
    ModelError,
    ModelErrorKind,
    ModelEvent,
    ModelRequest,
    Reasoning,
    ReasoningPart,
    Reply,
    Role,
    StopReason,
    Text,
    TextPart,
    ToolCall,
    ToolCallPart,
    ToolDefinition,
    ToolResult,
    Usage,
)
from a3s_code_anthropic.errors import stream_error

__all__ = ["DEFAULT_MAX_TOKENS", "RequestEncoder", "StreamReader", "read_reply"]

DEFAULT_MAX_TOKENS = 8192
"""Sent when neither the request nor the model's limit says; every model since Claude 3.5 can write as much."""

MIN_THINKING_BUDGET = 1024
"""The API refuses less: https://docs.anthropic.com/en/docs/build-with-claude/extended-thinking."""

DIALECT = "anthropic"
_MARKER = b',"cache_control":{"type":"ephemeral"}'
_KEPT_TOOL_SETS = 16
_CUT = "the reply ended at max_tokens in the middle of them; ask for less at once"


class RequestEncoder:
    """Makes request bodies; whatever was encoded once is used again.

    A body is a list of segments to be joined when it is sent: the head, each message in its kept encoding, and between
    them the cache markers, which are spliced in and so never touch a kept encoding.

    Attributes:
        bytes_encoded: Bytes of messages and tools that had to be encoded so far.
    """

    def __init__(self) -> None:
        self.bytes_encoded = 0
        self._tools: list[tuple[tuple[ToolDefinition, ...], bytes]] = []

    def body(self, request: ModelRequest, model: ModelConfig, *, stream: bool) -> list[bytes | memoryview]:
        """The segments of the body for *request*."""
        segments: list[bytes | memoryview] = [self._head(request, model, stream=stream)]
        messages = [
            (message, encoded) for message in request.messages if (encoded := message.wire(DIALECT, self._message))
        ]
        marked = _marked(messages) if request.cache else frozenset()
        for index, (_, encoded) in enumerate(messages):
            if index:
                segments.append(b",")
            if index in marked:
                segments += [memoryview(encoded)[:-3], _MARKER, b"}]}"]  # inside the last block
            else:
                segments.append(encoded)
        segments.append(b"]}")
        return segments

    def _head(self, request: ModelRequest, model: ModelConfig, *, stream: bool) -> bytes:
        max_tokens, budget = _sizes(request, model)
        head: dict[str, Json] = {"model": request.model, "max_tokens": max_tokens, "stream": stream}
        if budget:
            head["thinking"] = {"type": "enabled", "budget_tokens": budget}
        elif request.temperature is not None and model.temperature:
            head["temperature"] = request.temperature  # with thinking the API refuses it
        parts = [orjson.dumps(head)[:-1]]
        if request.tools:
            tools = self._tools_of(request.tools)
            parts += [b',"tools":', tools[:-2] + _MARKER + b"}]" if request.cache else tools]
        if request.system:
            marker = _MARKER if request.cache else b""
            parts += [b',"system":[', _dumps({"type": "text", "text": request.system})[:-1], marker, b"}]"]
        return b"".join([*parts, b',"messages":['])

    def _tools_of(self, tools: tuple[ToolDefinition, ...]) -> bytes:
        for index, (kept, encoded) in enumerate(self._tools):
            if kept is tools or kept == tools:
                if index:
                    self._tools.insert(0, self._tools.pop(index))
                return encoded
        encoded = _dumps(
            [{"name": tool.name, "description": tool.description, "input_schema": tool.schema} for tool in tools]
        )
        self.bytes_encoded += len(encoded)
        self._tools = [(tools, encoded), *self._tools[: _KEPT_TOOL_SETS - 1]]
        return encoded

    def _message(self, message: Message) -> bytes:
        """The message; nothing at all when it has no block that the API takes."""
        blocks = sorted(message.blocks, key=lambda block: not isinstance(block, ToolResult))  # results must come first
        content = [encoded for block in blocks for encoded in _blocks(block)]
        encoded = _dumps({"role": message.role.value, "content": content}) if content else b""
        self.bytes_encoded += len(encoded)
        return encoded


def _marked(messages: Sequence[tuple[Message, bytes]]) -> frozenset[int]:
    """The last two messages of the user: up to there this request writes the cache, and the one before wrote it."""
    users = [index for index, (message, _) in enumerate(messages) if message.role is Role.USER]
    return frozenset(users[-2:])


def _sizes(request: ModelRequest, model: ModelConfig) -> tuple[int, int | None]:
    """max_tokens and the budget for thinking, which must be smaller and at least 1024; None for no thinking."""
    limit = model.limit.output or None
    max_tokens = request.max_tokens or limit or DEFAULT_MAX_TOKENS
    budget = request.thinking_budget if model.reasoning else None
    if budget:
        budget = max(budget, MIN_THINKING_BUDGET)
        if max_tokens <= budget:
            max_tokens += budget  # what was asked for is left for the reply itself
    if limit:
        max_tokens = min(max_tokens, limit)
    if budget:
        budget = min(budget, max_tokens - 1)
    return max_tokens, budget if budget and budget >= MIN_THINKING_BUDGET else None


def _blocks(block: Block) -> Iterator[JsonObject]:
    """The block as the API has it; none for what it refuses (empty text, thinking that it did not sign)."""
    match block:
        case Text(text):
            if text:
                yield {"type": "text", "text": text}
        case Image():
            yield _image(block)
        case Reasoning(redacted=str(redacted)):
            yield {"type": "redacted_thinking", "data": redacted}
        case Reasoning(text, signature):
            if signature:
                yield {"type": "thinking", "thinking": text, "signature": signature}
        case ToolCall(id=call_id, name=name, arguments=arguments):
            yield {"type": "tool_use", "id": call_id, "name": name, "input": dict(arguments)}
        case ToolResult():
            yield _result(block)


def _image(image: Image) -> dict[str, Json]:
    encoded = b64encode(image.data).decode("ascii")
    return {"type": "image", "source": {"type": "base64", "media_type": image.media_type, "data": encoded}}


def _result(result: ToolResult) -> JsonObject:
    content: Json = result.output
    if result.images:
        text: list[Json] = [{"type": "text", "text": result.output}] if result.output else []
        content = [*text, *map(_image, result.images)]
    block: dict[str, Json] = {"type": "tool_result", "tool_use_id": result.call_id, "content": content}
    if result.is_error:
        block["is_error"] = True
    return block


def _dumps(content: object) -> bytes:
    try:
        return orjson.dumps(content, default=_plain)
    except orjson.JSONEncodeError:
        return orjson.dumps(_clean(content))  # half characters, which no provider takes


def _plain(content: object) -> Json:
    if isinstance(content, Mapping):
        return dict(content)
    raise TypeError(f"{type(content).__name__} is no JSON")


def _clean(content: object) -> object:
    match content:
        case str():
            return content.encode("utf-8", "replace").decode("utf-8")
        case Mapping():
            return {_clean(key): _clean(part) for key, part in content.items()}
        case list() | tuple():
            return [_clean(part) for part in content]
        case _:
            return content


_Fields = dict[str, Any]
"""Foreign JSON; wherever it has another shape than the format says, the error is caught and named."""


class StreamReader:
    """Turns the bytes of one streamed reply into model events, however they are cut."""

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self._decoder = SseDecoder()
        self._drafts: dict[int, _Draft] = {}
        self._usage: _Fields = {}
        self._stop_reason: str | None = None
        self.is_done = False

    def feed(self, chunk: bytes) -> Iterator[ModelEvent]:
        """The events that *chunk* completes; the last of all is the Reply. Raises ModelError."""
        for frame in self._decoder.feed(chunk):
            if self.is_done:
                return
            with _expecting_the_format(self._provider):
                event = self._read(orjson.loads(frame.data))
            if event is not None:
                yield event

    def finish(self) -> None:
        """Raises ModelError when the reply was not complete."""
        if not self.is_done:
            text = f"{self._provider} broke off its reply before the end"
            raise ModelError(text, kind=ModelErrorKind.TRUNCATED)

    def _read(self, event: _Fields) -> ModelEvent | None:
        match event["type"]:
            case "content_block_delta":
                return self._drafts[event["index"]].add(event["delta"])
            case "content_block_start":
                draft = self._drafts[event["index"]] = _Draft(event["content_block"])
                return draft.begin()
            case "message_start":
                self._count(event["message"].get("usage"))
            case "message_delta":
                self._stop_reason = event["delta"].get("stop_reason") or self._stop_reason
                self._count(event.get("usage"))
            case "message_stop":
                self.is_done = True
                return _reply(self._drafts.values(), self._stop_reason, self._usage)
            case "error":
                raise stream_error(event["error"], self._provider)
            case _:
                pass  # ping, content_block_stop, and what the API will add: it says to ignore that
        return None

    def _count(self, usage: _Fields | None) -> None:
        """Figures of message_delta are totals, so they replace those of message_start."""
        self._usage.update((name, count) for name, count in (usage or {}).items() if count is not None)


def read_reply(body: bytes, provider: str) -> Reply:
    """The reply of a request that was not streamed. Raises ModelError."""
    with _expecting_the_format(provider):
        message: _Fields = orjson.loads(body)
        return _reply(map(_Draft, message["content"]), message.get("stop_reason"), message.get("usage") or {})


@contextmanager
def _expecting_the_format(provider: str) -> Iterator[None]:
    try:
        yield
    except (ValueError, LookupError, TypeError, AttributeError) as exc:
        text = f"{provider} answered in another format than Anthropic's Messages; check base_url"
        raise ModelError(text, kind=ModelErrorKind.PROTOCOL) from exc


class _Draft:
    """A content block that is being received."""

    def __init__(self, start: _Fields):
        self._start = start
        self._kind: str = start["type"]
        self._pieces: list[str] = []
        self._signature: str | None = start.get("signature")

    def begin(self) -> ModelEvent | None:
        """What the block's start tells already."""
        match self._kind:
            case "text" if self._start["text"]:
                return TextPart(self._start["text"])
            case "thinking" if self._start["thinking"]:
                return ReasoningPart(self._start["thinking"])
            case "tool_use":
                return ToolCallPart(self._start["id"], self._start["name"], "")
            case _:
                return None

    def add(self, delta: _Fields) -> ModelEvent | None:
        """Takes a delta in."""
        match delta["type"]:
            case "text_delta":
                return TextPart(text) if (text := self._keep(delta["text"])) else None
            case "input_json_delta":
                text = self._keep(delta["partial_json"])
                return ToolCallPart(self._start["id"], "", text) if text and self._kind == "tool_use" else None
            case "thinking_delta":
                return ReasoningPart(text) if (text := self._keep(delta["thinking"])) else None
            case "signature_delta":
                self._signature = (self._signature or "") + delta["signature"]
            case _:
                pass  # citations and what the API will add
        return None

    def block(self, *, was_cut: bool) -> Block | None:
        """The finished block; None for kinds that the kernel has no word for."""
        text = "".join(self._pieces)
        match self._kind:
            case "text":
                return Text(self._start["text"] + text)
            case "thinking":
                return Reasoning(self._start["thinking"] + text, signature=self._signature or None)
            case "redacted_thinking":
                return Reasoning("", redacted=self._start["data"])
            case "tool_use":
                return self._call(text, was_cut=was_cut)
            case _:
                return None

    def _call(self, raw: str, *, was_cut: bool) -> ToolCall:
        call_id, name = str(self._start["id"]), str(self._start["name"])
        arguments = self._start.get("input") or {}
        error = None
        if raw.strip():
            try:
                arguments = orjson.loads(raw)
            except orjson.JSONDecodeError as exc:
                error = f"the arguments are not valid JSON: {_CUT if was_cut else exc}"
        if error is None and not isinstance(arguments, dict):
            error = f"the arguments must be a JSON object, not {type(arguments).__name__}"
        if error is None:
            return ToolCall(id=call_id, name=name, arguments=arguments)
        return ToolCall(id=call_id, name=name, parse_error=error, raw=raw or str(arguments))

    def _keep(self, piece: str) -> str:
        self._pieces.append(piece)
        return piece


_STOPS = {
    "end_turn": StopReason.END_TURN,
    "tool_use": StopReason.TOOL_USE,
    "max_tokens": StopReason.MAX_TOKENS,
    "model_context_window_exceeded": StopReason.MAX_TOKENS,
    "stop_sequence": StopReason.STOP_SEQUENCE,
    "refusal": StopReason.REFUSAL,
    "pause_turn": StopReason.PAUSE,
}


def _reply(drafts: Iterable[_Draft], stop_reason: str | None, usage: _Fields) -> Reply:
    was_cut = stop_reason in {"max_tokens", "model_context_window_exceeded"}
    blocks = tuple(block for draft in drafts if (block := draft.block(was_cut=was_cut)) is not None)
    message = Message(Role.ASSISTANT, blocks)
    usual = StopReason.TOOL_USE if message.tool_calls else StopReason.END_TURN
    return Reply(
        message=message,
        usage=Usage(
            input_tokens=usage.get("input_tokens", 0),
            output_tokens=usage.get("output_tokens", 0),
            cache_read_tokens=usage.get("cache_read_input_tokens") or 0,
            cache_write_tokens=usage.get("cache_creation_input_tokens") or 0,
        ),
        stop_reason=_STOPS.get(stop_reason or "", usual),
    )

"""The Chat Completions format: messages become bytes, bytes become events. Pure: no I/O, no SDK.

Format: https://platform.openai.com/docs/api-reference/chat, and what vLLM, Ollama, llama.cpp, DeepSeek and OpenRouter
make of it.
"""

import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterator
from uuid import uuid4

import orjson
from a3s_code_http.sse import SseDecoder
from attrs import define, field, frozen

from a3s_code.plugin import (
    Image,
    Json,
    JsonObject,
    Message,
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
from a3s_code_openai.failures import Source, refusal

__all__ = ["DIALECT", "BodyWriter", "Parameters", "ReplyStream", "encode_message", "parse_reply"]

DIALECT = "openai-chat"
"""Name under which messages keep their encoded form; it depends on nothing else."""


# ---------------------------------------------------------------------------------------------- what we send


@frozen(kw_only=True)
class Parameters:
    """What a request says besides its messages and tools.

    Args:
        stream: Whether the answer shall come in pieces.
        max_tokens: Tokens of the reply at the most; None leaves it to the server.
        limit_name: How the server calls max_tokens.
        temperature: None leaves it to the server.
        with_tools: False for models that cannot call tools.
    """

    stream: bool
    max_tokens: int | None = None
    limit_name: str = "max_tokens"
    temperature: float | None = None
    with_tools: bool = True


class BodyWriter:
    """Writes request bodies; messages and tool sets are encoded once and used again."""

    _KEPT_TOOL_SETS = 16

    def __init__(self) -> None:
        self._tool_sets: list[tuple[tuple[ToolDefinition, ...], bytes]] = []

    def segments(self, request: ModelRequest, parameters: Parameters) -> list[bytes]:
        """The body in pieces: the head, then each message with its comma, then the end."""
        pieces = [self._head(request, parameters)]
        if request.system:
            pieces += [_dumps({"role": "system", "content": request.system}), b","]
        for message in request.messages:
            pieces += [message.wire(DIALECT, encode_message), b","]
        if len(pieces) > 1:
            pieces.pop()  # the comma after the last message
        pieces.append(b"]}")
        return pieces

    def _head(self, request: ModelRequest, parameters: Parameters) -> bytes:
        head: dict[str, Json] = {"model": request.model}
        if parameters.stream:
            head |= {"stream": True, "stream_options": {"include_usage": True}}
        if parameters.max_tokens is not None:
            head[parameters.limit_name] = parameters.max_tokens
        if parameters.temperature is not None:
            head["temperature"] = parameters.temperature
        tools = b""
        if request.tools and parameters.with_tools:
            tools = b',"tools":' + self._tools(request.tools)
        return _dumps(head)[:-1] + tools + b',"messages":['

    def _tools(self, tools: tuple[ToolDefinition, ...]) -> bytes:
        for kept, encoded in self._tool_sets:
            if kept is tools or kept == tools:
                return encoded
        encoded = _dumps([_tool(tool) for tool in tools])
        self._tool_sets = [(tools, encoded), *self._tool_sets[: self._KEPT_TOOL_SETS - 1]]
        return encoded


def encode_message(message: Message) -> bytes:
    """One message of ours as one or several messages of the format, joined by commas."""
    entries = _assistant(message) if message.role is Role.ASSISTANT else _user(message)
    return b",".join(_dumps(entry) for entry in entries)


def _tool(tool: ToolDefinition) -> JsonObject:
    function: dict[str, Json] = {
        "name": tool.name,
        "description": tool.description,
        "parameters": dict(tool.schema),
    }
    return {"type": "function", "function": function}


def _assistant(message: Message) -> Iterator[JsonObject]:
    """Reasoning is left out: servers of this format do not take it back."""
    entry: dict[str, Json] = {"role": "assistant", "content": message.text}
    if calls := message.tool_calls:
        entry["content"] = message.text or None
        entry["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": _name(call.name), "arguments": _arguments(call)}}
            for call in calls
        ]
    yield entry


def _name(name: str) -> str:
    """A name that every server takes, even where the model made one up: one bad name would poison the history."""
    return re.sub(r"[^a-zA-Z0-9_-]", "_", name)[:64] or "unnamed"


def _arguments(call: ToolCall) -> str:
    """The arguments as text; always valid JSON, since chat templates parse it again."""
    if call.parse_error is not None:
        return _dumps({"__parse_error": call.parse_error, "raw": call.raw}).decode()
    return _dumps(call.arguments).decode()


def _user(message: Message) -> Iterator[JsonObject]:
    """Results first, right behind the calls they answer; a tool message takes text only, so images follow."""
    parts: list[Json] = []
    for result in message.tool_results:
        yield {"role": "tool", "tool_call_id": result.call_id, "content": _output(result)}
        if result.images:
            parts.append({"type": "text", "text": f"Images from {result.name} (call {result.call_id}):"})
            parts.extend(_image(image) for image in result.images)
    for block in message.blocks:
        match block:
            case Text(text):
                parts.append({"type": "text", "text": text})
            case Image():
                parts.append(_image(block))
            case ToolResult() | ToolCall() | Reasoning():
                pass
    texts = [block.text for block in message.blocks if isinstance(block, Text)]
    if len(texts) < len(parts):
        yield {"role": "user", "content": parts}
    elif texts or not message.tool_results:
        yield {"role": "user", "content": "\n\n".join(texts)}  # servers without vision take a plain string only


def _output(result: ToolResult) -> str:
    """The format has no mark for errors, so a failure without words says so in words."""
    return f"failed with exit code {result.exit_code}" if result.is_error and not result.output else result.output


def _image(image: Image) -> Json:
    address = f"data:{image.media_type};base64,{b64encode(image.data).decode('ascii')}"
    return {"type": "image_url", "image_url": {"url": address}}


def _dumps(value: object) -> bytes:
    try:
        return orjson.dumps(value, default=dict)
    except TypeError:
        # lone surrogates (file names) and integers beyond 64 bits, which orjson refuses
        return json.dumps(value, ensure_ascii=False, default=dict).encode("utf-8", "replace")


# ------------------------------------------------------------------------------------------- what we receive

_STOP_REASONS = {
    "stop": StopReason.END_TURN,
    "length": StopReason.MAX_TOKENS,
    "tool_calls": StopReason.TOOL_USE,
    "function_call": StopReason.TOOL_USE,
    "content_filter": StopReason.REFUSAL,
}


def _new_id() -> str:
    return f"call_{uuid4().hex[:24]}"


class ReplyStream:
    """Turns the bytes of one streamed answer into events, however they were cut.

    Args:
        source: Whom we asked, for errors.
        taken: Whether an id of a tool call was used earlier in the conversation.
        new_id: Makes ids for calls that come without one or with a taken one.
    """

    def __init__(
        self, source: Source, *, taken: Callable[[str], bool] = lambda _: False, new_id: Callable[[], str] = _new_id
    ):
        self._source = source
        self._frames = SseDecoder()
        self._draft = _Draft(source, taken, new_id)
        self.done = False

    @property
    def complete(self) -> bool:
        """Whether the reply is whole, even if the server says no more.

        Some servers never give a finish_reason, yet a bare [DONE] is what proxies send when their upstream failed.
        """
        return self._draft.finish_reason is not None or (self.done and not self._draft.is_empty)

    def feed(self, chunk: bytes) -> list[ModelEvent]:
        """The events that *chunk* completes. Raises ModelError for an error object or nonsense."""
        events: list[ModelEvent] = []
        for frame in self._frames.feed(chunk):
            if self.done:
                break
            if frame.data.strip() == "[DONE]":
                self.done = True
            else:
                events += self._draft.add_chunk(_load_object(frame.data, self._source))
        return events

    def close(self) -> Reply:
        """The whole reply. Raises ModelError TRUNCATED when the stream ended before it was finished."""
        if not self.complete:
            raise ModelError(
                f"{self._source} ended the reply in the middle, without a finish_reason; send it again.",
                kind=ModelErrorKind.TRUNCATED,
            )
        return self._draft.reply()


def parse_reply(body: bytes, source: Source, *, taken: Callable[[str], bool] = lambda _: False) -> Reply:
    """The reply of an answer that came in one piece. Raises ModelError for an error object or nonsense."""
    draft = _Draft(source, taken, _new_id)
    draft.add_chunk(_load_object(body.decode("utf-8", "replace"), source))
    if draft.finish_reason is None:
        raise ModelError(f"{source} answered without a choice that is finished.", kind=ModelErrorKind.PROTOCOL)
    return draft.reply()


@define
class _Call:
    id: str
    said_id: str
    name: str
    pieces: list[str] = field(factory=list)

    @property
    def text(self) -> str:
        return "".join(self.pieces)


class _Draft:
    """A reply in the making."""

    def __init__(self, source: Source, taken: Callable[[str], bool], new_id: Callable[[], str]):
        self._source = source
        self._taken = taken
        self._new_id = new_id
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._calls: list[_Call] = []
        self._by_index: dict[int, _Call] = {}
        self._usage = Usage()
        self._refused = False
        self.finish_reason: str | None = None

    @property
    def is_empty(self) -> bool:
        return not (self._text or self._reasoning or self._calls)

    def add_chunk(self, chunk: dict[str, Json]) -> list[ModelEvent]:
        """Takes one chunk of a stream, or a whole answer, whose `message` is a delta that says everything."""
        if error := chunk.get("error"):
            raise refusal(self._source, error)
        if chunk.get("object") == "error":
            raise refusal(self._source, chunk)  # vLLM before 0.10
        if usage := _object(chunk.get("usage")):
            self._usage = _usage(usage)
        choices = chunk.get("choices")
        choice = _object(choices[0]) if isinstance(choices, list) and choices else {}
        events = self._add_delta(_object(choice.get("delta")) or _object(choice.get("message")))
        self.finish_reason = _text(choice.get("finish_reason")) or self.finish_reason
        return events

    def _add_delta(self, delta: dict[str, Json]) -> list[ModelEvent]:
        events: list[ModelEvent] = []
        # vLLM and DeepSeek say reasoning_content, OpenRouter and Ollama reasoning; some send both, alike
        if reasoning := _text(delta.get("reasoning_content")) or _text(delta.get("reasoning")):
            self._reasoning.append(reasoning)
            events.append(ReasoningPart(reasoning))
        refused = _text(delta.get("refusal"))
        self._refused |= bool(refused)
        if text := _content(delta.get("content")) + refused:
            self._text.append(text)
            events.append(TextPart(text))
        calls = delta.get("tool_calls")
        pieces = calls if isinstance(calls, list) else []
        return events + [self._add_call_piece(_object(piece)) for piece in pieces]

    def _add_call_piece(self, piece: dict[str, Json]) -> ModelEvent:
        function = _object(piece.get("function"))
        arguments = function.get("arguments")
        text = _dumps(arguments).decode() if isinstance(arguments, dict) else _text(arguments)
        said_id, name, index = _text(piece.get("id")), _text(function.get("name")), piece.get("index")
        call = self._open_call(index, said_id, name, text)
        if call is None:
            call = _Call(self._free_id(said_id), said_id, name)
            self._calls.append(call)
        if isinstance(index, int):
            self._by_index[index] = call
        call.name = call.name or name
        call.pieces.append(text)
        return ToolCallPart(call.id, call.name, text)

    def _open_call(self, index: Json, said_id: str, name: str, text: str) -> _Call | None:
        """The call that a piece continues, or None when it begins a new one.

        Some servers repeat name and id, some invent a new id for each piece, some give every call the index 0 or none
        at all: a piece with a name begins a new call if the arguments so far are whole and it is visibly another.
        """
        if not isinstance(index, int):
            last = self._calls[-1] if self._calls else None
            return last if not name or (last and said_id and said_id == last.said_id) else None
        call = self._by_index.get(index)
        if call is None or not name or not _is_json(call.text):
            return call
        is_another = said_id != call.said_id if said_id else bool(text.strip())
        return None if is_another else call

    def _free_id(self, said_id: str) -> str:
        if not said_id or self._taken(said_id) or any(call.id == said_id for call in self._calls):
            return self._new_id()
        return said_id

    def reply(self) -> Reply:
        """What was collected, as a whole."""
        reasoning = "".join(self._reasoning)
        text = "".join(self._text)
        message = Message(
            Role.ASSISTANT,
            (
                *((Reasoning(reasoning),) if reasoning else ()),
                *((Text(text),) if text else ()),
                *(_tool_call(call) for call in self._calls),
            ),
        )
        return Reply(message=message, usage=self._usage, stop_reason=self._stop_reason())

    def _stop_reason(self) -> StopReason:
        reason = _STOP_REASONS.get(self.finish_reason or "", StopReason.END_TURN)
        if self._calls:  # some servers say "stop" although calls are to be run
            return StopReason.TOOL_USE if reason is StopReason.END_TURN else reason
        if self._refused:
            return StopReason.REFUSAL
        return StopReason.END_TURN if reason is StopReason.TOOL_USE else reason


def _tool_call(call: _Call) -> ToolCall:
    text = call.text
    try:
        arguments = orjson.loads(text) if text.strip() else {}
    except orjson.JSONDecodeError as exc:
        return ToolCall(id=call.id, name=call.name, parse_error=f"the arguments are not valid JSON: {exc}", raw=text)
    if not isinstance(arguments, dict):
        error = f"the arguments are JSON but {type(arguments).__name__}, not an object"
        return ToolCall(id=call.id, name=call.name, parse_error=error, raw=text)
    return ToolCall(id=call.id, name=call.name, arguments=arguments)


def _usage(usage: dict[str, Json]) -> Usage:
    prompt = _count(usage.get("prompt_tokens"))
    cached = min(prompt, _count(_object(usage.get("prompt_tokens_details")).get("cached_tokens")))
    return Usage(
        input_tokens=prompt - cached,
        output_tokens=_count(usage.get("completion_tokens")),
        cache_read_tokens=cached,
    )


def _load_object(text: str, source: Source) -> dict[str, Json]:
    try:
        loaded = orjson.loads(text)
    except orjson.JSONDecodeError:
        loaded = _load_leniently(text)
    if isinstance(loaded, dict):
        return loaded
    raise ModelError(
        f"{source} sent something else than the Chat Completions format: {source.clean(text[:200])!r}. "
        f"Check that base_url in {source.setting} is complete; most end in /v1.",
        kind=ModelErrorKind.PROTOCOL,
    )


def _load_leniently(text: str) -> Json:
    """For servers that cut a character in half between two chunks, as lone surrogates, which orjson refuses."""
    try:
        loaded: Json = json.loads(json.dumps(json.loads(text), ensure_ascii=False).encode("utf-8", "replace"))
    except ValueError:
        return None
    return loaded


def _content(content: Json) -> str:
    """Text of a `content`, which some servers send as a list of parts."""
    if isinstance(content, list):
        return "".join(_text(_object(part).get("text")) for part in content)
    return _text(content)


def _is_json(text: str) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def _object(value: Json) -> dict[str, Json]:
    return value if isinstance(value, dict) else {}


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""


def _count(value: Json) -> int:
    return value if isinstance(value, int) and value > 0 else 0

"""The Messages format: encoded as a plain encoder would, and read the same however the bytes were cut."""

import base64
import json
from itertools import pairwise

import pytest
from a3s_code_anthropic.wire import RequestEncoder, StreamReader, read_reply
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from a3s_code.plugin import (
    Image,
    Message,
    ModelConfig,
    ModelError,
    ModelErrorKind,
    ModelEvent,
    ModelRequest,
    Reasoning,
    Role,
    StopReason,
    Text,
    ToolCall,
    ToolDefinition,
    ToolResult,
    user,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
OBJECT = st.dictionaries(TEXT, JSON, max_size=3)
IMAGE = st.builds(Image, st.just("image/png"), st.binary(max_size=12))
ASSISTANT_BLOCK = st.one_of(
    TEXT.map(Text),
    st.builds(Reasoning, TEXT, signature=st.none() | TEXT),
    st.builds(Reasoning, st.just(""), redacted=TEXT),
    st.builds(ToolCall, id=TEXT, name=TEXT, arguments=OBJECT),
)
USER_BLOCK = st.one_of(
    TEXT.map(Text),
    IMAGE,
    st.builds(
        ToolResult,
        call_id=TEXT,
        name=TEXT,
        output=TEXT,
        exit_code=st.integers(0, 1),
        images=st.tuples() | IMAGE.map(lambda image: (image,)),
    ),
)
MESSAGE = st.one_of(
    st.builds(Message, st.just(Role.USER), st.lists(USER_BLOCK, max_size=4).map(tuple)),
    st.builds(Message, st.just(Role.ASSISTANT), st.lists(ASSISTANT_BLOCK, max_size=4).map(tuple)),
)
TOOLS = st.lists(st.builds(ToolDefinition, name=TEXT, description=TEXT, schema=OBJECT), max_size=3).map(tuple)
MODEL = ModelConfig(id="m", reasoning=True)


def plain_image(image: Image) -> dict:
    source = {"type": "base64", "media_type": image.media_type, "data": base64.b64encode(image.data).decode()}
    return {"type": "image", "source": source}


def plain_block(block) -> dict | None:
    if isinstance(block, Text):
        return {"type": "text", "text": block.text} if block.text else None
    if isinstance(block, Image):
        return plain_image(block)
    if isinstance(block, Reasoning):
        if block.redacted is not None:
            return {"type": "redacted_thinking", "data": block.redacted}
        signed = {"type": "thinking", "thinking": block.text, "signature": block.signature}
        return signed if block.signature else None
    if isinstance(block, ToolCall):
        return {"type": "tool_use", "id": block.id, "name": block.name, "input": dict(block.arguments)}
    text = [{"type": "text", "text": block.output}] if block.output else []
    content = [*text, *map(plain_image, block.images)] if block.images else block.output
    result = {"type": "tool_result", "tool_use_id": block.call_id, "content": content}
    return {**result, "is_error": True} if block.is_error else result


def plain_messages(request: ModelRequest) -> list[dict]:
    messages = []
    for message in request.messages:
        first = [block for block in message.blocks if isinstance(block, ToolResult)]
        rest = [block for block in message.blocks if not isinstance(block, ToolResult)]
        content = [plain for block in [*first, *rest] if (plain := plain_block(block))]
        if content:
            messages.append({"role": message.role.value, "content": content})
    return messages


def plain_body(request: ModelRequest) -> dict:
    body = {"model": request.model, "max_tokens": 8192, "stream": True, "messages": plain_messages(request)}
    marker = {"cache_control": {"type": "ephemeral"}} if request.cache else {}
    if request.tools:
        body["tools"] = [
            {"name": tool.name, "description": tool.description, "input_schema": tool.schema} for tool in request.tools
        ]
        body["tools"][-1] |= marker
    if request.system:
        body["system"] = [{"type": "text", "text": request.system, **marker}]
    for message in [message for message in body["messages"] if message["role"] == "user"][-2:]:
        message["content"][-1] |= marker
    return body


@given(
    st.builds(
        ModelRequest,
        model=TEXT,
        messages=st.lists(MESSAGE, max_size=6).map(tuple),
        system=TEXT,
        tools=TOOLS,
        cache=st.booleans(),
    )
)
def test_a_body_is_what_a_plain_encoder_makes(request: ModelRequest):
    encoder = RequestEncoder()
    body = b"".join(encoder.body(request, MODEL, stream=True))
    assert json.loads(body) == plain_body(request)
    encoded = encoder.bytes_encoded
    assert b"".join(encoder.body(request, MODEL, stream=True)) == body
    assert encoder.bytes_encoded == encoded


def test_half_a_character_does_not_stop_a_session():
    body = b"".join(RequestEncoder().body(ModelRequest(model="m", messages=(user("a\ud800b"),)), MODEL, stream=True))
    assert json.loads(body)["messages"][0]["content"][0]["text"] == "a?b"


@pytest.mark.parametrize(
    ("max_tokens", "budget", "limit", "expected"),
    [
        pytest.param(None, None, 0, (8192, None), id="nothing known"),
        pytest.param(None, None, 64000, (64000, None), id="limit of the model"),
        pytest.param(100000, None, 64000, (64000, None), id="never above the limit"),
        pytest.param(None, 10000, 0, (18192, 10000), id="room for the reply beside thinking"),
        pytest.param(None, 100, 0, (8192, 1024), id="the least that the API takes"),
        pytest.param(None, 10000, 8000, (8000, 7999), id="thinking within the limit"),
        pytest.param(None, 10000, 500, (500, None), id="no room for thinking"),
    ],
)
def test_max_tokens_leave_room_for_thinking(max_tokens, budget, limit, expected):
    model = evolve(MODEL, limit=evolve(MODEL.limit, output=limit))
    request = ModelRequest(model="m", messages=(user("x"),), max_tokens=max_tokens, thinking_budget=budget)
    body = json.loads(b"".join(RequestEncoder().body(request, model, stream=True)))
    assert (body["max_tokens"], body.get("thinking", {}).get("budget_tokens")) == expected


def test_thinking_is_for_models_that_can():
    request = ModelRequest(model="m", messages=(user("x"),), thinking_budget=4000)
    assert b"thinking" not in b"".join(RequestEncoder().body(request, ModelConfig(id="m"), stream=True))


def sse(*events: dict) -> bytes:
    return b"".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events)


def start(**usage: int) -> dict:
    return {"type": "message_start", "message": {"role": "assistant", "content": [], "usage": usage}}


def block(index: int, content: dict, *deltas: dict) -> list[dict]:
    return [
        {"type": "content_block_start", "index": index, "content_block": content},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def stop(reason: str | None, **usage: int) -> list[dict]:
    return [{"type": "message_delta", "delta": {"stop_reason": reason}, "usage": usage}, {"type": "message_stop"}]


def read(*chunks: bytes) -> list[ModelEvent]:
    reader = StreamReader("anthropic")
    events = [event for chunk in chunks for event in reader.feed(chunk)]
    reader.finish()
    return events


STREAM = sse(
    start(input_tokens=3, output_tokens=1, cache_read_input_tokens=4),
    {"type": "ping"},
    *block(0, {"type": "thinking", "thinking": ""}, {"type": "thinking_delta", "thinking": "Hm 🤔"}),
    *block(1, {"type": "text", "text": ""}, *({"type": "text_delta", "text": text} for text in ("Grüß ", "dich", ""))),
    *block(2, {"type": "server_tool_use", "id": "s", "name": "x", "input": {}}),
    *block(
        3,
        {"type": "tool_use", "id": "c", "name": "read", "input": {}},
        *({"type": "input_json_delta", "partial_json": text} for text in ("", '{"pa', 'th": "ä"}')),
    ),
    *stop("tool_use", output_tokens=9),
)


@given(st.lists(st.integers(1, len(STREAM) - 1), max_size=20))
def test_any_cut_gives_the_same_events(cuts: list[int]):
    places = sorted({0, len(STREAM), *cuts})
    assert read(*(STREAM[begin:end] for begin, end in pairwise(places))) == read(STREAM)


def test_the_reply_holds_what_the_parts_said():
    reply = read(STREAM)[-1]
    assert reply.text == "Grüß dich"
    assert reply.message.tool_calls == (ToolCall(id="c", name="read", arguments={"path": "ä"}),)
    assert (reply.usage.input_tokens, reply.usage.cache_read_tokens, reply.usage.output_tokens) == (3, 4, 9)


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("end_turn", StopReason.END_TURN),
        ("max_tokens", StopReason.MAX_TOKENS),
        ("stop_sequence", StopReason.STOP_SEQUENCE),
        ("refusal", StopReason.REFUSAL),
        ("pause_turn", StopReason.PAUSE),
        ("something_new", StopReason.END_TURN),
    ],
)
def test_stop_reasons_have_one_vocabulary(word: str, reason: StopReason):
    assert read(sse(start(), *stop(word)))[-1].stop_reason is reason


def test_arguments_cut_by_max_tokens_say_so():
    call = {"type": "tool_use", "id": "c", "name": "write", "input": {}}
    events = sse(start(), *block(0, call, {"type": "input_json_delta", "partial_json": '{"a": "'}), *stop("max_tokens"))
    assert "max_tokens" in read(events)[-1].message.tool_calls[0].parse_error


@pytest.mark.parametrize("end", [0, 10, len(STREAM) - 5])
def test_a_stream_without_its_end_is_truncated(end: int):
    with pytest.raises(ModelError) as caught:
        read(STREAM[:end])
    assert caught.value.kind is ModelErrorKind.TRUNCATED


@pytest.mark.parametrize(
    "event", [b"data: {\n\n", b"data: []\n\n", b"data: {}\n\n", b'data: {"type":"content_block_delta","index":5}\n\n']
)
def test_events_of_another_format_are_told(event: bytes):
    with pytest.raises(ModelError) as caught:
        read(event)
    assert caught.value.kind is ModelErrorKind.PROTOCOL


def test_arguments_that_are_no_object_are_told_without_streaming_too():
    content = [{"type": "tool_use", "id": "c", "name": "read", "input": ["a"]}]
    body = json.dumps({"content": content, "stop_reason": "tool_use", "usage": {}}).encode()
    assert "object" in read_reply(body, "anthropic").message.tool_calls[0].parse_error

"""The Chat Completions format, without a network."""

import json
from itertools import pairwise

import orjson
import pytest
from a3s_code_openai.failures import Source
from a3s_code_openai.wire import DIALECT, BodyWriter, Parameters, ReplyStream, encode_message, parse_reply
from hypothesis import given
from hypothesis import strategies as st

from a3s_code.plugin import (
    Image,
    Message,
    ModelError,
    ModelErrorKind,
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
    assistant,
    user,
)

SOURCE = Source(provider="openai", base_url="https://api.openai.com/v1", model="m")
PNG = Image("image/png", b"\x89PNG")
PNG_URL = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw=="}}
READ = ToolDefinition(name="read", description="Reads a file.", schema={"type": "object", "properties": {}})


def encoded(message):
    return orjson.loads(b"[" + encode_message(message) + b"]")


def body(request, **parameters):
    return orjson.loads(b"".join(BodyWriter().segments(request, Parameters(**{"stream": False} | parameters))))


def frames(*chunks, done=True):
    lines = [b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\n\n" for chunk in chunks]
    return b"".join(lines) + (b"data: [DONE]\n\n" if done else b"")


def delta(content=None, *, finish=None, **fields):
    if content is not None:
        fields["content"] = content
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": finish}]}


def piece(arguments="", *, index=0, id=None, name=None, finish=None):
    call = {"function": {"arguments": arguments}}
    if index is not None:
        call["index"] = index
    if id is not None:
        call["id"] = id
    if name is not None:
        call["function"]["name"] = name
    return delta(tool_calls=[call], finish=finish)


def read(content, **options):
    """All events of a stream, the last is the reply."""
    reading = ReplyStream(SOURCE, **options)
    return [*reading.feed(content), reading.close()]


def reply_to(*chunks, done=True, **options):
    return read(frames(*chunks, done=done), **options)[-1]


FIELDS = ["choices", "delta", "message", "content", "tool_calls", "function", "index", "id", "name", "arguments"]
FIELDS += ["usage", "prompt_tokens", "prompt_tokens_details", "finish_reason", "refusal", "reasoning"]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(FIELDS), inner),
)


class TestMessages:
    def test_text_of_the_person_is_a_plain_string(self):
        assert encoded(user("hi")) == [{"role": "user", "content": "hi"}]

    def test_several_texts_are_one_string(self):
        message = Message(Role.USER, (Text("a"), Text("b")))
        assert encoded(message) == [{"role": "user", "content": "a\n\nb"}]

    def test_an_image_is_a_data_url_in_its_place(self):
        assert encoded(user("what is it?", PNG)) == [
            {"role": "user", "content": [PNG_URL, {"type": "text", "text": "what is it?"}]}
        ]

    def test_calls_have_their_arguments_as_text(self):
        message = assistant("ok", ToolCall(id="c1", name="read", arguments={"path": "ä"}))
        assert encoded(message) == [
            {
                "role": "assistant",
                "content": "ok",
                "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "read", "arguments": '{"path":"ä"}'}}
                ],
            }
        ]

    def test_a_call_without_text_has_null_content(self):
        assert encoded(assistant("", ToolCall(id="c1", name="read")))[0]["content"] is None

    def test_unparsable_arguments_are_sent_back_as_valid_json(self):
        call = ToolCall(id="c1", name="read", parse_error="no end", raw='{"path')
        arguments = encoded(assistant("", call))[0]["tool_calls"][0]["function"]["arguments"]
        assert orjson.loads(arguments) == {"__parse_error": "no end", "raw": '{"path'}

    def test_a_made_up_name_becomes_one_that_servers_take(self):
        call = ToolCall(id="c1", name="read file!")
        assert encoded(assistant("", call))[0]["tool_calls"][0]["function"]["name"] == "read_file_"

    def test_reasoning_is_not_sent_back(self):
        message = Message(Role.ASSISTANT, (Reasoning("hm"), Text("ok")))
        assert encoded(message) == [{"role": "assistant", "content": "ok"}]

    def test_each_result_is_a_tool_message_of_its_own(self):
        results = tuple(ToolResult(call_id=f"c{n}", name="read", output=f"out {n}") for n in range(3))
        assert encoded(Message(Role.USER, results)) == [
            {"role": "tool", "tool_call_id": f"c{n}", "content": f"out {n}"} for n in range(3)
        ]

    def test_images_of_results_and_new_text_follow_all_results(self):
        message = Message(
            Role.USER,
            (
                Text("go on"),
                ToolResult(call_id="c1", name="shot", output="taken", images=(PNG,)),
                ToolResult(call_id="c2", name="read", output="x"),
            ),
        )
        first, second, third = encoded(message)
        assert (first["tool_call_id"], second["tool_call_id"]) == ("c1", "c2")
        assert third == {
            "role": "user",
            "content": [
                {"type": "text", "text": "Images from shot (call c1):"},
                PNG_URL,
                {"type": "text", "text": "go on"},
            ],
        }

    def test_a_failure_without_words_says_so(self):
        message = Message(Role.USER, (ToolResult(call_id="c", name="bash", output="", exit_code=3),))
        assert encoded(message)[0]["content"] == "failed with exit code 3"

    def test_text_that_is_no_unicode_is_sent_all_the_same(self):
        assert encoded(user("file \udcff"))[0]["content"] == "file ?"

    @given(st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.dictionaries(st.text(), inner)))
    def test_any_argument_survives(self, value):
        call = ToolCall(id="c", name="n", arguments={"value": value})
        arguments = encoded(assistant("", call))[0]["tool_calls"][0]["function"]["arguments"]
        assert orjson.loads(arguments)["value"] == value or isinstance(
            value, int | dict
        )  # orjson reads big numbers as float


class TestBody:
    def test_whole_body(self):
        request = ModelRequest(model="m", messages=(user("hi"),), system="be brief", tools=(READ,))
        assert body(request, stream=True, max_tokens=5, temperature=0.5) == {
            "model": "m",
            "stream": True,
            "stream_options": {"include_usage": True},
            "max_tokens": 5,
            "temperature": 0.5,
            "tools": [
                {
                    "type": "function",
                    "function": {
                        "name": "read",
                        "description": "Reads a file.",
                        "parameters": {"type": "object", "properties": {}},
                    },
                }
            ],
            "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}],
        }

    def test_nothing_is_said_that_was_not_asked_for(self):
        request = ModelRequest(model="m", messages=(user("hi"),), tools=(READ,))
        assert body(request, with_tools=False).keys() == {"model", "messages"}

    def test_newly_encoded_bytes_do_not_grow_in_40_rounds(self):
        """What was encoded once is the same object in every later body."""
        writer = BodyWriter()
        known: set[int] = set()
        messages = [user("start")]
        new_bytes = []
        bodies = []
        for n in range(40):
            request = ModelRequest(model="m", messages=tuple(messages), system="s", tools=(READ,))
            segments = writer.segments(request, Parameters(stream=True))
            fresh = [segment for segment in segments if segment not in (b",", b"]}") and id(segment) not in known]
            new_bytes.append(sum(map(len, fresh)))
            known |= {id(message.wire(DIALECT, encode_message)) for message in messages}
            bodies.append(b"".join(segments).removesuffix(b"]}"))
            call = ToolCall(id=f"c{n:02}", name="read", arguments={"path": "a.py"})
            messages.append(assistant("", call))
            messages.append(Message(Role.USER, (ToolResult(call_id=call.id, name="read", output="x" * 1000),)))
        assert max(new_bytes[1:]) == min(new_bytes[1:])
        assert all(later.startswith(earlier) for earlier, later in pairwise(bodies))

    def test_equal_tools_are_encoded_once(self):
        writer = BodyWriter()
        for _ in range(3):
            tools = (ToolDefinition(name="read", description="Reads a file.", schema={"type": "object"}),)
            writer.segments(ModelRequest(model="m", messages=(), tools=tools), Parameters(stream=True))
        assert len(writer._tool_sets) == 1


TYPICAL = frames(
    delta("", role="assistant"),
    delta(reasoning_content="let me see 🙂"),
    delta("Grüße"),
    delta(" 世界"),
    piece(index=0, id="a", name="read"),
    piece('{"path":', index=0),
    piece(index=1, id="b", name="ls"),
    piece('"ä.py"}', index=0),
    piece("{}", index=1),
    piece(index=2, id="c", name="now"),
    delta(finish="tool_calls"),
    {
        "choices": [],
        "usage": {"prompt_tokens": 10, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 7}},
    },
)


class TestStream:
    def test_a_typical_stream(self):
        *events, reply = read(TYPICAL)
        assert events == [
            ReasoningPart("let me see 🙂"),
            TextPart("Grüße"),
            TextPart(" 世界"),
            ToolCallPart("a", "read", ""),
            ToolCallPart("a", "read", '{"path":'),
            ToolCallPart("b", "ls", ""),
            ToolCallPart("a", "read", '"ä.py"}'),
            ToolCallPart("b", "ls", "{}"),
            ToolCallPart("c", "now", ""),
        ]
        assert reply == Reply(
            message=Message(
                Role.ASSISTANT,
                (
                    Reasoning("let me see 🙂"),
                    Text("Grüße 世界"),
                    ToolCall(id="a", name="read", arguments={"path": "ä.py"}),
                    ToolCall(id="b", name="ls"),
                    ToolCall(id="c", name="now"),
                ),
            ),
            usage=Usage(input_tokens=3, output_tokens=4, cache_read_tokens=7),
            stop_reason=StopReason.TOOL_USE,
        )

    @given(st.lists(st.integers(0, len(TYPICAL)), max_size=40).map(sorted))
    def test_cutting_the_bytes_anywhere_changes_nothing(self, cuts):
        reading = ReplyStream(SOURCE)
        events = []
        for start, end in zip([0, *cuts], [*cuts, len(TYPICAL)], strict=True):
            events += reading.feed(TYPICAL[start:end])
        assert [*events, reading.close()] == read(TYPICAL)

    @given(st.integers(0, TYPICAL.index(b'"finish_reason": "tool_calls"')))
    def test_a_stream_cut_before_its_finish_is_truncated(self, length):
        reading = ReplyStream(SOURCE)
        reading.feed(TYPICAL[:length])
        with pytest.raises(ModelError) as caught:
            reading.close()
        assert caught.value.kind is ModelErrorKind.TRUNCATED

    @given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: b"data: " + text.encode() + b"\n\n"))
    def test_nonsense_is_nothing_or_a_model_error(self, content):
        reading = ReplyStream(SOURCE)
        with pytest.raises(ModelError):  # noqa: PT012 # either may be the one that notices
            reading.feed(content)
            reading.close()

    @given(ANYTHING)
    def test_fields_of_the_wrong_type_do_no_harm(self, fields):
        chunk = {"choices": [{"delta": fields, "finish_reason": "stop"}], "usage": fields}
        assert isinstance(reply_to(chunk), Reply)

    def test_a_finish_without_done_is_fine(self):
        assert reply_to(delta("hi", finish="stop"), done=False).text == "hi"

    def test_done_without_a_finish_is_fine_after_some_text(self):
        assert reply_to(delta("hi")).text == "hi"

    def test_done_without_anything_is_truncated(self):
        with pytest.raises(ModelError) as caught:
            reply_to()
        assert caught.value.kind is ModelErrorKind.TRUNCATED

    def test_what_follows_done_is_ignored(self):
        reading = ReplyStream(SOURCE)
        assert reading.feed(frames(delta("a", finish="stop")) + frames(delta("b"))) == [TextPart("a")]

    def test_comments_are_ignored(self):
        assert read(b": processing\n\n" + frames(delta("a", finish="stop")))[0] == TextPart("a")

    def test_half_a_character_in_a_chunk_does_not_lose_the_reply(self):
        half = b'data: {"choices":[{"delta":{"content":"x\\ud83d"},"finish_reason":"stop"}]}\n\n'
        assert read(half)[-1].text == "x?"

    @pytest.mark.parametrize(
        ("word", "reason"),
        [
            ("stop", StopReason.END_TURN),
            ("length", StopReason.MAX_TOKENS),
            ("content_filter", StopReason.REFUSAL),
            ("tool_calls", StopReason.END_TURN),
            ("eos", StopReason.END_TURN),
        ],
    )
    def test_finish_reason_without_calls(self, word, reason):
        assert reply_to(delta("x", finish=word)).stop_reason is reason

    @pytest.mark.parametrize(
        ("word", "reason"),
        [
            ("stop", StopReason.TOOL_USE),
            ("tool_calls", StopReason.TOOL_USE),
            ("function_call", StopReason.TOOL_USE),
            ("length", StopReason.MAX_TOKENS),
        ],
    )
    def test_finish_reason_with_calls(self, word, reason):
        assert reply_to(piece("{}", id="a", name="ls", finish=word)).stop_reason is reason

    def test_a_refusal_is_text_with_its_own_reason(self):
        reply = reply_to(delta(refusal="I will"), delta(refusal=" not."), delta(finish="stop"))
        assert (reply.text, reply.stop_reason) == ("I will not.", StopReason.REFUSAL)

    def test_the_reasoning_field_of_other_servers_is_read_too(self):
        assert read(frames(delta(reasoning="hm"), delta("x", finish="stop")))[0] == ReasoningPart("hm")

    def test_usage_in_every_chunk_counts_once(self):
        usage = {"prompt_tokens": 5, "completion_tokens": 2}
        reply = reply_to(delta("x") | {"usage": usage}, delta(finish="stop") | {"usage": usage})
        assert reply.usage == Usage(input_tokens=5, output_tokens=2)

    def test_an_error_in_the_stream_is_raised_with_its_kind(self):
        error = {"error": {"message": "too many", "type": "rate_limit_exceeded"}}
        with pytest.raises(ModelError, match="too many") as caught:
            reply_to(delta("x"), error)
        assert caught.value.kind is ModelErrorKind.RATE_LIMITED


class TestToolCalls:
    def calls(self, *chunks, **options):
        return reply_to(*chunks, delta(finish="tool_calls"), **options).message.tool_calls

    def test_no_arguments_are_an_empty_object(self):
        assert self.calls(piece(" ", id="a", name="ls"))[0].arguments == {}

    def test_malformed_arguments_are_kept_with_the_reason(self):
        (call,) = self.calls(piece('{"path": ', id="a", name="read"))
        assert (call.raw, call.arguments) == ('{"path": ', {})
        assert "not valid JSON" in call.parse_error

    def test_arguments_that_are_no_object_are_malformed(self):
        (call,) = self.calls(piece("[1]", id="a", name="read"))
        assert call.raw == "[1]"
        assert "not an object" in call.parse_error

    def test_arguments_that_came_parsed_are_taken(self):
        chunk = delta(tool_calls=[{"index": 0, "id": "a", "function": {"name": "ls", "arguments": {"path": "."}}}])
        assert self.calls(chunk)[0].arguments == {"path": "."}

    def test_a_call_without_id_gets_one(self):
        first, second = self.calls(piece("{}", index=0, name="a"), piece("{}", index=1, name="b"))
        assert first.id.startswith("call_")
        assert first.id != second.id

    def test_an_id_of_an_earlier_round_is_replaced(self):
        (call,) = self.calls(piece("{}", id="call_0", name="a"), taken={"call_0"}.__contains__)
        assert call.id not in ("call_0", "")

    def test_one_id_for_two_calls_is_made_two(self):
        first, second = self.calls(piece("{}", index=0, id="x", name="a"), piece("{}", index=1, id="x", name="b"))
        assert first.id != second.id

    def test_a_repeated_name_is_said_once(self):
        (call,) = self.calls(piece('{"a":', id="x", name="ls"), piece("1}", id="x", name="ls"))
        assert (call.name, call.arguments) == ("ls", {"a": 1})

    def test_a_new_id_for_each_piece_is_still_one_call(self):
        (call,) = self.calls(piece('{"a":', id="x", name="ls"), piece("1}", id="y", name="ls"))
        assert (call.id, call.arguments) == ("x", {"a": 1})

    def test_whole_calls_that_all_say_index_0_are_several(self):
        calls = self.calls(piece('{"a":1}', id="x", name="a"), piece('{"b":1}', id="y", name="b"))
        assert [(call.id, call.arguments) for call in calls] == [("x", {"a": 1}), ("y", {"b": 1})]

    def test_whole_calls_that_all_say_index_0_without_ids_are_several(self):
        calls = self.calls(piece('{"a":1}', name="a"), piece('{"b":1}', name="b"))
        assert [(call.name, call.arguments) for call in calls] == [("a", {"a": 1}), ("b", {"b": 1})]

    def test_a_name_repeated_after_the_end_of_a_call_is_no_other_call(self):
        (call,) = self.calls(piece('{"a":1}', name="a"), piece("", name="a"))
        assert call.arguments == {"a": 1}

    def test_whole_calls_without_index_are_several(self):
        calls = self.calls(piece("{}", index=None, name="a"), piece("{}", index=None, name="b"))
        assert [call.name for call in calls] == ["a", "b"]

    def test_pieces_without_index_continue_the_last_call(self):
        (call,) = self.calls(piece('{"a":', index=None, id="x", name="a"), piece("1}", index=None))
        assert call.arguments == {"a": 1}


class TestWholeAnswer:
    def test_says_what_a_stream_says(self):
        message = {
            "role": "assistant",
            "content": "ok",
            "reasoning_content": "hm",
            "tool_calls": [{"id": i, "function": {"name": "ls", "arguments": '{"n":1}'}} for i in ("a", "b")],
        }
        usage = {"prompt_tokens": 3, "completion_tokens": 1}
        answer = {"choices": [{"message": message, "finish_reason": "tool_calls"}], "usage": usage}
        reply = parse_reply(orjson.dumps(answer), SOURCE)
        assert reply.message.blocks == (
            Reasoning("hm"),
            Text("ok"),
            ToolCall(id="a", name="ls", arguments={"n": 1}),
            ToolCall(id="b", name="ls", arguments={"n": 1}),
        )
        assert (reply.stop_reason, reply.usage.prompt_tokens) == (StopReason.TOOL_USE, 3)

    @pytest.mark.parametrize("content", [b"<html>hello</html>", b"", b"[]", b"{}", b"\xff"])
    def test_anything_else_is_a_protocol_error(self, content):
        with pytest.raises(ModelError) as caught:
            parse_reply(content, SOURCE)
        assert caught.value.kind is ModelErrorKind.PROTOCOL

"""A small real model server on 127.0.0.1, driven by a script; speaks the Anthropic and the OpenAI wire format.

    with LoopbackServer([Call(("read", {"path": "a.py"})), Say("It is fine.")]) as server:
        ...  # base_url = server.url for Anthropic, f"{server.url}/v1" for OpenAI
        assert len(server.requests) == 2

Formats: https://docs.anthropic.com/en/api/messages-streaming and https://platform.openai.com/docs/api-reference/chat.
"""

import base64
import json
import select
import socket
import struct
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self, TypeAlias

from attrs import field, frozen

from a3s_code.plugin import Json, JsonObject, Usage

__all__ = [
    "Call",
    "CutStream",
    "LoopbackServer",
    "RecordedRequest",
    "Reset",
    "Say",
    "Stall",
    "Status",
    "Turn",
    "Vectors",
    "refused_url",
]

_USAGE = Usage(input_tokens=10, output_tokens=5)


@frozen(kw_only=True)
class _Usual:
    """What all replies have.

    Args:
        reasoning: Thinking before the reply, "" for none.
        signature: What Anthropic signs the thinking with.
        redacted: An opaque block of thinking (Anthropic only), "" for none.
        usage: In the kernel's form; each dialect counts its own way.
        stop: The provider's own word for why it stopped; None for the usual one.
    """

    reasoning: str = ""
    signature: str = "c2lnbmF0dXJl"
    redacted: str = ""
    usage: Usage = _USAGE
    stop: str | None = None


@frozen
class Say(_Usual):
    """A text; streamed in *deltas*, by default one for each word."""

    text: str
    deltas: tuple[str, ...] = ()

    @property
    def pieces(self) -> tuple[str, ...]:
        return self.deltas or tuple(part for part in self.text.replace(" ", " \0").split("\0") if part)


ToolUse: TypeAlias = tuple[str, Mapping[str, Json] | str] | tuple[str, Mapping[str, Json] | str, str]
"""Name, arguments (a string is sent as it is, however malformed), and an id if it matters."""


@frozen(init=False)
class Call(_Usual):
    """Tool calls, after an optional text: `Call(("read", {"path": "a.py"}), ("ls", {}, "id7"))`."""

    calls: tuple[ToolUse, ...]
    text: str = ""

    def __init__(
        self,
        *calls: ToolUse,
        text: str = "",
        reasoning: str = "",
        signature: str = "c2lnbmF0dXJl",
        redacted: str = "",
        usage: Usage = _USAGE,
        stop: str | None = None,
    ):
        self.__attrs_init__(
            calls, text, reasoning=reasoning, signature=signature, redacted=redacted, usage=usage, stop=stop
        )


@frozen
class Status:
    """An answer with this status; a mapping as *body* is sent as JSON."""

    code: int
    headers: Mapping[str, str] = field(factory=dict)
    body: JsonObject | str | bytes = ""


@frozen
class CutStream:
    """Begins to say *text* and ends: with a proper end of the HTTP body when *clean*, else by a broken connection."""

    text: str = ""
    clean: bool = True


@frozen
class Stall:
    """Begins to say *text* and then sends nothing more until the client or the server closes."""

    text: str = ""


@frozen
class Reset:
    """Breaks the connection without an answer."""


@frozen
class Vectors:
    """An answer to /v1/embeddings, one vector for each input."""

    vectors: tuple[tuple[float, ...], ...]
    tokens: int = 3


Turn: TypeAlias = Say | Call | Status | CutStream | Stall | Reset | Vectors


@frozen
class RecordedRequest:
    """A request as it came in; header names in lower case."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Json]:
        parsed: dict[str, Json] = json.loads(self.body)
        return parsed


def refused_url() -> str:
    """The address of a port of this machine where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


class LoopbackServer:
    """Answers each request with the next of *turns*; when there is none left, with 500.

    Args:
        turns: The script.
        piece_bytes: Sends bodies of streams in pieces of so many bytes, to exercise decoders; None: event by event.
    """

    def __init__(self, turns: Iterable[Turn], *, piece_bytes: int | None = None):
        self.requests: list[RecordedRequest] = []
        self.piece_bytes = piece_bytes
        self.closing, self._close = socket.socketpair()
        self._turns = iter(turns)
        self._lock = threading.Lock()
        self._client_left = threading.Event()
        self._http = _Http(self)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def next_turn(self, request: RecordedRequest) -> Turn:
        """Records *request* and gives its answer."""
        with self._lock:
            self.requests.append(request)
            return next(self._turns, Status(500, body=_error("api_error", "the script has no turn left")))

    def client_left(self) -> None:
        """Remembers that a client closed its connection before the end of an answer."""
        self._client_left.set()

    def saw_client_leave(self, within_s: float = 5.0) -> bool:
        """Whether a client closed its connection before the end of an answer; waits for it."""
        return self._client_left.wait(within_s)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close.close()  # wakes the stalled connections
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()
        self.closing.close()


class _Http(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, script: LoopbackServer):
        super().__init__(("127.0.0.1", 0), _Connection)
        self.script = script
        self._open: set[socket.socket] = set()

    def process_request(self, request: object, client_address: object) -> None:
        assert isinstance(request, socket.socket)
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: object) -> None:
        assert isinstance(request, socket.socket)
        self._open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        for connection in tuple(self._open):  # idle keep-alive connections wait in a read; this ends it
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # the client was quicker
        super().server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        """Says nothing: a client that leaves is part of many scripts."""


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Http

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = RecordedRequest(self.path, headers, body)
        try:
            self._answer(self.server.script.next_turn(request), request)
        except (BrokenPipeError, ConnectionResetError):
            self.server.script.client_left()
            self.close_connection = True

    do_GET = do_POST  # noqa: N815 # the name that http.server looks for

    def log_message(self, format: str, *args: object) -> None:
        """Logs nothing."""

    def _answer(self, turn: Turn, request: RecordedRequest) -> None:
        dialect = _DIALECTS.get(request.path)
        if dialect is None and not isinstance(turn, Status | Reset):
            turn = Status(404, body=_error("not_found_error", f"nothing is served at {request.path}"))
        match turn:
            case Reset():
                self._break_off()
            case Status(code, headers, content):
                self._send_whole(code, headers, content)
            case _ if dialect is None:
                raise AssertionError("answered above")
            case CutStream(text, clean):
                self._begin(dialect, request, text)
                if clean:
                    self._end_stream()
                else:
                    self._break_off()
            case Stall(text):
                self._begin(dialect, request, text)
                self._wait_for_close()
            case _ if request.json.get("stream") is True:
                self._start_stream()
                for event in dialect.stream(turn, request.json):
                    self._send_piecewise(event)
                self._end_stream()
            case _:
                self._send_whole(200, {}, dialect.whole(turn, request.json))

    def _begin(self, dialect: "_Dialect", request: RecordedRequest, text: str) -> None:
        """The start of an answer that will not come to its end."""
        self._start_stream("text/event-stream" if request.json.get("stream") else "application/json")
        if request.json.get("stream"):
            for event in dialect.opening(text, request.json):
                self._send_piecewise(event)
        else:
            self._send_piecewise(b'{"id": ')

    def _send_whole(self, code: int, headers: Mapping[str, str], content: JsonObject | str | bytes) -> None:
        text = content if isinstance(content, str | bytes) else json.dumps(content, ensure_ascii=False)
        body = text.encode() if isinstance(text, str) else text
        self.send_response(code)
        for name, value in {"content-type": "application/json", "request-id": "req_loopback", **headers}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _start_stream(self, media_type: str = "text/event-stream") -> None:
        self.send_response(200)
        self.send_header("content-type", f"{media_type}; charset=utf-8")
        self.send_header("request-id", "req_loopback")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()

    def _send_piecewise(self, content: bytes) -> None:
        size = self.server.script.piece_bytes or len(content)
        for start in range(0, len(content), size):
            piece = content[start : start + size]
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))

    def _end_stream(self) -> None:
        self.wfile.write(b"0\r\n\r\n")

    def _wait_for_close(self) -> None:
        self.close_connection = True
        readable, _, _ = select.select([self.connection, self.server.script.closing], [], [])
        if self.connection in readable and not self.connection.recv(1):
            self.server.script.client_left()

    def _break_off(self) -> None:
        self.close_connection = True
        # without lingering, closing sends a reset instead of a proper end
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


class _Dialect:
    """Turns a turn into one provider's answer."""

    def whole(self, turn: Say | Call | Vectors, request: JsonObject) -> JsonObject:
        raise NotImplementedError

    def stream(self, turn: Say | Call | Vectors, request: JsonObject) -> Iterator[bytes]:
        raise NotImplementedError

    def opening(self, text: str, request: JsonObject) -> Iterator[bytes]:
        raise NotImplementedError


class _Anthropic(_Dialect):
    def whole(self, turn: Say | Call | Vectors, request: JsonObject) -> JsonObject:
        assert not isinstance(turn, Vectors)
        content: list[Json] = []
        if turn.reasoning:
            content.append({"type": "thinking", "thinking": turn.reasoning, "signature": turn.signature})
        if turn.redacted:
            content.append({"type": "redacted_thinking", "data": turn.redacted})
        if turn.text:
            content.append({"type": "text", "text": turn.text})
        for name, arguments, call_id in _calls(turn, request, "toolu_"):
            content.append({"type": "tool_use", "id": call_id, "name": name, "input": _object(arguments)})
        return {
            **self._message(request, turn.usage),
            "content": content,
            "stop_reason": self._stop(turn),
            "usage": {**self._usage(turn.usage), "output_tokens": turn.usage.output_tokens},
        }

    def stream(self, turn: Say | Call | Vectors, request: JsonObject) -> Iterator[bytes]:
        assert not isinstance(turn, Vectors)
        yield self._start(request, turn.usage)
        for index, (block, deltas) in enumerate(self._blocks(turn, request)):
            yield from self._block(index, block, deltas)
        yield self._event(
            {
                "type": "message_delta",
                "delta": {"stop_reason": self._stop(turn), "stop_sequence": None},
                "usage": {"output_tokens": turn.usage.output_tokens},
            }
        )
        yield self._event({"type": "message_stop"})

    def opening(self, text: str, request: JsonObject) -> Iterator[bytes]:
        yield self._start(request, _USAGE)
        if text:
            block: dict[str, Json] = {"type": "text", "text": ""}
            *events, _ = self._block(0, block, [{"type": "text_delta", "text": text}])
            yield from events

    def _blocks(self, turn: Say | Call, request: JsonObject) -> Iterator[tuple[dict[str, Json], list[dict[str, Json]]]]:
        if turn.reasoning:
            yield (
                {"type": "thinking", "thinking": "", "signature": ""},
                [
                    {"type": "thinking_delta", "thinking": turn.reasoning},
                    {"type": "signature_delta", "signature": turn.signature},
                ],
            )
        if turn.redacted:
            yield {"type": "redacted_thinking", "data": turn.redacted}, []
        pieces = turn.pieces if isinstance(turn, Say) else (turn.text,)
        if turn.text:
            yield {"type": "text", "text": ""}, [{"type": "text_delta", "text": piece} for piece in pieces]
        for name, arguments, call_id in _calls(turn, request, "toolu_"):
            half = len(arguments) // 2
            yield (
                {"type": "tool_use", "id": call_id, "name": name, "input": {}},
                [
                    {"type": "input_json_delta", "partial_json": part}
                    for part in ("", arguments[:half], arguments[half:])
                ],
            )

    def _block(self, index: int, block: dict[str, Json], deltas: Sequence[dict[str, Json]]) -> Iterator[bytes]:
        yield self._event({"type": "content_block_start", "index": index, "content_block": block})
        for delta in deltas:
            yield self._event({"type": "content_block_delta", "index": index, "delta": delta})
        yield self._event({"type": "content_block_stop", "index": index})

    def _start(self, request: JsonObject, usage: Usage) -> bytes:
        start = self._event({"type": "message_start", "message": self._message(request, usage)})
        return start + self._event({"type": "ping"})

    @staticmethod
    def _event(content: dict[str, Json]) -> bytes:
        return f"event: {content['type']}\ndata: {json.dumps(content, ensure_ascii=False)}\n\n".encode()

    def _message(self, request: JsonObject, usage: Usage) -> dict[str, Json]:
        return {
            "id": "msg_loopback",
            "type": "message",
            "role": "assistant",
            "model": request.get("model"),
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": self._usage(usage),
        }

    @staticmethod
    def _usage(usage: Usage) -> dict[str, Json]:
        return {
            "input_tokens": usage.input_tokens,
            "cache_creation_input_tokens": usage.cache_write_tokens,
            "cache_read_input_tokens": usage.cache_read_tokens,
            "output_tokens": 1,
        }

    @staticmethod
    def _stop(turn: Say | Call) -> str:
        return turn.stop or ("tool_use" if isinstance(turn, Call) else "end_turn")


class _OpenAi(_Dialect):
    def whole(self, turn: Say | Call | Vectors, request: JsonObject) -> JsonObject:
        assert not isinstance(turn, Vectors)
        message: dict[str, Json] = {"role": "assistant", "content": turn.text or None, "refusal": None}
        if turn.reasoning:
            message["reasoning_content"] = turn.reasoning
        if isinstance(turn, Call):
            message["tool_calls"] = [
                {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
                for name, arguments, call_id in _calls(turn, request, "call_")
            ]
        choice: dict[str, Json] = {"index": 0, "message": message, "logprobs": None, "finish_reason": self._stop(turn)}
        return {
            **self._head(request, "chat.completion"),
            "choices": [choice],
            "usage": self._usage(turn.usage),
        }

    def stream(self, turn: Say | Call | Vectors, request: JsonObject) -> Iterator[bytes]:
        assert not isinstance(turn, Vectors)
        yield self._delta(request, {"role": "assistant", "content": "", "refusal": None})
        if turn.reasoning:
            yield self._delta(request, {"reasoning_content": turn.reasoning})
        pieces = turn.pieces if isinstance(turn, Say) else ((turn.text,) if turn.text else ())
        for piece in pieces:
            yield self._delta(request, {"content": piece})
        for index, (name, arguments, call_id) in enumerate(_calls(turn, request, "call_")):
            start: Json = {"name": name, "arguments": ""}
            yield self._delta(
                request,
                {"tool_calls": [{"index": index, "id": call_id, "type": "function", "function": start}]},
            )
            half = len(arguments) // 2
            for part in (arguments[:half], arguments[half:]):
                yield self._delta(request, {"tool_calls": [{"index": index, "function": {"arguments": part}}]})
        yield self._delta(request, {}, self._stop(turn))
        options = request.get("stream_options")
        if isinstance(options, dict) and options.get("include_usage"):
            head = self._head(request, "chat.completion.chunk")
            yield self._event({**head, "choices": [], "usage": self._usage(turn.usage)})
        yield b"data: [DONE]\n\n"

    def opening(self, text: str, request: JsonObject) -> Iterator[bytes]:
        yield self._delta(request, {"role": "assistant", "content": "", "refusal": None})
        if text:
            yield self._delta(request, {"content": text})

    def _delta(self, request: JsonObject, delta: dict[str, Json], finish_reason: str | None = None) -> bytes:
        choice: dict[str, Json] = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return self._event({**self._head(request, "chat.completion.chunk"), "choices": [choice]})

    @staticmethod
    def _event(content: dict[str, Json]) -> bytes:
        return f"data: {json.dumps(content, ensure_ascii=False)}\n\n".encode()

    @staticmethod
    def _head(request: JsonObject, kind: str) -> dict[str, Json]:
        return {"id": "chatcmpl-loopback", "object": kind, "created": 1, "model": request.get("model")}

    @staticmethod
    def _usage(usage: Usage) -> dict[str, Json]:
        return {
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.output_tokens,
            "total_tokens": usage.total_tokens,
            "prompt_tokens_details": {"cached_tokens": usage.cache_read_tokens},
        }

    @staticmethod
    def _stop(turn: Say | Call) -> str:
        return turn.stop or ("tool_calls" if isinstance(turn, Call) else "stop")


class _Embeddings(_Dialect):
    def whole(self, turn: Say | Call | Vectors, request: JsonObject) -> JsonObject:
        assert isinstance(turn, Vectors), "this turn of the script is no Vectors"
        packed = request.get("encoding_format") == "base64"
        return {
            "object": "list",
            "model": request.get("model"),
            "data": [
                {
                    "object": "embedding",
                    "index": index,
                    "embedding": _packed(vector) if packed else list(vector),
                }
                for index, vector in enumerate(turn.vectors)
            ],
            "usage": {"prompt_tokens": turn.tokens, "total_tokens": turn.tokens},
        }


_DIALECTS: Mapping[str, _Dialect] = {
    "/v1/messages": _Anthropic(),
    "/v1/chat/completions": _OpenAi(),
    "/v1/embeddings": _Embeddings(),
}


def _calls(turn: Say | Call, request: JsonObject, prefix: str) -> Iterator[tuple[str, str, str]]:
    """Name, arguments as text, and id of each call; ids differ from round to round of a conversation."""
    messages = request.get("messages")
    so_far = len(messages) if isinstance(messages, list) else 0
    for number, (name, arguments, *ids) in enumerate(turn.calls if isinstance(turn, Call) else ()):
        text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
        yield name, text, str(ids[0]) if ids else f"{prefix}{so_far}_{number}"


def _object(arguments: str) -> Json:
    """Arguments as Anthropic has them when it does not stream: already parsed."""
    try:
        parsed: Json = json.loads(arguments)
    except ValueError:
        return arguments
    return parsed


def _packed(vector: Sequence[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def _error(kind: str, message: str) -> JsonObject:
    return {"type": "error", "error": {"type": kind, "message": message}}

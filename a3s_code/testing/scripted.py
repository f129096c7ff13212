"""ScriptedClient: a model that says what the test wrote, word by word, and keeps every request.

A script can also stand in a file: a JSON list with one entry per model call, each with "text", "reasoning" and "calls".

    [
      {"text": "I will look.", "calls": [{"name": "ls", "arguments": {"path": "."}}]},
      {"text": "There are two files."}
    ]
"""

import asyncio
import json
import re
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias
from uuid import uuid4

from attrs import field, frozen

from a3s_code.plugin import (
    Block,
    ConfigError,
    Image,
    Json,
    LlmClient,
    Log,
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
    TextModel,
    TextPart,
    ToolCall,
    ToolCallPart,
    ToolResult,
    Usage,
    hookimpl,
    setting,
    user,
)

__all__ = [
    "DEFAULT_USAGE",
    "Hold",
    "Script",
    "ScriptedClient",
    "ScriptedConfig",
    "ScriptedModel",
    "Turn",
    "call",
    "last_result",
    "load_script",
    "scripted",
]

DEFAULT_USAGE = Usage(input_tokens=10, output_tokens=5)
"""What a turn costs when the script does not say."""


def call(name: str, /, **arguments: Json) -> ToolCall:
    """A tool call with a fresh id; write `ToolCall(id=...)` where the id matters."""
    return ToolCall(id=f"call_{uuid4().hex[:12]}", name=name, arguments=arguments)


@frozen(kw_only=True)
class Turn:
    """One reply of the model, spelled out.

    Args:
        text: What it says, streamed word by word.
        reasoning: What it thinks first.
        calls: The tools it calls.
        usage: Tokens of this turn.
        stop_reason: Default: TOOL_USE with calls, else END_TURN.
        then: Raised after the parts instead of giving the reply: the connection broke off.
    """

    text: str = ""
    reasoning: str = ""
    calls: Sequence[ToolCall] = ()
    usage: Usage = DEFAULT_USAGE
    stop_reason: StopReason | None = None
    then: Exception | None = None

    def reply(self) -> Reply:
        blocks: list[Block] = []
        if self.reasoning:
            blocks.append(Reasoning(self.reasoning))
        if self.text:
            blocks.append(Text(self.text))
        blocks.extend(self.calls)
        usual = StopReason.TOOL_USE if self.calls else StopReason.END_TURN
        return Reply(
            message=Message(Role.ASSISTANT, tuple(blocks)),
            usage=self.usage,
            stop_reason=self.stop_reason or usual,
        )


@frozen
class Hold:
    """A turn that waits: *reached* is set when the model is asked, the answer comes once *release* is set."""

    release: asyncio.Event
    turn: "Script"
    reached: asyncio.Event = field(factory=asyncio.Event)


Script: TypeAlias = (
    Reply | str | ToolCall | Sequence[ToolCall] | Turn | Hold | Exception | Callable[[ModelRequest], "Script"]
)
"""A turn: a reply, a text, one call or several, an error to raise, or a function of the request that gives one."""


class ScriptedClient(LlmClient):
    """A model that gives its turns one after the other, whoever asks.

    When they run out it raises a `ModelError` that is not retried and names the number of requests.

    Attributes:
        requests: Every request, in the order asked.
        open_streams: Streams that were begun and neither ended nor closed.
        closed: Whether `aclose` was called.
    """

    def __init__(self, *turns: Script):
        self.requests: list[ModelRequest] = []
        self.open_streams = 0
        self.closed = False
        self._turns = deque(turns)
        self._given = len(turns)

    @property
    def turns_left(self) -> int:
        return len(self._turns)

    def add(self, *turns: Script) -> None:
        """Adds turns at the end of the script."""
        self._turns.extend(turns)
        self._given += len(turns)

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        self.requests.append(request)
        self.open_streams += 1
        try:
            turn = await _settle(self._next(), request)
            reply = turn.reply() if isinstance(turn, Turn) else turn
            for part in _parts(reply.message):
                await asyncio.sleep(0)  # a real stream lets others run between two parts
                yield part
            if isinstance(turn, Turn) and turn.then is not None:
                raise turn.then
            yield reply
        finally:
            self.open_streams -= 1

    async def complete(self, request: ModelRequest) -> Reply:
        async for event in self.stream(request):
            if isinstance(event, Reply):
                return event
        raise AssertionError("a scripted stream ends with a reply or raises")

    async def aclose(self) -> None:
        self.closed = True

    def _next(self) -> Script:
        if self._turns:
            return self._turns.popleft()
        raise ModelError(
            f"the script is over: it has {self._given} turns and this is request {len(self.requests)}; "
            "add a turn to the ScriptedClient or find out why the model was asked once more",
            kind=ModelErrorKind.INVALID_REQUEST,
        )


class ScriptedModel(TextModel):
    """A model as planners and summarisers get it, with a script.

    Attributes:
        client: The scripted client that is asked; its `requests` tell what was asked.
    """

    def __init__(self, *turns: Script):
        self.client = ScriptedClient(*turns)

    async def ask(self, prompt: str, *, system: str = "", max_tokens: int | None = None) -> Reply:
        request = ModelRequest(model="scripted", messages=(user(prompt),), system=system, max_tokens=max_tokens)
        return await self.client.complete(request)


def last_result(request: ModelRequest) -> ToolResult:
    """The newest tool result that *request* shows the model."""
    results = [result for message in request.messages for result in message.tool_results]
    if not results:
        raise AssertionError("the request has no tool result")
    return results[-1]


async def _settle(script: Script, request: ModelRequest) -> Turn | Reply:
    """Brings every form of a turn to a `Turn` or a `Reply`."""
    if isinstance(script, Turn | Reply):
        return script
    if isinstance(script, Exception):
        raise script
    if isinstance(script, str):
        return Turn(text=script)
    if isinstance(script, ToolCall):
        return Turn(calls=(script,))
    if isinstance(script, Hold):
        script.reached.set()
        await script.release.wait()
        return await _settle(script.turn, request)
    if callable(script):
        return await _settle(script(request), request)
    return Turn(calls=tuple(script))


def _parts(message: Message) -> Iterator[ModelEvent]:
    for block in message.blocks:
        match block:
            case Reasoning(text):
                yield from (ReasoningPart(word) for word in _words(text))
            case Text(text):
                yield from (TextPart(word) for word in _words(text))
            case ToolCall():
                yield ToolCallPart(block.id, block.name, "")
                raw = block.raw if block.parse_error is not None else json.dumps(block.arguments)
                yield from (ToolCallPart(block.id, block.name, word) for word in _words(raw))
            case Image() | ToolResult():
                pass  # models say neither


def _words(text: str) -> list[str]:
    """The text in pieces of one word with the space before it."""
    return re.findall(r"\s*\S+|\s+", text)


@frozen(kw_only=True)
class ScriptedConfig:
    """Settings of the llm_client "scripted"."""

    script: str = setting("", "Path of the JSON file with the turns.", path=True)


@hookimpl
def scripted(config: ScriptedConfig, log: Log) -> LlmClient:
    """A client that answers from a file, for trying out and for end-to-end tests without a network."""
    if not config.script:
        raise ConfigError(
            'the llm_client "scripted" needs a file of turns: plugin "scripted" { script = "turns.json" }'
        )
    turns = load_script(config.script)
    log.debug("script loaded", path=config.script, turns=len(turns))
    return ScriptedClient(*turns)


def load_script(path: str | Path) -> tuple[Turn, ...]:
    """The turns of a script file.

    Raises:
        ConfigError: The file cannot be read or is not a list of turns; names the entry.
    """
    try:
        entries = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the script: {error.strerror or error}", path=str(path)) from error
    except ValueError as error:
        raise ConfigError(f"the script is not JSON: {error}", path=str(path)) from error
    if not isinstance(entries, list):
        raise ConfigError("a script is a JSON list with one entry per model call", path=str(path))
    return tuple(_turn(entry, f"{path}[{number}]") for number, entry in enumerate(entries))


_KEYS = {"text", "reasoning", "calls"}


def _turn(entry: object, where: str) -> Turn:
    if not isinstance(entry, dict) or not entry.keys() <= _KEYS:
        raise ConfigError(f"a turn is an object with some of {', '.join(sorted(_KEYS))}", path=where)
    text, reasoning, calls = entry.get("text", ""), entry.get("reasoning", ""), entry.get("calls", [])
    if not isinstance(text, str) or not isinstance(reasoning, str) or not isinstance(calls, list):
        raise ConfigError('"text" and "reasoning" are strings, "calls" is a list', path=where)
    return Turn(text=text, reasoning=reasoning, calls=tuple(_call(one, where) for one in calls))


def _call(entry: object, where: str) -> ToolCall:
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        raise ConfigError('a call is an object with "name" and "arguments"', path=where)
    arguments = entry.get("arguments", {})
    if not isinstance(arguments, dict) or entry.keys() - {"name", "arguments"}:
        raise ConfigError('a call has only "name" and "arguments", and the arguments are an object', path=where)
    return call(entry["name"], **arguments)

"""From the agent through the official SDKs to a model server on the loopback, in both wire formats."""

import asyncio
import base64
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest
from a3s_code_testing.loopback import (
    Call,
    CutStream,
    LoopbackServer,
    RecordedRequest,
    Reset,
    Say,
    Stall,
    Status,
    Turn,
)
from a3s_code_testing.running import run

from a3s_code import Attachment, SessionOptions
from a3s_code.agent import AsyncAgent
from a3s_code.errors import ModelError, ModelErrorKind, SessionError
from a3s_code.events import AgentEnd, Event, TextDelta, TextRetracted
from a3s_code.messages import Message, Role
from a3s_code.plugin import Effects, LlmClient, ModelEvent, ModelRequest, ProviderConfig, Reply, Secret
from a3s_code.testing import FakeTool

DIALECTS = ("anthropic", "openai")
PNG = b"\x89PNG\r\n\x1a\n" + bytes(32)
OVERLOADED = Status(529, body={"type": "error", "error": {"type": "overloaded_error", "message": "busy"}})


class InstantClock:
    """Time passes as fast as it is slept."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def now(self) -> float:
        return sum(self.slept)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)


def config_for(dialect: str, server: LoopbackServer, sessions_dir: Path | None = None) -> str:
    base_url = server.url if dialect == "anthropic" else f"{server.url}/v1"
    storage = f'sessions_dir = "{sessions_dir}"' if sessions_dir else 'storage_backend = "memory"'
    return f"""
default_model = "{dialect}/some-model"
{storage}
providers {{
  name     = "{dialect}"
  api_key  = "sk-test"
  base_url = "{base_url}"
}}
"""


def check_history(messages: Sequence[Message]) -> None:
    """Every call has exactly one result, in the next message and in the order asked; no result stands alone."""
    assert not messages or messages[0].role is Role.USER
    for index, message in enumerate(messages):
        asked = [call.id for call in message.tool_calls]
        if asked:
            assert message.role is Role.ASSISTANT
            assert [result.call_id for result in messages[index + 1].tool_results] == asked
        if message.tool_results:
            assert message.role is Role.USER
            assert [call.id for call in messages[index - 1].tool_calls] == [
                result.call_id for result in message.tool_results
            ]
        if index and message.role is Role.ASSISTANT:
            assert messages[index - 1].role is Role.USER


def results_shown(request: RecordedRequest) -> list[tuple[str, str]]:
    """(call id, text) of all tool results in a request of either dialect, in order."""
    shown = []
    messages = request.json["messages"]
    assert isinstance(messages, list)
    for message in messages:
        assert isinstance(message, dict)
        content = message["content"]
        if message["role"] == "tool":
            shown.append((str(message["tool_call_id"]), json.dumps(content)))
        elif isinstance(content, list):
            for block in content:
                assert isinstance(block, dict)
                if block["type"] == "tool_result":
                    shown.append((str(block["tool_use_id"]), json.dumps(block["content"])))
    return shown


async def events_of(agent: AsyncAgent, folder: Path, prompt: str, options: SessionOptions | None = None) -> list[Event]:
    async with agent.session(folder, options).stream(prompt) as events:
        return [event async for event in events]


@pytest.fixture(params=DIALECTS)
def dialect(request: pytest.FixtureRequest) -> str:
    return str(request.param)


Served = Callable[..., tuple[LoopbackServer, AsyncAgent, InstantClock]]


@pytest.fixture
def served(dialect: str, loopback: Callable[..., LoopbackServer]) -> Served:
    """A model server with a script, and an agent that asks it and never waits between tries."""

    def make(*turns: Turn) -> tuple[LoopbackServer, AsyncAgent, InstantClock]:
        server, clock = loopback(*turns), InstantClock()
        return server, AsyncAgent(config_for(dialect, server), clock=clock), clock

    return make


# Text and events


def test_the_answer_of_the_model_is_the_result(served: Served, workspace: Path) -> None:
    server, agent, _ = served(Say("Two files."))

    async def main() -> None:
        async with agent:
            result = await agent.session(workspace).send("What is here?")
            assert (result.text, result.stop_reason) == ("Two files.", "end_turn")
            assert (result.prompt_tokens, result.completion_tokens) == (10, 5)

    run(main())
    assert len(server.requests) == 1
    assert "What is here?" in server.requests[0].body.decode()


def test_events_come_in_order_and_end_with_agent_end(served: Served, workspace: Path) -> None:
    _, agent, _ = served(Call(("read", {"file_path": "a.py"})), Say("It returns one."))

    async def main() -> list[Event]:
        async with agent:
            return await events_of(agent, workspace, "look")

    events = run(main())
    kinds = [event.event_type for event in events]
    once = [kind for index, kind in enumerate(kinds) if kind != kinds[index - 1] or index == 0]
    assert once == [
        "agent_start",
        "turn_start",
        "tool_input_delta",
        "turn_end",
        "tool_start",
        "tool_end",
        "turn_start",
        "text_delta",
        "turn_end",
        "agent_end",
    ]
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "It returns one."
    assert isinstance(events[-1], AgentEnd)
    assert events[-1].text == "It returns one."


def test_events_of_records_are_numbered_in_order(served: Served, workspace: Path) -> None:
    _, agent, _ = served(Call(("read", {"file_path": "a.py"})), Say("done"))

    async def main() -> list[Event]:
        async with agent:
            return await events_of(agent, workspace, "look")

    numbers = [event.seq for event in run(main()) if event.seq is not None]
    assert numbers == sorted(set(numbers))
    assert len(numbers) == 6  # start, reply, intent, result, reply, end


# Tools


def test_read_only_calls_run_side_by_side_and_are_answered_in_the_order_asked(served: Served, workspace: Path) -> None:
    """Each call waits until all three have begun, and they end in the opposite order."""
    server, agent, _ = served(Call(("one", {}, "id1"), ("two", {}, "id2"), ("three", {}, "id3")), Say("done"))
    begun, ended = 0, 0
    all_begun, turn = asyncio.Event(), asyncio.Condition()

    def tool(name: str, place: int) -> FakeTool:
        async def answer(_args: object, _use: object) -> str:
            nonlocal begun, ended
            begun += 1
            if begun == 3:
                all_begun.set()
            await all_begun.wait()
            async with turn:
                await turn.wait_for(lambda: ended == place)
                ended += 1
                turn.notify_all()
            return f"answer of {name}"

        return FakeTool(name, answer, effects=Effects.READ_ONLY)

    async def main() -> None:
        options = SessionOptions(tools=[tool("one", 2), tool("two", 1), tool("three", 0)])
        async with agent:
            await agent.session(workspace, options).send("go")

    run(main())
    shown = results_shown(server.requests[1])
    assert [id for id, _ in shown] == ["id1", "id2", "id3"]
    assert ["answer of one" in shown[0][1], "answer of two" in shown[1][1], "answer of three" in shown[2][1]] == [
        True
    ] * 3


class EncodingCounter(LlmClient):
    """Counts for each request the bytes of messages that had to be encoded for it."""

    def __init__(self, client: LlmClient):
        self.bytes_encoded: list[int] = []
        self.tool_sets: list[int] = []
        self._client = client

    async def complete(self, request: ModelRequest) -> Reply:
        raise AssertionError("the loop streams")

    async def aclose(self) -> None: ...

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        new = [message for message in request.messages if not message._wire]
        self.tool_sets.append(id(request.tools))
        async for event in self._client.stream(request):
            yield event
        self.bytes_encoded.append(sum(len(wire) for message in new for wire in message._wire.values()))


@asynccontextmanager
async def client_of(dialect: str, server: LoopbackServer, stall_s: float = 60.0) -> AsyncIterator[LlmClient]:
    from a3s_code_anthropic.client import AnthropicClient
    from a3s_code_http.client import Httpx2Client
    from a3s_code_openai.client import OpenAiClient

    base_url = server.url if dialect == "anthropic" else f"{server.url}/v1"
    block = ProviderConfig(name=dialect, api_key=Secret("sk-test"), base_url=base_url)
    async with aclosing(Httpx2Client()) as http:
        if dialect == "anthropic":
            client: LlmClient = AnthropicClient(block, http, stall_s=stall_s)
        else:
            client = OpenAiClient(block, http_client=http, stall_s=stall_s)
        async with aclosing(client):
            yield client


def test_after_forty_rounds_a_round_still_encodes_only_what_is_new(
    dialect: str, loopback: Callable[..., LoopbackServer], workspace: Path, config: str
) -> None:
    server = loopback(
        *(Call(("read", {"file_path": "a.py", "offset": n}, f"id{n:02}")) for n in range(10, 50)), Say("done")
    )

    async def main() -> EncodingCounter:
        async with client_of(dialect, server) as client, AsyncAgent(config) as agent:
            counter = EncodingCounter(client)
            result = await agent.session(workspace, llm_client=counter).send("read it forty times")
            assert (result.text, result.tool_calls_count) == ("done", 40)
            return counter

    counter = run(main())
    later = counter.bytes_encoded[1:]
    assert len(later) == 40
    assert max(later) - min(later) < 64
    assert len(set(counter.tool_sets)) == 1
    bodies = [request.body for request in server.requests]
    assert len(bodies[-1]) > 5 * len(bodies[1]) - 4 * len(bodies[0])  # while the requests themselves grew


# When the provider fails


def test_a_busy_provider_is_asked_again(served: Served, workspace: Path) -> None:
    server, agent, clock = served(OVERLOADED, OVERLOADED, Say("now"))

    async def main() -> None:
        async with agent:
            assert (await agent.session(workspace).send("hello")).text == "now"

    run(main())
    assert len(server.requests) == 3
    assert len(clock.slept) == 2
    assert clock.slept[1] > clock.slept[0] > 0


def test_the_providers_own_delay_is_kept_to(served: Served, workspace: Path) -> None:
    _, agent, clock = served(Status(429, headers={"retry-after": "7"}), Say("now"))

    async def main() -> None:
        async with agent:
            await agent.session(workspace).send("hello")

    run(main())
    assert clock.slept == [7.0]


def test_a_provider_that_stays_busy_ends_the_run_with_a_typed_error(served: Served, workspace: Path) -> None:
    server, agent, _ = served(*[OVERLOADED] * 10)

    async def main() -> None:
        async with agent:
            session = agent.session(workspace)
            with pytest.raises(ModelError) as raised:
                await session.send("hello")
            assert raised.value.kind is ModelErrorKind.OVERLOADED
            check_history(await session.history())

    run(main())
    assert 1 < len(server.requests) <= 4


def test_a_refused_key_is_not_tried_again(served: Served, workspace: Path) -> None:
    server, agent, clock = served(Status(401, body={"error": {"type": "authentication_error", "message": "no"}}))

    async def main() -> None:
        async with agent:
            with pytest.raises(ModelError) as raised:
                await agent.session(workspace).send("hello")
            assert raised.value.kind is ModelErrorKind.AUTHENTICATION

    run(main())
    assert (len(server.requests), clock.slept) == (1, [])


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(CutStream("The answer is", clean=True), id="the-body-ends-early"),
        pytest.param(CutStream("The answer is", clean=False), id="the-connection-breaks"),
    ],
)
def test_a_cut_stream_is_taken_back_and_asked_for_again(served: Served, workspace: Path, broken: Turn) -> None:
    _, agent, _ = served(broken, Say("The answer is forty-two."))

    async def main() -> list[Event]:
        async with agent:
            return await events_of(agent, workspace, "what is the answer?")

    events = run(main())
    retracted = [index for index, event in enumerate(events) if isinstance(event, TextRetracted)]
    assert len(retracted) == 1
    shown = "".join(event.text for event in events[retracted[0] :] if isinstance(event, TextDelta))
    assert shown == "The answer is forty-two."
    assert isinstance(events[-1], AgentEnd)
    assert events[-1].text == "The answer is forty-two."


def test_a_stream_that_is_always_cut_is_an_error_and_never_a_short_answer(served: Served, workspace: Path) -> None:
    _, agent, _ = served(*[CutStream("The answer is")] * 10)

    async def main() -> None:
        async with agent:
            session = agent.session(workspace)
            with pytest.raises(ModelError) as raised:
                await session.send("what is the answer?")
            assert raised.value.kind is ModelErrorKind.TRUNCATED
            assert [message.role for message in await session.history()] == [Role.USER]

    run(main())


def test_a_broken_connection_is_made_again(served: Served, workspace: Path) -> None:
    server, agent, _ = served(Reset(), Say("here"))

    async def main() -> None:
        async with agent:
            assert (await agent.session(workspace).send("hello")).text == "here"

    run(main())
    assert len(server.requests) == 2


def test_a_stalled_stream_is_given_up_and_asked_for_again(
    dialect: str, loopback: Callable[..., LoopbackServer], workspace: Path, config: str
) -> None:
    server = loopback(Stall("Hel"), Say("Hello."))

    async def main() -> list[Event]:
        async with (
            client_of(dialect, server, stall_s=0.2) as client,
            AsyncAgent(config, clock=InstantClock()) as agent,
        ):
            return await events_of(agent, workspace, "hello", SessionOptions(llm_client=client))

    events = run(main())
    assert sum(isinstance(event, TextRetracted) for event in events) == 1
    assert isinstance(events[-1], AgentEnd)
    assert events[-1].text == "Hello."
    assert server.saw_client_leave()


# Unreadable arguments


def test_unreadable_arguments_are_told_to_the_model_which_recovers(served: Served, workspace: Path) -> None:
    server, agent, _ = served(Call(("read", '{"file_path": ')), Call(("read", {"file_path": "a.py"})), Say("done"))

    async def main() -> None:
        async with agent:
            session = agent.session(workspace)
            assert (await session.send("look")).text == "done"
            check_history(await session.history())

    run(main())
    assert "not a JSON object" in results_shown(server.requests[1])[0][1]
    assert "return 1" in results_shown(server.requests[2])[1][1]


def test_arguments_that_stay_unreadable_end_the_run_with_a_typed_error(served: Served, workspace: Path) -> None:
    server, agent, _ = served(*[Call(("read", '{"file_path": '))] * 10)

    async def main() -> None:
        async with agent:
            session = agent.session(workspace, max_parse_retries=1)
            with pytest.raises(ModelError, match="max_parse_retries") as raised:
                await session.send("look")
            assert raised.value.kind is ModelErrorKind.PROTOCOL
            check_history(await session.history())

    run(main())
    assert len(server.requests) == 2


# Images


def test_an_attached_image_reaches_the_model(served: Served, workspace: Path) -> None:
    server, agent, _ = served(Say("A dot."))

    async def main() -> None:
        async with agent:
            result = await agent.session(workspace).send_with_attachments("What is it?", [Attachment.from_bytes(PNG)])
            assert result.text == "A dot."

    run(main())
    body = server.requests[0].body.decode()
    assert base64.b64encode(PNG).decode() in body
    assert "image/png" in body


def test_an_image_of_a_tool_reaches_the_model(served: Served, workspace: Path) -> None:
    server, agent, _ = served(Call(("look", {})), Say("A dot."))

    def look(_args: object, use: object) -> str:
        use.attach(Attachment.png(PNG))  # type: ignore[attr-defined] # a ToolUse
        return "see"

    async def main() -> None:
        async with agent:
            await agent.session(workspace, tools=[FakeTool("look", look, effects=Effects.READ_ONLY)]).send("look")

    run(main())
    assert base64.b64encode(PNG).decode() in server.requests[1].body.decode()


# After kill -9

DOOMED = '''
import asyncio, os, signal, sys
from a3s_code import AsyncAgent, SessionOptions, tool

where, config, folder = sys.argv[1:]

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

@tool
def append(text: str) -> str:
    """Appends a line to the log."""
    with open(os.path.join(folder, "log.txt"), "a") as log:
        log.write(text + "\\n")
    if where == "in the tool":
        die()
    return "appended"

async def main():
    async with AsyncAgent(config) as agent:
        session = agent.session(folder, SessionOptions(session_id="doomed", permissive=True, tools=[append]))
        hooks = {
            "before the request": "generate_start",
            "before the tool": "pre_tool_use",
            "after the tool": "post_tool_use",
        }
        if where in hooks:
            await session.register_hook("die", hooks[where], die)
        async with session.stream("append one line") as events:
            async for event in events:
                print(event.event_type, event.seq or 0, flush=True)
                if where == "in the stream" and event.event_type == "text_delta":
                    die()
                if where == "after the result" and event.event_type == "tool_end":
                    die()

asyncio.run(main())
'''


@pytest.mark.parametrize(
    ("where", "runs", "dialect"),
    [
        ("before the request", 0, "anthropic"),
        ("in the stream", 0, "anthropic"),
        ("in the stream", 0, "openai"),
        ("before the tool", 0, "anthropic"),
        ("in the tool", 1, "anthropic"),
        ("in the tool", 1, "openai"),
        ("after the tool", 1, "anthropic"),
        ("after the result", 1, "anthropic"),
    ],
)
def test_after_kill_9_the_session_goes_on_and_nothing_ran_twice(
    dialect: str, loopback: Callable[..., LoopbackServer], tmp_path: Path, workspace: Path, where: str, runs: int
) -> None:
    first_turn: Turn = Stall("I wi") if where == "in the stream" else Call(("append", {"text": "line"}, "id1"))
    server = loopback(first_turn, Stall("more")) if where != "in the stream" else loopback(first_turn)
    config = config_for(dialect, server, tmp_path / "sessions")
    script = tmp_path / "doomed.py"
    script.write_text(DOOMED)
    dead = subprocess.run(
        [sys.executable, str(script), where, config, str(workspace)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert dead.returncode == -signal.SIGKILL, dead.stderr
    seen = re.findall(r"^(\w+) (\d+)$", dead.stdout, re.MULTILINE)
    acknowledged = max((int(seq) for _, seq in seen), default=0)

    second = loopback(Say("Done after all."))

    async def resume() -> None:
        async with AsyncAgent(config_for(dialect, second, tmp_path / "sessions")) as agent:
            session = await agent.resume_session("doomed", tools=[FakeTool("append")])
            before = await session.history()
            check_history(before)
            assert (await session.send("go on")).text == "Done after all."
            after = await session.history()
            check_history(after)
            assert after[: len(before)] == before
            assert after[0].text == "append one line"

    run(resume())
    log = workspace / "log.txt"
    assert (log.read_text().count("line") if log.exists() else 0) == runs
    shown = results_shown(second.requests[0])
    if where in ("before the request", "in the stream"):
        assert shown == []
    elif where == "after the result":
        assert "appended" in shown[0][1]
    elif runs:
        assert "effects are unknown" in shown[0][1]
    else:
        assert "did not run" in shown[0][1]
    assert acknowledged == len({seq for _, seq in seen if seq != "0"}) + (1 if seen else 0)  # seq 1 is the opening


def test_a_session_that_is_alive_elsewhere_is_not_resumed(
    dialect: str, loopback: Callable[..., LoopbackServer], tmp_path: Path, workspace: Path
) -> None:
    server = loopback(Say("hello"))
    config = config_for(dialect, server, tmp_path / "sessions")

    async def main() -> None:
        async with AsyncAgent(config) as agent, AsyncAgent(config) as other:
            session = agent.session(workspace, session_id="mine")
            await session.send("hello")
            with pytest.raises(SessionError, match=str(os.getpid())):
                await other.resume_session("mine")

    run(main())

"""The fakes that ship in a3s_code.testing."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a3s_code import testing
from a3s_code.errors import A3SCodeError, ConfigError, ModelError, SessionError, ToolError, ToolErrorKind
from a3s_code.hookspecs import POINTS
from a3s_code.logs import get_log
from a3s_code.messages import StopReason, ToolCall, ToolResult, user
from a3s_code.plugin import (
    ConfirmationPolicy,
    ConfirmationRequest,
    ContextQuery,
    Effects,
    Hook,
    HookEvent,
    HookEventType,
    HttpRequest,
    McpServer,
    Message,
    ModelRequest,
    Outcome,
    PermissionRequest,
    PlanRequest,
    ReasoningPart,
    Reply,
    Role,
    Text,
    TextPart,
    ToolCallPart,
    Usage,
    VectorEntry,
)
from a3s_code.testing import (
    AllowAll,
    DenyAll,
    DictSessionStore,
    EchoTool,
    FakeClock,
    FakeTool,
    FixedPlanner,
    HashEmbedding,
    Hold,
    InlineCommands,
    ListHookExecutor,
    ListVectorStore,
    LoopTransports,
    Page,
    PlainWorkspace,
    RecordingHook,
    RecordingHttp,
    RecordingSandbox,
    RecordingUse,
    RulePermissionChecker,
    ScriptedClient,
    ScriptedConfirmation,
    ScriptedModel,
    StaticContextProvider,
    Turn,
    WordSecurityProvider,
    call,
    last_result,
)
from a3s_code.testing.scripted import ScriptedConfig, scripted

T = TypeVar("T")

ASK = ModelRequest(model="m", messages=(user("hello"),))


def run(work: Coroutine[object, object, T]) -> T:
    async def with_deadline() -> T:
        async with asyncio.timeout(20):
            return await work

    return asyncio.run(with_deadline())


def start(work: Coroutine[object, object, T]) -> asyncio.Task[T]:
    return asyncio.create_task(work)  # noqa: TID251 # each test awaits or cancels what it starts


async def parts(client: ScriptedClient, request: ModelRequest = ASK) -> list[object]:
    return [part async for part in client.stream(request)]


FAKES = {
    "security_provider": testing.PlainSecurityProvider(),
    "permission_checker": AllowAll(),
    "confirmation_provider": ScriptedConfirmation(),
    "context_provider": StaticContextProvider(),
    "embedding_provider": HashEmbedding(),
    "vector_store": ListVectorStore(),
    "session_store": DictSessionStore(),
    "memory_store": testing.DictMemoryStore(),
    "tool": EchoTool(),
    "planner": FixedPlanner(),
    "hook_handler": RecordingHook().on(HookEventType.PRE_PROMPT),
    "hook_executor": ListHookExecutor(),
    "mcp_transport": LoopTransports({}),
    "http_client": RecordingHttp(),
    "session_command": InlineCommands(),
    "llm_client": ScriptedClient(),
    "bash_sandbox": RecordingSandbox(),
    "skill_validator": testing.AcceptAllSkills(),
    "skill_scorer": testing.FixedScores(),
}


@pytest.mark.parametrize("point", POINTS.values(), ids=POINTS.keys())
def test_each_extension_point_has_a_fake_that_fills_it(point):
    assert isinstance(FAKES[point.name], point.filled_with)


def test_importing_the_fakes_loads_no_library_that_costs():
    heavy = "anthropic openai httpx2 yaml numpy pytest structlog cattrs hcl2 jsonschema"
    code = f"import sys, a3s_code.testing; print([name for name in {heavy.split()} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.strip() == "[]"


def test_all_lists_every_name_once_and_each_exists():
    assert len(set(testing.__all__)) == len(testing.__all__)
    assert [name for name in testing.__all__ if not hasattr(testing, name)] == []


# --- ScriptedClient


def test_a_text_is_streamed_word_by_word_and_ends_with_the_reply():
    got = run(parts(ScriptedClient("two files here")))
    assert got[:-1] == [TextPart("two"), TextPart(" files"), TextPart(" here")]
    assert isinstance(got[-1], Reply)


@given(st.text())
def test_the_pieces_of_a_text_join_to_the_text(text):
    got = run(parts(ScriptedClient(text)))
    assert "".join(part.text for part in got if isinstance(part, TextPart)) == text == got[-1].text


def test_a_call_is_streamed_as_its_name_and_then_its_arguments():
    asked = call("bash", command="ls -l", name="x")
    got = run(parts(ScriptedClient(asked)))
    pieces = [part for part in got if isinstance(part, ToolCallPart)]
    assert pieces[0] == ToolCallPart(asked.id, "bash", "")
    assert json.loads("".join(piece.text for piece in pieces)) == {"command": "ls -l", "name": "x"}
    assert got[-1].message.tool_calls == (asked,)
    assert got[-1].stop_reason is StopReason.TOOL_USE


def test_each_call_gets_an_id_of_its_own():
    assert call("ls").id != call("ls").id


def test_several_calls_make_one_turn():
    got = run(parts(ScriptedClient((call("ls"), call("pwd")))))
    assert [one.name for one in got[-1].message.tool_calls] == ["ls", "pwd"]


def test_a_turn_thinks_then_speaks_then_calls():
    turn = Turn(reasoning="hm", text="so", calls=[call("ls")], usage=Usage(output_tokens=3))
    got = run(parts(ScriptedClient(turn)))
    assert [type(part) for part in got] == [ReasoningPart, TextPart, ToolCallPart, ToolCallPart, Reply]
    assert got[-1].usage == Usage(output_tokens=3)


def test_a_reply_is_given_as_it_is():
    reply = Reply(message=Message(Role.ASSISTANT, (Text("x"),)), usage=Usage(), stop_reason=StopReason.MAX_TOKENS)
    assert run(ScriptedClient(reply).complete(ASK)) is reply


def test_an_error_is_raised_instead_of_an_answer():
    with pytest.raises(ModelError, match="busy"):
        run(ScriptedClient(ModelError("busy")).complete(ASK))


def test_a_stream_can_break_off_after_some_text():
    async def scenario() -> list[object]:
        stream = ScriptedClient(Turn(text="half a", then=ModelError("cut"))).stream(ASK)
        got: list[object] = [await anext(stream), await anext(stream)]
        with pytest.raises(ModelError, match="cut"):
            await anext(stream)
        return got

    assert run(scenario()) == [TextPart("half"), TextPart(" a")]


def test_a_function_sees_the_request():
    client = ScriptedClient(lambda request: f"you said {request.messages[-1].text}")
    assert run(client.complete(ASK)).text == "you said hello"


def test_a_script_that_is_over_says_how_often_it_was_asked():
    async def scenario() -> None:
        client = ScriptedClient("one")
        await client.complete(ASK)
        await client.complete(ASK)

    with pytest.raises(A3SCodeError, match="it has 1 turns and this is request 2") as caught:
        run(scenario())
    assert isinstance(caught.value, ModelError)
    assert not caught.value.is_transient


def test_a_held_turn_tells_when_it_is_reached_and_waits_for_its_release():
    async def scenario() -> str:
        hold = Hold(asyncio.Event(), "now")
        asked = start(ScriptedClient(hold).complete(ASK))
        await hold.reached.wait()
        assert not asked.done()
        hold.release.set()
        return (await asked).text

    assert run(scenario()) == "now"


def test_closing_a_stream_is_seen():
    async def scenario() -> list[int]:
        client = ScriptedClient("some words")
        stream = client.stream(ASK)
        await anext(stream)
        during = client.open_streams
        await stream.aclose()
        return [during, client.open_streams]

    assert run(scenario()) == [1, 0]


def test_requests_are_kept_in_order():
    async def scenario() -> ScriptedClient:
        client = ScriptedClient("a", "b")
        for text in ("first", "second"):
            await client.complete(ModelRequest(model="m", messages=(user(text),)))
        return client

    assert [request.messages[0].text for request in run(scenario()).requests] == ["first", "second"]


def test_last_result_is_the_newest_tool_result():
    results = tuple(ToolResult(call_id=str(n), name="ls", output=str(n)) for n in (1, 2))
    request = ModelRequest(model="m", messages=(Message(Role.USER, results),))
    assert last_result(request).output == "2"


def test_a_scripted_model_answers_one_question():
    model = ScriptedModel("three steps")
    assert run(model.ask("plan it", system="you plan")).text == "three steps"
    assert model.client.requests[0].system == "you plan"


def test_the_scripted_offer_answers_from_its_file(tmp_path):
    file = tmp_path / "turns.json"
    file.write_text('[{"text": "look", "calls": [{"name": "ls", "arguments": {"path": "."}}]}, {"reasoning": "r"}]')
    client = scripted(ScriptedConfig(script=str(file)), get_log())
    reply = run(client.complete(ASK))
    assert reply.text == "look"
    assert [(one.name, one.arguments) for one in reply.message.tool_calls] == [("ls", {"path": "."})]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        pytest.param("{", "not JSON", id="no JSON"),
        pytest.param("{}", "a JSON list", id="no list"),
        pytest.param('["hi"]', "some of calls, reasoning, text", id="no object"),
        pytest.param('[{"txt": "hi"}]', "some of calls, reasoning, text", id="unknown key"),
        pytest.param('[{}, {"text": 1}]', r"\[1\].*are strings", id="text is no string"),
        pytest.param('[{"calls": [{}]}]', '"name" and "arguments"', id="call without a name"),
        pytest.param('[{"calls": [{"name": "x", "arguments": 3}]}]', "are an object", id="arguments are no object"),
        pytest.param('[{"calls": [{"name": "x", "args": {}}]}]', "has only", id="unknown key of a call"),
    ],
)
def test_a_wrong_script_is_refused_with_its_place(tmp_path, content, complaint):
    file = tmp_path / "turns.json"
    file.write_text(content)
    with pytest.raises(ConfigError, match=complaint) as caught:
        testing.load_script(file)
    assert str(file) in str(caught.value)


def test_the_scripted_offer_without_a_file_says_how_to_give_one():
    with pytest.raises(ConfigError, match="script ="):
        scripted(ScriptedConfig(), get_log())


def test_a_missing_script_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"gone\.json"):
        testing.load_script(tmp_path / "gone.json")


# --- FakeClock


def test_sleepers_wake_in_the_order_of_their_times():
    async def scenario() -> list[str]:
        clock, woken = FakeClock(), []

        async def sleeper(name: str, seconds: float) -> None:
            await clock.sleep(seconds)
            woken.append(name)

        async with asyncio.TaskGroup() as group:
            group.create_task(sleeper("late", 5))
            group.create_task(sleeper("early", 2))
            await clock.sleeping(2)
            clock.advance(10)
        return woken

    assert run(scenario()) == ["early", "late"]


def test_a_sleeper_sleeps_on_until_its_time():
    async def scenario() -> bool:
        clock = FakeClock()
        task = start(clock.sleep(5))
        await clock.sleeping()
        clock.advance(4.9)
        await asyncio.sleep(0)
        asleep = not task.done()
        clock.advance(0.1)
        await task
        return asleep

    assert run(scenario())


def test_a_cancelled_sleeper_is_forgotten():
    async def scenario() -> None:
        clock = FakeClock()
        task = start(clock.sleep(5))
        await clock.sleeping()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        clock.advance(10)
        assert clock._sleepers == []

    run(scenario())


# --- the gate


WORDS = st.lists(st.text("abc", min_size=1, max_size=3), min_size=1, max_size=3)


@given(WORDS, st.text("abcd", max_size=12), st.text("abcd", max_size=6))
def test_a_head_of_the_safe_length_can_be_shown_whatever_follows(words, text, rest):
    security = WordSecurityProvider(*words)
    end = security.safe_length(text)
    head, tail = text[:end], text[end:] + rest
    assert security.sanitize_output(head) + security.sanitize_output(tail) == security.sanitize_output(text + rest)


@given(WORDS, st.text("abcd[]RED", max_size=12))
def test_hiding_words_twice_changes_nothing_more(words, text):
    once = WordSecurityProvider(*words).sanitize_output(text)
    assert WordSecurityProvider(*words).sanitize_output(once) == once


def test_a_word_of_the_label_cannot_be_hidden():
    with pytest.raises(ValueError, match="label"):
        WordSecurityProvider("RED")


def test_what_the_prompt_calls_secret_is_hidden_until_it_is_wiped():
    security = WordSecurityProvider()
    security.taint_input("log in with secret:hunter2")
    hidden = security.sanitize_output("hunter2")
    security.wipe()
    assert (hidden, security.sanitize_output("hunter2")) == ("[REDACTED]", "hunter2")


def test_deny_beats_ask_beats_allow():
    checker = RulePermissionChecker(allow=["a", "b", "c"], ask=["b", "c"], deny=["c"])
    decisions = [checker.check(PermissionRequest(tool=tool)).decision.value for tool in "abcd"]
    assert decisions == ["allow", "ask", "deny", "ask"]


def test_a_changed_rule_changes_the_version():
    checker = RulePermissionChecker()
    before = checker.version
    checker.deny.add("bash")
    assert checker.version != before


def test_all_or_nothing_is_allowed():
    request = PermissionRequest(tool="bash")
    assert [maker().check(request).decision.value for maker in (AllowAll, DenyAll)] == ["allow", "deny"]


def question(id: str) -> ConfirmationRequest:
    return ConfirmationRequest(tool_id=id, tool_name="bash", arguments={})


def test_answers_come_in_order_and_then_nobody_is_there():
    async def scenario() -> list[Outcome]:
        person = ScriptedConfirmation(True, False, lambda request: request.tool_id == "3")
        return [(await person.confirm(question(str(number)))).outcome for number in range(1, 5)]

    assert run(scenario()) == [Outcome.APPROVED, Outcome.REJECTED, Outcome.APPROVED, Outcome.UNAVAILABLE]


def test_an_enabled_policy_leaves_the_question_open_until_the_timeout():
    person = ScriptedConfirmation(policy=ConfirmationPolicy(enabled=True, timeout_ms=1))
    assert run(person.confirm(question("1"))).outcome is Outcome.TIMEOUT
    assert person.pending() == ()


# --- the others


def test_static_context_keeps_to_the_limits_of_the_query():
    provider = StaticContextProvider("one two", "three four", "five six")
    found = run(provider.query(ContextQuery(query="x", max_tokens=5)))
    assert [item.content for item in found.items] == ["one two", "three four"]
    assert found.truncated


def test_texts_with_shared_words_have_similar_vectors():
    async def scenario() -> list[str]:
        embedding, store = HashEmbedding(), ListVectorStore()
        texts = ("green apple pie", "sparse matrix solver")
        vectors = await embedding.embed_batch(texts)
        await store.insert_batch(
            [VectorEntry(id=text, embedding=vector) for text, vector in zip(texts, vectors, strict=True)]
        )
        return [hit.entry.id for hit in await store.search(await embedding.embed("apple pie"), 2)]

    assert run(scenario()) == ["green apple pie", "sparse matrix solver"]


def test_a_vector_of_another_dimension_is_refused_and_nothing_is_kept():
    async def scenario() -> int:
        store = ListVectorStore()
        with pytest.raises(ValueError, match="vectors of 2"):
            await store.insert_batch([VectorEntry(id="a", embedding=(1, 0)), VectorEntry(id="b", embedding=(1,))])
        return await store.count()

    assert run(scenario()) == 0


def test_after_a_crash_only_what_was_durable_is_there():
    async def scenario() -> list[tuple[int, bytes]]:
        store = DictSessionStore()
        journal = await store.open("s", create=True)
        await journal.append([b"a"], durable=True)
        await journal.append([b"b"], durable=False)
        return list(await (await store.crashed().open("s", create=False)).read())

    assert run(scenario()) == [(1, b"a")]


def test_a_full_disk_can_be_played():
    async def scenario() -> list[tuple[int, bytes]]:
        store = DictSessionStore()
        journal = await store.open("s", create=True)
        store.failure = SessionError("the disk is full")
        with pytest.raises(SessionError, match="full"):
            await journal.append([b"a"], durable=True)
        return list(await journal.read())

    assert run(scenario()) == []


def test_a_fake_tool_answers_raises_or_computes(tmp_path):
    use = RecordingUse(tmp_path)

    async def slow(args, use):
        use.emit("…")
        return f"got {args['n']}"

    assert run(FakeTool("a", "fine").run({}, use)).text == "fine"
    assert run(FakeTool("b", slow).run({"n": 1}, use)).text == "got 1"
    assert use.deltas == ["…"]
    with pytest.raises(ToolError):
        run(FakeTool("c", ToolError("no")).run({}, use))


def test_a_fake_tool_declares_what_it_was_told_and_keeps_its_calls(tmp_path):
    tool = FakeTool("look", effects=Effects.READ_ONLY)
    run(tool.run({"x": 1}, RecordingUse(tmp_path)))
    assert tool.spec.effects is Effects.READ_ONLY
    assert tool.calls == [{"x": 1}]


def test_the_plain_workspace_keeps_tools_inside(tmp_path):
    (tmp_path / "ws").mkdir()
    (tmp_path / "ws" / "link").symlink_to(tmp_path)
    workspace = PlainWorkspace(tmp_path / "ws")
    for path in ("../x", "link/x", str(tmp_path / "x")):
        with pytest.raises(ToolError) as caught:
            workspace.read_bytes(path)
        assert caught.value.kind is ToolErrorKind.DENIED


def test_the_plain_workspace_gives_back_what_was_written(tmp_path):
    workspace = PlainWorkspace(tmp_path)
    written = workspace.write_bytes("a/b.txt", b"x")
    assert workspace.read_bytes("a/b.txt") == b"x"
    assert workspace.relative(written) == "a/b.txt"
    assert [path.name for path in Path(tmp_path, "a").iterdir()] == ["b.txt"]


def test_a_fixed_planner_plans_the_same_whatever_is_asked():
    plan = run(FixedPlanner("look", "write").plan(PlanRequest(prompt="go"), ScriptedModel()))
    assert [(step.id, step.description) for step in plan.steps] == [("step-1", "look"), ("step-2", "write")]


def test_a_recording_hook_keeps_what_it_saw():
    hook = RecordingHook()
    event = HookEvent(event_type=HookEventType.PRE_PROMPT, session_id="s", payload={"prompt": "hi"})
    run(ListHookExecutor(hook.on(HookEventType.PRE_PROMPT)).fire(event))
    assert hook.events == [event]


def test_a_hook_of_another_event_sees_nothing():
    hook = RecordingHook()
    executor = ListHookExecutor(Hook(id="h", event_type=HookEventType.ON_ERROR, handler=hook))
    run(executor.fire(HookEvent(event_type=HookEventType.PRE_PROMPT, session_id="s")))
    assert hook.events == []


def test_a_loop_transport_answers_from_its_dict_and_ends_with_its_server():
    async def scenario() -> list[object]:
        maker = LoopTransports({"tools/list": {"tools": []}})
        transport = maker(McpServer(name="files"))
        await transport.connect()
        listed = await transport.request("tools/list", {}, timeout_s=1)
        maker.made["files"].say("notifications/changed", {})
        maker.made["files"].die()
        said = [method async for method, _ in transport.notifications()]
        with pytest.raises(ToolError):
            await transport.request("tools/list", {}, timeout_s=1)
        return [listed, said]

    assert run(scenario()) == [{"tools": []}, ["notifications/changed"]]


async def fetched(http: RecordingHttp, purpose: str, url: str) -> tuple[int, bytes, str]:
    bound = http.public_web() if purpose == "web" else http.provider(purpose)
    async with bound.send(HttpRequest(method="GET", url=url)) as response:
        return response.status, b"".join([chunk async for chunk in response.chunks()]), response.url


def test_recorded_pages_come_in_order():
    http = RecordingHttp(b"one", Page(status=404, body=[b"t", b"wo"]))
    origin = "https://api.test"
    assert run(fetched(http, origin, f"{origin}/a")) == (200, b"one", f"{origin}/a")
    assert run(fetched(http, origin, f"{origin}/b")) == (404, b"two", f"{origin}/b")


@pytest.mark.parametrize(
    ("purpose", "url"),
    [
        pytest.param("https://api.test", "https://other.test/", id="another host"),
        pytest.param("https://api.test", "http://api.test/", id="another scheme"),
        pytest.param("https://api.test", "https://api.test:8443/", id="another port"),
        pytest.param("web", "http://localhost/", id="localhost"),
        pytest.param("web", "http://10.0.0.1/", id="a private address"),
        pytest.param("web", "http://[::1]/", id="the loopback of IPv6"),
        pytest.param("web", "file:///etc/passwd", id="a file"),
    ],
)
def test_what_a_purpose_does_not_allow_is_refused(purpose, url):
    http = RecordingHttp(b"never")
    with pytest.raises(ToolError) as caught:
        run(fetched(http, purpose, url))
    assert caught.value.kind is ToolErrorKind.DENIED
    assert http.requests == []


def test_a_redirect_goes_through_the_same_check():
    http = RecordingHttp(Page(status=302, headers={"location": "http://127.0.0.1/"}))
    with pytest.raises(ToolError, match=r"127\.0\.0\.1"):
        run(fetched(http, "web", "https://example.org/"))


def test_who_keeps_the_host_gets_the_redirect_to_another_one_as_the_answer():
    http = RecordingHttp(
        Page(status=302, headers={"location": "https://www.example.org/a"}),
        Page(status=302, headers={"location": "https://other.example/"}),
    )

    async def status() -> int:
        request = HttpRequest(method="GET", url="https://example.org/", keeps_host=True)
        async with http.public_web().send(request) as response:
            return response.status

    assert run(status()) == 302
    assert len(http.requests) == 2


def test_a_call_with_its_own_id_is_used_as_it_is():
    asked = ToolCall(id="fixed", name="ls")
    assert run(ScriptedClient(asked).complete(ASK)).message.tool_calls[0].id == "fixed"

"""A session: one prompt at a time, streams, options, slash commands, direct calls, closing, locks."""

import asyncio
import os
import subprocess
import sys
import warnings
import weakref
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from a3s_code_testing.running import run

from a3s_code.agent import AsyncAgent
from a3s_code.errors import (
    ConfigError,
    ModelError,
    ModelErrorKind,
    PluginError,
    PromptError,
    SessionBusyError,
    SessionError,
    SessionLockedError,
    SessionNotFoundError,
    ToolError,
)
from a3s_code.events import (
    AgentEnd,
    AgentStart,
    CommandOutput,
    ConfirmationRequired,
    Error,
    Event,
    PersistenceFailed,
    TextDelta,
)
from a3s_code.lanes import Lane
from a3s_code.messages import Message, Role
from a3s_code.options import SessionOptions
from a3s_code.plugin import CommandContext, CommandReply, ConfirmationPolicy, Effects, JsonObject, ToolUse
from a3s_code.testing import (
    AllowAll,
    DictMemoryStore,
    DictSessionStore,
    FakeTool,
    FixedPlanner,
    Hold,
    ListHookExecutor,
    ScriptedClient,
    StaticContextProvider,
    WordSecurityProvider,
    call,
    last_result,
)


@pytest.fixture
def agent(config: str) -> AsyncAgent:
    return AsyncAgent(config)


def check_history(messages: Sequence[Message]) -> None:
    for index, message in enumerate(messages):
        if message.tool_calls:
            answered = [result.call_id for result in messages[index + 1].tool_results]
            assert answered == [call.id for call in message.tool_calls]


# Prompts


@pytest.mark.parametrize(
    "prompt", ["", "  \n", "x" * (4 * 1024 * 1024 + 1), None], ids=["empty", "blank", "large", "none"]
)
def test_a_prompt_that_cannot_be_sent_is_refused_and_nothing_is_recorded(
    agent: AsyncAgent, workspace: Path, prompt: str
) -> None:
    async def main() -> None:
        async with agent:
            session = agent.session(workspace, llm_client=ScriptedClient())
            with pytest.raises(PromptError):
                await session.send(prompt)
            assert await session.history() == ()

    run(main())


def test_a_second_prompt_meanwhile_is_refused_and_the_first_goes_on(agent: AsyncAgent, workspace: Path) -> None:
    async def main() -> None:
        hold = Hold(asyncio.Event(), "first answer")
        async with agent:
            session = agent.session(workspace, llm_client=ScriptedClient(hold))
            stream = session.stream("first")
            await hold.reached.wait()
            with pytest.raises(SessionBusyError, match="cancel"):
                await session.send("second")
            with pytest.raises(SessionBusyError):
                session.stream("third")
            hold.release.set()
            assert (await stream.result()).text == "first answer"
            assert [message.role for message in await session.history()] == [Role.USER, Role.ASSISTANT]

    run(main())


def test_two_sessions_of_an_agent_run_side_by_side(agent: AsyncAgent, workspace: Path) -> None:
    async def main() -> None:
        first, second = (Hold(asyncio.Event(), name) for name in ("one", "two"))
        async with agent:
            runs = [agent.session(workspace, llm_client=ScriptedClient(hold)).stream("go") for hold in (first, second)]
            await first.reached.wait()
            await second.reached.wait()
            first.release.set()
            second.release.set()
            assert [(await one.result()).text for one in runs] == ["one", "two"]

    run(main())


def test_a_direct_call_may_run_beside_a_prompt(agent: AsyncAgent, workspace: Path) -> None:
    async def main() -> None:
        hold = Hold(asyncio.Event(), "answer")
        async with agent:
            session = agent.session(workspace, llm_client=ScriptedClient(hold))
            stream = session.stream("go")
            await hold.reached.wait()
            assert "return 1" in await session.read_file("a.py")
            hold.release.set()
            await stream.result()

    run(main())


def test_an_error_of_the_model_ends_the_stream_and_the_session_goes_on(agent: AsyncAgent, workspace: Path) -> None:
    async def main() -> None:
        llm = ScriptedClient(ModelError("no key", kind=ModelErrorKind.AUTHENTICATION), "answer")
        async with agent:
            session = agent.session(workspace, llm_client=llm)
            stream = session.stream("go")
            told: list[Event] = []
            while not (told and isinstance(told[-1], Error)):
                told.append(await anext(stream))
            assert "no key" in told[-1].error
            with pytest.raises(ModelError, match="no key"):
                await anext(stream)
            assert (await session.send("again")).text == "answer"

    run(main())


def test_a_program_error_in_a_client_is_a_model_error_that_names_it_and_the_session_goes_on(
    agent: AsyncAgent, workspace: Path
) -> None:
    async def main() -> None:
        async with agent:
            session = agent.session(workspace, llm_client=ScriptedClient(KeyError("oops"), "answer"))
            with pytest.raises(ModelError, match="KeyError: 'oops'") as caught:
                await session.send("go")
            assert isinstance(caught.value.__cause__, KeyError)
            assert (await session.send("again")).text == "answer"

    run(main())


# Streams


async def cut_short(session: Any, leave: str, hold: Hold) -> None:
    """Reads the first event of a stream and leaves it in the given way."""
    stream = session.stream("go")
    if leave == "break":
        async for event in stream:
            assert isinstance(event, AgentStart)
            break
        del stream, event
    elif leave == "block":
        async with stream:
            await anext(stream)
    elif leave == "error":
        with suppress(ZeroDivisionError):
            async with stream:
                await anext(stream)
                _ = 1 / 0
    else:
        await anext(stream)
        await hold.reached.wait()
        del stream


@pytest.mark.parametrize("leave", ["break", "block", "error", "drop"])
def test_leaving_a_stream_cancels_its_run_and_the_history_stays_valid(
    agent: AsyncAgent, workspace: Path, leave: str
) -> None:
    async def main() -> None:
        hold = Hold(asyncio.Event(), "late")
        async with agent:
            llm = ScriptedClient(call("read", file_path="a.py"), hold, "next")
            session = agent.session(workspace, llm_client=llm)
            await cut_short(session, leave, hold)
            assert session._run is not None
            await asyncio.wait({session._run.task})
            check_history(await session.history())
            assert llm.open_streams == 0
            llm._turns.clear()
            llm.add("next")
            assert (await session.send("go on")).text == "next"

    run(main())


def test_a_stream_that_is_held_and_not_read_pauses_the_run_without_a_slot(
    agent: AsyncAgent, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("a3s_code.feed.HIGH_WATER", 4)
    turns = [call("read", file_path="a.py", offset=n) for n in range(1, 30)]

    async def main() -> None:
        llm = ScriptedClient(*turns, "done")
        async with agent:
            session = agent.session(workspace, llm_client=llm)
            stream = session.stream("go")
            while not stream._run.feed._room._waiters:  # the run waits for its reader  # noqa: ASYNC110
                await asyncio.sleep(0)
            assert 0 < len(llm.requests) < 10
            assert session.is_busy
            assert (await session.queue_stats()).total_active == 0
            seen = [event async for event in stream]
            assert isinstance(seen[-1], AgentEnd)
            assert len(llm.requests) == 30

    run(main())


def test_the_result_is_there_after_the_events_and_without_them(agent: AsyncAgent, workspace: Path) -> None:
    async def main() -> None:
        async with agent:
            session = agent.session(workspace, llm_client=ScriptedClient("one", "two"))
            async with session.stream("go") as events:
                text = "".join([event.text async for event in events if isinstance(event, TextDelta)])
                assert (await events.result()).text == text == "one"
            assert (await session.stream("go").result()).text == "two"

    run(main())


# Options


def test_the_session_keeps_a_copy_of_its_options(agent: AsyncAgent, workspace: Path) -> None:
    async def main() -> None:
        options = SessionOptions(llm_client=ScriptedClient("answer"), tools=[FakeTool("one")])
        async with agent:
            session = agent.session(workspace, options)
            options.llm_client = None
            options.tools.append(FakeTool("two"))  # type: ignore[attr-defined] # it is a list here
            options.role = "You are somebody else."
            assert (await session.send("go")).text == "answer"
            assert "two" not in await session.tool_names()
            assert "one" in await session.tool_names()

    run(main())


def test_one_options_object_serves_two_sessions(agent: AsyncAgent, workspace: Path) -> None:
    async def main() -> None:
        options = SessionOptions(llm_client=ScriptedClient("one", "two"))
        async with agent:
            assert [(await agent.session(workspace, options).send("go")).text for _ in range(2)] == ["one", "two"]

    run(main())


def test_keywords_win_over_the_options_object(agent: AsyncAgent, workspace: Path) -> None:
    async def main() -> None:
        llm = ScriptedClient("answer")
        async with agent:
            session = agent.session(workspace, SessionOptions(role="You are A."), role="You are B.", llm_client=llm)
            await session.send("go")
        assert "You are B." in llm.requests[0].system

    run(main())


def test_an_unknown_option_is_a_typed_error(agent: AsyncAgent, workspace: Path) -> None:
    with pytest.raises(ConfigError, match=r"unknown session option.*permisive"):
        agent.session(workspace, permisive=True)
    with pytest.raises(AttributeError):
        SessionOptions().permisive = True  # type: ignore[attr-defined] # wrong on purpose


def test_an_option_without_effect_warns(agent: AsyncAgent, workspace: Path) -> None:
    with pytest.warns(UserWarning, match="goal_tracking has no effect yet"):
        agent.session(workspace, goal_tracking=True)


def test_the_prompt_slots_never_replace_the_core(agent: AsyncAgent, workspace: Path) -> None:
    async def main() -> None:
        llm = ScriptedClient("answer")
        async with agent:
            session = agent.session(
                workspace, llm_client=llm, role="You are X.", guidelines="Be Y.", response_style="In Z.", extra="And W."
            )
            await session.send("go")
        system = llm.requests[0].system
        for text in ("You are X.", "How to work", "## Guidelines\nBe Y.", "## Response Format\nIn Z.", "And W."):
            assert text in system
        assert "A3S Code" not in system

    run(main())


def test_a_model_that_is_not_configured_fails_at_once(agent: AsyncAgent, workspace: Path) -> None:
    with pytest.raises(ConfigError, match=r'no providers block is named "nobody".*there are: anthropic'):
        agent.session(workspace, model="nobody/m")
    with pytest.raises(ConfigError, match='must be written as "provider/model"'):
        agent.session(workspace, model="m")


def test_a_workspace_that_is_no_folder_fails_at_once(agent: AsyncAgent, workspace: Path) -> None:
    with pytest.raises(SessionError):
        agent.session(workspace / "nowhere")


def test_the_lane_concurrency_of_the_environment_is_honoured(
    agent: AsyncAgent, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three read-only calls that would run side by side run one after the other."""
    monkeypatch.setenv("A3S_CODE_LANE_CONCURRENCY", "1")
    running, most = 0, 0

    async def answer(_args: JsonObject, _use: ToolUse) -> str:
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(10):
            await asyncio.sleep(0)
        running -= 1
        return "ok"

    async def main() -> None:
        llm = ScriptedClient([call("look", n=n) for n in range(3)], "done")
        async with agent:
            session = agent.session(
                workspace, llm_client=llm, tools=[FakeTool("look", answer, effects=Effects.READ_ONLY)]
            )
            await session.send("go")
            assert {lane.max_concurrency for lane in (await session.queue_stats()).lanes.values()} == {1}

    run(main())
    assert most == 1


def test_the_queue_of_the_configuration_is_the_sessions_own(config: str, workspace: Path) -> None:
    async def main() -> None:
        async with AsyncAgent(config + "queue {\n  query_max_concurrency = 3\n}\n") as agent:
            stats = await agent.session(workspace).queue_stats()
            assert stats.lanes[Lane.QUERY].max_concurrency == 3

    run(main())


# Points through options


def test_context_is_found_once_and_kept_with_the_prompt(agent: AsyncAgent, workspace: Path) -> None:
    async def main() -> None:
        provider = StaticContextProvider("The house is blue.")
        llm = ScriptedClient(call("read", file_path="a.py"), "done", "again")
        async with agent:
            session = agent.session(workspace, llm_client=llm, context_providers=[provider])
            await session.send("what colour?")
            assert "The house is blue." in llm.requests[0].messages[0].text
            assert len(provider.queries) == 1
            await session.send("and now?")
            assert llm.requests[2].messages[: len(llm.requests[1].messages)] == llm.requests[1].messages
            assert [prompt for _, prompt, _ in provider.turns] == ["what colour?", "and now?"]

    run(main())


def test_memories_are_recalled_into_the_prompt(agent: AsyncAgent, workspace: Path) -> None:
    async def main() -> None:
        llm = ScriptedClient("done")
        async with agent:
            session = agent.session(workspace, llm_client=llm, memory_store=DictMemoryStore())
            await session.remember_success("auth", ["bash"], "tokens expire")
            assert "tokens expire" in (await session.recall_similar("auth"))[0].content
            await session.send("auth")
            assert "tokens expire" in llm.requests[0].messages[0].text

    run(main())


def test_a_plan_is_worked_through_step_by_step_in_one_history(agent: AsyncAgent, workspace: Path) -> None:
    async def main() -> None:
        llm = ScriptedClient("first done", "second done")
        async with agent:
            session = agent.session(workspace, llm_client=llm, planning=True, planner=FixedPlanner("look", "change"))
            async with session.stream("do it") as events:
                kinds = [event.event_type async for event in events]
                assert (await events.result()).text == "second done"
            assert [kind for kind in kinds if kind.startswith(("planning", "step"))] == [
                "planning_start",
                "planning_end",
                "step_start",
                "step_end",
                "step_start",
                "step_end",
            ]
            check_history(await session.history())

    run(main())


def test_secrets_in_the_models_words_are_hidden_also_when_split_over_deltas(agent: AsyncAgent, workspace: Path) -> None:
    async def main() -> None:
        async with agent:
            session = agent.session(
                workspace,
                llm_client=ScriptedClient("the word is hunter2 indeed"),
                security_provider=WordSecurityProvider("hunter2 indeed"),
            )
            async with session.stream("go") as events:
                shown = "".join([event.text async for event in events if isinstance(event, TextDelta)])
                assert (await events.result()).text == shown == "the word is [REDACTED]"

    run(main())


def test_hooks_see_the_life_of_a_session(agent: AsyncAgent, workspace: Path) -> None:
    async def main() -> None:
        hooks = ListHookExecutor()
        async with agent:
            session = agent.session(
                workspace, llm_client=ScriptedClient(call("read", file_path="a.py"), "done"), hook_executor=hooks
            )
            await session.register_hook("watch", "pre_tool_use", lambda event: None)
            await session.send("go")
            await session.aclose()
        assert [event.event_type.value for event in hooks.fired] == [
            "session_start",
            "pre_prompt",
            "generate_start",
            "generate_end",
            "pre_tool_use",
            "post_tool_use",
            "generate_start",
            "generate_end",
            "post_response",
            "session_end",
        ]

    run(main())


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_registered_function_can_block_a_call(agent: AsyncAgent, workspace: Path, when: str) -> None:
    def audit(event: dict[str, Any]) -> JsonObject:
        assert event["event_type"] == "pre_tool_use"
        assert event["payload"]["tool"] == "count"
        return {"action": "block", "reason": "not today"}

    async def main() -> None:
        counted = FakeTool("count")
        llm = ScriptedClient(call("count"), "done")
        async with agent:
            session = agent.session(workspace, llm_client=llm, permissive=True, tools=[counted])
            if when == "after":
                await session.open()
            await session.register_hook("audit", "pre_tool_use", audit, matcher={"tool": "count"})
            await session.send("go")
            assert "not today" in last_result(llm.requests[1]).output
            assert counted.calls == []
            assert await session.hook_count() == 1
            assert await session.unregister_hook("audit")

    run(main())


# Questions to a person


def test_a_question_is_answered_from_outside_while_no_slot_is_held(agent: AsyncAgent, workspace: Path) -> None:
    async def main() -> None:
        llm = ScriptedClient(call("bash", command="echo yes"), call("bash", command="echo no"), "done")
        policy = ConfirmationPolicy(enabled=True)
        async with agent:
            session = agent.session(workspace, llm_client=llm, confirmation_policy=policy)
            async with session.stream("go") as events:
                async for event in events:
                    if isinstance(event, ConfirmationRequired):
                        (question,) = await session.pending_confirmations()
                        assert (question.tool_id, question.tool_name) == (event.tool_id, "bash")
                        assert (await session.queue_stats()).total_active == 0
                        approved = question.arguments["command"] == "echo yes"
                        assert await session.confirm_tool_use(event.tool_id, approved, "because")
                        assert not await session.confirm_tool_use(event.tool_id, approved)
            assert last_result(llm.requests[1]).output == "yes\n"
            assert "REJECTED" in last_result(llm.requests[2]).output
            assert "because" in last_result(llm.requests[2]).output

    run(main())


def test_cancelling_cancels_the_open_question(agent: AsyncAgent, workspace: Path) -> None:
    async def main() -> None:
        llm = ScriptedClient(call("bash", command="touch ran"), "next")
        policy = ConfirmationPolicy(enabled=True)
        async with agent:
            session = agent.session(workspace, llm_client=llm, confirmation_policy=policy)
            stream = session.stream("go")
            async for event in stream:
                if isinstance(event, ConfirmationRequired):
                    session.cancel()
            assert (await stream.result()).stop_reason == "cancelled"
            assert await session.pending_confirmations() == ()
            assert "did not run" in (await session.history())[-1].tool_results[0].output
            assert (await session.send("go on")).text == "next"

    run(main())
    assert not (workspace / "ran").exists()


# Slash commands


def test_a_slash_command_never_reaches_the_model_and_is_not_recorded(agent: AsyncAgent, workspace: Path) -> None:
    async def main() -> None:
        llm = ScriptedClient()
        async with agent:
            session = agent.session(workspace, llm_client=llm)
            async with session.stream("/tools") as events:
                seen = [event async for event in events]
            assert [event.event_type for event in seen] == ["agent_start", "command_output", "agent_end"]
            assert isinstance(seen[1], CommandOutput)
            assert "read" in seen[1].text
            assert await session.history() == ()

    run(main())


def test_status_names_what_protects(agent: AsyncAgent, workspace: Path) -> None:
    async def main() -> str:
        async with agent:
            session = agent.session(
                workspace, llm_client=ScriptedClient(), permission_checker=AllowAll(), permissive=True
            )
            return (await session.send("/status")).text

    assert run(main()).splitlines()[2:] == [
        "Permissions: AllowAll (given in code)",
        "Redaction: default",
        "Commands: local",
        "Permissive: what would be asked about runs",
    ]


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("/help", "/compact"),
        ("/cost", "0"),
        ("/model", "claude-sonnet"),
        ("/history", "0"),
        ("/status", "Workspace"),
        ("/compact", "Nothing to compact"),
        ("/nonsense", "Unknown command: /nonsense"),
    ],
)
def test_the_built_in_commands_answer(agent: AsyncAgent, workspace: Path, command: str, text: str) -> None:
    async def main() -> str:
        async with agent:
            return (await agent.session(workspace, llm_client=ScriptedClient()).send(command)).text

    assert text in run(main())


def test_a_path_is_no_slash_command(agent: AsyncAgent, workspace: Path) -> None:
    async def main() -> str:
        async with agent:
            return (
                await agent.session(workspace, llm_client=ScriptedClient("a folder")).send("/usr/bin is what?")
            ).text

    assert run(main()) == "a folder"


def test_clear_forgets_the_conversation_also_after_resuming(agent: AsyncAgent, workspace: Path) -> None:
    async def main() -> None:
        llm = ScriptedClient("one", "two")
        store = DictSessionStore()
        async with agent:
            session = agent.session(workspace, llm_client=llm, session_id="s", session_store=store)
            await session.send("first")
            await session.send("/clear")
            assert await session.history() == ()
            resumed = await agent.resume_session("s", llm_client=llm, session_store=store)
            assert await resumed.history() == ()

    run(main())


def test_switching_the_model_asks_the_other_one_and_is_kept(config: str, workspace: Path) -> None:
    async def main() -> None:
        llm, store = ScriptedClient("one", "two"), DictSessionStore()
        options = SessionOptions(llm_client=llm, session_id="s", session_store=store)
        async with AsyncAgent(config) as agent:
            session = agent.session(workspace, options)
            await session.send("/model anthropic/other")
            await session.send("first")
            resumed = await agent.resume_session("s", options)
            await resumed.send("second")
            assert "nobody" in (await resumed.send("/model nobody/m")).text
        assert [request.model for request in llm.requests] == ["other", "other"]

    run(main())


def test_own_commands_are_functions_or_objects_and_their_errors_are_shown(agent: AsyncAgent, workspace: Path) -> None:
    class Ping:
        name = "ping"
        description = "Says pong."

        async def execute(self, args: str, context: CommandContext) -> CommandReply:
            return CommandReply(f"pong {args} in {Path(context.workspace).name}")

    def fail(_args: str, _context: CommandContext) -> str:
        raise ValueError("odd")

    async def main() -> None:
        async with agent:
            session = agent.session(workspace, llm_client=ScriptedClient(), slash_commands=[Ping()])
            session.register_command("fail", "Fails.", fail)
            assert (await session.send("/ping now")).text == "pong now in ws"
            assert "ValueError: odd" in (await session.send("/fail")).text
            assert "/ping" in (await session.send("/help")).text

    run(main())


# Direct calls


def test_direct_calls_work_without_asking_anybody(agent: AsyncAgent, workspace: Path) -> None:
    async def main() -> None:
        async with agent:
            session = agent.session(workspace)
            assert (await session.bash("echo one; exit 3")).startswith("one\n")
            assert await session.read_file("a.py") == "def a():\n    return 1\n"
            assert set(await session.glob("*.py")) == {"a.py", "b.py"}
            assert "a.py:1" in await session.grep("def a")
            result = await session.tool("write", {"file_path": "c.txt", "content": "new"})
            assert not result.is_error
            with pytest.raises(ToolError):
                await session.read_file("nowhere.txt")
            with pytest.raises(ToolError):
                await session.read_file("../x")
            assert await session.history() == ()

    run(main())
    assert (workspace / "c.txt").read_text() == "new"


# Saving, resuming, locks


def test_a_resumed_session_has_its_history_its_model_and_its_usage(
    tmp_path: Path, config: str, workspace: Path
) -> None:
    async def main() -> None:
        options = SessionOptions(sessions_dir=tmp_path / "s", session_id="s", model="anthropic/mine")
        async with AsyncAgent(config) as agent:
            session = agent.session(
                workspace, options, llm_client=ScriptedClient(call("read", file_path="a.py"), "done")
            )
            await session.send("go")
            history, usage = await session.history(), await session.usage()
        llm = ScriptedClient("more")
        async with AsyncAgent(config) as agent:
            resumed = await agent.resume_session("s", SessionOptions(sessions_dir=tmp_path / "s", llm_client=llm))
            assert await resumed.history() == history
            assert await resumed.usage() == usage
            assert resumed.workspace == str(workspace.resolve())
            await resumed.send("more")
        assert llm.requests[0].model == "mine"

    run(main())


def test_a_session_that_is_open_in_this_agent_is_closed_and_resumed_anew(agent: AsyncAgent, workspace: Path) -> None:
    async def main() -> None:
        options = SessionOptions(llm_client=ScriptedClient("one", "two"), session_store=DictSessionStore())
        async with agent:
            session = agent.session(workspace, options)
            await session.send("go")
            resumed = await agent.resume_session(session.session_id, options)
            assert session.is_closed
            assert (await resumed.send("again")).text == "two"
            with pytest.raises(SessionError, match="closed"):
                await session.send("old")

    run(main())


def test_a_session_with_a_running_prompt_is_not_resumed(agent: AsyncAgent, workspace: Path) -> None:
    async def main() -> None:
        hold = Hold(asyncio.Event(), "one")
        async with agent:
            session = agent.session(workspace, llm_client=ScriptedClient(hold))
            stream = session.stream("go")
            await hold.reached.wait()
            with pytest.raises(SessionBusyError):
                await agent.resume_session(session.session_id)
            hold.release.set()
            assert (await stream.result()).text == "one"

    run(main())


def test_an_unknown_session_is_a_typed_error(agent: AsyncAgent) -> None:
    async def main() -> None:
        async with agent:
            with pytest.raises(SessionNotFoundError, match="nobody"):
                await agent.resume_session("nobody")

    run(main())


def test_an_id_that_is_taken_is_a_typed_error(tmp_path: Path, config: str, workspace: Path) -> None:
    async def main() -> None:
        async with AsyncAgent(config) as first, AsyncAgent(config) as second:
            await first.session(workspace, session_id="s", sessions_dir=tmp_path / "s").open()
            with pytest.raises(SessionError, match="already"):
                first.session(workspace, session_id="s", sessions_dir=tmp_path / "s")
            with pytest.raises(SessionError, match="already"):
                await second.session(workspace, session_id="s", sessions_dir=tmp_path / "s").open()

    run(main())


HOLDER = """
    import asyncio, sys
    from a3s_code import AsyncAgent

    async def main():
        async with AsyncAgent(sys.argv[1]) as agent:
            await agent.session(sys.argv[2], session_id="s", sessions_dir=sys.argv[3]).open()
            print("open", flush=True)
            sys.stdin.readline()

    asyncio.run(main())
    """


def test_the_second_of_two_processes_is_told_which_one_holds_the_session(
    config: str, workspace: Path, tmp_path: Path
) -> None:
    arguments = [sys.executable, "-c", dedent(HOLDER), config, str(workspace), str(tmp_path / "s")]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"

        async def main() -> None:
            async with AsyncAgent(config) as agent:
                with pytest.raises(SessionLockedError, match=str(holder.pid)):
                    await agent.resume_session("s", sessions_dir=tmp_path / "s", workspace=workspace)

        run(main())
        holder.communicate("end\n", timeout=30)
    assert holder.returncode == 0

    async def afterwards() -> None:
        async with AsyncAgent(config) as agent:
            await agent.resume_session("s", sessions_dir=tmp_path / "s", workspace=workspace)

    run(afterwards())


def test_a_session_that_could_not_be_opened_leaves_nothing_behind_and_can_be_tried_again(
    agent: AsyncAgent, workspace: Path
) -> None:
    async def main() -> None:
        store = DictSessionStore()
        async with agent:
            session = agent.session(workspace, tools=[FakeTool("bash")], session_store=store, session_id="s")
            for _ in range(2):
                with pytest.raises(PluginError, match='two tools are called "bash"'):
                    await session.open()
            assert await store.list() == ()
            await session.aclose()
            await agent.session(workspace, session_store=store, session_id="s").open()

    run(main())


def test_a_resumed_session_that_could_not_be_opened_is_kept(agent: AsyncAgent, workspace: Path) -> None:
    async def main() -> None:
        options = SessionOptions(session_store=DictSessionStore(), session_id="s", llm_client=ScriptedClient("one"))
        async with agent:
            await agent.session(workspace, options).send("go")
            with pytest.raises(PluginError):
                await agent.resume_session("s", options, tools=[FakeTool("bash")])
            assert len(await (await agent.resume_session("s", options)).history()) == 2

    run(main())


def test_a_snapshot_that_fails_is_an_event_and_not_an_error(agent: AsyncAgent, workspace: Path) -> None:
    class NoSnapshots(DictSessionStore):
        async def open(self, id: str, *, create: bool) -> Any:
            journal = await super().open(id, create=create)
            fail = False

            async def snapshot(info: object) -> None:
                nonlocal fail
                if fail:
                    raise SessionError("no space")
                fail = True

            journal.snapshot = snapshot  # type: ignore[method-assign] # the store's own object
            return journal

    async def main() -> None:
        async with agent:
            session = agent.session(workspace, llm_client=ScriptedClient("done"), session_store=NoSnapshots())
            async with session.stream("go") as events:
                seen = [event async for event in events]
            assert any(isinstance(event, PersistenceFailed) for event in seen)
            assert isinstance(seen[-1], AgentEnd)

    run(main())


# Closing


def test_a_closed_session_and_a_closed_agent_say_so(agent: AsyncAgent, workspace: Path) -> None:
    async def main() -> None:
        session = agent.session(workspace, llm_client=ScriptedClient())
        await session.aclose()
        await session.aclose()
        with pytest.raises(SessionError, match="is closed; resume it"):
            await session.send("go")
        await agent.aclose()
        await agent.aclose()
        with pytest.raises(SessionError, match="the agent is closed"):
            agent.session(workspace)

    run(main())


def test_closing_ends_a_running_prompt_in_order(config: str, workspace: Path) -> None:
    async def main() -> None:
        hold = Hold(asyncio.Event(), "late")
        store = DictSessionStore()
        async with AsyncAgent(config) as agent:
            session = agent.session(workspace, llm_client=ScriptedClient(hold), session_store=store, session_id="s")
            stream = session.stream("go")
            await hold.reached.wait()
        assert (await stream.result()).stop_reason == "cancelled"
        async with AsyncAgent(config) as agent:
            resumed = await agent.resume_session("s", session_store=store, workspace=workspace)
            check_history(await resumed.history())

    run(main())


def test_an_agent_needs_no_block_and_ends_with_aclose(config: str, workspace: Path) -> None:
    async def main() -> None:
        agent = AsyncAgent(config)
        assert (await agent.session(workspace, llm_client=ScriptedClient("one")).send("go")).text == "one"
        await agent.aclose()

    run(main())


def test_an_agent_forgets_the_sessions_that_were_closed(agent: AsyncAgent, workspace: Path) -> None:
    async def main() -> None:
        async with agent:
            seen = []
            for _ in range(3):
                session = agent.session(workspace, llm_client=ScriptedClient("one"))
                await session.send("go")
                await session.aclose()
                seen.append(weakref.ref(session))
            assert len(agent._sessions) <= 1

    run(main())


def test_nothing_is_left_running_when_the_agent_is_closed(config: str, workspace: Path) -> None:
    async def main() -> None:
        async with AsyncAgent(config) as agent:
            session = agent.session(
                workspace, llm_client=ScriptedClient(call("bash", command="echo x"), "one"), permissive=True
            )
            await session.send("go")
        assert asyncio.all_tasks() == {asyncio.current_task()} | {
            task for task in asyncio.all_tasks() if "with_deadline" in repr(task)
        }

    run(main())


def test_after_a_fork_every_call_says_so(agent: AsyncAgent, workspace: Path) -> None:
    """The child only looks; whatever it finds it tells by its exit code."""

    def check() -> int:
        try:
            agent.session(workspace)
        except SessionError as error:
            if "fork" not in str(error):
                return 1
        else:
            return 2
        for use in (session.history(), session.send("go"), session.bash("true")):
            try:
                use.send(None)
            except SessionError as error:
                if "fork" not in str(error):
                    return 3
            else:
                return 4
        return 0

    session = agent.session(workspace, llm_client=ScriptedClient())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads, which is what is tested
        child = os.fork()
    if child == 0:
        os._exit(check())
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

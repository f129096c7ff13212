"""The synchronous API: the README's Python as it stands, in scripts and inside a running event loop."""

import asyncio
import inspect
import itertools
import os
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest
from a3s_code_testing.loopback import LoopbackServer, Say

from a3s_code import Agent, AgentSession, AsyncAgent, AsyncAgentSession, SessionOptions
from a3s_code.errors import ModelError, ModelErrorKind, SessionBusyError, SessionError
from a3s_code.events import AgentEnd, AgentStart
from a3s_code.messages import Message
from a3s_code.plugin import JsonObject, ToolUse
from a3s_code.streams import EventStream
from a3s_code.sync import SyncEventStream
from a3s_code.testing import FakeTool, Hold, ScriptedClient, call, last_result

QUICK_START = """
from a3s_code import Agent, SessionOptions

agent = Agent("agent.hcl")
session = agent.session(".", SessionOptions(
    default_security=True,
    builtin_skills=True,
    planning=True,
))

result = session.send("Refactor auth + update tests")
print(result.text)
"""

SDK = """
from a3s_code import Agent, SessionOptions, builtin_skills

def handler_fn(event):
    return None

# Create agent
agent = Agent("agent.hcl")

# Create session
opts = SessionOptions()
opts.model = "anthropic/claude-sonnet-4-20250514"
opts.builtin_skills = True
opts.role = "You are a Python expert"
opts.guidelines = "Follow PEP 8. Use type hints."
session = agent.session(".", opts)

# Send / Stream
result = session.send("Explain auth module")
for event in session.stream("Refactor auth"):
    if event.event_type == "text_delta":
        print(event.text, end="")

# Direct tools
content = session.read_file("src/main.py")
output = session.bash("pytest")
files = session.glob("**/*.py")
matches = session.grep("TODO")
result = session.tool("git_worktree", {"command": "list"})

# Memory
session.remember_success("task", ["tool"], "result")
items = session.recall_similar("auth", 5)

# Hooks
session.register_hook("audit", "pre_tool_use", handler_fn)

# Queue
stats = session.queue_stats()
# dead = session.dead_letters()   comes with the dead letters themselves

# Persistence
session.save()
resumed = agent.resume_session(session.session_id, opts)

print("|", files, matches.splitlines()[0], stats.total_active, len(resumed.history()))
"""

IN_A_LOOP = """
import asyncio

async def cell():
{body}

asyncio.run(cell())
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with a source file to work on."""
    folder = tmp_path / "project"
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "main.py").write_text("# TODO: auth\n")
    return folder


@pytest.fixture
def talkative() -> Iterator[LoopbackServer]:
    """A model server that always says the same."""
    with LoopbackServer(itertools.repeat(Say("All done here."))) as server:
        yield server


def script(source: str, folder: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Runs a script in a folder, as a user would."""
    path = folder.parent / "script.py"
    path.write_text(dedent(source))
    return subprocess.run(
        [sys.executable, str(path), *arguments],
        check=False,
        cwd=folder,
        env={**os.environ, "PYTHONWARNINGS": "error", **env},
        capture_output=True,
        text=True,
        timeout=60,
    )


def agent_hcl(folder: Path, server: LoopbackServer) -> None:
    (folder / "agent.hcl").write_text(
        f"""
default_model = "anthropic/claude-sonnet-4-20250514"

providers {{
  name     = "anthropic"
  api_key  = env("ANTHROPIC_API_KEY")
  base_url = "{server.url}"
}}
"""
    )


def indented(source: str) -> str:
    return IN_A_LOOP.format(body="\n".join(f"    {line}" for line in source.splitlines()))


@pytest.mark.parametrize("wrap", [str, indented], ids=["in-a-script", "inside-a-running-loop"])
@pytest.mark.parametrize(
    ("source", "said"),
    [
        pytest.param(QUICK_START, "All done here.", id="quick-start"),
        pytest.param(SDK, "All done here.| ['src/main.py'", id="sdk"),
    ],
)
def test_the_readme_runs_literally(
    project: Path, talkative: LoopbackServer, source: str, said: str, wrap: type[str]
) -> None:
    agent_hcl(project, talkative)
    ended = script(wrap(source), project, ANTHROPIC_API_KEY="sk-test")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert said in ended.stdout


# The same as the asynchronous API

PAIRS = [(AsyncAgent, Agent), (AsyncAgentSession, AgentSession), (EventStream, SyncEventStream)]
RENAMED = {"aclose": "close", "__aenter__": "__enter__", "__aexit__": "__exit__", "__anext__": "__next__"}


def public(kind: type) -> dict[str, object]:
    return {name: value for name, value in vars(kind).items() if not name.startswith("_")}


def parameters(value: object) -> list[tuple[str, object, object]]:
    assert callable(value)
    return [(one.name, one.kind, one.default) for one in inspect.signature(value).parameters.values()]


@pytest.mark.parametrize(("asynchronous", "synchronous"), PAIRS, ids=lambda kind: kind.__name__)
def test_both_apis_have_the_same_names_and_parameters(asynchronous: type, synchronous: type) -> None:
    theirs = {RENAMED.get(name, name): value for name, value in public(asynchronous).items()}
    theirs.pop("batch", None)  # how events are handed over, not part of the API
    ours = public(synchronous)
    assert sorted(ours) == sorted(theirs)
    for name, value in ours.items():
        if isinstance(value, property):
            assert isinstance(theirs[name], property), name
        elif not isinstance(value, classmethod):
            assert parameters(value) == parameters(theirs[name]), name
            assert not inspect.iscoroutinefunction(value), name


def test_both_agents_are_made_from_the_same_arguments() -> None:
    assert parameters(Agent) == parameters(AsyncAgent)
    assert parameters(Agent.create) == parameters(AsyncAgent.create)
    assert parameters(Agent.from_config) == parameters(AsyncAgent.from_config)


# Use


def check_history(messages: tuple[Message, ...]) -> None:
    for index, message in enumerate(messages):
        if message.tool_calls:
            answered = [result.call_id for result in messages[index + 1].tool_results]
            assert answered == [call.id for call in message.tool_calls]


@pytest.fixture
def agent(config: str) -> Iterator[Agent]:
    with Agent(config) as made:
        yield made


def test_events_come_as_a_plain_iterator_with_the_result_behind_them(agent: Agent, workspace: Path) -> None:
    session = agent.session(workspace, llm_client=ScriptedClient(call("read", file_path="a.py"), "done"))
    stream = session.stream("go")
    events = list(stream)
    assert isinstance(events[0], AgentStart)
    assert isinstance(events[-1], AgentEnd)
    assert stream.result().text == "done"


def test_an_error_of_the_run_is_raised_by_the_iterator(agent: Agent, workspace: Path) -> None:
    session = agent.session(workspace, llm_client=ScriptedClient(ModelError("no", kind=ModelErrorKind.AUTHENTICATION)))
    with pytest.raises(ModelError, match="no"):
        for _ in session.stream("go"):
            pass


class Waiting:
    """A tool that says when it began and then waits until it is cancelled."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.ended = threading.Event()
        self.tool = FakeTool("wait", self._answer)

    async def _answer(self, _args: JsonObject, _use: ToolUse) -> str:
        self.began.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.ended.set()
        return "never"


@pytest.mark.parametrize("leave", ["break", "block"])
def test_leaving_the_iterator_cancels_the_run_and_the_history_stays_valid(
    agent: Agent, workspace: Path, leave: str
) -> None:
    waiting = Waiting()
    llm = ScriptedClient(call("wait"), "next")
    session = agent.session(workspace, llm_client=llm, permissive=True, tools=[waiting.tool])
    if leave == "break":
        for event in session.stream("go"):
            if event.event_type == "tool_start":
                assert waiting.began.wait(10)
                break
    else:
        with session.stream("go") as stream:
            next(stream)
            assert waiting.began.wait(10)
    assert waiting.ended.wait(10)
    while session.is_busy:
        threading.Event().wait(0.001)
    check_history(session.history())
    assert session.send("go on").text == "next"


def test_a_run_is_cancelled_from_another_thread(agent: Agent, workspace: Path) -> None:
    waiting = Waiting()
    session = agent.session(
        workspace, llm_client=ScriptedClient(call("wait"), "next"), permissive=True, tools=[waiting.tool]
    )

    def cancel() -> None:
        assert waiting.began.wait(10)
        assert session.cancel()

    thread = threading.Thread(target=cancel)
    thread.start()
    assert session.send("go").stop_reason == "cancelled"
    thread.join()
    assert not session.cancel()


def test_overlapping_sends_of_two_threads_are_refused(agent: Agent, workspace: Path) -> None:
    waiting = Waiting()
    session = agent.session(
        workspace, llm_client=ScriptedClient(call("wait"), "next"), permissive=True, tools=[waiting.tool]
    )
    with session.stream("go"):
        assert waiting.began.wait(10)
        with pytest.raises(SessionBusyError):
            session.send("me too")


def test_a_plain_function_as_a_tool_may_call_its_session(agent: Agent, workspace: Path) -> None:
    from a3s_code import tool

    @tool
    def shout() -> str:
        """Shouts a file."""
        return session.read_file("a.py").upper()

    llm = ScriptedClient(call("shout"), "done")
    session = agent.session(workspace, llm_client=llm, permissive=True, tools=[shout])
    session.send("go")
    assert "DEF A()" in last_result(llm.requests[1]).output


def test_a_synchronous_call_on_the_portals_own_loop_is_an_error_and_no_deadlock(agent: Agent, workspace: Path) -> None:
    async def answer(_args: JsonObject, _use: ToolUse) -> str:
        return session.read_file("a.py")

    llm = ScriptedClient(call("look"), "done")
    session = agent.session(workspace, llm_client=llm, permissive=True, tools=[FakeTool("look", answer)])
    assert session.send("go").text == "done"
    assert "use the async API" in last_result(llm.requests[1]).output


def test_a_person_is_asked_by_a_plain_function(agent: Agent, workspace: Path) -> None:
    asked: list[str] = []

    def answer(request: object) -> bool:
        asked.append(request.tool_name)  # type: ignore[attr-defined] # a ConfirmationRequest
        return True

    llm = ScriptedClient(call("bash", command="echo hi"), "done")
    assert agent.session(workspace, llm_client=llm, on_confirm=answer).send("go").text == "done"
    assert asked == ["bash"]
    assert "hi" in last_result(llm.requests[1]).output


def test_two_agents_share_one_thread(config: str, workspace: Path) -> None:
    def portals() -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread.name == "a3s-code-portal"]

    with Agent(config) as one, Agent(config) as two:
        assert one.session(workspace, llm_client=ScriptedClient("a")).send("go").text == "a"
        assert two.session(workspace, llm_client=ScriptedClient("b")).send("go").text == "b"
        assert len(portals()) == 1


def test_a_closed_agent_says_so(config: str, workspace: Path) -> None:
    agent = Agent(config)
    agent.close()
    agent.close()
    with pytest.raises(SessionError, match="closed"):
        agent.session(workspace)


def test_after_a_fork_every_call_says_so_and_a_new_agent_works(config: str, workspace: Path) -> None:
    """The child only looks; whatever it finds it tells by its exit code."""
    agent = Agent(config)
    session = agent.session(workspace, llm_client=ScriptedClient("one"))
    assert session.send("go").text == "one"
    stream = agent.session(workspace, llm_client=ScriptedClient("two")).stream("go")

    def check() -> int:
        uses: list[Callable[[], object]] = [
            lambda: agent.session(workspace),
            agent.sessions,
            lambda: session.send("again"),
            session.history,
            lambda: session.bash("true"),
            session.cancel,
            lambda: session.register_command("x", "y", lambda args, context: "z"),
            lambda: next(stream),
            session.close,
        ]
        for number, use in enumerate(uses, 10):
            try:
                use()
            except SessionError as error:
                if "fork" not in str(error):
                    return number
            else:
                return number + 100
        with Agent(config) as fresh:
            text = fresh.session(workspace, llm_client=ScriptedClient("three")).send("go").text
            return 0 if text == "three" else 1

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads, which is what is tested
        child = os.fork()
    if child == 0:
        code = 99
        try:
            code = check()
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert stream.result().text == "two"
    agent.close()


# Scripts that end

NEVER_CLOSES = """
    import sys
    from a3s_code import Agent, tool
    from a3s_code.testing import ScriptedClient, call

    agent = Agent(sys.argv[1])
    session = agent.session(".", session_id="s", sessions_dir="sessions", permissive=True,
                            llm_client=ScriptedClient(call("bash", command="echo one"), "done"))
    {end}
    """


@pytest.mark.parametrize(
    ("end", "records"),
    [
        pytest.param('print(session.send("go").text)', 7, id="after-a-send"),
        pytest.param('[print(event) for event in session.stream("go")]', 7, id="after-a-stream"),
        pytest.param('stream = session.stream("go"); next(stream)', 2, id="in-the-middle-of-a-stream"),
        pytest.param(
            'session.open(); import threading; threading.Thread(target=session.send, args=["go"]).start()',
            1,
            id="with-a-thread",
        ),
        pytest.param("", 0, id="before-the-first-use"),
    ],
)
def test_a_script_that_never_closes_ends_by_itself_with_a_whole_journal(
    config: str, project: Path, end: str, records: int
) -> None:
    ended = script(dedent(NEVER_CLOSES).format(end=end), project, config)
    assert (ended.returncode, ended.stderr) == (0, "")
    with Agent(config) as agent:
        if not records:
            return
        resumed = agent.resume_session("s", sessions_dir=project / "sessions", workspace=project)
        check_history(resumed.history())
        if records == 7:
            assert [message.text for message in resumed.history()][-1] == "done"


@pytest.mark.parametrize(
    "interrupt",
    [
        pytest.param("os.kill(os.getpid(), signal.SIGINT)", id="while-it-waits"),
        # what the system then tells no waiting thread, Python sees only when the main thread runs again
        pytest.param("signal.pthread_kill(threading.get_ident(), signal.SIGINT)", id="just-before-it-waits"),
    ],
)
def test_an_interrupted_send_cancels_the_run_and_the_script_goes_on(config: str, project: Path, interrupt: str) -> None:
    ended = script(
        """
        import os, signal, sys, threading
        from a3s_code import Agent, tool
        from a3s_code.testing import FakeTool, ScriptedClient, call
        import asyncio

        async def wait(args, use):
            INTERRUPT
            await asyncio.Event().wait()

        agent = Agent(sys.argv[1])
        session = agent.session(".", permissive=True, tools=[FakeTool("wait", wait)],
                                llm_client=ScriptedClient(call("wait"), "next"))
        try:
            session.send("go")
        except KeyboardInterrupt:
            while session.is_busy:
                pass
            print(session.history()[-1].tool_results[0].kind, session.send("go on").text)
        """.replace("INTERRUPT", interrupt),
        project,
        config,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.strip() == "interrupted next"


def test_a_script_that_is_killed_leaves_no_portal_behind(config: str, project: Path) -> None:
    ended = script(
        """
        import os, signal, sys
        from a3s_code import Agent
        from a3s_code.testing import ScriptedClient

        agent = Agent(sys.argv[1])
        agent.session(".", llm_client=ScriptedClient("one")).send("go")
        os.kill(os.getpid(), signal.SIGTERM)
        """,
        project,
        config,
    )
    assert ended.returncode == -signal.SIGTERM


def test_an_agent_that_is_dropped_is_no_problem(config: str, workspace: Path) -> None:
    session = Agent(config).session(workspace, SessionOptions(llm_client=ScriptedClient("one")))
    assert session.send("go").text == "one"


def test_a_held_answer_is_given_when_the_model_is_ready(agent: Agent, workspace: Path) -> None:
    async def hold() -> Hold:
        return Hold(asyncio.Event(), "late")

    held = agent._portal.call(hold)
    session = agent.session(workspace, llm_client=ScriptedClient(held))
    stream = session.stream("go")
    assert session.is_busy
    agent._portal.loop.call_soon_threadsafe(held.release.set)
    assert stream.result().text == "late"

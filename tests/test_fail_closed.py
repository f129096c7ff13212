"""When a gating point is missing, raises, hangs or answers nonsense, nothing runs and nothing unclean is shown."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from a3s_code_testing.running import run

from a3s_code.agent import AsyncAgent
from a3s_code.config import Config, ProviderConfig, QueueConfig, Secret
from a3s_code.errors import ModelError, PluginError
from a3s_code.events import ConfirmationTimeout, TextDelta
from a3s_code.messages import ToolResult, user
from a3s_code.model import Model, ModelSettings
from a3s_code.options import SessionOptions
from a3s_code.plugin import (
    Answer,
    BashCommand,
    BashResult,
    BashSandbox,
    ConfirmationPolicy,
    Decision,
    HookResult,
    HttpClient,
    HttpRequest,
    Isolation,
    LlmClient,
    ModelRequest,
    Verdict,
)
from a3s_code.queue.lane_queue import LaneQueue
from a3s_code.resilience import RetryPolicy, SystemClock
from a3s_code.testing import (
    FakeTool,
    PlainSecurityProvider,
    RulePermissionChecker,
    ScriptedClient,
    ScriptedConfirmation,
)

Bench = Callable[..., Any]  # the fixture's class lives in conftest.py

FAILURES = ("missing", "broken", "raises", "exits", "hangs", "none", "wrong")


@pytest.fixture(params=FAILURES)
def failure(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def bench(bench: Bench) -> Bench:
    """With deadlines that what hangs here reaches soon."""
    soon = {"clean_deadline_s": 0.5, "hook_deadline_s": 0.5, "confirmation_slack_s": 0.5, "check_deadline_s": 0.5}
    return partial(bench, **soon)


@pytest.fixture
def stuck() -> Iterator[threading.Event]:
    """What hanging threads wait for; set when the test is over, so that none outlives it."""
    event = threading.Event()
    yield event
    event.set()


def fails(how: str, stuck: threading.Event | None, wrong: object = 42) -> object:
    """What a point does that fails in this way when it is asked."""
    match how:
        case "raises":
            raise RuntimeError("secret-of-the-plugin")
        case "exits":
            raise SystemExit(1)
        case "hangs":
            assert stuck is not None
            stuck.wait(30)
            return None
        case "none":
            return None
        case _:
            return wrong


async def fails_async(how: str, wrong: object = 42) -> object:
    if how == "hangs":
        await asyncio.Event().wait()
    return fails(how, None, wrong)


def opening(how: str, point: object) -> object:
    """The point, or a function that fails to open it."""

    def missing() -> object:
        raise PluginError("nobody offers it", is_missing=True)

    def broken() -> object:
        raise PluginError("it is broken")

    return {"missing": missing, "broken": broken}.get(how, point)


def check_refused(result: ToolResult, counted: FakeTool) -> None:
    assert counted.calls == []
    assert result.is_error
    assert "Traceback" not in result.output


# Permission


class Checker:
    version = "1"

    def __init__(self, how: str, stuck: threading.Event):
        self.how, self.stuck = how, stuck

    def check(self, _request: object) -> object:
        return fails(self.how, self.stuck, wrong="allow")


def test_a_permission_checker_that_fails_denies(bench: Bench, failure: str, stuck: threading.Event) -> None:
    """Only one that is not there at all means that a person is asked, and here nobody is."""
    counted = FakeTool("count")
    confirmation = ScriptedConfirmation()
    made = bench(counted, permission=opening(failure, Checker(failure, stuck)), confirmation=confirmation)
    check_refused(run(made.call("count")), counted)
    assert len(confirmation.requests) == (1 if failure == "missing" else 0)


@pytest.mark.parametrize("failure", FAILURES[1:])  # absent means ask, and permissive allows what would be asked about
def test_a_permission_checker_that_fails_denies_in_permissive_mode_too(
    bench: Bench, failure: str, stuck: threading.Event
) -> None:
    counted = FakeTool("count")
    made = bench(counted, permission=opening(failure, Checker(failure, stuck)), permissive=True)
    check_refused(run(made.call("count")), counted)


@pytest.mark.parametrize("failure", FAILURES[1:])  # absent means ask, and the embedding program is not asked
def test_a_permission_checker_that_fails_denies_direct_calls_too(
    bench: Bench, failure: str, stuck: threading.Event
) -> None:
    counted = FakeTool("count")
    check_refused(run(bench(counted, permission=opening(failure, Checker(failure, stuck))).host("count")), counted)


def test_without_a_permission_checker_a_person_decides(bench: Bench) -> None:
    counted = FakeTool("count")
    made = bench(counted, permission=opening("missing", None), confirmation=ScriptedConfirmation(True))
    assert run(made.call("count")).output == "ok"


@pytest.mark.parametrize("decision", [True, "allow", 1], ids=str)
def test_a_verdict_with_a_decision_that_is_none_denies(bench: Bench, decision: object) -> None:
    class Odd(Checker):
        def check(self, _request: object) -> object:
            return Verdict(decision)  # type: ignore[arg-type] # wrong on purpose

    counted = FakeTool("count")
    check_refused(run(bench(counted, permission=Odd("", threading.Event())).call("count")), counted)


def test_a_checker_whose_version_cannot_be_read_denies(bench: Bench) -> None:
    class Odd:
        @property
        def version(self) -> str:
            raise RuntimeError("no version")

        def check(self, _request: object) -> Verdict:
            return Verdict(Decision.ALLOW)

    counted = FakeTool("count")
    check_refused(run(bench(counted, permission=Odd()).call("count")), counted)


# Confirmation


class Asker:
    policy = ConfirmationPolicy(timeout_ms=50)

    def __init__(self, how: str):
        self.how = how

    async def confirm(self, _request: object) -> object:
        return await fails_async(self.how, wrong=True)


def test_a_confirmation_provider_that_fails_refuses(bench: Bench, failure: str) -> None:
    counted = FakeTool("count")
    made = bench(counted, permission=RulePermissionChecker(), confirmation=opening(failure, Asker(failure)))
    check_refused(run(made.call("count")), counted)
    if failure == "hangs":
        assert any(isinstance(event, ConfirmationTimeout) for event in made.events)


def test_an_answer_without_a_true_outcome_refuses(bench: Bench) -> None:
    class Odd(Asker):
        async def confirm(self, _request: object) -> object:
            return Answer(outcome="approved")  # type: ignore[arg-type] # wrong on purpose

    counted = FakeTool("count")
    made = bench(counted, permission=RulePermissionChecker(), confirmation=Odd(""))
    check_refused(run(made.call("count")), counted)


def test_a_disabled_policy_approves_nothing_by_itself(bench: Bench) -> None:
    from a3s_code import ConfirmationManager

    counted = FakeTool("count")
    made = bench(
        counted, permission=RulePermissionChecker(), confirmation=ConfirmationManager(ConfirmationPolicy(enabled=False))
    )
    check_refused(run(made.call("count")), counted)


# Hooks


class Executor:
    def __init__(self, how: str):
        self.how = how

    async def fire(self, _event: object) -> object:
        return await fails_async(self.how, wrong={"blocked": None})

    def register(self, _hook: object) -> None: ...

    def unregister(self, _hook_id: str) -> bool:
        return False

    def hook_count(self) -> int:
        return 1


def test_a_hook_executor_that_fails_blocks(bench: Bench, failure: str) -> None:
    counted = FakeTool("count")
    check_refused(run(bench(counted, hooks=opening(failure, Executor(failure))).call("count")), counted)


def test_arguments_that_a_hook_turns_into_nonsense_block(bench: Bench) -> None:
    class Odd(Executor):
        async def fire(self, _event: object) -> HookResult:
            return HookResult(payload={"args": "rm -rf"})

    counted = FakeTool("count")
    check_refused(run(bench(counted, hooks=Odd("")).call("count")), counted)


@pytest.mark.parametrize("how", ["raises", "none", "wrong"])
def test_a_hook_executor_that_fails_blocks_the_prompt(config: str, workspace: Path, how: str) -> None:
    from a3s_code.errors import PromptError

    llm = ScriptedClient("never")

    async def main() -> None:
        async with AsyncAgent(config) as agent:
            session = agent.session(workspace, llm_client=llm, hook_executor=Executor(how))
            with pytest.raises(PromptError, match="blocked"):
                await session.send("hello")
            assert await session.history() == ()

    run(main())
    assert llm.requests == []


# Security


class Cleaner(PlainSecurityProvider):
    def __init__(self, how: str, stuck: threading.Event):
        self.how, self.stuck = how, stuck

    def sanitize_output(self, _text: str) -> str:
        return fails(self.how, self.stuck, wrong=b"bytes")  # type: ignore[return-value] # wrong on purpose


def test_a_security_provider_that_fails_withholds_the_output_and_says_so(
    bench: Bench, failure: str, stuck: threading.Event
) -> None:
    made = bench(FakeTool("leak", "sk-secret"), security=opening(failure, Cleaner(failure, stuck)))
    result = run(made.call("leak"))
    assert result.output.startswith("[withheld: the security provider ")
    assert "sk-secret" not in repr(made.events)
    assert "secret-of-the-plugin" not in result.output
    assert "sk-secret" not in repr(made.transcript.messages)


def test_running_output_and_metadata_are_withheld_too(bench: Bench, failure: str, stuck: threading.Event) -> None:
    from a3s_code.plugin import JsonObject, ToolOutput, ToolUse

    def leak(_args: JsonObject, use: ToolUse) -> ToolOutput:
        use.emit("sk-secret")
        return ToolOutput(text="sk-secret", metadata={"key": "sk-secret"})

    made = bench(FakeTool("leak", leak), security=opening(failure, Cleaner(failure, stuck)))
    run(made.call("leak"))
    assert "sk-secret" not in repr(made.events)


@pytest.mark.parametrize("how", ["raises", "none", "wrong"])
def test_what_the_model_says_is_withheld_too(config: str, workspace: Path, how: str, stuck: threading.Event) -> None:
    async def main() -> None:
        async with AsyncAgent(config) as agent:
            llm = ScriptedClient("the key is sk-secret")
            session = agent.session(workspace, llm_client=llm, security_provider=Cleaner(how, stuck))
            async with session.stream("hello") as events:
                shown = [event async for event in events]
                assert "withheld" in (await events.result()).text
            assert "sk-secret" not in repr(shown)
            assert any(isinstance(event, TextDelta) for event in shown)

    run(main())


# Sandbox


class Sandbox(BashSandbox):
    def __init__(self, how: str):
        self.how = how
        self.began = 0

    @property
    def isolation(self) -> Isolation:
        return Isolation.NONE

    async def run(self, _command: BashCommand, _on_output: object) -> BashResult:
        self.began += 1
        return await fails_async(self.how)  # type: ignore[return-value] # wrong on purpose

    async def aclose(self) -> None: ...


@pytest.mark.parametrize("how", ["raises", "exits", "hangs", "none", "wrong"])
def test_a_sandbox_that_fails_is_an_error_and_the_command_runs_nowhere_else(
    config: str, workspace: Path, how: str
) -> None:
    from a3s_code.testing import call, last_result

    sandbox = Sandbox(how)
    llm = ScriptedClient(call("bash", command="touch ran.txt"), "done")

    async def main() -> None:
        async with AsyncAgent(config) as agent:
            options = SessionOptions(llm_client=llm, bash_sandbox=sandbox, permissive=True, tool_timeout_ms=1000)
            assert (await agent.session(workspace, options).send("go")).text == "done"

    run(main())
    result = last_result(llm.requests[1])
    assert result.is_error
    assert "Traceback" not in result.output
    assert sandbox.began == 1
    assert not (workspace / "ran.txt").exists()


def test_without_a_sandbox_there_is_no_bash(config: str, workspace: Path) -> None:
    async def main() -> None:
        async with AsyncAgent(config + 'plugins {\n  disabled = ["bash_sandbox:local"]\n}\n') as agent:
            session = agent.session(workspace)
            assert "bash" not in await session.tool_names()
            result = await session.tool("bash", {"command": "touch ran.txt"})
            assert result.kind == "not_found"

    run(main())
    assert not (workspace / "ran.txt").exists()


# HTTP


class Http(HttpClient):
    """The way out that fails when it is used; *reached* counts requests."""

    def __init__(self, how: str):
        self.how = how
        self.reached = 0

    def provider(self, _origin: str) -> Any:
        if self.how == "no-client":
            return None
        return self

    def mcp(self, origin: str) -> Any:
        return self.provider(origin)

    def public_web(self) -> Any:
        return self.provider("")

    @asynccontextmanager
    async def send(self, _request: HttpRequest) -> AsyncIterator[Any]:
        self.reached += 1
        yield await fails_async(self.how)

    async def aclose(self) -> None: ...


def client(name: str, http: HttpClient) -> LlmClient:
    from a3s_code import AnthropicClient, OpenAiClient

    block = ProviderConfig(name=name, api_key=Secret("sk"), base_url="http://127.0.0.1:9")
    return AnthropicClient(block, http) if name == "anthropic" else OpenAiClient(block, http_client=http)


@pytest.mark.parametrize("name", ["anthropic", "openai"])
@pytest.mark.parametrize("how", ["raises", "hangs", "none", "wrong", "no-client"])
def test_an_http_client_that_fails_is_an_error_and_there_is_no_other_way_out(name: str, how: str) -> None:
    http = Http(how)
    config = Config(default_model=f"{name}/m", providers=(ProviderConfig(name=name),))

    async def main() -> None:
        async def client_of(_provider: object) -> LlmClient:
            return client(name, http)

        settings = ModelSettings(idle_s=0.2, retry=RetryPolicy(max_retries=0))
        queue = LaneQueue(QueueConfig(), environ={})
        model = Model(config, f"{name}/m", client_of, queue, settings, SystemClock())
        with pytest.raises((ModelError, RuntimeError, AttributeError, TypeError)):
            await model.reply(ModelRequest(model="m", messages=(user("hi"),)))
        assert queue.stats().total_active == 0

    run(main())
    assert http.reached <= 1


def test_without_an_http_client_the_model_cannot_be_asked_and_the_error_says_why(workspace: Path) -> None:
    config = """
default_model = "anthropic/m"
storage_backend = "memory"
providers {
  name = "anthropic"
  api_key = "sk"
}
plugins {
  disabled = ["http_client:default"]
}
"""

    async def main() -> None:
        async with AsyncAgent(config) as agent:
            with pytest.raises(PluginError, match="http_client:default is needed but disabled"):
                await agent.session(workspace).send("hello")

    run(main())

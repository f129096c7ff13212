"""The stdio transport, against a real child process."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path

import pytest
from a3s_code_mcp.plugin import a3s_code_mcp_transport
from a3s_code_mcp.stdio import StdioTransport, child_environment

from a3s_code.plugin import (
    ConfigError,
    JsonObject,
    McpServer,
    McpTransport,
    McpTransportMaker,
    ToolError,
    ToolErrorKind,
)
from a3s_code.testing.workspace import PlainWorkspace

SCRIPT = str(Path(__file__).with_name("tiny_server.py"))


def tiny(*flags: str, **more: object) -> McpServer:
    return McpServer(name="tiny", command=sys.executable, args=(SCRIPT, *flags), **more)  # type: ignore[arg-type]


def with_server(use: Callable[[StdioTransport], Awaitable[None]], *flags: str) -> None:
    """Runs *use* with a connected transport, which leaves no process behind."""

    async def main() -> None:
        transport = StdioTransport(tiny(*flags), cwd=".", grace_s=0.5 if "stubborn" in flags else 5)
        await transport.connect()
        try:
            await use(transport)
        finally:
            await transport.aclose()
        assert not transport.is_connected

    asyncio.run(main())


def start(work: Coroutine[None, None, str]) -> "asyncio.Task[str]":
    return asyncio.create_task(work)  # noqa: TID251 # the test awaits it


async def ask(transport: StdioTransport, method: str, timeout_s: float = 20, **params: object) -> JsonObject:
    return await transport.request(method, params, timeout_s=timeout_s)  # type: ignore[arg-type]


async def call(transport: StdioTransport, name: str, text: str = "", timeout_s: float = 20) -> str:
    result = await ask(transport, "tools/call", timeout_s, name=name, arguments={"text": text})
    return str(result["content"][0]["text"])  # type: ignore[index,call-overload]


def test_a_request_is_answered():
    async def use(transport: StdioTransport) -> None:
        assert transport.is_connected
        assert await call(transport, "echo", "größe\n\u2028") == "echo: größe\n\u2028"

    with_server(use)


def test_requests_run_side_by_side_and_answers_find_their_requests():
    async def use(transport: StdioTransport) -> None:
        slow = start(call(transport, "slow"))
        quick = await asyncio.gather(*(call(transport, "echo", str(number)) for number in range(50)))
        assert quick == [f"echo: {number}" for number in range(50)]
        assert not slow.done()
        await call(transport, "hurry")
        assert await slow == "slow: "

    with_server(use)


@pytest.mark.parametrize(
    ("method", "message", "kind"),
    [
        ("nothing", "error -32601: no method nothing", ToolErrorKind.UNSUPPORTED),
        ("broken", "error -32602: bad parameters", ToolErrorKind.INVALID_ARGUMENT),
        ("odd", "neither a result nor an error", ToolErrorKind.FAILED),
    ],
)
def test_an_error_of_the_server_is_a_tool_error(method: str, message: str, kind: ToolErrorKind):
    async def use(transport: StdioTransport) -> None:
        with pytest.raises(ToolError, match=f'the MCP server "tiny" .*{message}') as caught:
            await ask(transport, method)
        assert caught.value.kind is kind

    with_server(use)


def test_a_request_that_takes_too_long_times_out_and_is_withdrawn():
    async def use(transport: StdioTransport) -> None:
        with pytest.raises(ToolError, match=r"did not answer tools/call within 0\.05 s") as caught:
            await call(transport, "never", timeout_s=0.05)
        assert caught.value.kind is ToolErrorKind.TIMEOUT
        assert await call(transport, "cancelled") == "[1]"

    with_server(use)


def test_a_cancelled_request_is_withdrawn_and_the_others_go_on():
    async def use(transport: StdioTransport) -> None:
        never = start(call(transport, "never"))
        await asyncio.sleep(0)
        assert await call(transport, "echo", "a") == "echo: a"
        never.cancel()
        await asyncio.gather(never, return_exceptions=True)
        assert never.cancelled()
        assert await call(transport, "cancelled") == "[1]"

    with_server(use)


def test_a_dying_server_fails_all_requests_with_its_last_words():
    async def use(transport: StdioTransport) -> None:
        waiting = [start(call(transport, "never")) for _ in range(3)]
        with pytest.raises(ToolError, match=r"(?s)exit code 3; its last words: z+my last words$") as caught:
            await call(transport, "die")
        assert len(str(caught.value)) < 5000
        for one in waiting:
            with pytest.raises(ToolError, match="my last words"):
                await one
        assert not transport.is_connected
        with pytest.raises(ToolError, match="my last words"):
            await call(transport, "echo")
        with pytest.raises(ToolError, match="my last words"):
            await transport.notify("hello", {})

    with_server(use)


def test_a_server_that_closes_its_output_is_ended():
    async def main() -> None:
        transport = StdioTransport(tiny(), cwd=".", grace_s=0.2)
        await transport.connect()
        with pytest.raises(ToolError, match="closed its output"):
            await call(transport, "close")
        await transport.aclose()

    asyncio.run(main())


def test_a_server_that_died_before_it_was_asked_has_last_words_too():
    async def use(transport: StdioTransport) -> None:
        for _ in range(3):
            with pytest.raises(ToolError, match="exit code 1; its last words: cannot find my files"):
                await ask(transport, "huge", text="x" * 1_000_000)

    with_server(use, "fail")


def test_lines_that_are_no_messages_are_passed_over():
    async def use(transport: StdioTransport) -> None:
        assert await call(transport, "echo", "a") == "echo: a"

    with_server(use, "noisy")


def test_what_a_journal_cannot_keep_is_made_safe():
    async def use(transport: StdioTransport) -> None:
        assert await ask(transport, "unsafe") == {"a": "?", "b": "9" * 30, "c": None, "d": None}

    with_server(use)


def test_a_large_answer_arrives_and_a_huge_one_ends_the_server(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("a3s_code_mcp.stdio.MAX_MESSAGE_BYTES", 3_000_000)

    async def use(transport: StdioTransport) -> None:
        assert len(str((await ask(transport, "huge", bytes=2_000_000))["x"])) == 2_000_000
        with pytest.raises(ToolError, match="sent a message over 3,000,000 bytes"):
            await ask(transport, "huge", bytes=9_000_000)

    with_server(use)


def test_the_servers_requests_are_answered():
    async def use(transport: StdioTransport) -> None:
        said = transport.notifications()
        assert await anext(said) == ("you said", {"jsonrpc": "2.0", "id": "p1", "result": {}})
        _, refused = await anext(said)
        assert refused["error"]["code"] == -32601  # type: ignore[index,call-overload]

    with_server(use, "asks")


def test_notifications_end_with_the_connection():
    async def use(transport: StdioTransport) -> None:
        with pytest.raises(ToolError):
            await call(transport, "die")
        assert [one async for one in transport.notifications()] == []
        assert [one async for one in transport.notifications()] == []

    with_server(use)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def is_gone(pid: int) -> bool:
    """Whether the process ends: it lets go of its pipes a moment before."""
    for _ in range(1000):
        if not is_running(pid):
            return True
        await asyncio.sleep(0.001)
    return False


async def child_of(transport: StdioTransport) -> int:
    """The process that the server started, as it says."""
    _, params = await anext(transport.notifications())
    pid = int(str(params["pid"]))
    assert is_running(pid)
    return pid


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")


@needs_proc
@pytest.mark.parametrize("flags", [("child",), ("child", "stubborn")], ids=["well-behaved", "stubborn"])
def test_closing_leaves_no_process_behind(flags: tuple[str, ...]):
    async def use(transport: StdioTransport) -> None:
        child = await child_of(transport)
        await transport.aclose()
        assert await is_gone(child)

    with_server(use, *flags)


@needs_proc
def test_the_death_of_a_server_is_noticed_and_leaves_no_process_behind():
    """Although its child still holds the pipes."""

    async def use(transport: StdioTransport) -> None:
        child = await child_of(transport)
        with pytest.raises(ToolError, match="my last words"):
            await call(transport, "die")
        assert await is_gone(child)

    with_server(use, "child")


@needs_proc
def test_a_grandchild_that_left_the_group_delays_nobody_for_long():
    async def main() -> None:
        transport = StdioTransport(tiny("escapee"), cwd=".", grace_s=0.2)
        await transport.connect()
        escapee = await child_of(transport)
        try:
            with pytest.raises(ToolError, match="exit code 3"):
                await call(transport, "die")
            await transport.aclose()
        finally:
            os.kill(escapee, signal.SIGKILL)

    asyncio.run(main())


def test_closing_fails_what_waits():
    async def use(transport: StdioTransport) -> None:
        never = start(call(transport, "never"))
        await call(transport, "echo")
        await transport.aclose()
        with pytest.raises(ToolError, match="was closed"):
            await never
        with pytest.raises(ToolError, match="connected before"):
            await transport.connect()

    with_server(use)


def test_one_that_was_never_connected_can_be_closed_and_says_so():
    async def main() -> None:
        transport = StdioTransport(tiny(), cwd=".")
        assert not transport.is_connected
        with pytest.raises(ToolError, match="not connected"):
            await call(transport, "echo")
        await transport.aclose()

    asyncio.run(main())


def test_a_program_that_does_not_exist_is_named():
    async def main() -> None:
        transport = StdioTransport(McpServer(name="tiny", command="no-such-program"), cwd=".")
        with pytest.raises(ToolError, match='"tiny" cannot be started with "no-such-program"') as caught:
            await transport.connect()
        assert caught.value.kind is ToolErrorKind.NOT_FOUND
        await transport.aclose()

    asyncio.run(main())


def test_a_server_without_a_command_is_a_mistake_of_the_configuration():
    with pytest.raises(ConfigError, match="no command"):
        StdioTransport(McpServer(name="tiny"), cwd=".")


def test_a_server_sees_its_own_variables_and_harmless_ones_only():
    environ = {"PATH": "/bin", "LC_ALL": "C", "ANTHROPIC_API_KEY": "sk", "AWS_SECRET_ACCESS_KEY": "s", "MINE": "no"}
    seen = child_environment(McpServer(name="tiny", env={"MINE": "yes", "lower_Case": "kept"}), environ)
    assert seen == {"PATH": "/bin", "LC_ALL": "C", "MINE": "yes", "lower_Case": "kept"}


def test_the_child_really_has_that_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(os.environ, "OPENAI_API_KEY", "secret")

    async def use(transport: StdioTransport) -> None:
        seen = await call(transport, "env")
        assert "PATH" in seen
        assert "secret" not in seen

    with_server(use)


def test_the_point_is_filled(tmp_path: Path):
    make = a3s_code_mcp_transport(PlainWorkspace(tmp_path))
    assert isinstance(make, McpTransportMaker)
    assert isinstance(make(tiny()), McpTransport)

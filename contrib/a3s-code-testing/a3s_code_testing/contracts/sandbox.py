"""What every BashSandbox promises."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from a3s_code.plugin import BashCommand, BashResult, BashSandbox, Isolation, ToolError
from a3s_code_testing.running import run, start

__all__ = ["BashSandboxContract"]

T = TypeVar("T")

PATH = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
LINGER = "exec 3>held; printf started >&3; "
"""From here on every process of the command holds the pipe `held` open; the test reads its end when all are gone."""


class BashSandboxContract:
    """Inherit it and give `bash_sandbox`; commands run in the folder `workspace` (a fixture: tmp_path)."""

    @pytest.fixture
    def bash_sandbox(self) -> BashSandbox:
        raise NotImplementedError("give a fixture bash_sandbox")

    @pytest.fixture
    def workspace(self, tmp_path: Path) -> Path:
        return tmp_path

    @pytest.fixture
    def held(self, workspace: Path) -> Iterator[int]:
        """The reading end of the named pipe `held` in the workspace."""
        os.mkfifo(workspace / "held")
        end = os.open(workspace / "held", os.O_RDONLY | os.O_NONBLOCK)
        yield end
        os.close(end)

    def test_it_says_what_is_confined(self, bash_sandbox: BashSandbox) -> None:
        """`isolation` says what is confined."""
        assert isinstance(bash_sandbox.isolation, Isolation)

    def test_output_and_exit_code_come_back(self, bash_sandbox: BashSandbox, workspace: Path) -> None:
        """stdout and stderr as they came, and the command's exit code."""
        result = _run(bash_sandbox, workspace, "echo out; echo err >&2; exit 3")
        assert (result.output, result.exit_code, result.timed_out) == ("out\nerr\n", 3, False)

    def test_a_signal_gives_128_and_its_number(self, bash_sandbox: BashSandbox, workspace: Path) -> None:
        """128 + n when signal n ended it."""
        assert _run(bash_sandbox, workspace, "kill -TERM $$").exit_code == 128 + 15

    def test_it_starts_in_the_given_folder(self, bash_sandbox: BashSandbox, workspace: Path) -> None:
        """`cwd` is the folder to start in."""
        (workspace / "here").mkdir()
        (workspace / "here" / "note").write_text("found\n")
        assert _run(bash_sandbox, workspace / "here", "cat note").output == "found\n"

    def test_nothing_of_the_environment_is_inherited(
        self, bash_sandbox: BashSandbox, workspace: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """`env` is the whole environment of the command; nothing is inherited."""
        monkeypatch.setenv("A3S_TEST_SECRET", "leaked")
        result = _run(bash_sandbox, workspace, 'echo "[$A3S_TEST_SECRET][$GIVEN]"', env={**PATH, "GIVEN": "a b"})
        assert result.output == "[][a b]\n"

    def test_stdin_is_closed(self, bash_sandbox: BashSandbox, workspace: Path) -> None:
        """stdin is closed: a command that reads gets the end at once."""
        assert _run(bash_sandbox, workspace, "cat; echo end").output == "end\n"

    def test_output_is_shown_while_it_runs(self, bash_sandbox: BashSandbox, workspace: Path) -> None:
        """The pieces given to *on_output* join to the output."""
        pieces: list[str] = []
        result = _run(bash_sandbox, workspace, "echo one; echo two", on_output=pieces.append)
        assert "".join(pieces) == result.output == "one\ntwo\n"

    def test_output_is_valid_text(self, bash_sandbox: BashSandbox, workspace: Path) -> None:
        """Output is valid text, whatever bytes came."""
        output = _run(bash_sandbox, workspace, r"printf 'a\377\376\303b'").output
        output.encode()
        assert output.startswith("a")
        assert output.endswith("b")

    def test_of_long_output_the_ends_are_kept(self, bash_sandbox: BashSandbox, workspace: Path) -> None:
        """`max_output_bytes` of output are kept, the first and the last half, and the rest is counted."""
        command = "echo begin; head -c 200000 /dev/zero | tr '\\0' x; echo; echo end"
        result = _run(bash_sandbox, workspace, command, max_output_bytes=2_000)
        assert result.output.startswith("begin\n")
        assert result.output.endswith("end\n")
        assert len(result.output) < 3_000
        assert result.omitted_bytes >= 198_000

    def test_many_commands_run_at_once(self, bash_sandbox: BashSandbox, workspace: Path) -> None:
        """Many commands may run at once: one waits for what the other says."""
        os.mkfifo(workspace / "pipe")

        async def together(sandbox: BashSandbox) -> list[str]:
            results = await asyncio.gather(
                *(sandbox.run(_command(workspace, text), _ignore) for text in ("cat pipe", "echo hello > pipe"))
            )
            return [result.output for result in results]

        assert _using(bash_sandbox, together) == ["hello\n", ""]

    def test_what_it_started_is_gone_when_it_returns(
        self, bash_sandbox: BashSandbox, workspace: Path, held: int
    ) -> None:
        """When `run` returns, no process of the command is left, not even one in the background."""
        _run(bash_sandbox, workspace, LINGER + "sleep 600 >/dev/null 2>&1 & exit 0")
        assert _gone(held)

    def test_what_it_hid_in_another_session_is_gone_too(
        self, bash_sandbox: BashSandbox, workspace: Path, held: int
    ) -> None:
        """No process of the command is left: leaving the process group does not help."""
        _run(bash_sandbox, workspace, LINGER + "setsid --fork sleep 600 >/dev/null 2>&1; exit 0")
        assert _gone(held)

    def test_the_timeout_ends_the_whole_tree(self, bash_sandbox: BashSandbox, workspace: Path, held: int) -> None:
        """`timeout_ms` are the milliseconds until the whole process tree is killed."""
        result = _run(bash_sandbox, workspace, LINGER + "bash -c 'sleep 600; true' & sleep 600", timeout_ms=500)
        assert result.timed_out
        assert _gone(held)

    def test_the_timeout_ends_what_is_deaf(self, bash_sandbox: BashSandbox, workspace: Path, held: int) -> None:
        """The whole process tree is killed, not only asked to end, and what it said before is told."""
        deaf = LINGER + "trap '' TERM INT HUP; echo before; while :; do sleep 600; done"
        result = _run(bash_sandbox, workspace, deaf, timeout_ms=2000)
        assert result.timed_out
        assert result.output == "before\n"
        assert _gone(held)

    def test_cancelling_ends_the_whole_tree(self, bash_sandbox: BashSandbox, workspace: Path, held: int) -> None:
        """When `run` is cancelled, no process of the command is left."""

        async def cancel(sandbox: BashSandbox) -> None:
            started = asyncio.Event()
            command = _command(workspace, LINGER + "echo ready; bash -c 'sleep 600; true' & sleep 600")
            running = start(sandbox.run(command, lambda delta: started.set()))
            await started.wait()
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running

        _using(bash_sandbox, cancel)
        assert _gone(held)

    def test_cancelling_at_once_is_cancelling(self, bash_sandbox: BashSandbox, workspace: Path) -> None:
        """Also before the command said anything it is cancelled, and does not go on."""

        async def cancel(sandbox: BashSandbox) -> None:
            running = start(sandbox.run(_command(workspace, "sleep 600; touch ran"), _ignore))
            await asyncio.sleep(0)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running

        _using(bash_sandbox, cancel)
        assert not (workspace / "ran").exists()

    def test_a_command_that_cannot_start_is_a_tool_error(self, bash_sandbox: BashSandbox, workspace: Path) -> None:
        """A sandbox that cannot run raises ToolError and the command did not start."""
        with pytest.raises(ToolError):
            _run(bash_sandbox, workspace / "no" / "such" / "folder", f"touch {workspace}/ran")
        assert not (workspace / "ran").exists()


def _ignore(delta: str) -> None:
    """Output that nobody looks at."""


def _command(
    folder: Path,
    text: str,
    *,
    env: dict[str, str] = PATH,
    timeout_ms: int = 10_000,
    max_output_bytes: int = 102_400,
) -> BashCommand:
    return BashCommand(command=text, cwd=str(folder), env=env, timeout_ms=timeout_ms, max_output_bytes=max_output_bytes)


def _run(
    sandbox: BashSandbox,
    folder: Path,
    text: str,
    *,
    env: dict[str, str] = PATH,
    timeout_ms: int = 10_000,
    max_output_bytes: int = 102_400,
    on_output: Callable[[str], None] = _ignore,
) -> BashResult:
    command = _command(folder, text, env=env, timeout_ms=timeout_ms, max_output_bytes=max_output_bytes)
    return _using(sandbox, lambda sandbox: sandbox.run(command, on_output))


def _using(sandbox: BashSandbox, work: Callable[[BashSandbox], Awaitable[T]]) -> T:
    async def use() -> T:
        try:
            return await work(sandbox)
        finally:
            await sandbox.aclose()

    return run(use())


def _gone(held: int) -> bool:
    """Whether the command ran and nobody holds its pipe any more: after the text comes the end, not "try again"."""
    assert os.read(held, 100) == b"started", "the command did not start"
    try:
        return os.read(held, 100) == b""
    except BlockingIOError:
        return False

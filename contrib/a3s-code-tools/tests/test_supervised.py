"""Nothing of a command is left, wherever it hides and whoever is killed."""

import asyncio
import ctypes
import os
import random
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from a3s_code_tools.sandbox import LocalBashExecutor
from a3s_code_tools.supervised import IS_SUPERVISED

from a3s_code.plugin import BashCommand, BashResult, ToolError

pytestmark = pytest.mark.skipif(not IS_SUPERVISED, reason="supervisors need Linux")

ENV = {"PATH": os.environ["PATH"]}
SEED = 20_260
HANGS_AFTER_S = 20
TREES = {
    "plain": "sleep 600",
    "child": "sleep 600 & wait",
    "deaf": "trap '' TERM INT HUP; while :; do sleep 600; done",
    "other session": "setsid sleep 600 & wait",
    "empty environment": "env -i setsid $(command -v sleep) 600 & wait",
    "deaf in another session": "setsid bash -c \"trap '' TERM; sleep 600; sleep 600\" & sleep 600",
    "nohup": "nohup sleep 600 >/dev/null 2>&1 & sleep 600",
    "two forks": "(setsid bash -c 'env -i setsid $(command -v sleep) 600 & disown' &) ; sleep 600",
    "closed output": "exec >&- 2>&-; env -i setsid $(command -v sleep) 600 & sleep 600",
    "respawning": "trap '' TERM; while :; do env -i setsid $(command -v sleep) 600 & sleep 0.02; done",
    "stopped": "setsid bash -c 'kill -STOP $$' & sleep 600",
}
LINGER = "exec 7>held; printf ready >&7; echo ready; "
"""From here on every process of the command holds the pipe `held` open."""


@pytest.fixture
def held(folder: Path) -> Iterator[int]:
    """The reading end of the named pipe `held`: it ends when all processes that hold it are gone."""
    os.mkfifo(folder / "held")
    end = os.open(folder / "held", os.O_RDONLY | os.O_NONBLOCK)
    yield end
    os.close(end)


def is_gone(held: int) -> bool:
    text = b""
    try:
        while chunk := os.read(held, 4096):
            text += chunk
    except BlockingIOError:
        return False
    assert text.startswith(b"ready"), "the command did not start"
    return True


def is_gone_soon(held: int) -> bool:
    """The same for a host that is gone itself: its supervisors get as long as a loaded machine may need."""
    os.set_blocking(held, True)
    text = b""
    while select.select([held], [], [], HANGS_AFTER_S)[0]:
        chunk = os.read(held, 4096)
        if not chunk:
            return text.startswith(b"ready")
        text += chunk
    return False


def command(text: str, folder: Path, **more: int) -> BashCommand:
    return BashCommand(command=text, cwd=str(folder), env=ENV, **more)


def run(text: str, folder: Path, **more: int) -> BashResult:
    return asyncio.run(LocalBashExecutor().run(command(text, folder, **more), lambda _: None))


async def cancelled(text: str, folder: Path, times: int = 1) -> None:
    """Runs until the first output, then cancels."""
    ready = asyncio.Event()
    task = asyncio.ensure_future(LocalBashExecutor().run(command(text, folder), lambda _: ready.set()))  # noqa: TID251 # awaited below
    await ready.wait()
    for _ in range(times):
        task.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("name", TREES)
def test_at_the_timeout_nothing_is_left(folder: Path, held: int, name: str):
    result = run(LINGER + TREES[name], folder, timeout_ms=300)
    assert result.timed_out
    assert is_gone(held)


@pytest.mark.parametrize("name", TREES)
def test_when_cancelled_nothing_is_left(folder: Path, held: int, name: str):
    asyncio.run(cancelled(LINGER + TREES[name], folder))
    assert is_gone(held)


def test_cancelling_twice_leaves_nothing_either(folder: Path, held: int):
    asyncio.run(cancelled(LINGER + TREES["deaf"], folder, times=3))
    assert is_gone(held)


@pytest.mark.parametrize("name", ["env -i setsid $(command -v sleep) 600", "setsid --fork sleep 600 >/dev/null 2>&1"])
def test_when_the_command_ended_nothing_is_left(folder: Path, held: int, name: str):
    result = run(f"{LINGER} {name} & exit 3", folder)
    assert (result.exit_code, result.timed_out) == (3, False)
    assert is_gone(held)


def test_a_sample_of_many_at_once(folder: Path, held: int):
    """The full number is in bench/processes.py."""
    chosen = random.Random(SEED).choices(sorted(TREES), k=25)

    async def all_of_them() -> None:
        await asyncio.gather(
            *(
                cancelled(LINGER + TREES[name], folder)
                if number % 2
                else LocalBashExecutor().run(command(LINGER + TREES[name], folder, timeout_ms=200), lambda _: None)
                for number, name in enumerate(chosen)
            )
        )

    asyncio.run(all_of_them())
    assert is_gone(held)


HOST = """
import asyncio, os, sys
from a3s_code.plugin import BashCommand
from a3s_code_tools.sandbox import LocalBashExecutor

command = BashCommand(command=sys.argv[1], cwd=sys.argv[2], env={"PATH": os.environ["PATH"]})
asyncio.run(LocalBashExecutor().run(command, lambda text: print(text, flush=True)))
"""


@pytest.mark.parametrize("name", TREES)
def test_a_killed_host_leaves_nothing(folder: Path, held: int, name: str):
    host = subprocess.Popen([sys.executable, "-c", HOST, LINGER + TREES[name], str(folder)], stdout=subprocess.PIPE)
    with host:
        assert host.stdout is not None
        assert host.stdout.readline() == b"ready\n"
        host.kill()
    assert is_gone_soon(held)


def test_a_host_whose_children_hold_its_sockets_leaves_nothing(folder: Path, held: int):
    """The end of the socket never comes then: the system tells that the parent died."""
    forking = HOST.replace("asyncio.run(", "asyncio.run(forked(", 1).rstrip() + ")\n"
    forking = forking.replace(
        "command =",
        """
async def forked(run):
    task = asyncio.ensure_future(run)
    await seen.wait()
    child = os.fork()
    if child == 0:
        import time
        os.closerange(1, 3)
        time.sleep(600)
    print(child, flush=True)
    await task

seen = asyncio.Event()
command =""",
        1,
    ).replace("print(text, flush=True)", "seen.set()")
    host = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", forking, LINGER + "sleep 600", str(folder)], stdout=subprocess.PIPE
    )
    with host:
        assert host.stdout is not None
        child = int(host.stdout.readline())
        host.kill()
    try:
        assert is_gone_soon(held)
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_killed_supervisor_leaves_nothing_that_has_the_mark(folder: Path, held: int):
    """The second line: group and environment."""
    result = run(f"{LINGER} setsid sleep 600 & kill -KILL $PPID; sleep 600", folder)
    assert result.exit_code == 137
    assert is_gone(held)


def test_killing_pythons_by_name_spares_the_supervisor(folder: Path):
    """A command that says `pkill python` means its own."""
    result = run("for n in TERM INT HUP USR1; do kill -$n $PPID; done; sleep 0.1; cat /proc/$PPID/comm; exit 4", folder)
    assert (result.output, result.exit_code) == ("a3s-supervisor\n", 4)


def test_a_command_has_its_own_group_and_session(folder: Path):
    group, session, pid, ours = run(
        'read -r _ _ _ _ group session _ < /proc/$$/stat; echo "$group $session $$"; ps -o sid= $PPID', folder
    ).output.split()
    assert group == session == pid != ours


def test_signals_are_as_the_system_gives_them(folder: Path):
    """Nothing that the supervisor ignores is ignored by the command."""
    blocked, ignored = run("grep -E 'SigBlk|SigIgn' /proc/self/status", folder).output.split()[1::2]
    assert int(blocked, 16) == 0
    assert int(ignored, 16) & 0x7FFFFFFF == 0  # 32 and 33 belong to the C library


def test_no_descriptor_reaches_the_command(folder: Path):
    """Only stdin, stdout, stderr and the one that ls opens."""
    assert run("ls /proc/self/fd", folder).output.split() == ["0", "1", "2", "3"]


def test_a_large_command_and_environment_arrive(folder: Path):
    env = {**ENV, **{f"V{n}": "x" * 100_000 for n in range(3)}}
    text = f"echo ${{#V2}} # {'y' * 100_000}"
    sent = BashCommand(command=text, cwd=str(folder), env=env)
    assert asyncio.run(LocalBashExecutor().run(sent, lambda _: None)).output == "100000\n"


def test_no_bash_is_told(folder: Path):
    sent = BashCommand(command="true", cwd=str(folder), env={"PATH": str(folder)})
    with pytest.raises(ToolError, match="bash is not on the PATH"):
        asyncio.run(LocalBashExecutor().run(sent, lambda _: None))


def test_the_host_is_no_subreaper(folder: Path):
    """A daemon that the host starts by itself goes to the system, as always (37: PR_GET_CHILD_SUBREAPER)."""
    run("true", folder)
    flag = ctypes.c_int(9)
    ctypes.CDLL(None).prctl(37, ctypes.byref(flag), 0, 0, 0)
    assert flag.value == 0


def test_a_host_that_blocks_signals_learns_of_the_end(folder: Path):
    """What it blocks is inherited by the supervisor, and not by the command."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        result = run("grep SigBlk /proc/self/status; exit 3", folder, timeout_ms=HANGS_AFTER_S * 1000)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert (result.exit_code, result.timed_out) == (3, False)
    assert int(result.output.split()[1], 16) == 0


def test_a_stopped_supervisor_goes_on_to_end_everything(folder: Path, held: int):
    result = run(
        f"{LINGER} env -i setsid $(command -v sleep) 600 & sleep 0.1; kill -STOP $PPID", folder, timeout_ms=500
    )
    assert result.timed_out
    assert is_gone(held)

"""Running a program so that nothing of it is left: not after it ended, not at a deadline, not when cancelled."""

import asyncio
import os
import secrets
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from attrs import frozen

__all__ = [
    "ENV_NAMES",
    "MARK",
    "PIPE_GRACE_S",
    "TERM_GRACE_S",
    "Ended",
    "OutputPipe",
    "allowed_env",
    "kill_marked",
    "run_child",
    "within",
]

TERM_GRACE_S = 0.5
"""Seconds between SIGTERM and SIGKILL."""

PIPE_GRACE_S = 0.2
"""Seconds to read on after the program ended while a child of it keeps the pipe open."""

MARK = "A3S_CODE_CHILD"
"""Environment variable by which processes are found that left the process group (setsid, daemons)."""

ENV_NAMES = (
    "CARGO_HOME",
    "CONDA_PREFIX",
    "GOPATH",
    "HOME",
    "JAVA_HOME",
    "LANG",
    "LANGUAGE",
    "LC_*",
    "LOGNAME",
    "NODE_PATH",
    "NVM_DIR",
    "PATH",
    "PYTHON*",
    "RUSTUP_HOME",
    "SHELL",
    "TEMP",
    "TERM",
    "TMP",
    "TMPDIR",
    "TZ",
    "USER",
    "VIRTUAL_ENV",
)
"""Variables that commands may see; "*" at the end stands for any rest."""

_SECRET_WORDS = ("KEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL")
_CHUNK = 65_536
_LAST_READS = 32  # more than a pipe holds; bounded, in case somebody else's process goes on writing


@frozen
class Ended:
    """How a program ended.

    Args:
        exit_code: Its exit code; 128 + n when signal n ended it.
        timed_out: It was killed at its deadline.
    """

    exit_code: int
    timed_out: bool


def allowed_env(more: Sequence[str] = ()) -> dict[str, str]:
    """The variables of this process that commands may see.

    Args:
        more: Additional names, exactly, or with "*" at the end. Only an exact name passes on what sounds like a secret.
    """
    return {name: value for name, value in os.environ.items() if name in more or _is_allowed(name, (*ENV_NAMES, *more))}


def _is_allowed(name: str, patterns: Sequence[str]) -> bool:
    if any(word in name.upper() for word in _SECRET_WORDS):
        return False
    return any(name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern for pattern in patterns)


async def run_child(
    argv: Sequence[str],
    *,
    cwd: str,
    env: Mapping[str, str],
    timeout_s: float,
    on_bytes: Callable[[bytes], None],
    stdin: bytes = b"",
) -> Ended:
    """Runs a program to its end; when this returns, raises or is cancelled, no process of it is left.

    Processes count as its own that are in its group or inherited its environment; one that leaves both escapes.

    Args:
        argv: The program and its arguments.
        cwd: Folder to start in.
        env: Its whole environment; a mark is added.
        timeout_s: Seconds until it is told to end and, after a short grace, killed.
        on_bytes: Gets stdout and stderr as they come; must not raise.
        stdin: What it reads.

    Raises:
        OSError: The program cannot be started.
    """
    token = secrets.token_hex(16)
    read_end, write_end = os.pipe()
    try:
        process = _started(argv, cwd, {**env, MARK: token}, stdin, write_end)
    except BaseException:
        os.close(read_end)
        raise
    finally:
        os.close(write_end)
    # no await between the start and this line: from here on the process has an owner
    return await _Child(process, f"{MARK}={token}", read_end, on_bytes).run(timeout_s)


def _started(
    argv: Sequence[str], cwd: str, env: Mapping[str, str], stdin: bytes, output: int
) -> subprocess.Popen[bytes]:
    def start(source: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            argv, cwd=cwd, env=env, stdin=source, stdout=output, stderr=output, start_new_session=True
        )

    if not stdin:
        return start(subprocess.DEVNULL)
    with tempfile.TemporaryFile() as file:  # a file, because a pipe could block when the program does not read
        file.write(stdin)
        file.seek(0)
        return start(file.fileno())


class OutputPipe:
    """The reading end of a program's stdout and stderr.

    Args:
        descriptor: The end, owned from now on.
        on_bytes: Gets what comes; must not raise.
    """

    def __init__(self, descriptor: int, on_bytes: Callable[[bytes], None]):
        self._descriptor = descriptor
        self._on_bytes = on_bytes
        self._loop = asyncio.get_running_loop()
        self.ended = asyncio.Event()
        os.set_blocking(descriptor, False)
        self._loop.add_reader(descriptor, self._read)

    def _read(self) -> bool:
        """Hands on what there is; whether more may come."""
        try:
            chunk = os.read(self._descriptor, _CHUNK)
        except BlockingIOError:
            return False
        if chunk:
            self._on_bytes(chunk)
            return True
        self._loop.remove_reader(self._descriptor)
        self.ended.set()
        return False

    def close(self) -> None:
        """Hands on what is still in the pipe."""
        try:
            for _ in range(_LAST_READS):
                if self.ended.is_set() or not self._read():
                    break
        finally:
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)


class _Child:
    """A started program with its pipe."""

    def __init__(self, process: subprocess.Popen[bytes], mark: str, read_end: int, on_bytes: Callable[[bytes], None]):
        self._process = process
        self._mark = mark.encode()
        self._pipe = OutputPipe(read_end, on_bytes)
        self._loop = asyncio.get_running_loop()
        self._exited = asyncio.Event()

    async def run(self, timeout_s: float) -> Ended:
        timed_out = False
        try:
            threading.Thread(target=self._watch, name="a3s-code-child", daemon=True).start()
            try:
                async with asyncio.timeout(timeout_s):
                    await self._exited.wait()
            except TimeoutError:
                timed_out = True
            else:
                await within(PIPE_GRACE_S, self._pipe.ended.wait())
        finally:
            await self._end()
        code = -signal.SIGKILL if self._process.returncode is None else self._process.returncode
        return Ended(code if code >= 0 else 128 - code, timed_out)

    def _watch(self) -> None:
        """Runs in a thread: waits without reaping, so that the number of the group cannot be given to others."""
        with suppress(ChildProcessError):
            os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
        with suppress(RuntimeError):  # the loop is closed; nobody waits any more
            self._loop.call_soon_threadsafe(self._exited.set)

    async def _end(self) -> None:
        try:
            if not self._exited.is_set():
                _signal_group(self._process.pid, signal.SIGTERM)
                await within(TERM_GRACE_S, self._exited.wait())
        finally:
            try:
                _signal_group(self._process.pid, signal.SIGKILL)
                kill_marked(self._process.pid, self._mark)
                with suppress(subprocess.TimeoutExpired):  # stuck in the system; nobody can end it
                    self._process.wait(timeout=1.0)
            finally:
                self._pipe.close()


async def within(seconds: float, event: Awaitable[object]) -> None:
    """Awaits *event*, at most so long."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event


def kill_marked(group: int, mark: bytes) -> None:
    """Kills the group and whoever left it with the mark; blocks for the few milliseconds that dying takes."""
    give_up = time.monotonic() + 1.0
    while (left := _left(group, mark)) and time.monotonic() < give_up:
        for pid in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.002)


def _signal_group(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _left(group: int, mark: bytes) -> list[int]:
    """Living processes of the group, and those that inherited the mark; none where there is no /proc."""
    found: list[int] = []
    with suppress(FileNotFoundError):
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            with suppress(OSError):  # it ended, or belongs to somebody else
                # proc(5): after the name in brackets come state, parent and group
                state, _, its_group = (entry / "stat").read_bytes().rpartition(b")")[2].split()[:3]
                if state not in b"ZX" and (int(its_group) == group or mark in (entry / "environ").read_bytes()):
                    found.append(int(entry.name))
    return found

"""Running a command below a supervisor: no process of it is left, wherever it hides and however the host ends."""

import asyncio
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from a3s_code_tools.child import MARK, PIPE_GRACE_S, TERM_GRACE_S, Ended, OutputPipe, kill_marked, run_child, within
from a3s_code_tools.supervisor import GIVE_UP_S, LENGTH_BYTES, TERM

__all__ = ["IS_SUPERVISED", "run_supervised"]

_HAS_PYTHON = bool(sys.executable) and not getattr(sys, "frozen", False)

IS_SUPERVISED = sys.platform == "linux" and _HAS_PYTHON and find_spec("_ctypes") is not None
"""Whether there are supervisors here; elsewhere a process that leaves its group and its environment escapes."""

START_S = 30.0
"""Seconds for a supervisor to start; on an idle machine it takes 0.02."""

# -I -S and appending: no module of the workspace or of site-packages is run instead of ours
_SUPERVISOR = "import sys; sys.path.append(sys.argv[1]); from a3s_code_tools.supervisor import main; main()"
_IMPORTS = str(Path(__file__).parent.parent)


async def run_supervised(
    argv: Sequence[str], *, cwd: str, env: Mapping[str, str], timeout_s: float, on_bytes: Callable[[bytes], None]
) -> Ended:
    """Runs a program to its end; when this returns, raises or is cancelled, no process of it is left.

    Also when this process is killed. Where there are no supervisors it is `run_child`.

    Args:
        argv: The program and its arguments.
        cwd: Folder to start in.
        env: Its whole environment; a mark is added.
        timeout_s: Seconds, from its start, until it is told to end and, after a short grace, killed.
        on_bytes: Gets stdout and stderr as they come; must not raise.

    Raises:
        OSError: The program cannot be started.
        ValueError: An argument or variable holds a NUL.
    """
    if not IS_SUPERVISED:
        return await run_child(argv, cwd=cwd, env=env, timeout_s=timeout_s, on_bytes=on_bytes)
    mark = secrets.token_hex(16)
    request = _request(argv, {**env, MARK: mark})
    ours, theirs = socket.socketpair()
    read_end, write_end = os.pipe()
    try:
        supervisor = _started(cwd, theirs.fileno(), write_end)
    except BaseException:
        ours.close()
        os.close(read_end)
        raise
    finally:
        theirs.close()
        os.close(write_end)
    # no await between the start and this line: from here on the supervisor has an owner
    command = _Supervised(supervisor, f"{MARK}={mark}".encode(), ours, OutputPipe(read_end, on_bytes))
    return await command.run(request, timeout_s)


def _request(argv: Sequence[str], env: Mapping[str, str]) -> bytes:
    program = shutil.which(argv[0], path=env.get("PATH", os.defpath))
    if program is None:
        raise FileNotFoundError(f"{argv[0]} is not on the PATH")
    fields = (str(len(argv)), program, *argv[1:], *(f"{name}={value}" for name, value in env.items()))
    if any("\0" in field for field in fields):
        raise ValueError("it holds a NUL character")
    content = b"\0".join(map(os.fsencode, fields))
    return len(content).to_bytes(LENGTH_BYTES, "big") + content


def _started(cwd: str, control: int, output: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _SUPERVISOR, _IMPORTS, str(os.getpid())],
        cwd=cwd,
        # the interpreter may need it; all other variables come with the request and never reach the supervisor
        env={name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ},
        stdin=control,
        stdout=output,
        stderr=output,
        start_new_session=True,
    )


class _Supervised:
    """A supervisor with its socket and the pipe of the command below it."""

    def __init__(self, supervisor: subprocess.Popen[bytes], mark: bytes, control: socket.socket, output: OutputPipe):
        self._supervisor = supervisor
        self._mark = mark
        self._control = control
        self._output = output
        self._said = b""
        self._group = -1  # no group; 0 would be that of the kernel's own
        self._code: int | None = None
        control.setblocking(False)

    async def run(self, request: bytes, timeout_s: float) -> Ended:
        timed_out = False
        try:
            await self._start(request)
            try:
                async with asyncio.timeout(timeout_s):
                    self._code = await self._exit_code()
            except TimeoutError:
                timed_out = True
            else:
                await within(PIPE_GRACE_S, self._output.ended.wait())
        finally:
            await self._end()
        return Ended(137 if self._code is None else self._code, timed_out)

    async def _start(self, request: bytes) -> None:
        try:
            async with asyncio.timeout(START_S):
                with suppress(ConnectionError):  # it says why, or its end does
                    await asyncio.get_running_loop().sock_sendall(self._control, request)
                word, number = await self._line()
        except TimeoutError:
            raise OSError(f"its supervisor did not start within {START_S:.0f} s") from None
        if word == "error":
            raise OSError(number, os.strerror(number))
        if word == "started":
            self._group = number
        elif (code := self._supervisor.wait(GIVE_UP_S)) >= 0:  # killed, it may have started the command before
            raise OSError(f"its supervisor ended at the start with exit code {code}")

    async def _exit_code(self) -> int | None:
        """The command's; None when somebody killed the supervisor."""
        word, number = await self._line()
        return number if word == "exit" else None

    async def _line(self) -> tuple[str, int]:
        while b"\n" not in self._said:
            chunk = b""
            with suppress(ConnectionError):
                chunk = await asyncio.get_running_loop().sock_recv(self._control, 256)
            if not chunk:
                return "", 0
            self._said += chunk
        line, _, self._said = self._said.partition(b"\n")
        word, _, number = line.decode().partition(" ")
        return word, int(number)

    async def _gone(self) -> None:
        """Returns when the supervisor has ended, and with it everything."""
        while await self._line() != ("", 0):
            pass

    async def _end(self) -> None:
        try:
            self._supervisor.send_signal(signal.SIGCONT)  # the command may have stopped it
            if self._group > 0 and self._code is None:
                with suppress(OSError):  # it ended just now
                    self._control.send(TERM)
                await within(TERM_GRACE_S, self._gone())
            with suppress(OSError):
                self._control.shutdown(socket.SHUT_WR)
            await within(GIVE_UP_S + 1, self._gone())
        finally:  # cancelled again: the few milliseconds of killing are waited for without the loop
            self._control.close()
            self._reap()
            self._output.close()

    def _reap(self) -> None:
        try:
            self._supervisor.wait(timeout=GIVE_UP_S + 1)
        except subprocess.TimeoutExpired:
            self._supervisor.kill()
            self._supervisor.wait()
        if self._supervisor.returncode:  # it was killed: the mark finds what is left
            kill_marked(self._group, self._mark)

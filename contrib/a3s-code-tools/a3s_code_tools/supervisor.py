"""The supervisor: a process of ours above each command, which ends every process that the command left anywhere.

It is the subreaper (prctl(2)) of the command: whatever loses its parent becomes its child, so that neither another
session nor an empty environment nor two forks hide a process. It ends with the host: their socket closes, or the system
says that the parent died. It is started with `python -I -S` for each command and therefore imports little.

On its standard input, a socket to the host, it gets the request (its length in 8 bytes, then "\\0"-joined: the number
of arguments, the arguments, the environment), then perhaps `TERM` (ask all to end), then the end (kill all).
It answers in lines: `error ERRNO`, or `started PID` and `exit CODE`; when the socket ends, all processes are gone.
"""

import ctypes
import os
import select
import signal
import sys
import time
from contextlib import suppress

__all__ = ["LENGTH_BYTES", "TERM", "main"]

LENGTH_BYTES = 8
TERM = b"T"

GIVE_UP_S = 2.0
"""Seconds after which what cannot be killed (another user's, or stuck in the system) is left."""

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36
_SOCKET, _OUT, _ERR = 0, 1, 2
_DEAF_TO = ("SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGTSTP", "SIGTTIN", "SIGTTOU")


def main() -> None:
    """Runs one command; the number of the host's process is the last argument."""
    host = int(sys.argv[-1])
    wake = _prepared()
    try:
        command = _start(_request())
    except OSError as error:
        _say(f"error {error.errno or 0}")
        os._exit(0)
    _say(f"started {command}")
    _watch(command, wake, host)
    os._exit(0)  # nothing to tidy up: this is quicker


def _prepared() -> int:
    """Becomes subreaper; the descriptor that is readable after a child or the host ended."""
    wake, signalled = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(signalled, False)
    signal.set_wakeup_fd(signalled, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())  # the host may block them, and what it blocks is inherited
    for name in _DEAF_TO:  # a command that says `pkill python` means others
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    prctl(_PR_SET_NAME, b"a3s-supervisor", 0, 0, 0)
    prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)  # also comes when only the starting thread ends
    if prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        _say(f"error {ctypes.get_errno()}")
        os._exit(0)
    return wake


def _request() -> tuple[list[bytes], dict[bytes, bytes]]:
    length = int.from_bytes(_read(LENGTH_BYTES), "big")
    count, *rest = _read(length).split(b"\0")
    argv, variables = rest[: int(count)], rest[int(count) :]
    return argv, dict(each.split(b"=", 1) for each in variables)


def _read(size: int) -> bytes:
    content = b""
    while len(content) < size:
        chunk = os.read(_SOCKET, size - len(content))
        if not chunk:  # the host went away
            os._exit(0)
        content += chunk
    return content


def _start(request: tuple[list[bytes], dict[bytes, bytes]]) -> int:
    """Starts the command in a session of its own, with nothing to read, and lets go of its output."""
    argv, env = request
    every = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}
    nothing = (os.POSIX_SPAWN_OPEN, _SOCKET, os.devnull, os.O_RDONLY, 0)
    command = os.posix_spawn(argv[0], argv, env, file_actions=[nothing], setsid=True, setsigmask=(), setsigdef=every)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, _OUT)
    os.dup2(null, _ERR)
    return command


def _watch(command: int, wake: int, host: int) -> None:
    """Until nothing is left."""
    poll = select.poll()
    poll.register(_SOCKET, select.POLLIN)
    poll.register(wake, select.POLLIN)
    while _reaped(command):
        if os.getppid() != host:
            return _end_all(command)
        for descriptor, _ in poll.poll():
            if descriptor == wake:
                os.read(wake, 4096)
            elif _told() == TERM:
                _signal(_descendants(), signal.SIGTERM)
            else:
                return _end_all(command)
    return None


def _told() -> bytes:
    try:
        return os.read(_SOCKET, 1)
    except OSError:  # the host is gone
        return b""


def _say(line: str) -> None:
    with suppress(OSError):  # the host is gone: seen at the next read
        os.write(_SOCKET, f"{line}\n".encode())


def _reaped(command: int) -> bool:
    """Takes in what ended, tells of the command's end; whether any child is left."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if pid == 0:
            return True
        if pid == command:
            code = os.waitstatus_to_exitcode(status)
            _say(f"exit {code if code >= 0 else 128 - code}")


def _end_all(command: int) -> None:
    give_up = time.monotonic() + GIVE_UP_S
    while _reaped(command) and time.monotonic() < give_up:
        _signal(_descendants(), signal.SIGKILL)
        time.sleep(0.001)


def _signal(processes: list[int], number: signal.Signals) -> None:
    for pid in processes:
        with suppress(ProcessLookupError, PermissionError):  # it ended, or runs as another user
            os.kill(pid, number)


def _descendants() -> list[int]:
    """All processes below this one."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 # pathlib costs 10 ms to import
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123 # as above
                    # proc(5): after the name in brackets come state and parent; a "zombie" may have living threads
                    parent = int(file.read().rpartition(b")")[2].split(None, 2)[1])
            except OSError:  # it ended
                continue
            children.setdefault(parent, []).append(int(name))
    found = list(children.get(os.getpid(), ()))
    for pid in found:
        found.extend(children.get(pid, ()))
    return found

"""SessionLock: one process at a time has a session open."""

import fcntl
import json
import os
import socket
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from a3s_code.plugin import SessionError, SessionLockedError

__all__ = ["SessionLock"]

_held: set[int] = set()


def _close_inherited() -> None:
    # flock belongs to the open file, which a forked child shares: closing our copy lets the parent's death free it
    for fd in list(_held):
        os.close(fd)
    _held.clear()


os.register_at_fork(after_in_child=_close_inherited)


class SessionLock:
    """A held lock; ends by `release` or with the process, never because a child process lives on.

    Args:
        folder: The session's folder; the lock is the file `lock` in it.
        id: The session's id for messages.

    Raises:
        FileNotFoundError: The folder is gone.
        SessionLockedError: Another process, or this one, holds it.
    """

    def __init__(self, folder: Path, id: str):
        path = folder / "lock"
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            self._take(fd, path, id)
            with suppress(OSError):  # on a full disk the lock holds all the same, only its message is missing
                os.ftruncate(fd, 0)
                os.pwrite(fd, _this_process(), 0)
        except BaseException:
            os.close(fd)
            raise
        self._fd = fd
        self._pid = os.getpid()
        _held.add(fd)

    @staticmethod
    def _take(fd: int, path: Path, id: str) -> None:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SessionLockedError(
                f"session {id} is open in {_holder(fd)}; close it there, or fork it and open the fork"
            ) from None
        except OSError as error:
            raise SessionError(
                f"cannot lock {path}: {error.strerror}; choose a folder on a local disk with sessions_dir"
            ) from error
        if not os.path.samestat(os.fstat(fd), path.stat()):  # deleted and made again in between
            raise SessionLockedError(f"session {id} was just replaced by another process; try again")

    @property
    def is_inherited(self) -> bool:
        """Whether this is a fork's copy; the lock belongs to the parent process."""
        return self._pid != os.getpid()

    def release(self) -> None:
        """Gives the lock up; a second call does nothing."""
        if self._fd >= 0 and not self.is_inherited:
            _held.discard(self._fd)
            os.close(self._fd)
        self._fd = -1


def _this_process() -> bytes:
    started = datetime.now().astimezone().isoformat(timespec="seconds")
    return json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": started}).encode()


def _holder(fd: int) -> str:
    try:
        holder = json.loads(os.pread(fd, 4096, 0))
        pid, host, since = int(holder["pid"]), str(holder["host"]), str(holder["since"])
    except (ValueError, KeyError, TypeError):
        return "another process that has just started"
    who = "this process" if (pid, host) == (os.getpid(), socket.gethostname()) else "process"
    return f"{who} {pid} on host {host} since {since}"

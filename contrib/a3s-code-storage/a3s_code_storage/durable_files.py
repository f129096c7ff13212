"""Writing files so that a crash leaves the old or the new state, and what to say when it fails."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from a3s_code.plugin import SessionError

__all__ = ["make_folder", "replace_file", "reported", "state_dir", "sync_folder", "write_all", "write_new"]


def state_dir(name: str) -> Path:
    """The default folder for *name* (XDG Base Directory Specification: state that outlives a restart)."""
    home = os.environ.get("XDG_STATE_HOME", "")
    root = Path(home) if Path(home).is_absolute() else Path.home() / ".local" / "state"
    return root / "a3s-code" / name


def make_folder(folder: Path) -> None:
    """Makes *folder* and what is missing above it, for the owner alone; durable when it returns."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    sync_folder(folder.parent)


def write_all(fd: int, content: bytes) -> None:
    """Writes all of *content* in one call, in several when the system takes less at once."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(fd, rest) :]


def write_new(path: Path, content: bytes) -> None:
    """Creates *path*, which must not exist, for the owner alone; its bytes are on disk when this returns."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        write_all(fd, content)
        os.fsync(fd)
    finally:
        os.close(fd)


def replace_file(path: Path, content: bytes) -> None:
    """Puts *content* at *path*: after a crash at any moment the old or the new file is there."""
    temporary = path.with_name(f".{uuid4().hex}.tmp")
    try:
        write_new(temporary, content)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Makes new names in *folder* durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


_CURES = {
    errno.ENOSPC: "free some space and try again",
    errno.EDQUOT: "free some space or raise the quota and try again",
    errno.EFBIG: "raise the limit of file sizes",
    errno.EACCES: "make it writable for this user or configure another folder",
    errno.EPERM: "make it writable for this user or configure another folder",
    errno.EROFS: "the disk is read-only: configure another folder",
}


@contextmanager
def reported(action: str, path: Path) -> Iterator[None]:
    """Turns an OSError into a SessionError that says what could not be done, where, and what to do."""
    try:
        yield
    except OSError as error:
        cure = _CURES.get(error.errno or 0, "check the disk and the folder's permissions")
        raise SessionError(f"cannot {action} {path}: {error.strerror or error}; {cure}") from error

"""Opening a folder without following links, so that one swapped in after the check is not entered."""

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

__all__ = ["open_regular", "opened"]

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def opened(root: str, parts: Sequence[str]) -> Iterator[int]:
    """A descriptor of the folder that *parts* lead to.

    Args:
        root: The workspace's canonical path.
        parts: Names of folders below it.

    Raises:
        OSError: One of them does not exist, is no folder, or is a link.
    """
    descriptor = os.open(root, _FOLDER)
    try:
        for name in parts:
            outer, descriptor = descriptor, os.open(name, _FOLDER, dir_fd=descriptor)
            os.close(outer)
        yield descriptor
    finally:
        os.close(descriptor)


def open_regular(name: str, folder: int) -> int | None:
    """A descriptor for reading a regular file, or None; follows no link and never waits."""
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        return None
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    return None

"""Opening a folder without following links, so that one swapped in after the check is not entered."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

__all__ = ["opened"]

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

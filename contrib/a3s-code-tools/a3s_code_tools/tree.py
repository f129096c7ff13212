"""Walking a folder as git sees it: ignored files, repositories' own folders and links are left out."""

import os
import stat
from collections.abc import Iterator

from attrs import frozen

from a3s_code_tools.folder import opened
from a3s_code_tools.ignore import Rules, rules_above
from a3s_code_tools.search_query import MAX_DEPTH, SKIPPED

__all__ = ["Found", "files"]

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@frozen
class Found:
    """A regular file.

    Args:
        parts: Its path below the folder that is walked.
        folder: Descriptor of its folder, open until the next file is asked for.
    """

    parts: tuple[str, ...]
    folder: int


def files(root: str, start: tuple[str, ...], *, depth: int | None = None, only: str | None = None) -> Iterator[Found]:
    """The regular files below a folder, each folder's files and folders in the order of their names' bytes.

    Args:
        root: The workspace; .gitignore files count from here on.
        start: Parts of the folder to walk, below the root.
        depth: Most parts below *start*; None is no limit.
        only: The one file of *start* that is wanted, ignored or not.

    Raises:
        OSError: *start* is not a folder, or became a link.
    """
    with opened(root, start) as top:
        if only is not None:
            if stat.S_ISREG(os.stat(only, dir_fd=top, follow_symlinks=False).st_mode):
                yield Found((only,), top)
            return
        yield from _Walk(start, rules_above(root, start), min(depth or MAX_DEPTH, MAX_DEPTH)).below(top, ())


class _Walk:
    """A walk with what it knows on its way."""

    def __init__(self, start: tuple[str, ...], rules: Rules, depth: int):
        self._start = start
        self._rules = rules
        self._depth = depth

    def below(self, folder: int, inside: tuple[str, ...]) -> Iterator[Found]:
        """The files below an opened folder whose path below the start is *inside*."""
        here = (*self._start, *inside)
        self._rules.add(here, folder)
        with os.scandir(folder) as entries:
            found = sorted((os.fsencode(entry.name), entry) for entry in entries if entry.name not in SKIPPED)
        for _, entry in found:
            is_folder = entry.is_dir(follow_symlinks=False)
            if not (is_folder or entry.is_file(follow_symlinks=False)):
                continue
            if self._rules.ignored((*here, entry.name), is_folder=is_folder):
                continue
            if not is_folder:
                yield Found((*inside, entry.name), folder)
            elif len(inside) + 1 < self._depth:
                yield from self._entered(entry.name, folder, inside)

    def _entered(self, name: str, folder: int, inside: tuple[str, ...]) -> Iterator[Found]:
        try:
            descriptor = os.open(name, _FOLDER, dir_fd=folder)
        except OSError:  # it went away, became a link or cannot be read
            return
        try:
            yield from self.below(descriptor, (*inside, name))
        finally:
            os.close(descriptor)

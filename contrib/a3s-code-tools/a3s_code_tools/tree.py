"""Walking a folder as git sees it: ignored files, repositories' own folders and links are left out."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen
from pathspec import GitIgnoreSpec
from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

from a3s_code_tools.folder import opened

__all__ = ["Found", "files", "open_regular"]

MAX_DEPTH = 200
"""Folders below each other that are walked; each costs a descriptor."""

_SKIPPED = frozenset({".git", ".hg", ".svn"})
_MAX_IGNORE_BYTES = 1_000_000


@frozen
class Found:
    """A regular file.

    Args:
        parts: Its path below the root.
        folder: Descriptor of its folder, open until the next file is asked for.
        modified_ns: When it was changed, nanoseconds since 1970.
        size: Bytes.
    """

    parts: tuple[str, ...]
    folder: int
    modified_ns: int
    size: int


def files(root: str, start: tuple[str, ...], *, depth: int | None = None, only: str | None = None) -> Iterator[Found]:
    """The regular files below a folder in the order of their names, each folder's files before its folders.

    Args:
        root: The workspace; .gitignore files count from here on.
        start: Parts of the folder to walk, below the root.
        depth: Most parts below *start*; None is no limit.
        only: The one file of *start* that is wanted, ignored or not.

    Raises:
        OSError: *start* is not a folder, or became a link.
    """
    rules = _Rules()
    for length in range(len(start)):
        with opened(root, start[:length]) as folder:
            rules.add(start[:length], folder)
    if any(rules.ignored(start[:length], is_folder=True) for length in range(1, len(start) + 1)):
        rules = _Rules()  # the caller named an ignored folder, so it is meant
    with opened(root, start) as top:
        if only is None:
            yield from _walked(top, start, rules, MAX_DEPTH if depth is None else min(depth, MAX_DEPTH))
            return
        facts = _facts(only, top)
        if facts is not None and stat.S_ISREG(facts.st_mode):
            yield Found((*start, only), top, facts.st_mtime_ns, facts.st_size)


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


def _walked(top: int, start: tuple[str, ...], rules: "_Rules", depth: int) -> Iterator[Found]:
    for place, folders, names, folder in os.fwalk(".", follow_symlinks=False, dir_fd=top):
        inside = Path(place).parts
        here = (*start, *inside)
        rules.add(here, folder)
        folders[:] = sorted(
            name
            for name in folders
            if name not in _SKIPPED and not rules.ignored((*here, name), is_folder=True)
            if len(inside) + 1 < depth
        )
        for name in sorted(names):
            facts = _facts(name, folder)
            if facts is not None and stat.S_ISREG(facts.st_mode) and not rules.ignored((*here, name)):
                yield Found((*here, name), folder, facts.st_mtime_ns, facts.st_size)


def _facts(name: str, folder: int) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except OSError:  # it went away, or the folder cannot be searched
        return None


class _Rules:
    """The .gitignore files met so far; the deepest that speaks of a path decides."""

    def __init__(self) -> None:
        self._specs: dict[tuple[str, ...], GitIgnoreSpec] = {}

    def add(self, parts: tuple[str, ...], folder: int) -> None:
        descriptor = open_regular(".gitignore", folder)
        if descriptor is None:
            return
        with os.fdopen(descriptor, "rb") as file:
            lines = file.read(_MAX_IGNORE_BYTES).decode("utf-8-sig", "replace").splitlines()
        self._specs[parts] = GitIgnoreSpec.from_lines(line for line in lines if _is_understood(line))

    def ignored(self, parts: tuple[str, ...], *, is_folder: bool = False) -> bool:
        for depth in range(len(parts) - 1, -1, -1):
            spec = self._specs.get(parts[:depth])
            if spec is None:
                continue
            verdict = spec.check_file("/".join(parts[depth:]) + ("/" if is_folder else "")).include
            if verdict is not None:
                return verdict
        return False


def _is_understood(line: str) -> bool:
    try:
        GitIgnoreSpecPattern(line)
    except ValueError:  # git ignores such lines too
        return False
    return True

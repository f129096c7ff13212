"""The text files below a folder, read so that no link can lead out of it."""

import os
import stat
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

__all__ = ["MAX_FILE_BYTES", "FileFilter", "TextFile", "read_text", "walk"]

MAX_FILE_BYTES = 1 << 20

_MAX_DEPTH = 64
_MAX_RULES = 2_000
_MAX_STARS = 4
_SKIPPED_TEXT = """
    .git .hg .svn .venv .tox .mypy_cache .pytest_cache .ruff_cache __pycache__ node_modules target venv
"""
_SKIPPED_FOLDERS = frozenset(_SKIPPED_TEXT.split())
_SECRETS = """
    .env .env.* !.env.example !.env.sample *.pem *.key *.p12 *.pfx *.jks *.keystore *.kdbx id_rsa id_dsa id_ecdsa
    id_ed25519 .netrc .pgpass .npmrc .pypirc .htpasswd .ssh/ .gnupg/ .aws/
"""
"""Text found here goes to the model without a question, so files that usually hold secrets are left out."""

_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a pipe must not make us wait


@frozen
class TextFile:
    """A file: its path relative to the root with "/" as separator, and its text."""

    path: str
    text: str


class FileFilter:
    """Which files are searched.

    Args:
        include: Patterns as in .gitignore; empty means all.
        exclude: Patterns as in .gitignore; they win, and secrets are always among them.
    """

    def __init__(self, include: Sequence[str] = (), exclude: Sequence[str] = ()):
        from pathspec import GitIgnoreSpec

        self._include = GitIgnoreSpec.from_lines(include) if include else None
        self._exclude = GitIgnoreSpec.from_lines((*_SECRETS.split(), *exclude))

    def takes_file(self, path: str) -> bool:
        """Whether the file at *path* may be read."""
        return not self._exclude.match_file(path) and (self._include is None or self._include.match_file(path))

    def enters(self, path: str) -> bool:
        """Whether the folder at *path* may hold files to read."""
        return not self._exclude.match_file(f"{path}/")


def walk(root: Path, chosen: FileFilter, *, is_over: Callable[[], bool]) -> Generator[TextFile, None, None]:
    """The text files below *root* in alphabetical order.

    Args:
        root: The folder.
        chosen: Which files are wanted, besides what .gitignore files say.
        is_over: Asked before each entry; the walk ends when it says so.
    """
    with suppress(OSError):
        fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield from _Walk(chosen, is_over).folder(fd, "", ())
        finally:
            os.close(fd)


def read_text(root: Path, path: str) -> str | None:
    """The text of the file that `walk` found at *path*; None when it is no text file any more."""
    *folders, name = path.split("/")
    fd = None
    try:
        fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        for folder in folders:
            outer, fd = fd, os.open(folder, _FOLDER_FLAGS, dir_fd=fd)
            os.close(outer)
        return _read(fd, name)
    except OSError:
        return None
    finally:
        if fd is not None:
            os.close(fd)


_Rules = tuple[tuple[int, "GitIgnoreSpec"], ...]
"""The .gitignore files on the way, each with the length of the path of its folder."""


class _Walk:
    def __init__(self, chosen: FileFilter, is_over: Callable[[], bool]):
        self._chosen = chosen
        self._is_over = is_over

    def folder(self, fd: int, prefix: str, rules: _Rules) -> Iterator[TextFile]:
        with os.scandir(fd) as entries:
            found = sorted((entry for entry in entries if _is_text(entry.name)), key=lambda entry: entry.name)
        if any(entry.name == ".gitignore" for entry in found):
            rules = (*rules, *_gitignore(fd, prefix))
        for entry in found:
            if self._is_over():
                return
            path = prefix + entry.name
            with suppress(OSError):
                if entry.is_dir(follow_symlinks=False):
                    if self._enters(entry.name, path, rules):
                        yield from self._inner(fd, entry.name, path, rules)
                elif entry.is_file(follow_symlinks=False) and self._takes(path, rules):
                    text = _read(fd, entry.name)
                    if text is not None:
                        yield TextFile(path, text)

    def _enters(self, name: str, path: str, rules: _Rules) -> bool:
        if name in _SKIPPED_FOLDERS or path.count("/") >= _MAX_DEPTH:
            return False
        return self._chosen.enters(path) and not _ignored(f"{path}/", rules)

    def _takes(self, path: str, rules: _Rules) -> bool:
        return self._chosen.takes_file(path) and not _ignored(path, rules)

    def _inner(self, fd: int, name: str, path: str, rules: _Rules) -> Iterator[TextFile]:
        inner = os.open(name, _FOLDER_FLAGS, dir_fd=fd)
        try:
            yield from self.folder(inner, f"{path}/", rules)
        finally:
            os.close(inner)


def _gitignore(fd: int, prefix: str) -> _Rules:
    from pathspec import GitIgnoreSpec

    try:
        lines = (_read(fd, ".gitignore") or "").splitlines()[:_MAX_RULES]
        # each star multiplies the time of a match, and the file may come from a stranger
        cheap = [line for line in lines if line.replace("**", "*").count("*") <= _MAX_STARS]
        return ((len(prefix), GitIgnoreSpec.from_lines(cheap)),)
    except (OSError, ValueError):  # an unreadable or nonsensical .gitignore ignores nothing
        return ()


def _is_text(name: str) -> bool:
    """Whether a file's name can be shown: names that are no UTF-8 arrive as lone surrogates."""
    return name.isascii() or not any("\ud800" <= character <= "\udfff" for character in name)


def _ignored(path: str, rules: _Rules) -> bool:
    for length, spec in reversed(rules):  # the nearest .gitignore decides
        verdict = spec.check_file(path[length:]).include
        if verdict is not None:
            return verdict
    return False


def _read(folder_fd: int, name: str) -> str | None:
    """The text of a regular file of at most `MAX_FILE_BYTES`; None when it is none, or binary."""
    fd = os.open(name, _FILE_FLAGS, dir_fd=folder_fd)
    with os.fdopen(fd, "rb") as file:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_FILE_BYTES:
            return None
        content = file.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES or b"\0" in content:
        return None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None

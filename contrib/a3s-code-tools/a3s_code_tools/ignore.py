"""The rules of .gitignore files, from the workspace's root downwards.

Format: https://git-scm.com/docs/gitignore. A rule is asked about one file or folder at a time, on the way down, because
what is in an ignored folder is never met; a rule for a folder therefore says nothing about what is in it.
Rules and names are compared byte by byte, as git and ripgrep do it ("?" is one byte): each byte is one character here.
"""

import codecs
import fnmatch
import os
import re
from collections.abc import Iterator

from attrs import frozen

from a3s_code_tools.folder import open_regular, opened
from a3s_code_tools.wildcard import Segments, matches_segments

__all__ = ["Rules", "rules_above"]

_MAX_IGNORE_BYTES = 1_000_000
_ANY = re.compile("")
_PIECE = re.compile(r"\\(?P<plain>.)|\[(?P<set>[!^]?\]?[^]]*)\]|(?P<bad>[\\[])|(?P<other>.)", re.DOTALL)


@frozen
class _Rule:
    """One line.

    Args:
        names: What stands between the slashes, below the folder of the file.
        segments: The same as expressions; None stands for "**".
        includes: Whether it begins with "!".
        only_folders: Whether it ends with "/".
    """

    names: tuple[str, ...]
    segments: Segments
    includes: bool
    only_folders: bool

    def matches(self, parts: tuple[str, ...], *, is_folder: bool) -> bool:
        if self.only_folders and not is_folder:
            return False
        if len(self.segments) == 2 and self.segments[0] is None and self.segments[1] is not None:
            return self.segments[1].match(parts[-1]) is not None  # by far the most frequent kind
        return matches_segments(self.segments, parts)

    def below(self, down: tuple[str, ...]) -> Iterator[str]:
        """The rule as lines for the folder that *down* leads to: a path loses the parts that lead there."""
        states = {self.names}
        for part in down:
            states = {rest for state in states for rest in _steps(state, part)}
        sign, end = "!" * self.includes, "/" * self.only_folders
        yield from (f"{sign}/{'/'.join(rest)}{end}" for rest in sorted(states) if rest)


class Rules:
    """The .gitignore files met so far; the deepest that speaks of a path decides."""

    def __init__(self) -> None:
        self._files: dict[tuple[str, ...], list[_Rule]] = {}

    def add(self, parts: tuple[str, ...], folder: int) -> None:
        """Takes in the .gitignore of an opened folder, if it has one.

        Args:
            parts: The folder's path below the root.
            folder: Its descriptor.
        """
        descriptor = open_regular(".gitignore", folder)
        if descriptor is None:
            return
        with os.fdopen(descriptor, "rb") as file:
            text = file.read(_MAX_IGNORE_BYTES).removeprefix(codecs.BOM_UTF8).decode("latin-1")
        rules = [rule for line in text.split("\n") if (rule := _rule(line))]
        self._files[parts] = rules[::-1]  # the last line that speaks of a path decides

    def ignored(self, parts: tuple[str, ...], *, is_folder: bool = False) -> bool:
        """Whether the path below the root is left out, its folder being not."""
        bytewise = _bytewise(parts)
        for depth in range(len(parts) - 1, -1, -1):
            for rule in self._files.get(parts[:depth], ()):
                if rule.matches(bytewise[depth:], is_folder=is_folder):
                    return not rule.includes
        return False

    def lines_below(self, start: tuple[str, ...]) -> list[str]:
        """All rules as lines of one .gitignore file that would stand in the folder *start*, each byte a character."""
        down = _bytewise(start)
        files = sorted(self._files.items(), key=lambda each: len(each[0]))
        return [line for parts, rules in files for rule in rules[::-1] for line in rule.below(down[len(parts) :])]


def rules_above(root: str, start: tuple[str, ...]) -> Rules:
    """The rules of the folders above *start* that count in it; none when it is ignored itself, being named is enough.

    Raises:
        OSError: A folder on the way does not exist, or became a link.
    """
    rules = Rules()
    for length in range(len(start)):
        with opened(root, start[:length]) as folder:
            rules.add(start[:length], folder)
    if any(rules.ignored(start[:length], is_folder=True) for length in range(1, len(start) + 1)):
        return Rules()
    return rules


def _bytewise(parts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(part if part.isascii() else os.fsencode(part).decode("latin-1") for part in parts)


def _rule(line: str) -> _Rule | None:
    """The rule of a line; None when there is none, or one that cannot be understood, as git has it."""
    text = line.removesuffix("\r")
    text = text if text.endswith("\\ ") else text.rstrip(" \t\r\f\v")
    if text.startswith("#"):
        return None
    includes = text.startswith("!")
    text = text.removeprefix("!")
    only_folders = text.endswith("/")
    path = text.removesuffix("/")
    if not path.strip("/"):
        return None
    names = tuple(name for name in path.split("/") if name)
    if "/" not in path:
        names = ("**", *("*" if name == "**" else name for name in names))
    if names[-1] == "**":  # all that is in it, not the folder itself
        names = (*names, "*")
    try:
        return _Rule(names, tuple(_segment(name) for name in names), includes, only_folders)
    except ValueError:
        return None


def _segment(name: str) -> re.Pattern[str] | None:
    if name == "**":
        return None
    return _ANY if name == "*" else re.compile(fnmatch.translate("".join(_pieces(name))))


def _pieces(name: str) -> Iterator[str]:
    """The name in the syntax of fnmatch, which knows no backslash.

    Raises:
        ValueError: A bracket or a backslash stands alone.
    """
    for piece in _PIECE.finditer(name):
        if piece["bad"]:
            raise ValueError(name)
        if piece["plain"]:
            yield f"[{piece['plain']}]" if piece["plain"] in "*?[" else piece["plain"]
        elif piece["set"] is not None:
            yield f"[{'!' + piece['set'][1:] if piece['set'].startswith('^') else piece['set']}]"
        else:
            yield piece["other"]


def _steps(names: tuple[str, ...], part: str) -> Iterator[tuple[str, ...]]:
    """What is left of a rule's names after going down into *part*."""
    if not names:
        return
    segment = _segment(names[0])
    if segment is None:
        yield names
        yield from _steps(names[1:], part)
    elif segment.match(part):
        yield names[1:]

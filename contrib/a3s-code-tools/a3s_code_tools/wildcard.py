"""Glob patterns: "*" within a name, "**" over folders, "{a,b}" alternatives."""

import fnmatch
import os
import re
from typing import TypeAlias

__all__ = ["Segments", "Wildcard", "leaves_folder", "matches_segments"]

MAX_ALTERNATIVES = 256
Segments: TypeAlias = tuple[re.Pattern[str] | None, ...]
"""Expressions for the parts of a path; None stands for "**"."""

_BRACES = re.compile(r"\{([^{}]*)\}")


class Wildcard:
    """A compiled pattern; its time is proportional to pattern times path.

    Args:
        pattern: With "/" as separator; at its end, all below that folder. "!" first: all but what the rest matches.

    Attributes:
        texts: The parts of each alternative.
        negated: Whether it begins with "!".

    Raises:
        ValueError: It has too many alternatives, or names nothing.
    """

    def __init__(self, pattern: str):
        self.negated = pattern.startswith("!")
        self.texts = tuple(parts for each in _alternatives(pattern.removeprefix("!")) if (parts := _segments(each)))
        if not self.texts:
            raise ValueError(f'the pattern "{pattern}" names no file; "**" is all of them')
        self._alternatives = [_compiled(each) for each in self.texts]

    @property
    def depth(self) -> int | None:
        """Most parts of a path that can match; None when any number can."""
        if self.negated or any(None in segments for segments in self._alternatives):
            return None
        return max(len(segments) for segments in self._alternatives)

    def matches(self, parts: tuple[str, ...]) -> bool:
        """Whether a path with these parts matches as a whole."""
        return self.negated != any(matches_segments(segments, parts) for segments in self._alternatives)

    def matches_bytes(self, path: bytes) -> bool:
        """The same for a path as the system writes it."""
        return self.matches(tuple(os.fsdecode(path).split("/")))


def leaves_folder(pattern: str) -> bool:
    """Whether a pattern is absolute or has ".." in any of its alternatives."""
    return any(
        each.startswith(("/", "\\", "~/")) or ".." in re.split(r"[/\\]", each) or re.match(r"[A-Za-z]:[/\\]", each)
        for each in _alternatives(pattern)
    )


def _alternatives(pattern: str) -> list[str]:
    done: list[str] = []
    todo = [pattern]
    while todo:
        if len(todo) + len(done) > MAX_ALTERNATIVES:
            raise ValueError(f"the pattern has more than {MAX_ALTERNATIVES} alternatives")
        each = todo.pop()
        braces = _BRACES.search(each)
        if braces is None:
            done.append(each)
        else:
            todo += [each[: braces.start()] + choice + each[braces.end() :] for choice in braces[1].split(",")]
    return done


def _segments(pattern: str) -> tuple[str, ...]:
    parts = tuple(part for part in pattern.split("/") if part not in ("", "."))
    return (*parts, "**") if parts and pattern.endswith("/") else parts


def _compiled(segments: tuple[str, ...]) -> Segments:
    """One expression for each part; None stands for "**"."""
    return tuple(None if part == "**" else re.compile(fnmatch.translate(part)) for part in segments)


def matches_segments(segments: Segments, parts: tuple[str, ...]) -> bool:
    """Whether the parts of a path match one expression each, "**" (None) any number; in linear time."""
    states = _with_empty(segments, {0})
    for part in parts:
        following: set[int] = set()
        for state in states:
            if state == len(segments):
                continue
            segment = segments[state]
            if segment is None:
                following.add(state)
            elif segment.match(part):
                following.add(state + 1)
        states = _with_empty(segments, following)
    return len(segments) in states


def _with_empty(segments: Segments, states: set[int]) -> set[int]:
    """The states and those reached from them by letting "**" stand for nothing."""
    reached = set(states)
    for state in states:
        while state < len(segments) and segments[state] is None:
            state += 1
            reached.add(state)
    return reached

"""The program that searches: it runs as a child, so that no expression and no tree can hang the host.

It reads one JSON object from standard input and writes one to standard output.
"""

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from a3s_code_tools.output import MAX_FILE_BYTES, MAX_OUTPUT_BYTES, shown
from a3s_code_tools.tree import Found, files, open_regular
from a3s_code_tools.wildcard import Wildcard

__all__ = ["grep", "main", "names"]

MAX_LINE_CHARS = 2000
_BINARY_PROBE = 8192


def main() -> None:
    """Answers the request on standard input: {"names": ...} or {"grep": ...}; errors as {"error": text}."""
    request = json.load(sys.stdin)
    try:
        answer = grep(request) if request["kind"] == "grep" else names(request)
    except (re.error, OverflowError) as error:
        answer = {"error": f"invalid regular expression: {error}"}
    except (OSError, ValueError, RecursionError) as error:
        answer = {"error": str(error)}
    json.dump(answer, sys.stdout)


def names(request: Mapping[str, Any]) -> dict[str, object]:  # Any: it comes from JSON
    """Files whose path below *start* matches *pattern*, the newest first, as many as fit.

    Args:
        request: "root", "start" (list of parts), "pattern".
    """
    wildcard = Wildcard(request["pattern"])
    start = tuple(request["start"])
    found = [
        (-file.modified_ns, file.parts)
        for file in files(request["root"], start, depth=wildcard.depth)
        if wildcard.matches(file.parts[len(start) :])
    ]
    out = _Lines()
    for _, parts in sorted(found):
        out.add(shown("/".join(parts)))
    return {"lines": out.lines, "total": len(found)}


def grep(request: Mapping[str, Any]) -> dict[str, object]:  # Any: it comes from JSON
    """Lines that match, as "path:line:text", and totals that count what did not fit too.

    Args:
        request: "root", "start" (list of parts), "file" (a name in start, or null), "pattern", "glob" or null,
            "ignore_case", "context" (lines before and after).
    """
    pattern = re.compile(request["pattern"], re.IGNORECASE if request["ignore_case"] else 0)
    start = tuple(request["start"])
    out = _Lines()
    matches = matched_files = skipped = 0
    for file in _searched(request["root"], start, request["file"], request["glob"]):
        if file.size > MAX_FILE_BYTES:
            skipped += 1
            continue
        lines = _text_lines(file)
        hits = [number for number, line in enumerate(lines) if pattern.search(line)]
        if hits:
            matches += len(hits)
            matched_files += 1
            _show(shown("/".join(file.parts)), lines, hits, request["context"], out)
    return {"lines": out.lines, "cut": out.full, "matches": matches, "files": matched_files, "skipped": skipped}


def _searched(root: str, start: tuple[str, ...], name: str | None, glob: str | None) -> Iterator[Found]:
    wildcard = None
    if glob:
        wildcard = Wildcard(glob if "/" in glob else f"**/{glob}")
    for file in files(root, start, only=name):
        if wildcard is None or wildcard.matches(file.parts[len(start) :]):
            yield file


def _text_lines(file: Found) -> list[str]:
    """The lines, none when the file is binary or cannot be read."""
    descriptor = open_regular(file.parts[-1], file.folder)
    if descriptor is None:
        return []
    with os.fdopen(descriptor, "rb") as opened:
        content = opened.read(MAX_FILE_BYTES)
    if b"\0" in content[:_BINARY_PROBE]:
        return []
    lines = content.decode("utf-8-sig", "replace").split("\n")
    if lines[-1] == "":
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def _show(path: str, lines: list[str], hits: list[int], context: int, out: "_Lines") -> None:
    wanted = set(hits)
    last = None
    for hit in hits:
        for number in range(max(hit - context, 0), min(hit + context + 1, len(lines))):
            if out.full:
                return
            if last is not None and number <= last:
                continue
            if context and out.lines and (last is None or number > last + 1):
                out.add("--")
            mark = ":" if number in wanted else "-"
            out.add(f"{path}{mark}{number + 1}{mark}{_cut(lines[number])}")
            last = number


def _cut(line: str) -> str:
    more = len(line) - MAX_LINE_CHARS
    return line if more <= 0 else f"{line[:MAX_LINE_CHARS]}… [{more} more characters]"


class _Lines:
    """Lines up to the common limit of output."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.full = False
        self._left = MAX_OUTPUT_BYTES

    def add(self, line: str) -> None:
        self._left -= len(line.encode("utf-8", "replace")) + 1
        self.full = self.full or self._left < 0
        if not self.full:
            self.lines.append(line)

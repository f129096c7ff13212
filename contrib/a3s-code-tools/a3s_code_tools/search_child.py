"""The program that searches where there is no ripgrep, and what ripgrep cannot: it writes what ripgrep would write.

It runs as a child, so that no expression and no tree can hang the host, reads a query as JSON from standard input and
ends with 2 and a message when the query is wrong.
"""

import json
import os
import re
import sys
from collections import deque
from collections.abc import Callable, Iterator
from typing import BinaryIO

from a3s_code_tools.expression import portable
from a3s_code_tools.folder import open_regular
from a3s_code_tools.search_query import MAX_LINE_BYTES, Query
from a3s_code_tools.search_records import BINARY
from a3s_code_tools.tree import Found, files
from a3s_code_tools.wildcard import Wildcard

__all__ = ["main", "search"]

_BLOCK = 65_536
_UTF16 = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
_UTF8_MARK = b"\xef\xbb\xbf"


def main() -> None:
    """Answers the query on standard input."""
    request = json.load(sys.stdin)
    try:
        search(Query(**{**request, "start": tuple(request["start"])}), sys.stdout.buffer)
        sys.stdout.buffer.flush()
    except (re.error, OverflowError) as error:
        sys.exit(_wrong(f'invalid regular expression: {error}; the syntax is Python\'s, "\\" makes a sign plain text'))
    except (ValueError, RecursionError) as error:
        sys.exit(_wrong(str(error)))
    except OSError as error:
        sys.exit(error.strerror)


def _wrong(message: str) -> int:
    sys.stderr.write(message)
    return 2


def search(query: Query, out: BinaryIO) -> None:
    """Writes what is found, each path with "./" before it and a zero byte behind it.

    Raises:
        re.error: The expression is wrong.
        ValueError: The wildcard is.
        OSError: The folder cannot be read.
    """
    wildcard = Wildcard(query.wildcard) if query.wildcard else None
    lines = None if query.kind == "names" else _LineSearch(query, out)
    for file in files(query.root, query.start, depth=wildcard.depth if wildcard else None, only=query.only):
        if wildcard and not wildcard.matches(file.parts):
            continue
        path = b"./" + os.fsencode("/".join(file.parts)) + b"\0"
        if lines is None:
            out.write(path)
        else:
            lines.search(file, path)


class _LineSearch:
    """Searches one file after the other."""

    def __init__(self, query: Query, out: BinaryIO):
        self._kind = query.kind
        self._context = query.context
        self._columns = query.columns
        self._out = out
        self._may_match, self._matches = _compiled(query)

    def search(self, file: Found, path: bytes) -> None:
        descriptor = open_regular(file.parts[-1], file.folder)
        if descriptor is None:
            return
        with os.fdopen(descriptor, "rb", buffering=0) as opened:
            blocks = _Blocks(opened)
            if self._kind == "content":
                self._show(blocks, path)
            elif (count := self._count(blocks)) and not blocks.is_binary:
                self._out.write(b"%s%d\n" % (path, count))

    def _count(self, blocks: "_Blocks") -> int:
        found = (text for text in blocks if self._may_match(text))
        return sum(1 for text in found for line in _lines(text) if self._matches(line))

    def _show(self, blocks: "_Blocks", path: bytes) -> None:
        number = 0
        for number, match, line in self._shown(blocks):
            mark = b":" if match else b"-"
            if match and self._columns:
                mark = b":%d:" % (len(_encoded(line[: match.start()])) + 1)
            self._out.write(b"%s%d%s%s\n" % (path, number, mark, _encoded(line)[: MAX_LINE_BYTES + 1]))
        if number and blocks.is_binary:
            self._out.write(path[:-1] + BINARY)

    def _shown(self, blocks: "_Blocks") -> Iterator[tuple[int, re.Match[str] | None, str]]:
        """Number, first match (None for context) and text of the lines to show."""
        number = after = 0
        before: deque[tuple[int, str]] = deque(maxlen=self._context)
        for text in blocks:
            if not after and not self._may_match(text):
                if self._context:
                    before.extend(enumerate(_lines(text), number + 1))
                number += text.count("\n")
                continue
            for line in _lines(text):
                number += 1
                if match := self._matches(line):
                    yield from ((each, None, earlier) for each, earlier in before)
                    before.clear()
                    yield number, match, line
                    after = self._context
                elif after:
                    yield number, None, line
                    after -= 1
                else:
                    before.append((number, line))


class _Blocks:
    """The text of a file in pieces of whole lines; ends before the piece in which a zero byte is met, as ripgrep does.

    Bytes that are no UTF-8 come as surrogates.
    """

    def __init__(self, file: BinaryIO):
        self._file = file
        self.is_binary = False

    def __iter__(self) -> Iterator[str]:
        rest = self._file.read(_BLOCK)
        if encoding := _UTF16.get(rest[:2]):
            content = (rest[2:] + self._file.read()).decode(encoding, "replace")
            self.is_binary = "\0" in content
            if content and not self.is_binary:
                yield content
            return
        rest = rest.removeprefix(_UTF8_MARK)
        chunk = rest
        capacity = _BLOCK
        while chunk:
            if b"\0" in chunk:
                self.is_binary = True
                return
            end = rest.rfind(b"\n") + 1
            if end:
                yield rest[:end].decode("utf-8", "surrogateescape")
                rest = rest[end:]
            if len(rest) >= capacity:
                capacity *= 2
            chunk = self._file.read(capacity - len(rest))
            rest += chunk
        if rest:
            yield rest.decode("utf-8", "surrogateescape")


def _compiled(query: Query) -> tuple[Callable[[str], object], Callable[[str], re.Match[str] | None]]:
    """Whether a text may have a line that matches, and the first match of a line (without its line feed)."""
    common = portable(query.pattern)
    flags = re.IGNORECASE if query.ignores_case or (common and common.ignores_case) else re.NOFLAG
    if common is not None:
        search = re.compile(common.python, flags | re.MULTILINE).search
        return search, search
    only_python = re.compile(query.pattern, flags).search
    return lambda text: True, lambda line: only_python(line.removesuffix("\r"))


def _lines(text: str) -> list[str]:
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    return lines


def _encoded(line: str) -> bytes:
    return line.encode("utf-8", "surrogateescape")

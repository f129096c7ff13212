"""What the edit engine makes of 14 files and searches that are known to break editors.

Usage: python bench/edits.py

Each row replaces one text and compares every byte of the result with the wanted one. The table is part of
docs/explanation/edit-engine.md.
"""

import codecs
from typing import NamedTuple

from a3s_code_tools.edits import EditError, TextFile, replace


class Case(NamedTuple):
    """A file, what is to be replaced in it, and what must come of it: the bytes, or part of the refusal."""

    name: str
    before: bytes
    old: str
    new: str
    wanted: bytes | str


CASES = (
    Case("exact", b"a = 1\nb = 2\n", "b = 2", "b = 3", b"a = 1\nb = 3\n"),
    Case(
        "tabs in the file, spaces in the search",
        b"def f():\n\tif x:\n\t\treturn 1\n",
        "    if x:\n        return 1\n",
        "    if x:\n        y()\n        return 2\n",
        b"def f():\n\tif x:\n\t\ty()\n\t\treturn 2\n",
    ),
    Case(
        "uniform shift of the indentation",
        b"class A:\n    def f(self):\n        return 1\n",
        "def f(self):\n    return 1\n",
        "def f(self):\n    y = 2\n    return y\n",
        b"class A:\n    def f(self):\n        y = 2\n        return y\n",
    ),
    Case(
        "blanks at line ends", b"a = 1   \nb = 2\t\nc\n", "a = 1\nb = 2\nc", "a = 1\nb = 3\nc", b"a = 1   \nb = 3\nc\n"
    ),
    Case("CRLF file, LF search", b"a\r\nb\r\nc\r\n", "a\nb\n", "a\nx\nb\n", b"a\r\nx\r\nb\r\nc\r\n"),
    Case("mixed line ends", b"a\r\nb\nc\rd\r\n", "b\nc", "b\nC", b"a\r\nb\nC\rd\r\n"),
    Case("the line stands twice", b"x = 1\ny = 2\nx = 1\n", "x = 1", "x = 3", "lines 1, 3"),
    Case(
        "the block stands twice",
        b"if a:\n    go()\n    end()\nif b:\n    go()\n    end()\n",
        "    go()\n    end()\n",
        "    stop()\n",
        "lines 2, 5",
    ),
    Case(
        "Latin-1",
        "größe = 1 # é\nb\n".encode("latin-1"),
        "größe = 1",
        "größe = 2",
        "größe = 2 # é\nb\n".encode("latin-1"),
    ),
    Case(
        "UTF-8 with byte order mark", codecs.BOM_UTF8 + b"a\r\nb\r\n", "a", "é", codecs.BOM_UTF8 + "é\r\nb\r\n".encode()
    ),
    Case(
        "UTF-16",
        codecs.BOM_UTF16_LE + "a → b\r\nc\r\n".encode("utf-16-le"),
        "a → b\nc",
        "a → d\nc",
        codecs.BOM_UTF16_LE + "a → d\r\nc\r\n".encode("utf-16-le"),
    ),
    Case(
        "typographic quotes",
        "say(“it’s 1”) – ok\n".encode(),
        """say("it's 1")""",
        """say("it's 2")""",
        "say(“it’s 2”) – ok\n".encode(),
    ),
    Case("the search ends with a newline, the file does not", b"a\nb", "b\n", "c\n", b"a\nc"),
    Case(
        "non-breaking space", "a\u00a0= 1 # 5\u00a0km\n".encode(), "a = 1", "a = 2", "a\u00a0= 2 # 5\u00a0km\n".encode()
    ),
)


def result(case: Case) -> str:
    """What came of the case, in words; "CORRUPTED" when a byte differs from the wanted ones."""
    try:
        edit = replace(TextFile.decode(case.before), case.old, case.new)
    except EditError as error:
        is_wanted = isinstance(case.wanted, str) and case.wanted in str(error)
        return f"refused, names {case.wanted}" if is_wanted else f"REFUSED: {error.kind}"
    return f"done ({edit.tier})" if edit.after == case.wanted else "CORRUPTED"


def table() -> str:
    """The table as Markdown."""
    rows = [f"| {number} | {case.name} | {result(case)} |" for number, case in enumerate(CASES, start=1)]
    return "\n".join(["| | case | result |", "|---|---|---|", *rows])


if __name__ == "__main__":
    print(table())

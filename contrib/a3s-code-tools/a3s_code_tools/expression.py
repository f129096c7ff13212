"""Regular expressions that mean the same to ripgrep and to Python, so that either may search.

Python's syntax is what the model writes. The part of it that both engines know is written anew for each, with the
differences taken out: both take a line end with a carriage return as a line end, and bytes that are no UTF-8 match
nothing but themselves. An expression with more in it (look-around, references, ...) is for Python alone.

Two differences are left: near combining marks and superscript digits "\\b" follows each engine's own idea of a word,
and where case is ignored Python takes the Turkish dotted and dotless i for an "i".
"""

import re
from typing import NoReturn

from attrs import frozen

__all__ = ["Portable", "portable"]

MAX_PATTERN_CHARS = 4096
MAX_REPEAT = 1000
MAX_NESTING = 50

# str.isspace without the carriage return and the line feed
_SPACE = r"\t\x0b\x0c\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_SPACE_RUST = re.sub(r"\\u([0-9a-f]{4})", r"\\x{\1}", _SPACE).replace(r"\x85", r"\x{85}").replace(r"\xa0", r"\x{a0}")
_FOREIGN = r"\udc80-\udcff"
"""How Python shows bytes that are no UTF-8."""

_SETS = {"d": (r"\d", r"\d"), "w": (r"\p{L}\p{N}_", r"\w"), "s": (_SPACE_RUST, _SPACE)}
"""Members of a character class: for ripgrep, for Python."""

_CONTROL = {"a": "\a", "f": "\f", "r": "\r", "t": "\t", "v": "\v"}
_HEX = {"x": 2, "u": 4, "U": 8}
_REPEAT = re.compile(r"\{(\d*)(,?)(\d*)\}")
_NAME = re.compile(r"P<([A-Za-z_][A-Za-z_0-9]*)>")
_FLAGS = re.compile(r"\(\?([ims]+)\)")


@frozen(kw_only=True)
class Portable:
    """An expression for lines, written for both engines.

    Args:
        ripgrep: In the syntax of ripgrep.
        python: In the syntax of Python's re, to be compiled with MULTILINE; matches no line feed.
        ignores_case: The expression itself says so.
        can_be_empty: It may match a place between two characters; what it matches is at least one otherwise.
    """

    ripgrep: str
    python: str
    ignores_case: bool
    can_be_empty: bool


def portable(pattern: str) -> Portable | None:
    """The expression for both engines; None when only Python can tell what it means, or that it is wrong."""
    if len(pattern) > MAX_PATTERN_CHARS:
        return None
    flags = _FLAGS.match(pattern)
    try:
        parser = _Parser(pattern[flags.end() :] if flags else pattern)
        ripgrep, python = parser.whole()
    except _PythonOnlyError:
        return None
    return Portable(
        ripgrep=ripgrep,
        python=python,
        ignores_case=flags is not None and "i" in flags[1],
        can_be_empty=parser.width == 0,
    )


class _PythonOnlyError(Exception):
    """The expression has something that the engines see differently."""


_Both = tuple[str, str]
_WORD_END: _Both = (r"\b", r"\b")


class _Parser:
    """Reads an expression from left to right and writes it for both engines.

    Attributes:
        width: Fewest characters that what was read last matches.
    """

    def __init__(self, text: str):
        self.width = 0
        self._text = text
        self._at = 0
        self._names: set[str] = set()
        self._begins = self._ends = 0  # anchors met

    def whole(self) -> _Both:
        both = self._alternatives(0)
        if self._at < len(self._text):  # a ")" too many
            _give_up()
        return both

    def _alternatives(self, nesting: int) -> _Both:
        if nesting > MAX_NESTING:
            _give_up()
        parts = [self._sequence(nesting)]
        width = self.width
        while self._take("|"):
            parts.append(self._sequence(nesting))
            width = min(width, self.width)
        self.width = width
        return "|".join(part[0] for part in parts), "|".join(part[1] for part in parts)

    def _sequence(self, nesting: int) -> _Both:
        ripgrep, python = "", ""
        is_ended = False
        width = 0
        while self._at < len(self._text) and self._text[self._at] not in "|)":
            begins, ends = self._begins, self._ends
            self.width = 0
            both = self._anchor() or self._atom(nesting)
            is_anchored = (begins, ends) != (self._begins, self._ends)
            times = self._repeat()
            # "a^", "$a" and "(^a)*" hardly ever match, and ripgrep has its own view of when
            if is_ended or (ripgrep and begins != self._begins) or (times and (is_anchored or both == _WORD_END)):
                _give_up()
            is_ended = ends != self._ends
            ripgrep += both[0] + times
            python += both[1] + times
            width += 0 if times.startswith(("*", "?", "{0")) else self.width
        self.width = width
        return ripgrep, python

    def _anchor(self) -> _Both | None:
        if self._take("^") or self._take(r"\A"):
            self._begins += 1
            return "^", "^"
        if self._take("$") or self._take(r"\Z"):
            self._ends += 1
            return r"\r?$", r"\r?$"
        return _WORD_END if self._take(r"\b") else None

    def _atom(self, nesting: int) -> _Both:
        letter = self._next()
        if letter == "(":
            return self._group(nesting)
        self.width = 1
        if letter == "[":
            return self._class()
        if letter == ".":
            return r"[^\r\n]", rf"[^\r\n{_FOREIGN}]"
        if letter == "\\":
            return self._escaped()
        if letter in "*+?" or (letter == "{" and _REPEAT.match(self._text, self._at - 1)):  # nothing to repeat
            _give_up()
        return _literal(letter)

    def _group(self, nesting: int) -> _Both:
        if self._take("?") and not self._take(":"):
            name = _NAME.match(self._text, self._at)
            if name is None or name[1] in self._names:
                _give_up()
            self._names.add(name[1])
            self._at = name.end()
        inner = self._alternatives(nesting + 1)
        if not self._take(")"):
            _give_up()
        return f"(?:{inner[0]})", f"(?:{inner[1]})"

    def _escaped(self) -> _Both:
        letter = self._next()
        if letter.lower() in _SETS:
            ripgrep, python = _SETS[letter.lower()]
            return _class_of([(ripgrep, python)], [], negated=letter.isupper())
        return _literal(self._character(letter))

    def _class(self) -> _Both:
        negated = self._take("^")
        members: list[_Both] = []
        complements: list[_Both] = []
        first = True
        while first or not self._take("]"):
            first = False
            self._member(members, complements)
        return _class_of(members, complements, negated=negated)

    def _member(self, members: list[_Both], complements: list[_Both]) -> None:
        low = self._next()
        if low == "\\":
            letter = self._next()
            if letter.lower() in _SETS:
                (members if letter.islower() else complements).append(_SETS[letter.lower()])
                if self._text.startswith("-", self._at) and not self._text.startswith("-]", self._at):
                    _give_up()
                return
            low = "\b" if letter == "b" else self._character(letter)
        high = low
        if self._text.startswith("-", self._at) and not self._text.startswith("-]", self._at):
            self._at += 1
            high = self._next()
            if high == "\\":
                high = self._character(self._next())
        members.append(_range(low, high))

    def _character(self, letter: str) -> str:
        """What a backslash and *letter* (and what follows) stand for."""
        if letter in _CONTROL:
            return _CONTROL[letter]
        if digits := _HEX.get(letter):
            number = self._text[self._at : self._at + digits]
            if len(number) != digits or not re.fullmatch("[0-9a-fA-F]+", number) or int(number, 16) > 0x10FFFF:
                _give_up()
            self._at += digits
            return chr(int(number, 16))
        if letter.isascii() and letter.isalnum():
            _give_up()
        return letter

    def _repeat(self) -> str:
        times = self._times()
        if times and self._take("?"):
            times += "?"
        if times and self._times():  # possessive, or an error
            _give_up()
        return times

    def _times(self) -> str:
        for sign in "*+?":
            if self._take(sign):
                return sign
        found = _REPEAT.match(self._text, self._at)
        if found is None or found[0] == "{}":
            return ""
        low, comma, high = found.groups()
        if not (low or high) or max(int(low or 0), int(high or 0)) > MAX_REPEAT or (high and int(low or 0) > int(high)):
            _give_up()
        self._at = found.end()
        return f"{{{low or 0}{comma}{high}}}"

    def _take(self, text: str) -> bool:
        if not self._text.startswith(text, self._at):
            return False
        self._at += len(text)
        return True

    def _next(self) -> str:
        if self._at >= len(self._text):
            _give_up()
        self._at += 1
        return self._text[self._at - 1]


def _give_up() -> NoReturn:
    raise _PythonOnlyError


def _literal(letter: str) -> _Both:
    _require_plain(letter)
    return (letter if letter.isascii() and letter.isalnum() else _code(letter)), re.escape(letter)


def _range(low: str, high: str) -> _Both:
    _require_plain(low)
    _require_plain(high)
    if low > high:
        _give_up()
    if low < "\ud800" and high > "\udfff":  # between them Python has the foreign bytes
        python = rf"\U{ord(low):08x}-\ud7ff\ue000-\U{ord(high):08x}"
    else:
        python = rf"\U{ord(low):08x}-\U{ord(high):08x}"
    return f"{_code(low)}-{_code(high)}", python


def _require_plain(letter: str) -> None:
    """Gives up for what no line has and for halves of surrogate pairs."""
    if letter in "\n\0" or "\ud800" <= letter <= "\udfff":
        _give_up()


def _code(letter: str) -> str:
    return f"\\x{{{ord(letter):x}}}"


def _class_of(members: list[_Both], complements: list[_Both], *, negated: bool) -> _Both:
    """A character class; everything negated leaves out carriage returns, line feeds and foreign bytes."""
    ripgrep = "".join(member[0] for member in members)
    python = "".join(member[1] for member in members)
    ripgrep += "".join(rf"[^{each[0]}\r\n]" for each in complements)
    others = [rf"[^{each[1]}\r\n{_FOREIGN}]" for each in complements]
    if negated:
        ahead = f"(?!{'|'.join(others)})" if others else ""
        return rf"[^{ripgrep}\r\n]", rf"(?:{ahead}[^{python}\r\n{_FOREIGN}])"
    choices = [f"[{python}]"] if python else []
    return f"[{ripgrep}]", f"(?:{'|'.join([*choices, *others])})"

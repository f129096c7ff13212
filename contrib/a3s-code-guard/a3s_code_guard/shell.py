"""Reads shell commands, in two ways that differ on purpose.

`simple_words` understands only commands that surely do nothing but run one program with fixed words: for allow rules.
`commands` finds everything that might be run, however it is wrapped, and may find too much: for deny and ask rules.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from posixpath import basename

__all__ = ["LONGEST", "RUNNERS", "SHELLS", "commands", "joined", "redirections", "simple_words", "word_set"]


def word_set(text: str) -> frozenset[str]:
    return frozenset(text.split())


LONGEST = 16_384
"""Characters of a command that are read; a longer one counts as not understood."""

RUNNERS = word_set(
    "env sudo doas xargs time nice ionice timeout nohup stdbuf chroot flock setsid chrt taskset unshare nsenter watch "
    "command builtin exec coproc strace ltrace parallel busybox systemd-run caffeinate catchsegv numactl prlimit "
    "runuser su script ssh entr firejail proxychains"
)
"""Programs that run the program named by their arguments."""

SHELLS = word_set("sh bash zsh dash ksh ash fish rbash mksh")
_EVALUATORS = word_set("eval trap complete compgen alias su ssh watch parallel script bind")
_SUBSCRIPTS = word_set("test [ [[ printf read unset let declare typeset local export readonly mapfile wait")
_RESERVED = word_set("if then elif else while until do in ! { } time coproc esac fi done [[ ((")
_FIND_ACTIONS = ("-exec", "-execdir", "-ok", "-okdir")
_GIT_VALUES = ("-C", "-c", "--git-dir", "--work-tree", "--namespace", "--exec-path", "--config-env", "--super-prefix")
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\[[^\]]*\])?\+?=")
_FIXED = re.compile(
    r"(?P<blank>[ \t]+)|(?P<plain>(?:[A-Za-z0-9_./:=,@%+^-]|(?<=[A-Za-z0-9])~)+)|"
    r"'(?P<single>[^']*)'|\"(?P<double>[^\"$`\\]*)\""
)
_KEYWORDS = word_set("if then elif else fi for while until do done case esac function select time coproc in")
_DEEPEST = 12
_UNKNOWN = "\ufffc"  # stands for what only a running shell knows


def joined(words: Sequence[str]) -> str:
    """The words with single blanks between them; a blank inside a word is not one of them."""
    return " ".join(re.sub(r"\s", "\x1f", word) for word in words)


def simple_words(command: str) -> tuple[str, ...] | None:
    """The words of a command that only runs one program with fixed words; None when it may do more."""
    text = command.strip(" \t\n")
    if len(text) > LONGEST or not all(map(_is_text, text)):
        return None
    words: list[str] = [""]
    at = 0
    for match in _FIXED.finditer(text):
        if match.start() != at:
            return None
        at = match.end()
        if match.lastgroup == "blank":
            words.append("")
        elif match.lastgroup:
            words[-1] += match[match.lastgroup]
    if at != len(text) or not words[0] or words[0] in _KEYWORDS or "=" in words[0]:
        return None
    return tuple(words)


def _is_text(char: str) -> bool:
    return char in "\t\n" or unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def commands(command: str) -> list[tuple[str, ...]]:
    """The words of everything that *command* might run."""
    return list(dict.fromkeys(_found(command, 0)))


def redirections(command: str) -> list[str]:
    """The files that *command* might write by redirection."""
    reader = _Reader(command[:LONGEST])
    reader.read("")
    return reader.written


def _found(command: str, depth: int) -> Iterator[tuple[str, ...]]:
    if depth > _DEEPEST:
        return
    reader = _Reader(command[:LONGEST])
    reader.read("")
    for words in reader.parts:
        yield from _started_by(words, depth)
        if reader.is_broken or len(command) > LONGEST:
            yield from (tuple(words[at:]) for at in range(1, len(words)))
    for text in reader.inner:
        yield from _found(text, depth + 1)


def _started_by(words: Sequence[str], depth: int) -> Iterator[tuple[str, ...]]:
    """The command of one part, and the commands that it starts."""
    words = list(words)
    while words and (words[0] in _RESERVED or _ASSIGNMENT.match(words[0]) or words[0] == "function"):
        first = words.pop(0)
        if first == "function" and words:
            words.pop(0)
        if first == "time" and words and words[0] == "-p":
            words.pop(0)
        if " " in first:
            yield from _found(first.partition("=")[2], depth + 1)
    if not words:
        return
    yield tuple(words)
    name = basename(words[0])
    if name in RUNNERS:
        for at in range(1, len(words)):
            yield tuple(words[at:])
            yield from _scripts(words[at:], depth)
    yield from _scripts(words, depth)


def _scripts(words: Sequence[str], depth: int) -> Iterator[tuple[str, ...]]:
    """The commands that hide in the arguments of a program."""
    name, rest = basename(words[0]), words[1:]
    if name == "eval":
        yield from _found(" ".join(rest), depth + 1)
    elif name in SHELLS or name in _EVALUATORS:
        for word in rest:
            yield from _found(word.partition("=")[2] if name == "alias" else word, depth + 1)
    elif name == "env":
        yield from (found for word in rest if " " in word for found in _found(word.removeprefix("-S"), depth + 1))
    elif name in _SUBSCRIPTS:
        for word in rest:
            if "$(" in word or "`" in word:
                yield from _found(f'"{word}"', depth + 1)
    elif name == "find":
        for at, word in enumerate(words):
            if word in _FIND_ACTIONS and at + 1 < len(words):
                yield from _started_by(words[at + 1 :], depth)
    elif name == "git":
        yield from _git(rest, depth)


def _git(rest: Sequence[str], depth: int) -> Iterator[tuple[str, ...]]:
    """git without its global options, and what its configuration values would run."""
    at = 0
    while at < len(rest) and rest[at].startswith("-"):
        if rest[at] in _GIT_VALUES and at + 1 < len(rest):
            at += 1
            yield from _found(rest[at].partition("=")[2].lstrip("!"), depth + 1)
        at += 1
    yield ("git", *rest[at:])


class _Reader:
    """Splits a command at everything that could separate commands, and goes on after what it does not understand.

    Attributes:
        parts: The words of each part.
        inner: Texts of substitutions that are to be read on their own.
        written: Targets of redirections that write.
        is_broken: A quote or bracket stayed open.
    """

    def __init__(self, text: str) -> None:
        self.text = text.replace("\\\n", "")
        self.at = 0
        self.parts: list[list[str]] = []
        self.inner: list[str] = []
        self.written: list[str] = []
        self.is_broken = False
        self._documents: list[tuple[str, bool]] = []
        self._depth = 0

    def read(self, closer: str) -> None:
        """Reads to *closer*, or to the end of the text when it is empty."""
        words: list[str] = []
        self._depth += 1
        while self.at < len(self.text):
            char = self.text[self.at]
            if closer and char == closer:
                break
            if char in " \t":
                self.at += 1
            elif char == "#":
                self._skip_line()
            elif char in "<>" or (char == "&" and self._next(1) == ">"):
                self._redirection(words)
            elif char in ";&|\n)":
                self._part(words)
                self.at += 1
                if char == "\n":
                    self._here_documents()
            elif char == "(":
                self._part(words)
                self._nested(")")
            else:
                words.append(self._word(closer))
        else:
            self.is_broken |= bool(closer)
        self._part(words)
        self.at += 1
        self._depth -= 1

    def _part(self, words: list[str]) -> None:
        if words:
            self.parts.append(list(words))
            words.clear()

    def _next(self, offset: int) -> str:
        return self.text[self.at + offset : self.at + offset + 1]

    def _skip_line(self) -> None:
        end = self.text.find("\n", self.at)
        self.at = len(self.text) if end < 0 else end

    def _nested(self, closer: str) -> None:
        """What stands between brackets, starting at the opening one."""
        self.at += 1
        if self._depth > _DEEPEST * 4:
            self.is_broken = True
            return
        self.read(closer)

    def _word(self, closer: str = "") -> str:
        """The next word without its quotes."""
        pieces: list[str] = []
        while self.at < len(self.text):
            char = self.text[self.at]
            if char in " \t\n;&|<>()" or (closer and char == closer):
                break
            pieces.append(self._piece(char))
        return "".join(pieces)

    def _piece(self, char: str) -> str:
        match char:
            case "\\":
                self.at += 2
                return self.text[self.at - 1 : self.at]
            case "'":
                return self._single()
            case '"':
                return self._double()
            case "`":
                return self._backticks()
            case "$":
                return self._dollar()
            case _:
                self.at += 1
                return char

    def _single(self) -> str:
        end = self.text.find("'", self.at + 1)
        if end < 0:
            self.is_broken = True
            end = len(self.text)
        quoted = self.text[self.at + 1 : end]
        self.at = end + 1
        return quoted

    def _double(self) -> str:
        pieces: list[str] = []
        self.at += 1
        while self.at < len(self.text) and self.text[self.at] != '"':
            char = self.text[self.at]
            if char == "'" or (char == "$" and self._next(1) in "'\""):
                pieces.append(char)
                self.at += 1
            else:
                pieces.append(self._piece(char))
        self.is_broken |= self.at >= len(self.text)
        self.at += 1
        return "".join(pieces)

    def _backticks(self) -> str:
        match = re.compile(r"`((?:[^`\\]|\\.)*)`", re.DOTALL).match(self.text, self.at)
        if match is None:
            self.is_broken = True
            self.at += 1
            return _UNKNOWN
        self.inner.append(re.sub(r"\\([`$\\])", r"\1", match[1]))
        self.at = match.end()
        return _UNKNOWN

    def _dollar(self) -> str:
        follower = self._next(1)
        self.at += 1
        if follower == "'":
            raw = self._single()
            return re.sub(r"\\x([0-9A-Fa-f]{1,2})|\\([0-7]{1,3})", _escaped, raw)
        if follower == '"':
            return self._double()
        if follower in ("(", "{"):
            self._nested(")" if follower == "(" else "}")
            return _UNKNOWN
        return _UNKNOWN

    def _redirection(self, words: list[str]) -> None:
        """An operator and its target; <( and >( hold commands, << announces a document."""
        match = re.compile(r"&>>?|<<<|<<-?|<>|<&|>&|>>|>\||[<>]").match(self.text, self.at)
        assert match is not None  # the caller saw one of the characters
        operator = match[0]
        self.at = match.end()
        if operator in ("<", ">") and self._next(0) == "(":
            self._nested(")")
            return
        if words and words[-1].isdigit() and self.text[match.start() - 1].isdigit():
            words.pop()
        while self._next(0) in (" ", "\t"):
            self.at += 1
        quoted = self._next(0) in ("'", '"', "\\")
        target = self._word(")")
        if operator in ("<<", "<<-"):
            self._documents.append((target, quoted))
        elif ">" in operator and target and not re.fullmatch(r"[0-9-]+", target):
            self.written.append(target)

    def _here_documents(self) -> None:
        """Skips the documents announced in the line before; unquoted ones may hold substitutions."""
        for delimiter, quoted in self._documents:
            end = re.compile(rf"^\t*{re.escape(delimiter)}$", re.MULTILINE).search(self.text, self.at)
            body = self.text[self.at : end.start() if end else len(self.text)]
            self.at = end.end() if end else len(self.text)
            if not quoted and ("$(" in body or "`" in body):
                self.inner.append('"' + body.replace('"', "") + '"')
        self._documents.clear()


def _escaped(match: re.Match[str]) -> str:
    return chr(int(match[1], 16)) if match[1] else chr(int(match[2], 8) & 0xFF)

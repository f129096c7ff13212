"""The unified dialect: `diff -u`, `git diff`, and what models make of them."""

import re
from collections.abc import Sequence
from dataclasses import replace

from a3s_code_tools.edits.sections import Action, Hunk, Line, Section, diff_lines, lines_of, without_newline
from a3s_code_tools.edits.text import EditError

__all__ = ["parse_unified"]

MAX_NAMES_CHARS = 10_000
"""Characters of a "diff --git" line whose names are told apart without quotes, which takes quadratic time."""

_NUMBERS = re.compile(r"@@ *-(\d{1,12})(?:, ?(\d{1,12}))? \+(\d{1,12})(?:, ?(\d{1,12}))?(?: *@@.*)?")
_NO_NUMBERS = re.compile(r"-\S* \+\S*")
_STAMP = re.compile(
    r"\t.*| \d{4}-\d\d-\d\d[ T]\d\d:\d\d.*| (?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) \w{3} [ \d]\d \d\d:\d\d:\d\d.*"
)
_EXTENDED = re.compile(
    r"(old mode|new mode|deleted file mode|new file mode|copy from|copy to|rename from|rename to|rename old|rename new|"
    r"similarity index|dissimilarity index|index) (.*)"
)
_BOUNDARY = re.compile(
    r"@@|diff |Index: |Only in |Binary files |GIT binary patch|```|\*\*\* |={20,}|From [0-9a-f]{40} |old mode |"
    r"new mode |rename from |copy from "
)
_ENVELOPE = re.compile(r"\*\*\* (Begin Patch|(Add|Update|Delete) File:)")
_GIT = ("a/", "b/")
# of git with diff.mnemonicPrefix; the last is that of git diff -R
_PREFIXES = (_GIT, ("i/", "w/"), ("c/", "i/"), ("c/", "w/"), ("o/", "w/"), ("1/", "2/"), ("b/", "a/"))
_ESCAPE = re.compile(rb'\\([0-7]{3}|[abfnrtv"\\])')
_ESCAPED = {b"a": b"\a", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}
_NOWHERE = "/dev/null"


def parse_unified(diff: str, path: str | None = None) -> tuple[Section, ...]:
    """The files of a unified diff.

    Args:
        diff: With or without git's headers.
        path: The file of hunks that stand before any header.

    Raises:
        EditError: invalid_argument or unsupported; the text says which line makes no sense.
    """
    reader = _Reader(diff_lines(diff), path)
    reader.read()
    return reader.sections()


class _Reader:
    """The lines of a diff, read from front to back."""

    def __init__(self, lines: list[str], path: str | None):
        self._lines = lines
        self._next = 0
        self._path = path
        self._found: list[tuple[Section, list[Hunk]]] = []
        self._is_close = False  # no empty line since the last header or hunk

    def sections(self) -> tuple[Section, ...]:
        """What was read.

        Raises:
            EditError: invalid_argument, a file is named but not changed.
        """
        sections = tuple(replace(section, hunks=tuple(hunks)) for section, hunks in self._found)
        for section in sections:
            _require_change(section)
        return sections

    def read(self) -> None:
        while (line := self._line(0)) is not None:
            if line.startswith("diff --git "):
                self._git_section()
            elif line.startswith("--- ") and (self._line(1) or "").startswith("+++ "):
                self._plain_section()
            elif line.startswith(("@@@", "diff --cc ", "diff --combined ")):
                raise EditError(
                    f"line {self._next + 1} is of the combined diff of a merge; make a diff against one parent",
                    "unsupported",
                )
            elif line.startswith("@@"):
                self._require_section()
                self._add_hunk()
            else:
                self._skip(line)

    def _line(self, ahead: int) -> str | None:
        index = self._next + ahead
        return self._lines[index] if index < len(self._lines) else None

    def _skip(self, line: str) -> None:
        """Passes over prose; a change that no hunk claims would be left out without a word."""
        if _ENVELOPE.match(line):
            raise EditError(
                f"line {self._next + 1}, {line[:80]!r}, is not of a unified diff; nothing was changed. Send one or the "
                "other."
            )
        if line.startswith(("--- ", "+++ ")) and (self._line(1) or "").startswith("@@"):
            raise EditError(
                f"line {self._next + 1} of the diff, {line[:80]!r}, is half of a header; write --- and +++ lines both"
            )
        self._is_close = self._is_close and bool(line.strip())
        if self._is_close and line[:1] in ("+", "-") and line.strip("- "):
            raise EditError(
                f"line {self._next + 1} of the diff, {line[:80]!r}, stands outside of any hunk; begin each hunk "
                'with a line "@@ -line,count +line,count @@" or "@@", and each line that stays with a blank'
            )
        self._next += 1

    def _require_section(self) -> None:
        if self._found:
            return
        if not self._path:
            raise EditError("the diff names no file; add --- and +++ lines or give file_path")
        self._found.append((Section(action=Action.UPDATE, old=self._path, new=self._path, at=self._next + 1), []))

    def _plain_section(self) -> None:
        at = self._next + 1
        old, new = (_plain_name(self._lines[self._next + ahead][4:]) for ahead in (0, 1))
        self._next += 2
        self._is_close = True
        self._found.append((_section(*_stripped(old, new), at), []))

    def _git_section(self) -> None:
        at = self._next + 1
        names: Sequence[str] | None = _git_names(self._lines[self._next][len("diff --git ") :])
        self._next += 1
        facts = self._extended()
        line = self._line(0) or ""
        binary: tuple[str, ...] | None = None
        if line.startswith("--- ") and (self._line(1) or "").startswith("+++ "):
            given = _preferred(names, [_git_name(self._lines[self._next + ahead][4:]) for ahead in (0, 1)])
            if _belong(given, names, facts):
                names = given
                self._next += 2
        elif line.startswith("GIT binary patch"):
            binary = self._binary(facts.get("index"))
        elif line.startswith("Binary files "):
            raise EditError(
                f"line {self._next + 1}: the diff says that a binary file differs, but not how; make it with "
                "git diff --binary",
                "unsupported",
            )
        section = _git_section(names, facts, at)
        self._found.append((replace(section, binary=binary), []))

    def _extended(self) -> dict[str, str]:
        facts: dict[str, str] = {}
        while (line := self._line(0)) is not None and (found := _EXTENDED.fullmatch(line)):
            facts[found[1].replace("rename old", "rename from").replace("rename new", "rename to")] = found[2]
            self._next += 1
        return facts

    def _binary(self, index: str | None) -> tuple[str, ...]:
        body = [] if index is None else [f"index {index}"]
        while (line := self._line(0)) is not None and not line.startswith(("diff --git ", "-- ")):
            body.append(line)
            self._next += 1
        return tuple(body)

    def _add_hunk(self) -> None:
        at = self._next + 1
        header = self._lines[self._next]
        self._next += 1
        found = _NUMBERS.fullmatch(header.rstrip())
        counts = None if found is None else (int(found[2] or "1"), int(found[4] or "1"))
        lines = (self._counted(*counts) if counts else None) or self._uncounted()
        if not any(line.sign != " " for line in lines):
            raise EditError(f"the hunk at line {at} of the diff changes nothing")
        hunk = Hunk(
            lines=tuple(lines),
            at=at,
            start=int(found[1]) if found else None,
            count=counts[0] if counts else None,
            anchors=() if found else _anchors(header),
        )
        _require_order(hunk)
        self._found[-1][1].append(hunk)
        self._is_close = True

    def _counted(self, old: int, new: int) -> list[Line] | None:
        """The body as the header counts it; None when what follows shows that the counts are wrong."""
        lines: list[Line] = []
        index = self._next
        while old > 0 or new > 0 or (self._lines[index : index + 1] and self._lines[index].startswith("\\ ")):
            line = self._lines[index] if index < len(self._lines) and not self._is_header(index) else "@@"
            if line.startswith("\\ "):
                without_newline(lines, index + 1)
            elif line[:1] in (" ", "+", "-") or line.strip("\r") == "":
                sign = line[:1] if line.strip("\r") else " "
                lines += lines_of(sign, line[1:] if line.strip("\r") else line)
                old -= sign != "+"
                new -= sign != "-"
            else:
                return None
            index += 1
        if old < 0 or new < 0 or not self._is_over(index):
            return None
        self._next = index
        return lines

    def _is_over(self, index: int) -> bool:
        """Whether no line of a body stands at *index*, behind empty lines."""
        while index < len(self._lines) and not self._lines[index].strip():
            index += 1
        if index >= len(self._lines) or self._is_boundary(index):
            return True
        return self._lines[index][0] not in " +-\\"

    def _is_boundary(self, index: int) -> bool:
        line = self._lines[index]
        following = self._lines[index + 1 : index + 3]
        if line.startswith("--- ") and following and following[0].startswith("+++ "):
            return len(following) == 1 or following[1].startswith("@@")
        if line in {"-- ", "--"}:  # the signature of git format-patch
            return bool(following and re.fullmatch(r"\d+\.\d+[\w.-]*", following[0]))
        if line.startswith("+++ ") and following and following[0].startswith("@@"):  # half a header
            return True
        return bool(_BOUNDARY.match(line))

    def _is_header(self, index: int) -> bool:
        """Whether the next file begins at *index*, beyond doubt."""
        three = self._lines[index : index + 3]
        if len(three) < 3 or not three[0].startswith("--- ") or not three[1].startswith("+++ "):
            return False
        names = [_plain_name(line[4:]) for line in three[:2]]
        return three[2].startswith("@@") and (_NOWHERE in names or len(set(_stripped(*names))) == 1)

    def _uncounted(self) -> list[Line]:
        """The body up to the next header; empty lines at its end only set it apart."""
        lines: list[Line] = []
        empty: list[Line] = []
        while (line := self._line(0)) is not None and not self._is_boundary(self._next):
            if line.startswith("\\ "):
                without_newline(lines, self._next + 1)
            elif line.strip("\r") == "":
                empty += lines_of(" ", line)
            elif line[0] in " +-":
                lines += empty + lines_of(line[0], line[1:])
                empty = []
            else:
                raise EditError(
                    f"line {self._next + 1} of the diff, {line[:80]!r}, begins with none of ' ', '+' and '-'; nothing "
                    "was changed. Put a blank before each line that stays."
                )
            self._next += 1
        return lines


def _require_change(section: Section) -> None:
    is_empty = not section.hunks and section.binary is None
    if section.action is Action.UPDATE and is_empty and section.old_mode == section.new_mode:
        raise EditError(f"line {section.at} of the diff names {section.new}, but no hunk follows")


def _require_order(hunk: Hunk) -> None:
    """Refuses a hunk in which lines follow the one that is said to end the file."""
    for side in (hunk.old, hunk.new):
        if any(line.is_marked for line in side[:-1]):
            raise EditError(
                f'in the hunk at line {hunk.at} of the diff, lines follow the one with "\\ No newline at end of file"'
            )


def _anchors(header: str) -> tuple[str, ...]:
    anchor = header.lstrip("@").strip().removesuffix("@@").strip()
    return () if not anchor.strip(". ") or _NO_NUMBERS.fullmatch(anchor) else (anchor,)


def _section(old: str | None, new: str | None, at: int) -> Section:
    if old is None and new is None:
        raise EditError(f"line {at} of the diff: both names are /dev/null")
    action = Action.CREATE if old is None else Action.DELETE if new is None else Action.UPDATE
    return Section(action=action, old=old, new=new, at=at)


def _git_section(names: Sequence[str] | None, facts: dict[str, str], at: int) -> Section:
    for action, word in ((Action.RENAME, "rename"), (Action.COPY, "copy")):
        if f"{word} from" in facts and f"{word} to" in facts:
            source, target = (_unquoted(facts[f"{word} {end}"].removesuffix("\r")) for end in ("from", "to"))
            section = Section(action=action, old=source, new=target, at=at)
            break
    else:
        if names is None:
            raise EditError(f"line {at} of the diff: the two names cannot be told apart; quote them")
        old, new = _stripped(names[0], names[1])
        section = _section(old, new, at)
        if "new file mode" in facts:
            section = replace(section, action=Action.CREATE, old=None, new=new or old)
        elif "deleted file mode" in facts:
            section = replace(section, action=Action.DELETE, old=old or new, new=None)
    old_mode, new_mode = _modes(facts, at)
    return replace(section, old_mode=old_mode, new_mode=new_mode)


def _modes(facts: dict[str, str], at: int) -> tuple[int | None, int | None]:
    """Old and new mode as the extended headers give them."""
    both = facts.get("index", "").partition(" ")[2]
    old = facts.get("old mode") or facts.get("deleted file mode") or both
    new = facts.get("new mode") or facts.get("new file mode") or both
    try:
        return int(old, 8) if old else None, int(new, 8) if new else None
    except ValueError as error:
        raise EditError(f"line {at} of the diff: a mode of it is not an octal number") from error


def _plain_name(text: str) -> str:
    """A name of a "---" or "+++" line, without its time stamp."""
    text = text.rstrip("\r")
    if text.startswith('"'):
        return _unquoted(text)
    return _STAMP.sub("", text).rstrip()


def _git_name(text: str) -> str:
    text = text.rstrip("\r")
    return _unquoted(text) if text.startswith('"') else text.partition("\t")[0]


def _preferred(names: Sequence[str] | None, given: Sequence[str]) -> Sequence[str]:
    """The names of the "---" and "+++" lines; beside /dev/null that of the "diff --git" line, whose prefix is known."""
    if names is None or _NOWHERE not in given or len(found := set(_stripped(names[0], names[1]))) != 1:
        return given
    name = found.pop() or _NOWHERE
    return [f"{prefix}{name}" if each.endswith(f"/{name}") else each for each, prefix in zip(given, _GIT, strict=True)]


def _belong(given: Sequence[str], names: Sequence[str] | None, facts: dict[str, str]) -> bool:
    """Whether the "---" and "+++" lines are of the file of the header above, and not of the next one."""
    known = {_unquoted(value.rstrip("\r")) for key, value in facts.items() if key.startswith(("rename ", "copy "))}
    if not known and names is not None:
        known = {name for name in _stripped(names[0], names[1]) if name is not None}
    return not known or {name for name in _stripped(given[0], given[1]) if name is not None} <= known


def _git_names(text: str) -> tuple[str, ...] | None:
    """The two names of a "diff --git" line; None when blanks in them leave it open."""
    text = text.rstrip("\r")
    if found := re.fullmatch(r'("(?:[^"\\]|\\.)*"|[^"]\S*) ("(?:[^"\\]|\\.)*"|[^" ]\S*)', text):
        return _unquoted(found[1]), _unquoted(found[2])
    if len(text) > MAX_NAMES_CHARS:
        return None
    for blank in re.finditer(" ", text):
        old, new = _unquoted(text[: blank.start()]), _unquoted(text[blank.end() :])
        if len(set(_stripped(old, new))) == 1:
            return old, new
    return None


def _stripped(old: str, new: str) -> tuple[str | None, str | None]:
    """The names without git's prefixes where they have them; None for /dev/null."""
    for before, after in _PREFIXES:
        is_old, is_new = old.startswith(before), new.startswith(after)
        if (is_old and is_new) or (before == _GIT[0] and _NOWHERE in (old, new) and (is_old or is_new)):
            old, new = old.removeprefix(before), new.removeprefix(after)
            break
        if is_old and old[len(before) :] == new:
            old = new
        elif is_new and new[len(after) :] == old:
            new = old
    return None if old == _NOWHERE else old, None if new == _NOWHERE else new


def _unquoted(name: str) -> str:
    """A name as git writes it when it has unusual characters: in quotes, bytes as octal numbers."""
    if not (len(name) > 1 and name.startswith('"') and name.endswith('"')):
        return name
    plain = _ESCAPE.sub(_unescaped, name[1:-1].encode("utf-8", "surrogatepass"))
    return plain.decode("utf-8", "surrogateescape")


def _unescaped(found: re.Match[bytes]) -> bytes:
    sign = found[1]
    if len(sign) == 3:
        return bytes([int(sign, 8) & 0xFF])
    return _ESCAPED.get(sign, sign)

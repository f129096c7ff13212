"""A text file as its bytes say it: encoding, byte order mark and the ending of each line are kept."""

import codecs
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from a3s_code_tools.edits.alignment import stretches

__all__ = ["EditError", "Span", "TextFile", "valid"]

MAX_DETECTED_BYTES = 64 * 1024
"""Bytes that detection looks at."""

MIN_CONFIDENCE = 0.2
"""Below it a detected encoding is a guess: the file is taken as Latin-1, which keeps every byte."""

_MARKS = (  # UTF-32 first: its little-endian mark begins like that of UTF-16
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_ENDING = re.compile(r"\r\n|\r|\n")
_BYTE = re.compile("[\udc80-\udcff]")
"""What "surrogateescape" makes of an invalid byte."""
_C1 = re.compile(rb"[\x80-\x9f]")


def valid(text: str) -> str:
    r"""*text* of a file as valid text: an invalid byte is written as "\xff"."""
    return text if text.isascii() else _BYTE.sub(lambda byte: f"\\x{ord(byte[0]) - 0xDC00:02x}", text)


class EditError(Exception):
    """A change that cannot be made as asked; nothing was changed.

    Args:
        message: What is wrong and what to do next, for a model or a person.
        kind: "not_found", "invalid_argument", "version_conflict", "unsupported" or "failed".
    """

    def __init__(self, message: str, kind: str = "invalid_argument"):
        super().__init__(valid(message))
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Span:
    """A place of a text and what shall stand there.

    Args:
        start: Index of the first replaced character of `TextFile.text`.
        end: Index after the last replaced character; equal to start for an insertion.
        new: The new text. A line end is written as its neighbours have it; an explicit "\\r\\n" or "\\r" as it is.
    """

    start: int
    end: int
    new: str


@dataclass(frozen=True, slots=True)
class TextFile:
    """The content of a text file, with all that is needed to write it back byte by byte.

    `decode(content).encode(decode(content).text) == content` for every content that decodes.

    Args:
        text: The text without byte order mark, each line end as one "\\n".
        encoding: Name of the codec, such as "utf-8", "utf-16-le" or "cp1252".
        bom: The byte order mark, or b"".
        endings: What each "\\n" of the text stands for, in order: "\\n", "\\r\\n" or "\\r".
        is_damaged: It is UTF-8 but for some bytes, each of which is a surrogate in the text, as Python's
            "surrogateescape" has it.
    """

    text: str
    encoding: str = "utf-8"
    bom: bytes = b""
    endings: tuple[str, ...] = ()
    is_damaged: bool = False

    @classmethod
    def decode(cls, content: bytes) -> "TextFile":
        """Reads *content*: by its byte order mark, as UTF-8 (also with some invalid bytes), as detected, or Latin-1.

        Raises:
            EditError: unsupported, it is binary.
        """
        raw, encoding, bom, is_damaged = _decoded(content)
        text, endings = _lines(raw)
        return cls(text, encoding, bom, endings, is_damaged)

    @property
    def ending(self) -> str:
        """The most frequent line ending; "\\n" when there is none."""
        return max(("\n", "\r\n", "\r"), key=self.endings.count)

    def encode(self, text: str) -> bytes:
        """The bytes of the file with *text* in it; lines that were there before keep their ending.

        Which lines those are is found by comparing; `splice` knows it.

        Raises:
            EditError: The encoding of the file has no such character.
        """
        return self.splice([Span(0, len(self.text), text)])

    @property
    def raw(self) -> str:
        """The text with its line endings as they are."""
        return _ended(self.text, self.endings)

    def splice(self, spans: Sequence[Span]) -> bytes:
        """The bytes of the file with the *spans* replaced and all others as they were.

        Args:
            spans: In order, not overlapping.

        Raises:
            EditError: The encoding of the file has no such character.
        """
        return self.to_bytes(self.changed(spans).raw)

    def changed(self, spans: Sequence[Span]) -> "TextFile":
        """The file with the *spans* replaced, for further changes; arguments and errors as for `splice`."""
        if self.is_damaged:
            self._require_letters("".join(span.new for span in spans))
        text, endings = _lines("".join(self._pieces(spans)))
        return replace(self, text=text, endings=endings)

    def to_bytes(self, raw: str) -> bytes:
        """Byte order mark and *raw* in the encoding of the file, line ends as they stand in *raw*.

        Raises:
            EditError: The encoding of the file has no such character.
        """
        try:
            return self.bom + raw.encode(self.encoding, "surrogateescape" if self.is_damaged else "strict")
        except UnicodeEncodeError as error:
            raise _unencodable(raw[error.start], self.encoding) from error

    def _require_letters(self, new: str) -> None:
        """Refuses surrogates that do not stand for invalid bytes of this file: they would make further ones."""
        for letter in set(_BYTE.findall(new)) - set(self.text):
            raise _unencodable(letter, self.encoding)

    def _pieces(self, spans: Sequence[Span]) -> Iterator[str]:
        place = line = 0
        has_lone_cr = "\r" in self.endings
        for span in spans:
            kept = self.text[place : span.start]
            ends = kept.count("\n")
            yield _ended(kept, self.endings[line : line + ends])
            line += ends
            old = self.text[span.start : span.end]
            new, explicit = _lines(span.new)
            endings = self._new_endings(old, new, explicit, line)
            if has_lone_cr:
                before = self.endings[line - 1] if self.text.endswith("\n", 0, span.start) else ""
                follows = self.endings[line + old.count("\n")] if self.text.startswith("\n", span.end) else ""
                endings = _apart(new, endings, before, follows)
            yield _ended(new, endings)
            line += old.count("\n")
            place = span.end
        yield _ended(self.text[place:], self.endings[line:])

    def _new_endings(self, old: str, new: str, explicit: Sequence[str], line: int) -> list[str]:
        """The endings of *new*, which replaces *old*; *line* is the index of the first ending of *old*."""
        # a line that is split goes on with its own ending, the last line with the one before
        beside = self.endings[line : line + 1] or self.endings[-1:] or ("\n",)
        endings = _aligned(old, self.endings[line : line + old.count("\n")], new, beside[0])
        return [given if "\r" in given else own for given, own in zip(explicit, endings, strict=True)]


def _decoded(content: bytes) -> tuple[str, str, bytes, bool]:
    """Text, name of the codec, byte order mark, and whether it is UTF-8 with invalid bytes."""
    for bom, encoding in _MARKS:
        if content.startswith(bom) and (text := _strictly(content[len(bom) :], encoding)) is not None:
            return text, encoding, bom, False
    if b"\0" in content:
        raise EditError("the file is binary (it contains NUL bytes); it was not changed", "unsupported")
    if (text := _strictly(content, "utf-8")) is not None:
        return text, "utf-8", b"", False
    if _is_damaged_utf8(content):
        return content.decode("utf-8", "surrogateescape"), "utf-8", b"", True
    for encoding in _candidates(content):
        if (text := _strictly(content, encoding)) is not None:
            return text, encoding, b"", False
    return content.decode("latin-1"), "latin-1", b"", False


def _strictly(content: bytes, encoding: str) -> str | None:
    """The text, or None when it is not valid in *encoding*, not the same bytes when written again, or has a NUL."""
    try:
        text = content.decode(encoding)
        return text if "\0" not in text and text.encode(encoding) == content else None
    except UnicodeError:
        return None


def _candidates(content: bytes) -> Iterator[str]:
    """Encodings but UTF-8 that *content* without a mark may be in, the likeliest first."""
    if detected := _detected(content):
        yield detected
    if _C1.search(content):  # no text has these control characters; Windows has quotes and dashes there
        yield "cp1252"


def _is_damaged_utf8(content: bytes) -> bool:
    """Whether most of what is not ASCII in *content* is valid UTF-8, and some is not."""
    text = content.decode("utf-8", "ignore")
    letters = len(text) - len(text.encode("ascii", "ignore"))
    return 0 < len(content) - len(text.encode()) < letters


def _detected(content: bytes) -> str | None:
    import chardet

    lines = b"\n".join(line for line in content.split(b"\n") if not line.isascii())  # the others tell nothing
    found = chardet.detect(lines[:MAX_DETECTED_BYTES], compat_names=False, prefer_superset=True)
    name = found["encoding"]
    if name is None or found["confidence"] < MIN_CONFIDENCE:
        return None
    try:
        return codecs.lookup(name).name
    except LookupError:  # an encoding that Python cannot read
        return None


def _unencodable(letter: str, encoding: str) -> EditError:
    if "\ud800" <= letter <= "\udfff":
        return EditError(f"the text has half of a surrogate pair (U+{ord(letter):04X}); nothing was changed")
    name = unicodedata.name(letter, "unnamed")
    return EditError(
        f'"{letter}" (U+{ord(letter):04X} {name}) cannot be written in {encoding}, the encoding of the file; nothing '
        "was changed. Use characters of that encoding."
    )


def _lines(raw: str) -> tuple[str, tuple[str, ...]]:
    """The text with "\n" only, and what each "\n" was."""
    if "\r" in raw:
        return _ENDING.sub("\n", raw), tuple(_ENDING.findall(raw))
    return raw, ("\n",) * raw.count("\n")


def _ended(text: str, endings: Sequence[str]) -> str:
    """*text* with each "\\n" replaced by its ending."""
    kinds = set(endings)
    if kinds <= {"\n"}:
        return text
    if len(kinds) == 1:
        return text.replace("\n", kinds.pop())
    lines = text.split("\n")
    return "".join([part for pair in zip(lines, endings, strict=False) for part in pair] + lines[-1:])


def _apart(text: str, endings: list[str], before: str, follows: str) -> list[str]:
    """*endings* such that no "\r" and "\n" of two lines become one line end, also not with the neighbours."""
    lines, apart = text.split("\n"), list(endings)
    for index, ending in enumerate(endings):
        if ending == "\n" and not lines[index] and (apart[index - 1] if index else before) == "\r":
            apart[index] = "\r"
    if apart and not lines[-1] and apart[-1] == "\r" and follows == "\n":
        apart[-1] = "\r\n"
    return apart


def _aligned(old: str, endings: Sequence[str], new: str, beside: str) -> list[str]:
    """The ending of each line of *new*: that of the same line of *old*, or else of its neighbour."""
    count = new.count("\n")
    if len(set(endings) | {beside}) == 1:
        return [beside] * count
    before, after = old.split("\n")[:-1], new.split("\n")[:-1]
    chosen: list[str] = []
    for stretch in stretches(before, after):
        for index in range(stretch.new_end - stretch.new_start):
            at = min(stretch.start + index, stretch.end - 1) if stretch.end > stretch.start else stretch.start - 1
            chosen.append(endings[at] if at >= 0 else beside)
    return chosen

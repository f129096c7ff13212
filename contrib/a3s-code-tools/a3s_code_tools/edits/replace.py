"""Replacing one text by another: exactly, or else in one of three stated ways of being nearly the same."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice

from a3s_code_tools.edits.alignment import stretches
from a3s_code_tools.edits.indentation import shift
from a3s_code_tools.edits.nearest import nearest
from a3s_code_tools.edits.text import EditError, Span, TextFile

__all__ = ["TIERS", "Edit", "replace"]

TIERS = ("exact", "trailing white space", "indentation", "typography")
"""How the text was found, in the order in which it is tried. Line ends are the same in all of them."""

OLD_STRING = "old_string"
"""What the edit tool calls the text to replace; only it can replace all places."""

MAX_SHOWN = 10
"""Places that an error lists."""

MAX_SHOWN_CHARS = 80
"""Characters of a line that an error shows."""

MAX_TRIED = 1_000
"""Places that are looked at when one is wanted; overlapping ones are counted too, since either could be meant."""

MAX_INDENT = 1_000
"""Characters before a place that are looked at to see whether they are the indentation of its line."""

_PLAIN = str.maketrans(
    {
        **dict.fromkeys("‘’‚‛′", "'"),
        **dict.fromkeys("“”„‟″«»", '"'),
        **dict.fromkeys("‐‑‒–—―−", "-"),
        **dict.fromkeys("\u00a0\u1680\u202f\u205f\u3000", " "),
        **dict.fromkeys(map(chr, range(0x2000, 0x200B)), " "),
    }
)
"""Quotes, dashes and spaces as a keyboard has them; one character for one, so that places stay the same."""


@dataclass(frozen=True, slots=True)
class Edit:
    """What came of a replacement.

    Args:
        after: The new content of the file.
        count: How many places were replaced.
        tier: How they were found, one of `TIERS`.
        lines: 1-based line where each place began.
        file: The new content as text, for the next change.
        is_shallow: A line of the file is indented further than the text that was found in it, exactly, and more lines
            follow, old or new ones: these may now stand too far left.
    """

    after: bytes
    count: int
    tier: str
    lines: tuple[int, ...]
    file: TextFile
    is_shallow: bool = False


def replace(
    file: TextFile,
    old: str,
    new: str,
    *,
    replace_all: bool = False,
    expected: int | None = None,
    whole_lines: bool = False,
    path: str = "the file",
    called: str = OLD_STRING,
) -> Edit:
    """*file* with *old* replaced by *new*; everything else keeps its bytes.

    Args:
        file: The file.
        old: What to replace; its line ends may be of any kind.
        new: What to put there; its line ends become those of the neighbouring lines.
        replace_all: Whether more than one place may be replaced.
        expected: How many places there must be; all of them are replaced. None is one, or any with *replace_all*.
        whole_lines: Whether a place must begin where a line does.
        path: How the errors call the file.
        called: How the errors call *old*.

    Raises:
        EditError: not_found with the nearest place, or invalid_argument (empty, unchanged, ambiguous, another number of
            places than expected, characters that the encoding of the file lacks).
    """
    old, new = _sent(old, new, called)
    is_several = replace_all or (expected or 1) > 1
    tier, spans = _found(file.text, old, new, overlapping=not is_several, whole_lines=whole_lines)
    if not spans:
        raise EditError(f"{called} not found in {path}. {nearest(file, old, called)}", "not_found")
    lines = tuple(_line_numbers(file.text, spans))
    is_any = replace_all and expected is None and tier == TIERS[0]
    if not is_any and (len(spans) != (expected or 1) or (tier != TIERS[0] and len(spans) > 1)):
        times = "once" if len(spans) == 1 else f"{'at least ' * (len(spans) >= MAX_TRIED)}{len(spans)} times"
        said = f"{called} occurs {times} in {path}"
        raise EditError(_miscounted(file.text, lines, said, expected, tier, is_tool=called == OLD_STRING))
    changed = file.changed(spans)
    is_shallow = tier == TIERS[0] and _is_shallow(file.text, spans, old, new)
    return Edit(changed.to_bytes(changed.raw), len(spans), tier, lines, changed, is_shallow)


def _sent(old: str, new: str, called: str) -> tuple[str, str]:
    """Both texts with the line ends that the search needs."""
    if "\r" in old:  # whoever writes CRLF in both means "a line end"; in the new text alone it is meant as it is
        old, new = (text.replace("\r\n", "\n").replace("\r", "\n") for text in (old, new))
    if not old:
        raise EditError(f"{called} is empty; use write to create a file")
    if old == new:
        raise EditError(f"{called} and what shall replace it are the same but for line ends at most; nothing to change")
    for text in (old, new):
        for letter in text if not text.isascii() else "":
            if "\ud800" <= letter <= "\udfff":
                raise EditError(f"the text has half of a surrogate pair (U+{ord(letter):04X}); nothing was changed")
    return old, new


def _found(text: str, old: str, new: str, *, overlapping: bool, whole_lines: bool) -> tuple[str, list[Span]]:
    """The first tier that finds anything, and what it would replace."""
    searches = (
        _exact(text, old, new, overlapping=overlapping),
        _trailing(text, old, new),
        _indented(text, old, new),
        _typographic(text, old, new),
    )
    for tier, found in zip(TIERS, searches, strict=True):
        wanted = (span for span in found if not whole_lines or _begins_line(text, span.start))
        if spans := list(islice(wanted, MAX_TRIED if overlapping or tier != TIERS[0] else None)):
            return tier, spans
    return "", []


def _begins_line(text: str, place: int) -> bool:
    return place == 0 or text[place - 1] == "\n"


def _exact(text: str, old: str, new: str, *, overlapping: bool) -> Iterator[Span]:
    place, end = text.find(old), 0
    while place >= 0:
        end = place + len(old)
        yield Span(place, end, new)
        place = text.find(old, place + 1 if overlapping else end)
    # the last line may lack the line end that the search has; it goes on lacking it
    last = len(text) - len(old) + 1
    if old.endswith("\n") and old != "\n" and last >= end and text.endswith(old[:-1]):
        yield Span(last, len(text), new.removesuffix("\n"))


def _is_shallow(text: str, spans: Sequence[Span], old: str, new: str) -> bool:
    """Whether a place begins within the indentation of its line, and the indentation of more lines depends on it."""
    if old[0] not in " \t" or all("\n" not in each.removesuffix("\n") for each in (old, new)):
        return False
    starts = (
        max(text.rfind("\n", max(span.start - MAX_INDENT, 0), span.start) + 1, span.start - MAX_INDENT)
        for span in spans
    )
    return any(text[start : span.start].isspace() for start, span in zip(starts, spans, strict=True))


def _trailing(text: str, old: str, new: str) -> Iterator[Span]:
    """Places that differ in blanks at line ends only."""
    wanted = old.split("\n")
    bare_wanted = [line.rstrip() for line in wanted]
    if not any(bare_wanted):
        return
    is_open = bare_wanted[-1] == wanted[-1]  # it may end within a line, or begins the next
    is_whole = wanted[0].isspace()  # an empty line, not the end of any line
    lines = text.split("\n") + ([""] if old.endswith("\n") and not text.endswith("\n") else [])
    bare = [line.rstrip() for line in lines]
    starts, bare_starts = _starts(lines), _starts(bare)
    stripped, searched = "\n".join(bare), "\n".join(bare_wanted)
    for place in _places(stripped, searched):
        end = place + len(searched)
        line = bisect_right(bare_starts, place) - 1
        last = line + len(wanted) - 1
        if (is_whole and place != bare_starts[line]) or not (is_open or end == bare_starts[last] + len(bare[last])):
            continue
        start = starts[line] + place - bare_starts[line]
        stop = starts[last] + (end - bare_starts[last] if is_open else len(lines[last]))
        if stop > len(text):  # the line end that the last line lacks
            yield Span(start, len(text), _kept(text[start:], old[:-1], new.removesuffix("\n")))
        else:
            yield Span(start, stop, _kept(text[start:stop], old, new))


def _indented(text: str, old: str, new: str) -> Iterator[Span]:
    """Whole lines that differ in a uniform shift of the indentation, and in blanks at their ends."""
    lines, wanted = text.split("\n"), old.removesuffix("\n").split("\n")
    searched = "\n".join(map(_bare, wanted))
    if not searched.strip():
        return
    starts = _starts(lines)
    stripped = "\n" + "\n".join(map(_bare, lines)) + "\n"
    line = counted = 0
    for place in islice(_places(stripped, f"\n{searched}\n"), MAX_TRIED):
        line, counted = line + stripped.count("\n", counted, place), place
        found = lines[line : line + len(wanted)]
        shifted = shift(wanted, found, new)
        if shifted is None:
            continue
        start, stop = starts[line], starts[line] + len("\n".join(found))
        if not old.endswith("\n"):
            yield Span(start, stop, _kept(text[start:stop], old, new, shifted))
        elif stop < len(text):
            yield Span(start, stop + 1, _kept(text[start : stop + 1], old, new, shifted))
        else:
            short = (part.removesuffix("\n") for part in (old, new, shifted))
            yield Span(start, stop, _kept(text[start:stop], *short))


def _typographic(text: str, old: str, new: str) -> Iterator[Span]:
    """Places that differ in the form of quotes, dashes and spaces only."""
    for span in _exact(text.translate(_PLAIN), old.translate(_PLAIN), new, overlapping=True):
        found = text[span.start : span.end]
        yield Span(span.start, span.end, _kept_letters(found, old[: len(found)], span.new))


def _kept_letters(found: str, old: str, new: str) -> str:
    """*new*, but letters of *old* that the change does not touch as they stand in *found*, one for one."""
    found_lines, old_lines, new_lines = (text.split("\n") for text in (found, old, new))
    pieces: list[str] = []
    for lines in stretches(old_lines, new_lines):
        if lines.is_equal:
            pieces += found_lines[lines.start : lines.end]
        elif lines.new_end > lines.new_start:
            there, before = ("\n".join(text[lines.start : lines.end]) for text in (found_lines, old_lines))
            after = "\n".join(new_lines[lines.new_start : lines.new_end])
            pieces.append(
                "".join(
                    there[part.start : part.end] if part.is_equal else after[part.new_start : part.new_end]
                    for part in stretches(before, after)
                )
            )
    return "\n".join(pieces)


def _kept(found: str, old: str, new: str, shifted: str | None = None) -> str:
    """*shifted* (*new* when not given), but lines that the change does not touch as they stand in *found*."""
    lines, written = found.split("\n"), (new if shifted is None else shifted).split("\n")
    pieces: list[str] = []
    for part in stretches(old.split("\n"), new.split("\n")):
        pieces += lines[part.start : part.end] if part.is_equal else written[part.new_start : part.new_end]
    return "\n".join(pieces)


def _bare(line: str) -> str:
    return line.rstrip().lstrip(" \t")


def _places(text: str, searched: str) -> Iterator[int]:
    place = text.find(searched)
    while place >= 0:
        yield place
        place = text.find(searched, place + 1)


def _starts(lines: list[str]) -> list[int]:
    """Where each line begins in the joined text."""
    return list(accumulate((len(line) + 1 for line in lines[:-1]), initial=0))


def _line_numbers(text: str, spans: Sequence[Span]) -> Iterator[int]:
    line, last = 1, 0
    for span in spans:
        line, last = line + text.count("\n", last, span.start), span.start
        yield line


def _miscounted(text: str, lines: Sequence[int], said: str, expected: int | None, tier: str, *, is_tool: bool) -> str:
    shown = lines[:MAX_SHOWN]
    more = ", …" if len(lines) > MAX_SHOWN else ""
    how = "" if tier == TIERS[0] else f" apart from {tier}"
    numbers = f"line {shown[0]}" if len(lines) == 1 else f"lines {', '.join(map(str, shown))}{more}"
    said += f" ({numbers}){how}"
    advice = "Copy the text exactly as the file has it, with surrounding lines."
    if expected is not None and expected != len(lines):
        advice = f"Nothing was changed, because expected_replacements is {expected}."
    elif tier == TIERS[0]:
        advice = "Add surrounding lines to make it unique" + (", or set replace_all to true." if is_tool else ".")
    rows = text.split("\n")
    return "\n".join([f"{said}. {advice}", *(_context(rows, line) for line in shown)])


def _context(rows: list[str], line: int) -> str:
    """The line and what tells it from its like: the line before it, or after it at the start of the file."""
    beside = f"after: {_cut(rows[line - 2])}" if line > 1 else f"before: {_cut(rows[1])}" if len(rows) > 1 else ""
    return f"  line {line}: {_cut(rows[line - 1])}" + (f"   ({beside})" if beside else "")


def _cut(line: str) -> str:
    line = line.strip()
    return line if len(line) <= MAX_SHOWN_CHARS else f"{line[:MAX_SHOWN_CHARS]}…"

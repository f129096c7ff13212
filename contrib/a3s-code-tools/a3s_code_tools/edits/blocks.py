"""Search/replace blocks: a dialect in which a text is followed by what shall stand in its place.

```text
src/main.py
<<<<<<< SEARCH
timeout = 10
=======
timeout = 30
>>>>>>> REPLACE
```
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from a3s_code_tools.edits.replace import TIERS, Edit, replace
from a3s_code_tools.edits.text import EditError, Span, TextFile

__all__ = ["Block", "apply", "begins_block", "is_blocks", "parse", "steps"]

_SEARCH = re.compile(r"(<{5,}) ?SEARCH\s*$")
_FOREIGN = re.compile(r"@@|diff --git |\*\*\* (Begin Patch|(Add|Update|Delete) File:)")
_FENCE = re.compile(r"\s*(```|~~~)")
_PATH_MARKS = "`*# \t:"


@dataclass(frozen=True, slots=True)
class Block:
    """One replacement.

    Args:
        path: The file as the text names it; "" when it names none.
        search: What to replace, whole lines; "" for the content of a new or empty file.
        new: What to put there.
    """

    path: str
    search: str
    new: str


def is_blocks(text: str) -> bool:
    """Whether *text* is in this dialect."""
    return any(map(begins_block, text.split("\n")))


def begins_block(line: str) -> bool:
    """Whether *line* is the mark that a block begins with."""
    return _SEARCH.match(line) is not None


def parse(text: str) -> tuple[Block, ...]:
    """The blocks of *text*; one that names no file is for the file of the block before it.

    The three markers of a block have the same length, 5 characters or more; longer ones let a block hold shorter ones.

    Raises:
        EditError: invalid_argument, there is no block, one is not complete or ambiguous, or a part of the text is in
            another dialect.
    """
    blocks = tuple(_blocks([line.removesuffix("\r") for line in text.split("\n")]))
    if not blocks:
        raise EditError('there is no search/replace block; begin one with a line "<<<<<<< SEARCH"')
    return blocks


def apply(file: TextFile, blocks: Sequence[Block], *, path: str = "the file") -> Edit:
    """*file* with all *blocks* applied in order; each text must be found once as whole lines, as by `replace`.

    Args:
        file: The file; an empty one for a file that is to be made.
        blocks: Those of this file.
        path: How the errors call the file.

    Raises:
        EditError: As `replace`; it names the block, and nothing was changed.
    """
    edit = Edit(file.to_bytes(file.raw), 0, TIERS[0], (), file)
    for done in steps(file, blocks, path=path):
        tier = max(edit.tier, done.tier, key=TIERS.index)
        edit = Edit(done.after, edit.count + done.count, tier, edit.lines + done.lines, done.file)
    return edit


def steps(file: TextFile, blocks: Sequence[Block], *, path: str = "the file") -> Iterator[Edit]:
    """What each block makes of what the one before it left; arguments and errors as for `apply`."""
    for number, block in enumerate(blocks, start=1):
        try:
            edit = _replaced(file, block)
        except EditError as error:
            text = f"nothing was changed, because block {number} of {len(blocks)} for {path} does not fit: {error}"
            raise EditError(text, error.kind) from error
        yield edit
        file = edit.file


def _replaced(file: TextFile, block: Block) -> Edit:
    if block.search:
        return replace(file, block.search, block.new, whole_lines=True, called="its SEARCH part")
    if file.text:
        raise EditError("its SEARCH part is empty, which only a new or empty file allows; name the lines to replace")
    changed = file.changed([Span(0, 0, block.new)])
    return Edit(changed.to_bytes(changed.raw), 1, TIERS[0], (1,), changed)


def _blocks(lines: Sequence[str]) -> Iterator[Block]:
    path, last, at = "", 0, 0
    while at < len(lines):
        begin = _SEARCH.match(lines[at])
        if begin is None:
            _require_no_patch(lines[at], at + 1)
            at += 1
            continue
        path = _path(lines[last:at]) or path
        middle, end = _marks(lines, at, len(begin[1]))
        yield Block(path, _joined(lines[at + 1 : middle]), _joined(lines[middle + 1 : end]))
        last = at = end + 1


def _require_no_patch(line: str, number: int) -> None:
    """Refuses a patch of another dialect between blocks, which would be left out without a word."""
    if _FOREIGN.match(line):
        raise EditError(
            f"line {number}, {line[:80]!r}, is not of a search/replace block; nothing was changed. Send blocks alone."
        )


def _marks(lines: Sequence[str], start: int, length: int) -> tuple[int, int]:
    """The lines that divide and end the block that begins in line *start*."""
    middle_mark, end_mark = re.compile(f"={{{length}}}\\s*$"), re.compile(f">{{{length}}} ?REPLACE\\s*$")
    end = next((at for at in range(start, len(lines)) if end_mark.match(lines[at])), None)
    if end is None:
        raise EditError(f'the block of line {start + 1} is not complete: no line "{">" * length} REPLACE" ends it')
    middles = [at for at in range(start, end) if middle_mark.match(lines[at])]
    if len(middles) != 1:
        raise EditError(
            f'the block of line {start + 1} has {len(middles)} lines "{"=" * length}", it needs one; use longer '
            "markers in all three places when the text itself holds such a line"
        )
    return middles[0], end


def _path(lines: Sequence[str]) -> str:
    """The last line before a block that is no fence and not empty, without the marks of Markdown."""
    for line in reversed(lines):
        if line.strip() and not _FENCE.match(line):
            return line.strip().strip(_PATH_MARKS)
    return ""


def _joined(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)

"""Patches: what a diff does to files, all of it or nothing; and the way back."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from a3s_code_tools.edits.binary import binary_applied
from a3s_code_tools.edits.blocks import Block, begins_block, steps
from a3s_code_tools.edits.blocks import parse as parse_blocks
from a3s_code_tools.edits.envelope import is_envelope, parse_envelope
from a3s_code_tools.edits.fitting import Updated, created, named, updated
from a3s_code_tools.edits.replace import TIERS
from a3s_code_tools.edits.sections import Action, Section
from a3s_code_tools.edits.text import EditError, TextFile
from a3s_code_tools.edits.unified import parse_unified

__all__ = ["Change", "Changes", "Patch", "Rewrite", "apply", "parse"]

_BACKUPS = (".orig", ".old", ".bak", "~")
_KIND_BITS, _REGULAR, _SPECIAL_BITS, _RUN_BITS = 0o170000, 0o100000, 0o7000, 0o111


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrite:
    """A file as a whole, from one known content to another; what reverse patches are made of.

    Args:
        path: The file.
        before: What it must have; None is no file.
        after: What it gets; None deletes it.
        moved_from: The path that its content, and with it its mode, comes from.
        is_executable: Whether it shall be; None leaves that as it is.
    """

    path: str
    before: bytes | None
    after: bytes | None
    moved_from: str | None = None
    is_executable: bool | None = None


@dataclass(frozen=True, slots=True)
class Replacements:
    """The search/replace blocks for one file, in order."""

    path: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Patch:
    """What shall be done to files, in order."""

    parts: tuple[Section | Replacements | Rewrite, ...]

    @property
    def paths(self) -> tuple[str, ...]:
        """Every path that it reads or changes, as it is written in the diff."""
        found: dict[str, None] = {}
        for part in self.parts:
            found |= dict.fromkeys(part.paths if isinstance(part, Section) else (part.path,))
        return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a patch makes of one path, over all its parts.

    Args:
        path: As the diff has it.
        before: Content before; None is no file.
        after: Content afterwards; None is no file.
        moved_from: The path whose content came here; it has a change of its own.
        copied_from: The path whose content came here and stayed there too.
        hunks: How many hunks or blocks were applied.
        notes: Which of them were not at their line, or did not match exactly.
        was_executable: Whether it was, as the diff says; None when it says nothing.
        is_executable: Whether it shall be; None leaves that as it is.
    """

    path: str
    before: bytes | None
    after: bytes | None
    moved_from: str | None = None
    copied_from: str | None = None
    hunks: int = 0
    notes: tuple[str, ...] = ()
    was_executable: bool | None = None
    is_executable: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """All that a patch does, each path once, and the patch that takes it back byte by byte."""

    files: tuple[Change, ...]
    reverse: Patch


def parse(diff: str, path: str | None = None) -> Patch:
    """Reads a unified diff, a git diff, the `*** Begin Patch` envelope, or search/replace blocks.

    Prose and fences around it do not matter.

    Args:
        diff: The patch.
        path: The file it is for: needed when the diff names none, and preferred to the name of a single changed file.

    Raises:
        EditError: invalid_argument or unsupported, with the line of the diff that is not understood.
    """
    if _begins_with_block(diff):
        return Patch(_replacements(parse_blocks(diff), path))
    sections = parse_envelope(diff) if is_envelope(diff) else parse_unified(diff, path)
    if not sections:
        raise EditError('the diff has no hunk; begin each with "@@ -line,count +line,count @@" or a line "@@"')
    if path and all(path not in section.paths for section in sections):
        if len(sections) > 1 or sections[0].action is not Action.UPDATE:
            raise _other_files(path, Patch(sections).paths)
        sections = (replace(sections[0], old=path, new=path),)
    return Patch(sections)


def _begins_with_block(diff: str) -> bool:
    """Whether the mark of a search/replace block stands in *diff*, and none of the envelope before it.

    It cannot stand in a unified diff, whose lines all have a sign before them.
    """
    lines = diff.split("\n")
    first = next((number for number, line in enumerate(lines) if begins_block(line)), None)
    return first is not None and not is_envelope("\n".join(lines[:first]))


def _replacements(found: Sequence[Block], path: str | None) -> tuple[Replacements, ...]:
    named = tuple(dict.fromkeys(block.path for block in found if block.path))
    if path and path not in named:
        if len(named) > 1:
            raise _other_files(path, named)
        return (Replacements(path, tuple(found)),)
    by_path: dict[str, list[Block]] = {}
    for block in found:
        by_path.setdefault(block.path or path or "", []).append(block)
    if "" in by_path:
        raise EditError("block 1 names no file; put its path in the line before <<<<<<< SEARCH, or give file_path")
    return tuple(Replacements(each, tuple(its)) for each, its in by_path.items())


def _other_files(path: str, named: Sequence[str]) -> EditError:
    return EditError(f"file_path is {path}, but the diff is about {', '.join(named)}")


def apply(patch: Patch, read: Callable[[str], bytes | None]) -> Changes:
    """What *patch* does, in memory: nothing is written, so either all of it fits or nothing has happened.

    Args:
        patch: What `parse` gave, or the reverse of former changes.
        read: The content of a path; None when there is no such file.

    Raises:
        EditError: not_found (a hunk or file), invalid_argument (it fits several places, overlaps), version_conflict
            (a new file exists, another content than expected), unsupported or denied (links, special modes).
    """
    state = _State(read)
    leaving = {
        part.old
        for part in patch.parts
        if isinstance(part, Section) and part.action in (Action.RENAME, Action.DELETE) and part.old != part.new
    }
    for part in patch.parts:
        match part:
            case Rewrite():
                state.rewrite(part)
            case Replacements():
                state.fill(part)
            case Section():
                _require_plain(part)
                _Step(state, part, leaving).take()
    return state.changes()


class _State:
    """The files as they are between the parts of a patch."""

    def __init__(self, read: Callable[[str], bytes | None]):
        self._read = read
        self._originals: dict[str, bytes | None] = {}
        self._changes: dict[str, Change] = {}

    def original(self, path: str) -> bytes | None:
        if path not in self._originals:
            self._originals[path] = self._read(path)
        return self._originals[path]

    def now(self, path: str) -> bytes | None:
        return self._changes[path].after if path in self._changes else self.original(path)

    def is_taken(self, path: str) -> bool:
        """Whether the content of another file was moved there, so that what is said of *path* is of its original."""
        return path in self._changes and self._changes[path].moved_from is not None

    def put(
        self,
        path: str,
        content: bytes | None,
        section: Section | None = None,
        *,
        notes: tuple[str, ...] = (),
        hunks: int = 0,
    ) -> None:
        """Gives *path* its new content, by so many hunks, and what else *section* says of it."""
        change = self._changes.get(path) or Change(path=path, before=self.original(path), after=None)
        change = replace(change, after=content, notes=change.notes + notes, hunks=change.hunks + hunks)
        if section is not None:
            old, new = _runs(section.old_mode), _runs(section.new_mode)
            if old != new or content is None:
                change = replace(change, was_executable=old, is_executable=None if content is None else new)
            if section.action is Action.RENAME and content is not None and section.old != path:
                change = replace(change, moved_from=section.old)
            if section.action is Action.COPY and section.old != path:
                change = replace(change, copied_from=section.old)
        self._changes[path] = change

    def fill(self, part: Replacements) -> None:
        """Applies the blocks of one file."""
        path, before = part.path, self.now(part.path)
        if before is None and (part.blocks[0].search or " " in path):
            raise EditError(
                f"{path} does not exist; nothing was changed. The line before <<<<<<< SEARCH must be the path of a "
                "file, alone; an empty SEARCH part makes a new one, whose path has no blanks.",
                "not_found",
            )
        with named(path):
            file = TextFile.decode(before or b"")
        edits = list(steps(file, part.blocks, path=path))
        notes = tuple(
            f"block {number} apart from {edit.tier}"
            for number, edit in enumerate(edits, start=1)
            if edit.tier != TIERS[0]
        )
        self.put(path, edits[-1].after, notes=notes, hunks=len(edits))

    def rewrite(self, part: Rewrite) -> None:
        if self.now(part.path) != part.before:
            raise EditError(
                f"{part.path} was changed since, so that it cannot be taken back; nothing was changed",
                "version_conflict",
            )
        self._changes[part.path] = Change(
            path=part.path,
            before=part.before,
            after=part.after,
            moved_from=part.moved_from,
            was_executable=None if part.is_executable is None else not part.is_executable,
            is_executable=part.is_executable,
        )

    def changes(self) -> Changes:
        files = tuple(self._changes.values())
        origins = {change.moved_from: change.path for change in files}
        back = tuple(
            Rewrite(
                path=change.path,
                before=change.after,
                after=change.before,
                moved_from=None if change.before is None else origins.get(change.path),
                is_executable=None if change.before is None else change.was_executable,
            )
            for change in reversed(files)
        )
        return Changes(files=files, reverse=Patch(back))


class _Step:
    """One section on its way into the files."""

    def __init__(self, state: _State, section: Section, leaving: set[str | None]):
        self._state = state
        self._section = section
        self._leaving = leaving

    def take(self) -> None:
        match self._section.action:
            case Action.UPDATE:
                self._update()
            case Action.CREATE:
                self._create(self._section.new or "")
            case Action.DELETE:
                self._delete(self._section.old or "")
            case Action.RENAME | Action.COPY:
                self._move(self._section.old or "", self._section.new or "")

    def _update(self) -> None:
        path = self._one_path()
        before = self._state.now(path)
        if before is None and self._only_begins():
            self._create(path)
            return
        if before is None:
            raise EditError(f"{path} does not exist; nothing was changed", "not_found")
        self._put(path, self._updated(path, before))

    def _one_path(self) -> str:
        """The file to change where the diff gives two names and says nothing of a rename."""
        old, new = self._section.old or "", self._section.new or ""
        if old == new or any(old == new + ending for ending in _BACKUPS):
            return new
        if self._state.now(old) is None and self._state.now(new) is not None:
            return new
        raise EditError(
            f'the diff names two files, {old} and {new}; nothing was changed. Name one, or add "rename from" and '
            '"rename to" lines below a "diff --git" line.'
        )

    def _only_begins(self) -> bool:
        """Whether the hunks are those of a new file, under its own name on both sides."""
        hunks = self._section.hunks
        return bool(hunks) and all(not hunk.old and hunk.start == 0 for hunk in hunks)

    def _create(self, path: str) -> None:
        if self._state.now(path) is not None:
            raise EditError(
                f"{path} exists already, but the patch creates it; nothing was changed. Read it and change it instead.",
                "version_conflict",
            )
        section = replace(self._section, new=path)
        self._put(path, self._from_git(path, None) if section.binary is not None else Updated(created(section)))

    def _delete(self, path: str) -> None:
        state, section = self._state, self._section
        before = state.original(path) if state.is_taken(path) else state.now(path)
        if before is None:
            raise EditError(f"{path} does not exist, but the patch deletes it; nothing was changed", "not_found")
        if not section.is_whole and (left := self._updated(path, before).content):
            raise EditError(
                f"the patch deletes {path}, but {len(left):,} bytes of it would be left; nothing was changed. Read it "
                "again and remove every line.",
                "not_found",
            )
        if not state.is_taken(path):
            state.put(path, None, section, hunks=len(section.hunks))

    def _move(self, source: str, target: str) -> None:
        state, is_copy = self._state, self._section.action is Action.COPY
        before = state.original(source) if is_copy or state.is_taken(source) else state.now(source)
        if before is None:
            raise EditError(f"{source} does not exist, but the patch moves or copies it", "not_found")
        if source != target and state.now(target) is not None and target not in self._leaving:
            raise EditError(
                f"{target} exists already, but the patch moves or copies {source} there; nothing was changed",
                "version_conflict",
            )
        if source != target and not is_copy and not state.is_taken(source):
            state.put(source, None)
        self._put(target, self._updated(source, before))

    def _updated(self, path: str, before: bytes) -> Updated:
        """*before* with the hunks, or what the binary patch makes of it."""
        if self._section.binary is not None:
            return self._from_git(path, before)
        return updated(before, self._section, path) if self._section.hunks else Updated(before)

    def _from_git(self, path: str, before: bytes | None) -> Updated:
        with named(path):
            return Updated(binary_applied(self._section, before))

    def _put(self, path: str, found: Updated) -> None:
        self._state.put(path, found.content, self._section, notes=found.notes, hunks=len(self._section.hunks))


def _runs(mode: int | None) -> bool | None:
    return None if mode is None else bool(mode & _RUN_BITS)


def _require_plain(section: Section) -> None:
    """Refuses links, submodules and set-uid bits, which a patch of text has no business with."""
    for mode in (section.old_mode, section.new_mode):
        if mode is not None and (mode & _KIND_BITS != _REGULAR or mode & _SPECIAL_BITS):
            raise EditError(
                f"line {section.at} of the diff gives {section.new or section.old} the mode {mode:o}; only regular "
                "files without special bits (100644, 100755) can be patched. Nothing was changed.",
                "denied",
            )

"""The patch tool: a diff over any number of files, applied as a whole or not at all."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from a3s_code.plugin import (
    Effects,
    Json,
    JsonObject,
    OtherTarget,
    PathTarget,
    Target,
    ToolError,
    ToolErrorKind,
    ToolOutput,
    ToolSpec,
    ToolUse,
    Workspace,
    in_thread,
)
from a3s_code_tools.dialects import PATCH, patch_for
from a3s_code_tools.diff import cut, difference
from a3s_code_tools.edits import EditError
from a3s_code_tools.edits.patch import Change, Patch, apply, parse
from a3s_code_tools.output import MAX_FILE_BYTES
from a3s_code_tools.versions import locked, require_seen, show, told

__all__ = ["PatchTool"]

_MODE_BITS, _WRITE_BITS, _RUN_BITS = 0o777, 0o222, 0o111


def _parsed(args: JsonObject) -> Patch:
    path = args.get("file_path")
    return parse(str(args["diff"]), str(path) if path else None)


def _targets(args: JsonObject) -> Sequence[Target]:
    """Every path of the diff, those that are only read too: a moved or copied file says what it has elsewhere."""
    try:
        return tuple(PathTarget(path, write=True) for path in _parsed(args).paths)
    except EditError:  # `run` says why, and touches nothing
        return (OtherTarget(str(args["diff"])),)


class PatchTool:
    """Applies a diff to files of the workspace; when anything of it does not fit, nothing is changed."""

    spec = ToolSpec(
        name="patch",
        description=PATCH,
        describe=patch_for,
        schema={
            "type": "object",
            "properties": {
                "diff": {"type": "string", "minLength": 1, "description": "The diff, envelope or blocks."},
                "file_path": {"type": "string", "description": "The file, when the diff names none."},
                "dry_run": {
                    "type": "boolean",
                    "default": False,
                    "description": "Show what would change and change nothing.",
                },
            },
            "required": ["diff"],
            "additionalProperties": False,
            "examples": [
                {"diff": "--- a/src/main.py\n+++ b/src/main.py\n@@ -1,2 +1,2 @@\n import os\n-DEBUG = 1\n+DEBUG = 0\n"},
                {
                    "diff": "*** Begin Patch\n*** Update File: src/main.py\n@@ def main():\n-    run()\n"
                    "+    return run()\n*** End Patch\n"
                },
            ],
        },
        effects=Effects.DESTRUCTIVE,
        targets=_targets,
    )

    async def run(self, args: JsonObject, use: ToolUse) -> ToolOutput:
        return await in_thread(_patch, args, use.workspace)


def _patch(args: JsonObject, workspace: Workspace) -> ToolOutput:
    is_dry = args.get("dry_run") is True
    with told():
        patch = _parsed(args)
        places = {path: workspace.resolve(path, write=True) for path in patch.paths}
        _require_distinct(places)
        with locked(*places.values()):
            changes = apply(patch, lambda path: _content(path, workspace))
            if not is_dry:
                with workspace.together():
                    _Writing(workspace, changes.files).write()
    shown = {path: workspace.relative(place) for path, place in places.items()}
    diff = _difference(changes.files, shown)
    lines = [*_lines(changes.files, shown, "Would apply" if is_dry else "Applied")]
    return ToolOutput(
        text="\n".join([*lines, *([diff] if is_dry else [])]),
        metadata={"files": [_facts(change, shown) for change in changes.files], "dry_run": is_dry, "diff": diff},
    )


def _require_distinct(places: Mapping[str, Path]) -> None:
    """Refuses two names of one file: each part would be made from the old content and the last would win."""
    names: dict[Path, str] = {}
    for path, place in places.items():
        if (other := names.setdefault(place, path)) != path:
            raise ToolError(
                f"{other} and {path} are the same file; nothing was changed. Use one name for it.",
                ToolErrorKind.INVALID_ARGUMENT,
            )


def _content(path: str, workspace: Workspace) -> bytes | None:
    try:
        content = workspace.read_bytes(path, max_bytes=MAX_FILE_BYTES)
    except ToolError as error:
        if error.kind is ToolErrorKind.NOT_FOUND:
            return None
        raise
    require_seen(workspace, path, content)
    return content


class _Writing:
    """Brings changes to the disk one after the other, and takes them back when one fails."""

    def __init__(self, workspace: Workspace, changes: Sequence[Change]):
        self._workspace = workspace
        # what is deleted goes last: until then every content exists somewhere
        self._changes = sorted(changes, key=lambda change: change.after is None)
        self._modes = {change.path: self._mode(change.path) for change in changes}
        self._copied_modes = {path: self._mode(path) for change in changes if (path := change.copied_from)}

    def write(self) -> None:
        """Writes all.

        Raises:
            ToolError: One could not be written; those before it are as they were, or the text names them.
        """
        self._require_writable()
        done: list[Change] = []
        try:
            for change in self._changes:
                done.append(change)
                self._bring(change)
        except ToolError as error:
            raise ToolError(f"{error}; {self._take_back(done)}", error.kind) from error
        for change in self._changes:
            if change.after is not None:
                show(self._workspace, change.path, change.after)

    def _require_writable(self) -> None:
        """Refuses read-only files beforehand: what takes over their mode could not be taken back."""
        for path, mode in self._modes.items():
            if mode is not None and not mode & _WRITE_BITS:
                raise ToolError(f"{path} is read-only; nothing was changed")

    def _bring(self, change: Change) -> None:
        path, before = change.path, change.before
        if before is None and change.moved_from is None and self._runs(change):
            self._put(path, None, change.after)  # the system decides which mode a new file has
            before = change.after
        self._put(path, before, change.after, self._wanted_mode(change))

    def _take_back(self, done: Sequence[Change]) -> str:
        """Restores what was written, and says so."""
        left: list[str] = []
        for change in reversed(done):
            try:
                now = self._now(change.path)
                if now not in (change.before, change.after):
                    raise ToolError(f"{change.path} was changed by somebody else")
                self._put(change.path, now, change.before, self._modes[change.path])
            except ToolError:
                left.append(change.path)
        return f"these could not be restored: {', '.join(left)}" if left else "nothing was changed"

    def _now(self, path: str) -> bytes | None:
        try:
            return self._workspace.read_bytes(path)
        except ToolError as error:
            if error.kind is ToolErrorKind.NOT_FOUND:
                return None
            raise

    def _put(self, path: str, before: bytes | None, after: bytes | None, mode: int | None = None) -> None:
        if after is None:
            if before is not None:
                self._workspace.delete(path)
        elif before != after or mode not in (None, self._mode(path)):
            self._workspace.write_bytes(path, after, mode=mode)

    def _wanted_mode(self, change: Change) -> int | None:
        """The permission bits that the file shall have; None leaves them."""
        mode = self._modes.get(change.moved_from or "")
        runs = self._runs(change)
        if runs is None or change.after is None:
            return mode
        mode = mode or self._mode(change.path)
        if mode is None:
            return None
        # whoever may read it may run it
        return mode | (mode & 0o444) >> 2 if runs else mode & ~_RUN_BITS

    def _runs(self, change: Change) -> bool | None:
        """Whether the file shall be executable, as the diff says or as what it is copied from; None leaves that."""
        mode = self._copied_modes.get(change.copied_from or "")
        return bool(mode & _RUN_BITS) if change.is_executable is None and mode is not None else change.is_executable

    def _mode(self, path: str) -> int | None:
        """The permission bits of a file; None when there is none."""
        with suppress(OSError):
            return self._workspace.resolve(path).lstat().st_mode & _MODE_BITS
        return None


def _moved(files: Sequence[Change]) -> dict[str, Change]:
    """The changes whose content went elsewhere, which are told there, by path."""
    sources = {change.moved_from for change in files}
    return {change.path: change for change in files if change.path in sources and change.after is None}


def _lines(files: Sequence[Change], shown: Mapping[str, str], verb: str) -> Iterator[str]:
    moved = _moved(files)
    for change in files:
        if change.path not in moved:
            how = _what(change, shown)
            yield f"{verb} {change.hunks} hunk(s) to {shown[change.path]}" + (f" ({how})" if how else "")


def _what(change: Change, shown: Mapping[str, str]) -> str:
    """What else happened to the file, and where its hunks were when not at their line."""
    how: list[str] = []
    if change.moved_from is not None:
        how = [f"moved from {shown[change.moved_from]}"]
    elif change.copied_from is not None:
        how = [f"copied from {shown[change.copied_from]}"]
    elif change.before is None:
        how = ["created"]
    elif change.after is None:
        how = ["deleted"]
    elif change.is_executable is not None:
        how = ["now executable" if change.is_executable else "no longer executable"]
    elif change.before == change.after:
        how = ["the same as before"]
    return "; ".join([*how, *change.notes])


def _facts(change: Change, shown: Mapping[str, str]) -> Json:
    moved_from = None if change.moved_from is None else shown[change.moved_from]
    return {
        "path": shown[change.path],
        "change": "deleted" if change.after is None else "created" if change.before is None else "updated",
        "hunks": change.hunks,
        **({} if moved_from is None else {"moved_from": moved_from}),
    }


def _difference(files: Sequence[Change], shown: Mapping[str, str]) -> str:
    """All of it as one diff; a moved file is told once, where it is now."""
    moved = _moved(files)
    origins = {change.path: change.before for change in files}
    diffs = []
    for change in files:
        if change.path in moved:
            continue
        source = change.moved_from or change.copied_from
        diffs.append(
            difference(
                shown[change.path],
                change.before if source is None else origins.get(source, change.before),
                change.after,
                moved_from=change.moved_from and shown[change.moved_from],
                copied_from=change.copied_from and shown[change.copied_from],
            )
        )
    return cut("".join(diffs))

"""The edit tool: a text replaced by another, every other byte left as it was."""

from collections.abc import Sequence

from a3s_code.plugin import (
    Effects,
    JsonObject,
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
from a3s_code_tools.dialects import EDIT, edit_for
from a3s_code_tools.diff import cut, difference
from a3s_code_tools.edits import TIERS, TextFile, replace
from a3s_code_tools.output import MAX_FILE_BYTES
from a3s_code_tools.versions import locked, require_seen, show, told

__all__ = ["EditTool"]

_ADDITIONS = dict(
    zip(
        TIERS,
        (
            "",
            ". old_string matched apart from trailing white space; untouched lines keep theirs.",
            ". old_string matched apart from indentation; the new lines were shifted to that of the file.",
            ". old_string matched apart from quotes, dashes or spaces; untouched ones keep their form.",
        ),
        strict=True,
    )
)
"""What the result says about each tier."""


_SHALLOW = ". The file has more indentation there than old_string; check that of the new lines."


def _targets(args: JsonObject) -> Sequence[Target]:
    return (PathTarget(str(args["file_path"]), write=True),)


class EditTool:
    """Replaces one text by another in a file."""

    spec = ToolSpec(
        name="edit",
        description=EDIT,
        describe=edit_for,
        schema={
            "type": "object",
            "properties": {
                "file_path": {
                    "type": "string",
                    "description": "Path of the file, absolute or relative to the workspace.",
                },
                "old_string": {"type": "string", "description": "The exact text to replace; not empty."},
                "new_string": {"type": "string", "description": "What stands there afterwards."},
                "replace_all": {
                    "type": "boolean",
                    "default": False,
                    "description": "Replace every occurrence instead of the only one.",
                },
                "expected_replacements": {
                    "type": "integer",
                    "minimum": 1,
                    "description": "Replace exactly this many occurrences; refuse when there are more or fewer.",
                },
                "dry_run": {
                    "type": "boolean",
                    "default": False,
                    "description": "Show the difference and change nothing.",
                },
            },
            "required": ["file_path", "old_string", "new_string"],
            "additionalProperties": False,
            "examples": [{"file_path": "src/main.py", "old_string": "timeout = 10", "new_string": "timeout = 30"}],
        },
        effects=Effects.DESTRUCTIVE,
        targets=_targets,
    )

    async def run(self, args: JsonObject, use: ToolUse) -> ToolOutput:
        return await in_thread(_edit, args, use.workspace)


def _edit(args: JsonObject, workspace: Workspace) -> ToolOutput:
    path, expected, is_dry = str(args["file_path"]), args.get("expected_replacements"), args.get("dry_run") is True
    with locked(workspace.resolve(path, write=True)), told():
        before = _content(path, workspace)
        require_seen(workspace, path, before)
        file = TextFile.decode(before)
        edit = replace(
            file,
            str(args["old_string"]),
            str(args["new_string"]),
            replace_all=args.get("replace_all") is True,
            expected=int(expected) if isinstance(expected, int | float) else None,
            path=path,
        )
        shown = workspace.relative(workspace.resolve(path))
        if not is_dry:
            workspace.write_bytes(path, edit.after)
            show(workspace, path, edit.after)
    diff = cut(difference(shown, before, edit.after))
    addition = _SHALLOW if edit.is_shallow else _ADDITIONS[edit.tier]
    return ToolOutput(
        text=diff if is_dry else f"Replaced {edit.count} occurrence(s) in {shown}{addition}",
        metadata={
            "path": shown,
            "replacements": edit.count,
            "tier": edit.tier,
            "lines": list(edit.lines),
            "dry_run": is_dry,
            "diff": diff,
        },
    )


def _content(path: str, workspace: Workspace) -> bytes:
    try:
        return workspace.read_bytes(path, max_bytes=MAX_FILE_BYTES)
    except ToolError as error:
        if error.kind is ToolErrorKind.NOT_FOUND:
            raise ToolError(f"{error}. Find it with glob, or create it with write.", error.kind) from error
        raise

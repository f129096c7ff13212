"""The write tool: a whole file at once."""

import asyncio
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
)
from a3s_code_tools.diff import unified_diff
from a3s_code_tools.output import MAX_FILE_BYTES

__all__ = ["WriteTool"]


def _targets(args: JsonObject) -> Sequence[Target]:
    return (PathTarget(str(args["file_path"]), write=True),)


class WriteTool:
    """Creates or replaces a file as a whole; it is never half written."""

    spec = ToolSpec(
        name="write",
        description=(
            "Write a file of the workspace: it is created with its folders, or replaced as a whole. "
            "Use edit to change a part of an existing file."
        ),
        schema={
            "type": "object",
            "properties": {
                "file_path": {
                    "type": "string",
                    "description": "Path of the file, absolute or relative to the workspace.",
                },
                "content": {"type": "string", "description": "The whole new content."},
            },
            "required": ["file_path", "content"],
            "additionalProperties": False,
            "examples": [{"file_path": "notes/todo.md", "content": "# To do\n"}],
        },
        effects=Effects.DESTRUCTIVE,
        targets=_targets,
    )

    async def run(self, args: JsonObject, use: ToolUse) -> ToolOutput:
        return await asyncio.to_thread(_write, str(args["file_path"]), str(args["content"]), use.workspace)


def _write(path: str, text: str, workspace: Workspace) -> ToolOutput:
    try:
        content = text.encode()
    except UnicodeEncodeError as error:
        raise ToolError(
            f"the content cannot be written as UTF-8: character {error.start} is half of a surrogate pair",
            ToolErrorKind.INVALID_ARGUMENT,
        ) from error
    before = _before(path, workspace)
    shown = workspace.relative(workspace.write_bytes(path, content))
    lines = len(text.split("\n")) - (text.endswith("\n") or not text)
    verb = "Created" if before is None else "Wrote"
    return ToolOutput(
        text=f"{verb} {shown}: {len(content)} bytes, {lines} lines",
        metadata={"path": shown, "created": before is None, "diff": unified_diff(shown, before or b"", content)},
    )


def _before(path: str, workspace: Workspace) -> bytes | None:
    """The old content for the diff, None when there is no file; what is too large is shown as empty."""
    try:
        return workspace.read_bytes(path, max_bytes=MAX_FILE_BYTES)
    except ToolError as error:
        if error.kind is ToolErrorKind.NOT_FOUND:
            return None
        if error.kind is ToolErrorKind.TOO_LARGE:
            return b""
        raise

"""The write tool: a whole file at once."""

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
from a3s_code_tools.diff import cut, difference
from a3s_code_tools.edits import EditError, TextFile
from a3s_code_tools.output import MAX_FILE_BYTES
from a3s_code_tools.versions import locked, require_seen, show, told

__all__ = ["WriteTool"]


def _targets(args: JsonObject) -> Sequence[Target]:
    return (PathTarget(str(args["file_path"]), write=True),)


class WriteTool:
    """Creates or replaces a file as a whole; it is never half written."""

    spec = ToolSpec(
        name="write",
        description=(
            "Write a file of the workspace: it is created with its folders, or replaced as a whole. "
            "Use edit to change a part of an existing file. A replaced file keeps its encoding, and its line ends when "
            "the content has plain newlines."
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
        return await in_thread(_write, str(args["file_path"]), str(args["content"]), use.workspace)


def _write(path: str, text: str, workspace: Workspace) -> ToolOutput:
    with locked(workspace.resolve(path, write=True)), told():
        before = _before(path, workspace)
        if before:
            require_seen(workspace, path, before)
        content, kept = _content(before or b"", text)
        shown = workspace.relative(workspace.write_bytes(path, content))
        show(workspace, path, content)
    lines = len(text.split("\n")) - (text.endswith("\n") or not text)
    verb = "Created" if before is None else "Wrote"
    return ToolOutput(
        text=f"{verb} {shown}: {len(content)} bytes, {lines} lines" + (f" (kept: {kept})" if kept else ""),
        metadata={
            "path": shown,
            "created": before is None,
            "diff": cut(difference(shown, before, content)),
        },
    )


def _content(before: bytes, text: str) -> tuple[bytes, str]:
    """The bytes to write, and what of the old file they keep, in words.

    Raises:
        EditError: *text* has a character that the encoding of the old file lacks.
    """
    try:
        file = TextFile.decode(before)
    except EditError:  # binary content is replaced by text
        file = TextFile("")
    if file.is_damaged:
        file = TextFile("")
    text = text.removeprefix("\ufeff") if file.bom else text
    kept = [file.encoding] if file.encoding != "utf-8" else []
    kept += ["byte order mark"] if file.bom else []
    if "\r" in text:  # whoever writes line ends out means them
        return file.to_bytes(text), ", ".join(kept)
    kinds = set(file.endings)
    if kinds - {"\n"} and "\n" in text:
        kept.append("mixed line ends" if len(kinds) > 1 else "CRLF line ends" if "\r\n" in kinds else "CR line ends")
    return file.encode(text), ", ".join(kept)


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

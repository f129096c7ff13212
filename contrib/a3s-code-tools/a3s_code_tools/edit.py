"""The edit tool: exact replacement that leaves every other byte as it was."""

import asyncio
import re
from collections.abc import Sequence

from attrs import frozen

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

__all__ = ["EditTool", "Edited", "replaced"]

_LONE_NEWLINE = re.compile(rb"(?<!\r)\n")
_SHOWN_LINES = 20


def _targets(args: JsonObject) -> Sequence[Target]:
    return (PathTarget(str(args["file_path"]), write=True),)


class EditTool:
    """Replaces one exact text by another in a file."""

    spec = ToolSpec(
        name="edit",
        description=(
            "Replace text in a file of the workspace. old_string must match exactly, with its indentation and without "
            "the line numbers that read shows, and must occur once unless replace_all is true."
        ),
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
            },
            "required": ["file_path", "old_string", "new_string"],
            "additionalProperties": False,
            "examples": [{"file_path": "src/main.py", "old_string": "timeout = 10", "new_string": "timeout = 30"}],
        },
        effects=Effects.DESTRUCTIVE,
        targets=_targets,
    )

    async def run(self, args: JsonObject, use: ToolUse) -> ToolOutput:
        return await asyncio.to_thread(_edit, args, use.workspace)


@frozen
class Edited:
    """The new content and how many places changed."""

    content: bytes
    count: int


def replaced(content: bytes, old_string: str, new_string: str, *, replace_all: bool, path: str) -> Edited:
    """*content* with the text replaced; all bytes outside the replaced places are kept.

    In a file whose lines all end in CRLF, line ends of the two strings mean CRLF.

    Args:
        content: UTF-8, with or without byte order mark.
        old_string: What to replace.
        new_string: What to put there.
        replace_all: Whether more than one occurrence may be replaced.
        path: For the errors.

    Raises:
        ToolError: UNSUPPORTED (not UTF-8), NOT_FOUND, or INVALID_ARGUMENT (empty, unchanged or ambiguous).
    """
    _require_text(content, path)
    old, new = _wanted(content, old_string), _wanted(content, new_string)
    if not old:
        raise ToolError("old_string is empty; use write to create a file", ToolErrorKind.INVALID_ARGUMENT)
    if old == new:
        raise ToolError("old_string and new_string are the same; nothing to change", ToolErrorKind.INVALID_ARGUMENT)
    count = content.count(old)
    if count == 0:
        raise ToolError(f"old_string not found in {path}. {_hint(content, old)}", ToolErrorKind.NOT_FOUND)
    if replace_all:
        return Edited(content.replace(old, new), count)
    lines = _lines_of(content, old)
    if len(lines) > 1:
        numbers = ", ".join(map(str, lines[:_SHOWN_LINES])) + (", …" if len(lines) > _SHOWN_LINES else "")
        raise ToolError(
            f"old_string occurs {len(lines)} times in {path} (lines {numbers}). Add surrounding lines to make it "
            "unique, or set replace_all to true.",
            ToolErrorKind.INVALID_ARGUMENT,
        )
    return Edited(content.replace(old, new, 1), 1)


def _edit(args: JsonObject, workspace: Workspace) -> ToolOutput:
    path = str(args["file_path"])
    before = workspace.read_bytes(path, max_bytes=MAX_FILE_BYTES)
    edited = replaced(
        before,
        str(args["old_string"]),
        str(args["new_string"]),
        replace_all=args.get("replace_all") is True,
        path=path,
    )
    shown = workspace.relative(workspace.write_bytes(path, edited.content))
    return ToolOutput(
        text=f"Replaced {edited.count} occurrence(s) in {shown}",
        metadata={"path": shown, "replacements": edited.count, "diff": unified_diff(shown, before, edited.content)},
    )


def _require_text(content: bytes, path: str) -> None:
    try:
        content.decode()
    except UnicodeDecodeError as error:
        raise ToolError(
            f"{path} is binary or not UTF-8 (byte {error.start}); it was not changed", ToolErrorKind.UNSUPPORTED
        ) from error


def _wanted(content: bytes, text: str) -> bytes:
    """The bytes that *text* means in this file."""
    try:
        encoded = text.encode()
    except UnicodeEncodeError as error:
        raise ToolError(
            f"character {error.start} of the text is half of a surrogate pair", ToolErrorKind.INVALID_ARGUMENT
        ) from error
    ends = content.count(b"\n")
    return _LONE_NEWLINE.sub(b"\r\n", encoded) if ends and content.count(b"\r\n") == ends else encoded


def _lines_of(content: bytes, old: bytes) -> list[int]:
    """1-based lines where *old* starts; overlapping places count, since either could be meant."""
    lines: list[int] = []
    line, last, place = 1, 0, content.find(old)
    while place >= 0:
        line += content.count(b"\n", last, place)
        lines.append(line)
        last, place = place, content.find(old, place + 1)
    return lines


def _hint(content: bytes, old: bytes) -> str:
    first = next((line.strip() for line in old.split(b"\n") if line.strip()), b"")
    for number, line in enumerate(content.split(b"\n"), start=1):
        if first and first in line:
            return f"Its first line is like line {number}; compare indentation and line ends, and read the file again."
    return "Read the file again and copy the text exactly, without line numbers."

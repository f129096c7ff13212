"""The read tool: a file's lines with their numbers, or an image."""

import asyncio
from collections.abc import Sequence

from a3s_code.plugin import (
    A3SCodeError,
    Attachment,
    Effects,
    JsonObject,
    PathTarget,
    Target,
    ToolError,
    ToolErrorKind,
    ToolOutput,
    ToolSpec,
    ToolUse,
    image_type,
)
from a3s_code_tools.output import MAX_FILE_BYTES, fitting

__all__ = ["ReadTool"]

MAX_LINES = 2000
MAX_LINE_CHARS = 2000


def _targets(args: JsonObject) -> Sequence[Target]:
    return (PathTarget(str(args["file_path"])),)


class ReadTool:
    """Shows a text file with line numbers or an image; never changes anything."""

    spec = ToolSpec(
        name="read",
        description=(
            "Read a file of the workspace. Text comes with line numbers (six wide, a tab, the line), at most 2000 "
            "lines at a time; images are shown. Use offset and limit for long files."
        ),
        schema={
            "type": "object",
            "properties": {
                "file_path": {
                    "type": "string",
                    "description": "Path of the file, absolute or relative to the workspace.",
                },
                "offset": {
                    "type": "integer",
                    "minimum": 0,
                    "default": 0,
                    "description": "Lines to skip: 0 starts at the first line.",
                },
                "limit": {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": MAX_LINES,
                    "default": MAX_LINES,
                    "description": "Most lines to show.",
                },
            },
            "required": ["file_path"],
            "additionalProperties": False,
            "examples": [{"file_path": "src/main.py"}, {"file_path": "log.txt", "offset": 2000, "limit": 500}],
        },
        effects=Effects.READ_ONLY | Effects.IDEMPOTENT,
        targets=_targets,
    )

    async def run(self, args: JsonObject, use: ToolUse) -> ToolOutput:
        path = str(args["file_path"])
        content = await asyncio.to_thread(use.workspace.read_bytes, path, max_bytes=MAX_FILE_BYTES)
        if media_type := image_type(content):
            return _image(path, content, media_type)
        return _lines(
            path, content, _count(args.get("offset"), 0), min(_count(args.get("limit"), MAX_LINES), MAX_LINES)
        )


def _count(value: object, default: int) -> int:
    return int(value) if isinstance(value, int | float) else default


def _image(path: str, content: bytes, media_type: str) -> ToolOutput:
    try:
        image = Attachment.from_bytes(content)
    except A3SCodeError as error:
        raise ToolError(f"{path}: {error}", ToolErrorKind.TOO_LARGE) from error
    return ToolOutput(text=f"[{path} is an image: {media_type}, {len(content):,} bytes]", images=(image,))


def _lines(path: str, content: bytes, offset: int, limit: int) -> ToolOutput:
    lines = _text(path, content).split("\n")
    if lines[-1] == "":
        lines.pop()
    total = len(lines)
    if total == 0 and offset == 0:
        return ToolOutput.ok(f"[{path} is empty]")
    if offset >= total:
        raise ToolError(f"Offset {offset} exceeds file length ({total} lines)", ToolErrorKind.INVALID_ARGUMENT)
    numbered = [
        f"{number:6}\t{_cut(line.removesuffix(chr(13)))}"
        for number, line in enumerate(lines[offset : offset + limit], start=offset + 1)
    ]
    kept = fitting(numbered)
    end = offset + kept
    text = "\n".join(numbered[:kept])
    if end < total:
        text += f"\n\n[{total - end} more lines of {total}; continue with offset={end}]"
    return ToolOutput(text=text, metadata={"path": path, "lines": kept, "total_lines": total})


def _cut(line: str) -> str:
    if len(line) <= MAX_LINE_CHARS:
        return line
    return f"{line[:MAX_LINE_CHARS]}… [{len(line) - MAX_LINE_CHARS} more characters in this line]"


def _text(path: str, content: bytes) -> str:
    """The text without a byte order mark.

    Raises:
        ToolError: UNSUPPORTED, it is not UTF-8.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ToolError(
            f"{path} is binary or not UTF-8 (byte {error.start} cannot be read as text); "
            "look at it with a program that knows its format",
            ToolErrorKind.UNSUPPORTED,
        ) from error
    if "\0" in text:
        raise ToolError(f"{path} is binary: it contains NUL bytes", ToolErrorKind.UNSUPPORTED)
    return text

"""The read tool: the lines of files with their numbers, and images."""

import asyncio
from collections.abc import Sequence

from attrs import evolve, frozen

from a3s_code.plugin import (
    A3SCodeError,
    Attachment,
    Effects,
    Image,
    Json,
    JsonObject,
    PathTarget,
    Target,
    ToolError,
    ToolErrorKind,
    ToolOutput,
    ToolSpec,
    ToolUse,
    Workspace,
    image_type,
)
from a3s_code_tools.edits.text import EditError, TextFile
from a3s_code_tools.output import MAX_FILE_BYTES, MAX_OUTPUT_BYTES, fitting

__all__ = ["ReadTool"]

MAX_LINES = 2000
MAX_LINE_CHARS = 2000
MAX_FILES = 32
SHARED_BYTES = 65_536
"""Bytes of text that several files share when the call names no other number."""

_OFFSET: dict[str, Json] = {
    "type": "integer",
    "minimum": 0,
    "default": 0,
    "description": "Lines to skip: 0 starts at the first line.",
}
_LIMIT: dict[str, Json] = {
    "type": "integer",
    "minimum": 1,
    "maximum": MAX_LINES,
    "default": MAX_LINES,
    "description": "Most lines to show.",
}
_PATH: dict[str, Json] = {"type": "string", "description": "Path of the file, absolute or relative to the workspace."}


@frozen(kw_only=True)
class _Wanted:
    """A page of a file: at most *limit* lines after the first *offset*."""

    path: str
    offset: int
    limit: int


def _targets(args: JsonObject) -> Sequence[Target]:
    return tuple(PathTarget(wanted.path) for wanted in _wanted(args))


class ReadTool:
    """Shows text files with line numbers, and images; never changes anything."""

    spec = ToolSpec(
        name="read",
        description=(
            "Read a file of the workspace, or several at once by files. Text comes with line numbers (six wide, a tab, "
            "the line), at most 2000 lines at a time; images are shown. Use offset and limit for long files."
        ),
        schema={
            "type": "object",
            "properties": {
                "file_path": _PATH,
                "offset": _OFFSET,
                "limit": _LIMIT,
                "files": {
                    "type": "array",
                    "minItems": 1,
                    "maxItems": MAX_FILES,
                    "description": "Instead of file_path: paths, or objects with file_path, offset and limit.",
                    "items": {
                        "anyOf": [
                            _PATH,
                            {
                                "type": "object",
                                "properties": {"file_path": _PATH, "offset": _OFFSET, "limit": _LIMIT},
                                "required": ["file_path"],
                                "additionalProperties": False,
                            },
                        ]
                    },
                },
                "max_bytes": {
                    "type": "integer",
                    "minimum": 1024,
                    "maximum": MAX_OUTPUT_BYTES,
                    "default": SHARED_BYTES,
                    "description": "Bytes of text that all of files together may have.",
                },
            },
            "additionalProperties": False,
            "examples": [
                {"file_path": "src/main.py"},
                {"file_path": "log.txt", "offset": 2000, "limit": 500},
                {"files": ["README.md", {"file_path": "src/main.py", "offset": 100, "limit": 50}]},
            ],
        },
        effects=Effects.READ_ONLY | Effects.IDEMPOTENT,
        targets=_targets,
    )

    async def run(self, args: JsonObject, use: ToolUse) -> ToolOutput:
        wanted = _wanted(args)
        if "files" not in args:
            if not wanted:
                raise ToolError("file_path parameter is required (or files)", ToolErrorKind.INVALID_ARGUMENT)
            return await asyncio.to_thread(_read, wanted[0], use.workspace, MAX_OUTPUT_BYTES)
        if "file_path" in args:
            raise ToolError("give file_path or files, not both", ToolErrorKind.INVALID_ARGUMENT)
        budget = min(_count(args.get("max_bytes"), SHARED_BYTES), MAX_OUTPUT_BYTES)
        return await asyncio.to_thread(_read_all, wanted, use.workspace, budget)


def _wanted(args: JsonObject) -> Sequence[_Wanted]:
    files = args.get("files")
    if not isinstance(files, list):
        return [_page(args)] if "file_path" in args else []
    return [_page(each if isinstance(each, dict) else {"file_path": each}) for each in files]


def _page(args: JsonObject) -> _Wanted:
    return _Wanted(
        path=str(args["file_path"]),
        offset=_count(args.get("offset"), 0),
        limit=min(_count(args.get("limit"), MAX_LINES), MAX_LINES),
    )


def _count(value: object, default: int) -> int:
    return int(value) if isinstance(value, int | float) else default


def _read_all(files: Sequence[_Wanted], workspace: Workspace, budget: int) -> ToolOutput:
    """The files one after the other under headings; what goes wrong with one is said in its place."""
    parts: list[str] = []
    images: list[Image] = []
    facts: list[Json] = []
    left, failures = budget, 0
    for number, wanted in enumerate(files, start=1):
        output = _one_of_many(wanted, workspace, left, budget)
        left -= len(output.text.encode("utf-8", "replace"))
        failures += not output.success
        images += output.images
        facts.append({"path": wanted.path, "success": output.success, **output.metadata})
        parts.append(f"--- [{number}: {wanted.path}] ---\n{output.text}")
    return ToolOutput(
        text="\n\n".join(parts), success=failures < len(files), images=tuple(images), metadata={"files": facts}
    )


def _one_of_many(wanted: _Wanted, workspace: Workspace, left: int, budget: int) -> ToolOutput:
    try:
        output = _read(wanted, workspace, left)
    except ToolError as error:
        return ToolOutput.error(f"Error: {error}")
    if output.metadata.get("lines") == 0:
        note = f"[not shown: the {budget:,} bytes of this call are used up; read it in another call]"
        return evolve(output, text=note)
    return output


def _read(wanted: _Wanted, workspace: Workspace, budget: int) -> ToolOutput:
    content = workspace.read_bytes(wanted.path, max_bytes=MAX_FILE_BYTES)
    media_type = image_type(content)
    output = _image(wanted.path, content, media_type) if media_type else _lines(wanted, content, budget)
    if output.metadata.get("lines") != 0:
        workspace.mark_seen(wanted.path, content)
    return output


def _image(path: str, content: bytes, media_type: str) -> ToolOutput:
    try:
        image = Attachment.from_bytes(content)
    except A3SCodeError as error:
        raise ToolError(f"{path}: {error}", ToolErrorKind.TOO_LARGE) from error
    return ToolOutput(text=f"[{path} is an image: {media_type}, {len(content):,} bytes]", images=(image,))


def _lines(wanted: _Wanted, content: bytes, budget: int) -> ToolOutput:
    file = _text(wanted.path, content)
    lines = file.text.split("\n")
    if lines[-1] == "":
        lines.pop()
    total = len(lines)
    if total == 0 and wanted.offset == 0:
        return ToolOutput.ok(f"[{wanted.path} is empty]")
    if wanted.offset >= total:
        raise ToolError(f"Offset {wanted.offset} exceeds file length ({total} lines)", ToolErrorKind.INVALID_ARGUMENT)
    page = lines[wanted.offset : wanted.offset + wanted.limit]
    numbered = [f"{number:6}\t{_cut(line)}" for number, line in enumerate(page, start=wanted.offset + 1)]
    kept = fitting(numbered, limit=budget)
    end = wanted.offset + kept
    notes = _encoding_notes(file)
    metadata: dict[str, Json] = {"path": wanted.path, "lines": kept, "total_lines": total, "encoding": file.encoding}
    if end < total:
        notes.append(f"[{total - end} more lines of {total}; continue with offset={end}]")
        metadata["next_offset"] = end
    text = "\n".join(numbered[:kept])
    return ToolOutput(text="\n\n".join([text, "\n".join(notes)] if notes else [text]), metadata=metadata)


def _encoding_notes(file: TextFile) -> list[str]:
    if file.is_damaged:
        return ["[the file is UTF-8 with invalid bytes: it is shown byte by byte, as latin-1]"]
    if file.encoding in ("utf-8", "ascii"):
        return []
    return [f"[the encoding of the file is {file.encoding}; changes keep it]"]


def _cut(line: str) -> str:
    if len(line) <= MAX_LINE_CHARS:
        return line
    return f"{line[:MAX_LINE_CHARS]}… [{len(line) - MAX_LINE_CHARS} more characters in this line]"


def _text(path: str, content: bytes) -> TextFile:
    try:
        return TextFile.decode(content)
    except EditError as error:
        raise ToolError(
            f"{path} is binary: {error}; look at it with a program that knows its format", ToolErrorKind.UNSUPPORTED
        ) from error

"""The read tool: the lines of files with their numbers, and images."""

import os
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import BinaryIO

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
    in_thread,
)
from a3s_code_tools.edits.text import EditError, TextFile, valid
from a3s_code_tools.folder import open_regular, opened
from a3s_code_tools.output import MAX_FILE_BYTES, MAX_OUTPUT_BYTES, fitting
from a3s_code_tools.versions import show

__all__ = ["ReadTool"]

MAX_LINES = 2000
MAX_LINE_CHARS = 2000
MAX_FILES = 32
MAX_STREAMED_BYTES = 1024**3
"""Bytes of a text file that is read piece by piece, because it is too large for memory."""

SHARED_BYTES = 65_536
"""Bytes of text that several files share when the call names no other number."""

_BLOCK_BYTES = 1024 * 1024
_PIECE_BYTES = 65_536

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
            return await in_thread(_read, wanted[0], use.workspace, MAX_OUTPUT_BYTES)
        if "file_path" in args:
            raise ToolError("give file_path or files, not both", ToolErrorKind.INVALID_ARGUMENT)
        budget = min(_count(args.get("max_bytes"), SHARED_BYTES), MAX_OUTPUT_BYTES)
        return await in_thread(_read_all, wanted, use.workspace, budget)


def _wanted(args: JsonObject) -> Sequence[_Wanted]:
    files = args.get("files")
    if not isinstance(files, list):
        return [_page(args)] if "file_path" in args else []
    shared = {name: args[name] for name in ("offset", "limit") if name in args}
    return [_page({**shared, **(each if isinstance(each, dict) else {"file_path": each})}) for each in files]


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
    try:
        content = workspace.read_bytes(wanted.path, max_bytes=MAX_FILE_BYTES)
    except ToolError as error:
        return _otherwise(wanted, workspace, budget, error)
    media_type = image_type(content)
    if media_type and _is_whole(content, media_type):
        output = _image(wanted.path, content, media_type)
    else:
        output = _lines(wanted, content, budget)
    if output.metadata.get("lines") != 0:
        show(workspace, wanted.path, content)
    return output


def _otherwise(wanted: _Wanted, workspace: Workspace, budget: int, error: ToolError) -> ToolOutput:
    """What there is of a file that cannot be had as a whole; else the error, with what to do next."""
    match error.kind:
        case ToolErrorKind.TOO_LARGE:
            return _streamed(wanted, workspace, budget, error)
        case ToolErrorKind.NOT_FOUND:
            hint = 'paths are relative to the workspace; glob with "**/" and the name finds it'
            raise ToolError(f"{error}; {hint}", error.kind) from error
        case ToolErrorKind.UNSUPPORTED if workspace.resolve(wanted.path).is_dir():
            raise ToolError(f"{wanted.path or '.'} is a folder; list it with ls", error.kind) from error
    raise error


def _is_whole(content: bytes, media_type: str) -> bool:
    """Whether an image has its end: providers refuse a damaged one, again with every later request that holds it.

    The formats: https://www.w3.org/TR/png, https://www.w3.org/Graphics/JPEG/itu-t81.pdf,
    https://www.w3.org/Graphics/GIF/spec-gif89a.txt and https://developers.google.com/speed/webp/docs/riff_container.
    """
    match media_type:
        case "image/png":
            return content[12:16] == b"IHDR" and b"IEND\xaeB`\x82" in content
        case "image/jpeg":
            return b"\xff\xd9" in content
        case "image/gif":
            return content.rstrip(b"\0").endswith(b";")
        case _:
            return len(content) >= 8 + int.from_bytes(content[4:8], "little")


def _image(path: str, content: bytes, media_type: str) -> ToolOutput:
    try:
        image = Attachment.from_bytes(content)
    except A3SCodeError as error:
        raise ToolError(f"{path}: {error}", ToolErrorKind.TOO_LARGE) from error
    return ToolOutput(text=f"[{path} is an image: {media_type}, {len(content):,} bytes]", images=(image,))


def _lines(wanted: _Wanted, content: bytes, budget: int) -> ToolOutput:
    file = _text(wanted.path, content)
    lines = valid(file.text).split("\n")
    if lines[-1] == "":
        lines.pop()
    total = len(lines)
    if total == 0 and wanted.offset == 0:
        return ToolOutput.ok(f"[{wanted.path} is empty]")
    if wanted.offset >= total:
        raise _beyond(wanted, total)
    page = [_cut(line) for line in lines[wanted.offset : wanted.offset + wanted.limit]]
    return _numbered(wanted, page, total, budget, encoding=file.encoding, notes=_encoding_notes(file))


def _numbered(
    wanted: _Wanted, page: Sequence[str], total: int, budget: int, *, encoding: str, notes: list[str]
) -> ToolOutput:
    numbered = [f"{number:6}\t{line}" for number, line in enumerate(page, start=wanted.offset + 1)]
    kept = fitting(numbered, limit=budget)
    end = wanted.offset + kept
    metadata: dict[str, Json] = {"path": wanted.path, "lines": kept, "total_lines": total, "encoding": encoding}
    if end < total:
        notes.append(f"[{total - end} more lines of {total}; continue with offset={end}]")
        metadata["next_offset"] = end
    text = "\n".join(numbered[:kept])
    return ToolOutput(text="\n\n".join([text, "\n".join(notes)] if notes else [text]), metadata=metadata)


def _beyond(wanted: _Wanted, total: int) -> ToolError:
    return ToolError(f"Offset {wanted.offset} exceeds file length ({total} lines)", ToolErrorKind.INVALID_ARGUMENT)


def _encoding_notes(file: TextFile) -> list[str]:
    if file.is_damaged:
        return [r"[the file is UTF-8 with some invalid bytes, shown like \xff; changes keep them]"]
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
        media_type = image_type(content)
        what = f"begins like {media_type}, but is damaged or cut short" if media_type else "is binary"
        raise ToolError(
            f"{path} {what}; look at it with a program that knows its format", ToolErrorKind.UNSUPPORTED
        ) from error


def _streamed(wanted: _Wanted, workspace: Workspace, budget: int, error: ToolError) -> ToolOutput:
    """A page of a text file that is too large for memory: UTF-8, lines that end with a line feed."""
    target = workspace.resolve(wanted.path)
    root = workspace.root_of(target)
    try:
        with opened(str(root), target.parent.relative_to(root).parts) as folder:
            descriptor = open_regular(target.name, folder)
    except OSError:  # a folder that was swapped since
        descriptor = None
    if descriptor is None:
        raise error
    with os.fdopen(descriptor, "rb") as file:
        size = os.fstat(descriptor).st_size
        scanned = _scanned(file, wanted.offset) if size <= MAX_STREAMED_BYTES else None
        if scanned is None:
            raise error
        start, total = scanned
        if wanted.offset >= total:
            raise _beyond(wanted, total)
        file.seek(start)
        page = list(islice(_beginnings(file), wanted.limit))
    notes = [f"[the file has {size:,} bytes: it is shown as UTF-8, and is too large for edit and patch]"]
    return _numbered(wanted, page, total, budget, encoding="utf-8", notes=notes)


def _scanned(file: BinaryIO, offset: int) -> tuple[int, int] | None:
    """Where the line after *offset* lines begins, and how many lines there are; None for a binary file."""
    start = place = lines = 0
    ending = b"\n"
    while block := file.read(_BLOCK_BYTES):
        if b"\0" in block:
            return None
        found = block.count(b"\n")
        if lines < offset <= lines + found:
            within = 0
            for _ in range(offset - lines):
                within = block.index(b"\n", within) + 1
            start = place + within
        lines += found
        place += len(block)
        ending = block[-1:]
    return start, lines + (ending != b"\n")


def _beginnings(file: BinaryIO) -> Iterator[str]:
    """The lines of a file as they are shown, however long they are."""
    while line := file.readline(_PIECE_BYTES):
        size, rest = len(line), line
        while not rest.endswith(b"\n") and (rest := file.readline(_PIECE_BYTES)):
            size += len(rest)
        text = line.decode("utf-8", "replace")
        if size > len(line):
            yield f"{text[:MAX_LINE_CHARS]}… [{size:,} bytes in this line]"
        else:
            yield _cut(text.removesuffix("\n").removesuffix("\r"))

"""The grep tool: lines that match a regular expression."""

import codecs
import os
from collections.abc import Sequence
from contextlib import suppress

from a3s_code.plugin import (
    Effects,
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
)
from a3s_code_tools import ripgrep
from a3s_code_tools.cursor import decoded
from a3s_code_tools.expression import portable
from a3s_code_tools.folder import open_regular, opened
from a3s_code_tools.progress import progress
from a3s_code_tools.search import parts_of, prefix_of, search
from a3s_code_tools.search_page import FilePage, LinePage, Page
from a3s_code_tools.search_query import Kind, Query
from a3s_code_tools.search_records import Record, Records
from a3s_code_tools.wildcard import Wildcard

__all__ = ["GrepTool"]

MAX_CONTEXT = 50
MAX_MATCHES = 1000
MAX_SHOWN_CHARS = 500
"""Characters of a pattern that found nothing."""

_BEGINNING_BYTES = 65_536
_KINDS: dict[object, Kind] = {"files_with_matches": "files_with_matches", "count": "count"}


def _targets(args: JsonObject) -> Sequence[Target]:
    return (PathTarget(str(args.get("path") or ".")),)


class GrepTool:
    """Searches the content of files, with ripgrep where it is installed.

    Args:
        timeout_s: Seconds until a search is given up.
        program: Name or path of ripgrep; "" does without.
    """

    spec = ToolSpec(
        name="grep",
        description=(
            "Search files of the workspace for a regular expression (Python's syntax), line by line. Answers "
            "path:line:text. Binary files and those that .gitignore names are left out. "
            "A page that is not the last ends with a cursor for the next one."
        ),
        schema={
            "type": "object",
            "properties": {
                "pattern": {"type": "string", "minLength": 1, "description": "The regular expression."},
                "path": {"type": "string", "default": ".", "description": "Folder or file; default the workspace."},
                "glob": {
                    "type": "string",
                    "description": 'Only files like "*.py" or "src/**/*.ts" (below path), or all but "!*.min.js".',
                },
                "-i": {"type": "boolean", "default": False, "description": "Ignore case."},
                "output_mode": {
                    "type": "string",
                    "enum": ["content", "files_with_matches", "count"],
                    "default": "content",
                    "description": "The matching lines, the files that have some, or how many each file has.",
                },
                "context": {
                    "type": "integer",
                    "minimum": 0,
                    "maximum": MAX_CONTEXT,
                    "default": 0,
                    "description": "Lines to show before and after each match.",
                },
                "limit": {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": MAX_MATCHES,
                    "default": MAX_MATCHES,
                    "description": "Most matches (or files, by output_mode) on a page.",
                },
                "cursor": {"type": "string", "description": "What the page before ended with; all else unchanged."},
            },
            "required": ["pattern"],
            "additionalProperties": False,
            "examples": [
                {"pattern": "def main"},
                {"pattern": "todo", "-i": True, "glob": "*.py", "context": 2},
                {"pattern": "import re$", "path": "src", "output_mode": "files_with_matches", "limit": 50},
            ],
        },
        effects=Effects.READ_ONLY | Effects.IDEMPOTENT,
        targets=_targets,
    )

    def __init__(self, *, timeout_s: float = 30.0, program: str = "rg"):
        self._timeout_s = timeout_s
        self._program = program

    async def run(self, args: JsonObject, use: ToolUse) -> ToolOutput:
        query = _query(args, use)
        page = _page(args, query, use.workspace)
        rg = ripgrep.found(self._program, use.workspace.root)
        try:
            command = ripgrep.command(rg, query) if rg else None
            wanted = _Wanted(query, page, is_exact=command is None or command.is_exact)
        except ValueError as error:
            raise ToolError(str(error), ToolErrorKind.INVALID_ARGUMENT) from error
        except OSError as error:
            raise ToolError(f"{args.get('path', '.')}: {error.strerror}") from error
        with progress(use, lambda: f"{page.files:,} file(s) with matches so far"):
            await search(query, use, wanted.feed, command=command, timeout_s=self._timeout_s)
        wanted.end()
        return _told(query, page) if page.files else _nothing(query)


class _Wanted:
    """Hands the records of wanted files to the page."""

    def __init__(self, query: Query, page: Page, *, is_exact: bool):
        self._records = Records(query.kind, columns=query.columns)
        self._page = page
        self._wildcard = None if is_exact or query.wildcard is None else Wildcard(query.wildcard)
        self._path: bytes | None = None
        self._is_wanted = True
        self._is_open = True

    def feed(self, chunk: bytes) -> bool:
        self._is_open = all(self._take(record) for record in self._records.feed(chunk))
        return self._is_open

    def end(self) -> None:
        if self._is_open:
            all(self._take(record) for record in self._records.end())

    def _take(self, record: Record) -> bool:
        if self._wildcard is not None and record.path != self._path:
            self._path = record.path
            self._is_wanted = self._wildcard.matches_bytes(record.path)
        return self._page.take(record) if self._is_wanted else True


def _query(args: JsonObject, use: ToolUse) -> Query:
    path, context, glob = str(args.get("path") or "."), args.get("context"), str(args.get("glob") or "")
    target = use.workspace.resolve(path)
    if not target.exists():
        raise ToolError(f"{path} does not exist", ToolErrorKind.NOT_FOUND)
    is_file = target.is_file()
    if is_file and not os.access(target, os.R_OK):
        raise ToolError(f"{path}: Permission denied")
    folder = target.parent if is_file else target
    pattern = str(args["pattern"])
    common = portable(pattern)
    return Query(
        kind=_KINDS.get(args.get("output_mode"), "content"),
        root=str(use.workspace.root_of(folder)),
        start=parts_of(folder, use.workspace),
        only=target.name if is_file else None,
        wildcard=None if is_file or not glob else _wildcard(glob.removeprefix(f"{folder}/")),
        pattern=pattern,
        ignores_case=args.get("-i") is True,
        context=min(context, MAX_CONTEXT) if isinstance(context, int) else 0,
        columns=common is None or not common.can_be_empty,
    )


def _wildcard(glob: str) -> str:
    """One name counts at any depth, as it does for ripgrep."""
    names = glob.removeprefix("!")
    return glob if "/" in names[:-1] else f"{'!' * glob.startswith('!')}**/{names}"


def _page(args: JsonObject, query: Query, workspace: Workspace) -> Page:
    limit, cursor = args.get("limit"), args.get("cursor")
    most = min(limit, MAX_MATCHES) if isinstance(limit, int) else MAX_MATCHES
    after = decoded(str(cursor)) if cursor else None
    prefix = prefix_of(query, workspace)
    if query.kind == "content":
        return LinePage(prefix, limit=most, context=query.context, after=after)
    return FilePage(prefix, limit=most, counts=query.kind == "count", after=after)


def _told(query: Query, page: Page) -> ToolOutput:
    metadata: dict[str, Json] = {"files": page.files}
    if query.kind != "files_with_matches":
        metadata["matches"] = page.matches
    total = f"{page.matches} match(es) in {page.files} file(s)"
    if query.kind == "files_with_matches":
        total = f"{page.files} file(s) with matches"
    if page.cursor:
        metadata["cursor"] = page.cursor
        total += f' on this page\n[there are more; continue with cursor="{page.cursor}"]'
    return ToolOutput(text="\n".join([*page.lines, "", total]), metadata=metadata)


def _nothing(query: Query) -> ToolOutput:
    notes: list[str] = []
    if query.wildcard:
        notes.append(f'only files like "{query.wildcard}" were searched')
    if "\n" in query.pattern or r"\n" in query.pattern:
        notes.append(r"lines are searched one by one, so that \n matches nothing")
    if query.only and _is_binary(query, query.only):
        notes.append("the file is binary, and these are not searched")
    text = f"No matches found for pattern: {query.pattern[:MAX_SHOWN_CHARS]}"
    metadata: dict[str, Json] = {"files": 0} if query.kind == "files_with_matches" else {"files": 0, "matches": 0}
    return ToolOutput(text=f"{text} ({'; '.join(notes)})" if notes else text, metadata=metadata)


def _is_binary(query: Query, name: str) -> bool:
    with suppress(OSError), opened(query.root, query.start) as folder:
        descriptor = open_regular(name, folder)
        if descriptor is not None:
            with os.fdopen(descriptor, "rb") as file:
                beginning = file.read(_BEGINNING_BYTES)
            return b"\0" in beginning and not beginning.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return False

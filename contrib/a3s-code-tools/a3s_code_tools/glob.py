"""The glob tool: files by the pattern of their path."""

import os
from collections.abc import Sequence

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
)
from a3s_code_tools import ripgrep
from a3s_code_tools.cursor import decoded, encoded
from a3s_code_tools.folder import opened
from a3s_code_tools.output import fitting, shown
from a3s_code_tools.progress import progress
from a3s_code_tools.search import parts_of, prefix_of, search
from a3s_code_tools.search_page import NewestPage, Place
from a3s_code_tools.search_query import Query
from a3s_code_tools.wildcard import Wildcard, leaves_folder

__all__ = ["GlobTool"]

MAX_FILES = 1000
MAX_SHOWN_CHARS = 500
"""Characters of a pattern that found nothing."""


def _targets(args: JsonObject) -> Sequence[Target]:
    return (PathTarget(str(args.get("path") or ".")),)


class GlobTool:
    """Finds files by a pattern, the newest first."""

    spec = ToolSpec(
        name="glob",
        description=(
            'Find files of the workspace by a pattern: "*.txt" in one folder, "**/*.py" in all below, "{a,b}" either. '
            "The newest come first; files that .gitignore names are left out. A page that is not the last ends with a "
            "cursor for the next one."
        ),
        schema={
            "type": "object",
            "properties": {
                "pattern": {"type": "string", "minLength": 1, "description": "Pattern relative to path."},
                "path": {"type": "string", "default": ".", "description": "Folder to search; default the workspace."},
                "limit": {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": MAX_FILES,
                    "default": MAX_FILES,
                    "description": "Most files on a page.",
                },
                "cursor": {"type": "string", "description": "What the page before ended with; all else unchanged."},
            },
            "required": ["pattern"],
            "additionalProperties": False,
            "examples": [{"pattern": "**/*.py"}, {"pattern": "*.{md,rst}", "path": "docs", "limit": 20}],
        },
        effects=Effects.READ_ONLY | Effects.IDEMPOTENT,
        targets=_targets,
    )

    def __init__(self, *, timeout_s: float = 30.0, program: str = "rg"):
        self._timeout_s = timeout_s
        self._program = program

    async def run(self, args: JsonObject, use: ToolUse) -> ToolOutput:
        pattern, path, limit, cursor = (
            str(args["pattern"]),
            str(args.get("path") or "."),
            args.get("limit"),
            args.get("cursor"),
        )
        folder = use.workspace.resolve(path)
        pattern = pattern.removeprefix(f"{folder}/")
        _refuse_outside(pattern)
        if folder.is_file():
            raise ToolError(f"{path} is a file; use read or grep", ToolErrorKind.INVALID_ARGUMENT)
        if not folder.is_dir():
            raise ToolError(f"{path} is not an existing folder", ToolErrorKind.NOT_FOUND)
        query = Query(
            kind="names",
            root=str(use.workspace.root_of(folder)),
            start=parts_of(folder, use.workspace),
            wildcard=pattern,
        )
        most = min(limit, MAX_FILES) if isinstance(limit, int) else MAX_FILES
        page = await self._page(query, use, most, decoded(str(cursor)) if cursor else None)
        return _told(query, page, prefix_of(query, use.workspace))

    async def _page(self, query: Query, use: ToolUse, limit: int, after: Place | None) -> NewestPage:
        rg = ripgrep.found(self._program, use.workspace.root)
        try:
            by_time = rg is not None and after is None and ripgrep.sorts_by_time(rg)
            command = ripgrep.command(rg, query, by_time=by_time) if rg else None
            with opened(query.root, query.start) as folder:
                page = NewestPage(folder, limit, after, is_sorted=command is not None and command.is_sorted)
                names = _Names(query, page, is_exact=command is None or command.is_exact)
                with progress(use, lambda: f"{page.total:,} file(s) found so far"):
                    await search(query, use, names.feed, command=command, timeout_s=self._timeout_s)
        except ValueError as error:
            raise ToolError(str(error), ToolErrorKind.INVALID_ARGUMENT) from error
        except OSError as error:
            raise ToolError(f"{'/'.join(query.start) or '.'}: {error.strerror}") from error
        return page


class _Names:
    """Hands paths that match to the page."""

    def __init__(self, query: Query, page: NewestPage, *, is_exact: bool):
        self._page = page
        self._wildcard = None if is_exact or query.wildcard is None else Wildcard(query.wildcard)
        self._rest = b""

    def feed(self, chunk: bytes) -> bool:
        if self._page.is_complete and self._wildcard is None:
            self._page.total += chunk.count(b"\0")
            return True
        paths = (self._rest + chunk).split(b"\0")
        self._rest = paths.pop()
        if self._wildcard is not None:
            paths = [path for path in paths if self._wildcard.matches_bytes(path[2:])]
        self._page.take(paths)
        return True


def _told(query: Query, page: NewestPage, prefix: str) -> ToolOutput:
    places = page.places()
    if not places:
        text = f"No files found matching pattern: {str(query.wildcard)[:MAX_SHOWN_CHARS]}"
        return ToolOutput(text=text, metadata={"count": page.total})
    lines = [shown(prefix + os.fsdecode(path[2:])) for _, path in places]
    kept = fitting(lines[: page.limit])
    note = f"{page.total} file(s) found"
    metadata: dict[str, Json] = {"count": page.total}
    if kept < page.total:
        note += f", the newest {kept} shown" if page.after is None else f", {kept} shown"
    if kept < len(lines):
        metadata["cursor"] = encoded(*places[kept - 1])
        note += f'\n[there are more; continue with cursor="{metadata["cursor"]}"]'
    return ToolOutput(text="\n".join([*lines[:kept], "", note]), metadata=metadata)


def _refuse_outside(pattern: str) -> None:
    try:
        outside = leaves_folder(pattern)
    except ValueError as error:
        raise ToolError(str(error), ToolErrorKind.INVALID_ARGUMENT) from error
    if outside:
        raise ToolError(
            f"Workspace boundary violation: the pattern {pattern!r} leads outside; it must be relative and without "
            '".."; use path for the folder',
            ToolErrorKind.DENIED,
        )

"""The ls tool: what is in a folder."""

import os
import stat
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
from a3s_code_tools.folder import opened
from a3s_code_tools.output import fitting, shown

__all__ = ["LsTool"]

MAX_ENTRIES = 2000


def _targets(args: JsonObject) -> Sequence[Target]:
    return (PathTarget(str(args.get("path") or ".")),)


class LsTool:
    """Lists a folder: kind, size and name of each entry."""

    spec = ToolSpec(
        name="ls",
        description=(
            "List a folder of the workspace: kind (dir, file, link), size in bytes and name of each entry, and where "
            "links lead."
        ),
        schema={
            "type": "object",
            "properties": {
                "path": {"type": "string", "default": ".", "description": "The folder; default the workspace."},
                "limit": {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": MAX_ENTRIES,
                    "default": MAX_ENTRIES,
                    "description": "Most entries to show.",
                },
            },
            "additionalProperties": False,
            "examples": [{}, {"path": "src"}, {"path": "node_modules", "limit": 50}],
        },
        effects=Effects.READ_ONLY | Effects.IDEMPOTENT,
        targets=_targets,
    )

    async def run(self, args: JsonObject, use: ToolUse) -> ToolOutput:
        limit = args.get("limit")
        most = min(limit, MAX_ENTRIES) if isinstance(limit, int) else MAX_ENTRIES
        return await in_thread(_list, str(args.get("path") or "."), most, use.workspace)


def _list(path: str, limit: int, workspace: Workspace) -> ToolOutput:
    folder = workspace.resolve(path)
    try:
        root = workspace.root_of(folder)
        with opened(str(root), folder.relative_to(root).parts) as descriptor:
            with os.scandir(descriptor) as entries:
                names = sorted(entry.name for entry in entries)
            lines = [line for name in names[:limit] if (line := _line(name, descriptor))]
    except FileNotFoundError as error:
        raise ToolError(f"{path} does not exist", ToolErrorKind.NOT_FOUND) from error
    except NotADirectoryError as error:
        raise ToolError(f"{path} is not a folder; use read", ToolErrorKind.INVALID_ARGUMENT) from error
    except OSError as error:
        raise ToolError(f"{path}: {error.strerror}") from error
    kept = fitting(lines)
    total = len(names) if len(names) > limit else len(lines)  # without those that went away meanwhile
    note = f"{total} entries"
    if kept < total:
        note += f", first {kept} shown; list a folder below, or use glob for some of the names"
    return ToolOutput(
        text="\n".join([*lines[:kept], "", note] if lines else [f"{path} is empty"]),
        metadata={"path": workspace.relative(folder), "count": total},
    )


def _line(name: str, folder: int) -> str | None:
    """The entry as it is shown, None when it went away meanwhile."""
    try:
        facts = os.stat(name, dir_fd=folder, follow_symlinks=False)
        target = f" -> {shown(os.readlink(name, dir_fd=folder))}" if stat.S_ISLNK(facts.st_mode) else ""
    except OSError:
        return None
    kind = {stat.S_IFDIR: "dir", stat.S_IFREG: "file", stat.S_IFLNK: "link"}.get(stat.S_IFMT(facts.st_mode), "other")
    size = str(facts.st_size) if kind == "file" else "-"
    return f"{kind:<5} {size:>12}  {shown(name)}{'/' if kind == 'dir' else target}"

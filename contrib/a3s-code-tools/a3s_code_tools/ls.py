"""The ls tool: what is in a folder."""

import asyncio
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
)
from a3s_code_tools.folder import opened
from a3s_code_tools.output import fitting, shown

__all__ = ["LsTool"]


def _targets(args: JsonObject) -> Sequence[Target]:
    return (PathTarget(str(args.get("path") or ".")),)


class LsTool:
    """Lists a folder: kind, size and name of each entry."""

    spec = ToolSpec(
        name="ls",
        description="List a folder of the workspace: kind (dir, file, link), size in bytes and name of each entry.",
        schema={
            "type": "object",
            "properties": {
                "path": {"type": "string", "default": ".", "description": "The folder; default the workspace."},
            },
            "additionalProperties": False,
            "examples": [{}, {"path": "src"}],
        },
        effects=Effects.READ_ONLY | Effects.IDEMPOTENT,
        targets=_targets,
    )

    async def run(self, args: JsonObject, use: ToolUse) -> ToolOutput:
        return await asyncio.to_thread(_list, str(args.get("path") or "."), use.workspace)


def _list(path: str, workspace: Workspace) -> ToolOutput:
    folder = workspace.resolve(path)
    try:
        with opened(str(workspace.root), folder.relative_to(workspace.root).parts) as descriptor:
            with os.scandir(descriptor) as entries:
                names = sorted(entry.name for entry in entries)
            found = [(name, _facts(name, descriptor)) for name in names]
    except FileNotFoundError as error:
        raise ToolError(f"{path} does not exist", ToolErrorKind.NOT_FOUND) from error
    except NotADirectoryError as error:
        raise ToolError(f"{path} is not a folder; use read", ToolErrorKind.INVALID_ARGUMENT) from error
    except OSError as error:
        raise ToolError(f"{path}: {error.strerror}") from error
    lines = [_line(name, facts) for name, facts in found if facts is not None]
    kept = fitting(lines)
    note = f"{len(lines)} entries" + ("" if kept == len(lines) else f", first {kept} shown; list a folder below")
    return ToolOutput(
        text="\n".join([*lines[:kept], "", note] if lines else [f"{path} is empty"]),
        metadata={"path": workspace.relative(folder), "count": len(lines)},
    )


def _facts(name: str, folder: int) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except OSError:  # it went away meanwhile
        return None


def _line(name: str, facts: os.stat_result) -> str:
    kind = {stat.S_IFDIR: "dir", stat.S_IFREG: "file", stat.S_IFLNK: "link"}.get(stat.S_IFMT(facts.st_mode), "other")
    size = str(facts.st_size) if kind == "file" else "-"
    return f"{kind:<5} {size:>12}  {shown(name)}{'/' if kind == 'dir' else ''}"

"""The glob tool: files by the pattern of their path."""

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
)
from a3s_code_tools.search import parts_of, search
from a3s_code_tools.wildcard import leaves_folder

__all__ = ["GlobTool"]


def _targets(args: JsonObject) -> Sequence[Target]:
    return (PathTarget(str(args.get("path") or ".")),)


class GlobTool:
    """Finds files by a pattern, the newest first."""

    spec = ToolSpec(
        name="glob",
        description=(
            'Find files of the workspace by a pattern: "*.txt" in one folder, "**/*.py" in all below, "{a,b}" either. '
            "The newest come first; files that .gitignore names are left out."
        ),
        schema={
            "type": "object",
            "properties": {
                "pattern": {"type": "string", "minLength": 1, "description": "Pattern relative to path."},
                "path": {"type": "string", "default": ".", "description": "Folder to search; default the workspace."},
            },
            "required": ["pattern"],
            "additionalProperties": False,
            "examples": [{"pattern": "**/*.py"}, {"pattern": "*.{md,rst}", "path": "docs"}],
        },
        effects=Effects.READ_ONLY | Effects.IDEMPOTENT,
        targets=_targets,
    )

    def __init__(self, *, timeout_s: float = 30.0):
        self._timeout_s = timeout_s

    async def run(self, args: JsonObject, use: ToolUse) -> ToolOutput:
        pattern, path = str(args["pattern"]), str(args.get("path") or ".")
        _refuse_outside(pattern)
        folder = use.workspace.resolve(path)
        if not folder.is_dir():
            raise ToolError(f"{path} is not an existing folder", ToolErrorKind.NOT_FOUND)
        request = {"kind": "names", "start": parts_of(folder, use.workspace), "pattern": pattern}
        answer = await search(request, use, timeout_s=self._timeout_s)
        lines, total = list(answer["lines"]), int(answer["total"])
        if not total:
            return ToolOutput(text=f"No files found matching pattern: {pattern}", metadata={"count": 0})
        note = f"{total} file(s) found" + ("" if len(lines) == total else f", the newest {len(lines)} shown")
        return ToolOutput(text="\n".join([*lines, "", note]), metadata={"count": total})


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

"""The grep tool: lines that match a regular expression."""

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

__all__ = ["GrepTool"]

MAX_CONTEXT = 50


def _targets(args: JsonObject) -> Sequence[Target]:
    return (PathTarget(str(args.get("path") or ".")),)


class GrepTool:
    """Searches the content of files.

    Args:
        timeout_s: Seconds until a search is given up.
    """

    spec = ToolSpec(
        name="grep",
        description=(
            "Search files of the workspace for a regular expression (Python's syntax), line by line. Answers "
            "path:line:text. Binary files and those that .gitignore names are left out."
        ),
        schema={
            "type": "object",
            "properties": {
                "pattern": {"type": "string", "minLength": 1, "description": "The regular expression."},
                "path": {"type": "string", "default": ".", "description": "Folder or file; default the workspace."},
                "glob": {"type": "string", "description": 'Only files like this, such as "*.py" or "src/**/*.ts".'},
                "-i": {"type": "boolean", "default": False, "description": "Ignore case."},
                "context": {
                    "type": "integer",
                    "minimum": 0,
                    "maximum": MAX_CONTEXT,
                    "default": 0,
                    "description": "Lines to show before and after each match.",
                },
            },
            "required": ["pattern"],
            "additionalProperties": False,
            "examples": [{"pattern": "def main"}, {"pattern": "todo", "-i": True, "glob": "*.py", "context": 2}],
        },
        effects=Effects.READ_ONLY | Effects.IDEMPOTENT,
        targets=_targets,
    )

    def __init__(self, *, timeout_s: float = 30.0):
        self._timeout_s = timeout_s

    async def run(self, args: JsonObject, use: ToolUse) -> ToolOutput:
        pattern, path, context = str(args["pattern"]), str(args.get("path") or "."), args.get("context")
        target = use.workspace.resolve(path)
        if not target.exists():
            raise ToolError(f"{path} does not exist", ToolErrorKind.NOT_FOUND)
        is_file = target.is_file()
        request = {
            "kind": "grep",
            "start": parts_of(target.parent if is_file else target, use.workspace),
            "file": target.name if is_file else None,
            "pattern": pattern,
            "glob": args.get("glob"),
            "ignore_case": args.get("-i") is True,
            "context": min(context, MAX_CONTEXT) if isinstance(context, int) else 0,
        }
        answer = await search(request, use, timeout_s=self._timeout_s)
        matches, files = int(answer["matches"]), int(answer["files"])
        notes = [f"[{answer['skipped']} file(s) over 20 MiB not searched]"] if answer["skipped"] else []
        metadata: JsonObject = {"matches": matches, "files": files}
        if not matches:
            return ToolOutput(text="\n".join([f"No matches found for pattern: {pattern}", *notes]), metadata=metadata)
        if answer["cut"]:
            notes.append("[the output was cut at 100 KiB; the totals count everything]")
        total = f"{matches} match(es) in {files} file(s)"
        return ToolOutput(text="\n".join([*answer["lines"], "", *notes, total]), metadata=metadata)

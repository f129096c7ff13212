"""The git_worktree tool: further working copies of the repository, inside the workspace."""

import re
import shlex
from collections.abc import Sequence

from a3s_code.plugin import (
    CommandTarget,
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
from a3s_code_tools.child import allowed_env, run_child
from a3s_code_tools.output import MAX_OUTPUT_BYTES

__all__ = ["GitWorktreeTool"]

# hooks and the file-system monitor are programs that the repository's own configuration names
_NEUTRAL = ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false")

_FOLDER = ".worktrees"


def _default_path(branch: str) -> str:
    return f"{_FOLDER}/{re.sub(r'[^A-Za-z0-9._-]+', '-', branch)}"


def _path(args: JsonObject) -> str | None:
    """The folder that the call is about, or None."""
    if args.get("path"):
        return str(args["path"])
    return _default_path(str(args["branch"])) if args["command"] == "create" and args.get("branch") else None


def _targets(args: JsonObject) -> Sequence[Target]:
    command, path = args["command"], _path(args)
    if command == "status":
        return (CommandTarget("git status"),)
    if command not in ("create", "remove"):
        return (CommandTarget("git worktree list"),)
    words = ["git", "worktree", "add" if command == "create" else "remove", path or ""]
    words += [str(args[key]) for key in ("branch", "base") if args.get(key)]
    line = CommandTarget(shlex.join(words))
    return (line, PathTarget(path, write=True)) if path else (line,)


class GitWorktreeTool:
    """Creates, lists and removes git worktrees.

    Args:
        timeout_s: Seconds for each git command.
    """

    spec = ToolSpec(
        name="git_worktree",
        description=(
            "Work with git worktrees: create a further working copy on a branch (default folder .worktrees/<branch>), "
            "list them, remove one, or show the status of the workspace's repository."
        ),
        schema={
            "type": "object",
            "properties": {
                "command": {"enum": ["create", "list", "remove", "status"], "description": "What to do."},
                "branch": {"type": "string", "description": "create: the branch to check out."},
                "path": {"type": "string", "description": "create, remove: the worktree's folder in the workspace."},
                "new_branch": {"type": "boolean", "default": True, "description": "create: make the branch."},
                "base": {"type": "string", "default": "HEAD", "description": "create: where a new branch starts."},
                "force": {"type": "boolean", "default": False, "description": "remove: even with changes."},
            },
            "required": ["command"],
            "additionalProperties": False,
            "examples": [{"command": "create", "branch": "fix-42"}, {"command": "remove", "path": ".worktrees/fix-42"}],
        },
        effects=Effects.DESTRUCTIVE,
        targets=_targets,
    )

    def __init__(self, *, timeout_s: float = 120.0):
        self._timeout_s = timeout_s

    async def run(self, args: JsonObject, use: ToolUse) -> ToolOutput:
        for key in ("branch", "path", "base"):
            _refuse_option(key, args.get(key))
        git = _Git(use, self._timeout_s)
        match args["command"]:
            case "create":
                return await _create(git, args, use.workspace)
            case "remove":
                return await _remove(git, args, use.workspace)
            case "list":
                return await _list(git)
            case "status":
                return await _status(git, use.workspace)
            case unknown:
                raise ToolError(
                    f"unknown command {unknown!r}; there are: create, list, remove, status",
                    ToolErrorKind.INVALID_ARGUMENT,
                )


def _refuse_option(key: str, value: object) -> None:
    if isinstance(value, str) and value.startswith("-"):
        raise ToolError(f'{key} {value!r} starts with "-", git would take it as an option', ToolErrorKind.DENIED)


async def _create(git: "_Git", args: JsonObject, workspace: Workspace) -> ToolOutput:
    branch = args.get("branch")
    if not isinstance(branch, str) or not branch:
        raise ToolError("branch parameter is required", ToolErrorKind.INVALID_ARGUMENT)
    await git.require_repository()
    target = workspace.resolve(_path(args) or "", write=True)
    if target.exists():
        raise ToolError(f"{workspace.relative(target)} exists already; choose another path")
    if not args.get("path"):  # else git would see the working copies as untracked files
        workspace.write_bytes(f"{_FOLDER}/.gitignore", b"*\n")
    base = str(args.get("base") or "HEAD")
    wanted = (
        ["-b", branch, "--", str(target), base] if args.get("new_branch") is not False else ["--", str(target), branch]
    )
    await git("worktree", "add", *wanted)
    shown = workspace.relative(target)
    return ToolOutput(text=f"Created worktree at: {shown}", metadata={"path": shown, "branch": branch})


async def _remove(git: "_Git", args: JsonObject, workspace: Workspace) -> ToolOutput:
    path = args.get("path")
    if not isinstance(path, str) or not path:
        raise ToolError("path parameter is required", ToolErrorKind.INVALID_ARGUMENT)
    target = workspace.resolve(path, write=True)
    await git.require_repository()
    await git("worktree", "remove", *(["--force"] if args.get("force") is True else []), "--", str(target))
    shown = workspace.relative(target)
    return ToolOutput(text=f"Removed worktree: {shown}", metadata={"path": shown})


async def _list(git: "_Git") -> ToolOutput:
    await git.require_repository()
    blocks = (await git("worktree", "list", "--porcelain")).strip().split("\n\n")
    lines = [_worktree_line(dict(_field(line) for line in block.splitlines())) for block in blocks]
    return ToolOutput(text="\n".join([f"Worktrees ({len(lines)}):", *lines]), metadata={"count": len(lines)})


def _field(line: str) -> tuple[str, str]:
    key, _, value = line.partition(" ")
    return key, value


def _worktree_line(fields: dict[str, str]) -> str:
    if "bare" in fields:
        where = "(bare)"
    elif "branch" in fields:
        where = f"[{fields['branch'].removeprefix('refs/heads/')}]"
    else:
        where = "(detached HEAD)"
    return f"  {fields.get('worktree', '?')} {where}"


async def _status(git: "_Git", workspace: Workspace) -> ToolOutput:
    await git.require_repository()
    lines = (await git("status", "--porcelain=v2", "--branch")).splitlines()
    head = next((line.split()[-1] for line in lines if line.startswith("# branch.head")), "(unknown)")
    born = not any(line == "# branch.oid (initial)" for line in lines)
    commit = (await git("log", "-1", "--no-show-signature", "--format=%h %s")).strip() if born else "(no commits)"
    dirty = sum(not line.startswith("#") for line in lines)
    folders = (await git("rev-parse", "--absolute-git-dir", "--path-format=absolute", "--git-common-dir")).split("\n")
    linked = folders[0] != folders[1]
    text = [
        f"Workspace: {workspace.root}",
        f"Branch: {head}",
        f"Commit: {commit}",
        f"Status: {f'{dirty} uncommitted change(s)' if dirty else 'clean'}",
        f"Worktree: {'yes (linked)' if linked else 'no (main)'}",
    ]
    return ToolOutput(text="\n".join(text), metadata={"branch": head, "is_worktree": linked, "dirty_count": dirty})


class _Git:
    """Runs git in the workspace, without hooks, prompts and inherited GIT_* variables."""

    def __init__(self, use: ToolUse, timeout_s: float):
        self._use = use
        self._timeout_s = timeout_s

    async def require_repository(self) -> None:
        try:
            await self("rev-parse", "--git-dir")
        except ToolError as error:
            raise ToolError(f"Not a git repository: {self._use.workspace.root} ({error})") from error

    async def __call__(self, *args: str) -> str:
        """The output of a git command.

        Raises:
            ToolError: It failed (with git's words), took too long, or git is missing.
        """
        output = bytearray()

        def take(chunk: bytes) -> None:
            if len(output) < MAX_OUTPUT_BYTES:
                output.extend(chunk)

        root = self._use.workspace.root
        # the ceiling: a repository around the workspace is outside and is left alone
        env = allowed_env() | {
            "GIT_CEILING_DIRECTORIES": str(root.parent),
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_TERMINAL_PROMPT": "0",
            "LC_ALL": "C",
        }
        limit = self._timeout_s if self._use.deadline_s is None else min(self._timeout_s, self._use.deadline_s)
        try:
            ended = await run_child(["git", *_NEUTRAL, *args], cwd=str(root), env=env, timeout_s=limit, on_bytes=take)
        except (OSError, ValueError) as error:
            raise ToolError(f"git could not be started: {error}") from error
        text = output.decode("utf-8", "replace")
        if ended.timed_out:
            raise ToolError(f"git {args[0]} took longer than {limit:g} s and was stopped", ToolErrorKind.TIMEOUT)
        if ended.exit_code != 0:
            raise ToolError(text.strip()[:2000] or f"git {args[0]} failed with exit code {ended.exit_code}")
        return text

"""The git_worktree tool: further working copies of the repository, inside the workspace."""

import asyncio
import os
import re
import shlex
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from attrs import frozen

from a3s_code.plugin import (
    CommandTarget,
    Effects,
    JsonObject,
    OtherTarget,
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
from a3s_code_tools.git import Git, GitError
from a3s_code_tools.output import shown
from a3s_code_tools.progress import progress

__all__ = ["GitWorktreeTool"]

UNDO_S = 10.0
"""Seconds for taking back a worktree that could not be finished."""

_FOLDER = ".worktrees"
_DETACHED = "(detached HEAD)"
_CHANGING = ("create", "remove")
_CHANGE = re.compile(r"[ MTADRCU?!]{2} ")  # other lines are what git says of its settings


def _default_path(branch: str) -> str:
    return f"{_FOLDER}/{re.sub(r'[^A-Za-z0-9._-]+', '-', branch)}"


def _path(args: JsonObject) -> str | None:
    """The folder that the call is about, or None."""
    if args.get("path"):
        return str(args["path"])
    return _default_path(str(args["branch"])) if args["command"] == "create" and args.get("branch") else None


def _targets(args: JsonObject) -> Sequence[Target]:
    command, path = args["command"], _path(args)
    if command not in _CHANGING:
        return (OtherTarget("git status" if command == "status" else "git worktree list"),)
    words = ["git", "worktree", "add" if command == "create" else "remove"]
    words += ["--force"] if args.get("force") is True else []
    words += [path or ""]
    words += [str(args[key]) for key in ("branch", "base") if args.get(key)]
    line = CommandTarget(shlex.join(words))
    return (line, PathTarget(path, write=True)) if path else (line,)


def _effects(args: JsonObject) -> Effects:
    return Effects.DESTRUCTIVE if args["command"] in _CHANGING else Effects.READ_ONLY | Effects.IDEMPOTENT


class GitWorktreeTool:
    """Creates, lists and removes git worktrees; no program that the repository names is run.

    Args:
        timeout_s: Seconds for all git commands of a call together.
    """

    spec = ToolSpec(
        name="git_worktree",
        description=(
            "Work with git worktrees: create a further working copy on a branch (default folder .worktrees/<branch>), "
            "list them, remove one, or show the status of the workspace's repository. Hooks and filters of the "
            "repository (such as Git LFS) are not run."
        ),
        schema={
            "type": "object",
            "properties": {
                "command": {"enum": ["create", "list", "remove", "status"], "description": "What to do."},
                "branch": {"type": "string", "description": "create: the branch to check out."},
                "path": {"type": "string", "description": "create, remove: the worktree's folder in the workspace."},
                "new_branch": {"type": "boolean", "default": True, "description": "create: make the branch."},
                "base": {"type": "string", "default": "HEAD", "description": "create: where a new branch starts."},
                "force": {
                    "type": "boolean",
                    "default": False,
                    "description": (
                        "remove: even with uncommitted changes, which are lost; "
                        "create: in the place of a worktree whose folder is gone."
                    ),
                },
            },
            "required": ["command"],
            "additionalProperties": False,
            "examples": [
                {"command": "status"},
                {"command": "create", "branch": "fix-42"},
                {"command": "remove", "path": ".worktrees/fix-42"},
            ],
        },
        effects=Effects.DESTRUCTIVE,
        effects_of=_effects,
        targets=_targets,
    )

    def __init__(self, *, timeout_s: float = 120.0):
        self._timeout_s = timeout_s

    async def run(self, args: JsonObject, use: ToolUse) -> ToolOutput:
        for key in ("branch", "path", "base"):
            _check(key, args.get(key))
        root = use.workspace.root
        limit_s = self._timeout_s if use.deadline_s is None else min(self._timeout_s, use.deadline_s)
        ends_at = asyncio.get_running_loop().time() + limit_s
        git = Git(root, ends_at=ends_at, limit_s=limit_s)
        with progress(use, lambda: "git is at work"):
            await _require_repository(git, root)
            match args["command"]:
                case "create":
                    return await _create(git, args, use.workspace)
                case "remove":
                    return await _remove(git, args, use.workspace)
                case "list":
                    return await _list(git)
                case "status":
                    return await _status(git, root)
                case unknown:
                    text = f"unknown command {unknown!r}; there are: create, list, remove, status"
                    raise ToolError(text, ToolErrorKind.INVALID_ARGUMENT)


def _check(key: str, value: object) -> None:
    if not isinstance(value, str):
        return
    if value.startswith("-"):
        raise ToolError(f'{key} {value!r} starts with "-", git would take it as an option', ToolErrorKind.DENIED)
    if any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in value):
        text = f"{key} {value!r} holds a control character or line end; leave it out"
        raise ToolError(text, ToolErrorKind.INVALID_ARGUMENT)


async def _require_repository(git: Git, root: Path) -> None:
    """The workspace is a repository's working copy, or a bare repository.

    Raises:
        ToolError: NOT_FOUND there is none; DENIED git does not trust it, or its files lie elsewhere; FAILED
            it is broken.
    """
    try:
        inside, bare = (await git("rev-parse", "--is-inside-work-tree", "--is-bare-repository")).split()
        top = await git("rev-parse", "--show-toplevel") if inside == "true" else ""
    except GitError as error:
        if "dubious ownership" in error.said:
            text = "git does not trust this repository, because it belongs to somebody else; tell the user"
            raise ToolError(text, ToolErrorKind.DENIED) from error
        if not error.said.startswith("not a git repository"):
            raise ToolError(f"git cannot use the repository at {root}: {error.said}; tell the user") from error
        text = f"Not a git repository: {root} ({error.said}); make one with git init, or go on without worktrees"
        raise ToolError(text, ToolErrorKind.NOT_FOUND) from error
    if bare == "true":
        return
    if inside != "true" or os.path.realpath(_line(top)) != os.path.realpath(root):
        text = "the repository's files lie outside the workspace (core.worktree); it is left alone"
        raise ToolError(text, ToolErrorKind.DENIED)


def _line(output: str) -> str:
    return output.removesuffix("\n")


def _lines(output: str) -> list[str]:
    """The lines of git, which end with "\\n" only; names may hold what else Python takes for a line end."""
    return _line(output).split("\n") if output else []


@frozen(kw_only=True)
class _Worktree:
    """An entry of `git worktree list`; *locked* and *prunable* are the reasons, "" for none given, None for no."""

    path: str
    branch: str = _DETACHED
    locked: str | None = None
    prunable: str | None = None

    @classmethod
    def read(cls, block: str) -> "_Worktree":
        fields = dict(line.partition(" ")[::2] for line in block.split("\n"))
        where = "(bare)" if "bare" in fields else _DETACHED
        if "branch" in fields:
            where = f"[{shown(fields['branch'].removeprefix('refs/heads/'))}]"
        return cls(
            path=fields.get("worktree", "?"),
            branch=where,
            locked=fields.get("locked"),
            prunable=fields.get("prunable"),
        )

    def __str__(self) -> str:
        notes = [("locked", self.locked), ("prunable", self.prunable)]
        said = [f", {word}: {why}" if why else f", {word}" for word, why in notes if why is not None]
        return f"{shown(self.path)} {self.branch}{shown(''.join(said))}"

    def is_at(self, path: Path) -> bool:
        return os.path.realpath(self.path) == str(path)


async def _worktrees(git: Git) -> list[_Worktree]:
    """All worktrees, the main one first."""
    blocks = (await git("worktree", "list", "--porcelain")).strip().split("\n\n")
    return [_Worktree.read(block) for block in blocks]


async def _list(git: Git) -> ToolOutput:
    found = await _worktrees(git)
    lines = [f"Worktrees ({len(found)}):", *(f"  {one}" for one in found)]
    return ToolOutput(text="\n".join(lines), metadata={"count": len(found)})


async def _create(git: Git, args: JsonObject, workspace: Workspace) -> ToolOutput:
    branch = args.get("branch")
    if not isinstance(branch, str) or not branch:
        raise ToolError("branch parameter is required", ToolErrorKind.INVALID_ARGUMENT)
    is_new = args.get("new_branch") is not False
    start = str(args.get("base") or "HEAD") if is_new else branch
    path = _path(args) or ""
    target = workspace.resolve(path, write=True)
    await _require_room(git, target, workspace, force=args.get("force") is True)
    await _require_start(git, branch, start, is_new=is_new)
    ignoring = f"{_FOLDER}/.gitignore"  # else git would see the working copies as untracked files
    if not args.get("path") and not workspace.resolve(ignoring).exists():
        await in_thread(workspace.write_bytes, ignoring, b"*\n")
    is_added = False
    try:
        await git("worktree", "add", "--no-checkout", *(["-b", branch] if is_new else []), "--", str(target), start)
        is_added = True
        if workspace.resolve(path, write=True) != target:  # a link was put in between
            raise ToolError(f"{path} was moved meanwhile; nothing was checked out", ToolErrorKind.DENIED)
        return await _filled(git.at(target), workspace.relative(target))
    except BaseException as error:
        if is_added or not isinstance(error, GitError):  # when git refuses, what is there is not ours
            await _undo(git, target, branch if is_new else None)
        raise


async def _require_room(git: Git, target: Path, workspace: Workspace, *, force: bool) -> None:
    """Nothing is where the worktree is to be; with *force* the entry of one whose folder is gone is dropped."""
    shown_path = workspace.relative(target)
    above = next(folder for folder in target.parents if folder.exists())
    if not above.is_dir():
        raise ToolError(f"{workspace.relative(above)} is a file; choose another path", ToolErrorKind.INVALID_ARGUMENT)
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise ToolError(f"{shown_path} exists already; choose another path", ToolErrorKind.INVALID_ARGUMENT)
    for one in await _worktrees(git):
        if not one.is_at(target):
            continue
        _require_unlocked(one, shown_path)
        if not force:
            raise ToolError(
                f"{shown_path} is that of a worktree whose folder is gone; pass force=true to take its place, "
                "or choose another path",
                ToolErrorKind.INVALID_ARGUMENT,
            )
        await git("worktree", "remove", "--force", "--", str(target))


async def _require_start(git: Git, branch: str, start: str, *, is_new: bool) -> None:
    """The branch can be made; or it is there, perhaps only on a remote, and nobody else has it checked out."""
    if is_new:
        if await _succeeds(git, "show-ref", "--verify", "--quiet", f"refs/heads/{branch}"):
            text = f"the branch {branch} exists already; pass new_branch=false to check it out, or choose another name"
            raise ToolError(text, ToolErrorKind.INVALID_ARGUMENT)
        if not await _succeeds(git, "check-ref-format", "--branch", branch) or "@{" in branch:
            raise ToolError(f"{branch!r} is no valid name of a branch", ToolErrorKind.INVALID_ARGUMENT)
        if not await _succeeds(git, "rev-parse", "--verify", "--quiet", f"{start}^{{commit}}"):
            why = "there is no commit yet; commit first" if start == "HEAD" else f"there is no commit {start!r}"
            raise ToolError(f"{why}; nothing was made", ToolErrorKind.NOT_FOUND)
        return
    for one in await _worktrees(git):
        if one.branch == f"[{branch}]":
            text = f"the branch {branch} is checked out at {shown(one.path)}; work there, or make a new branch of it"
            raise ToolError(text, ToolErrorKind.INVALID_ARGUMENT)
    is_there = await _succeeds(git, "rev-parse", "--verify", "--quiet", f"{branch}^{{commit}}")
    if not is_there and not await _any_ref(git, f"refs/remotes/**/{branch}"):
        text = f"there is no branch or commit {branch!r}; leave out new_branch to make the branch"
        raise ToolError(text, ToolErrorKind.NOT_FOUND)


async def _succeeds(git: Git, *args: str) -> bool:
    try:
        await git(*args)
    except GitError:
        return False
    return True


async def _any_ref(git: Git, which: str) -> bool:
    """Whether there is such a ref; what git says besides has no tab."""
    return "\trefs/" in await git("for-each-ref", "--count=1", which)


async def _filled(git: Git, path: str) -> ToolOutput:
    """Checks out the files of a new worktree, without the filters that its settings name."""
    await _require_repository(git, git.folder)  # else other files than the worktree's would be replaced
    await git("reset", "--hard", "--quiet", "--no-recurse-submodules")
    head = _line(await git("rev-parse", "--abbrev-ref", "HEAD"))
    text = f"Created worktree at: {path}"
    if head == "HEAD":
        text += f" {_DETACHED}"
    filtered = await _filtered(git)
    if filtered:
        names = ", ".join(shown(name) for name in git.filters)
        text += f"\n{filtered} file(s) are as the repository stores them: filters are not run ({names})"
    return ToolOutput(text=text, metadata={"path": path, "branch": shown(head)})


async def _filtered(git: Git) -> int:
    """How many files a filter would have changed."""
    names = [name for name in git.filters if re.fullmatch(r"[-\w,]+", name)]  # others cannot stand in a pathspec
    if not names:
        return 0
    return len(_lines(await git("ls-files", "--", *(f":(attr:filter={name})" for name in names))))


async def _undo(git: Git, target: Path, branch: str | None) -> None:
    """Takes back what was begun."""
    git = git.at(git.folder, ends_at=asyncio.get_running_loop().time() + UNDO_S)
    with suppress(ToolError):
        await git("worktree", "remove", "--force", "--", str(target))
    if branch is not None:
        with suppress(ToolError):
            await git("branch", "-D", "--quiet", "--", branch)


async def _remove(git: Git, args: JsonObject, workspace: Workspace) -> ToolOutput:
    path = args.get("path")
    if not isinstance(path, str) or not path:
        raise ToolError("path parameter is required", ToolErrorKind.INVALID_ARGUMENT)
    target = workspace.resolve(path, write=True)
    shown_path = workspace.relative(target)
    main, *linked = await _worktrees(git)
    if main.is_at(target) or target == workspace.root:
        text = f"{shown_path} is the working copy you work in; only further ones can be removed"
        raise ToolError(text, ToolErrorKind.INVALID_ARGUMENT)
    found = next((one for one in linked if one.is_at(target)), None)
    if found is None:
        there = ", ".join(shown(one.path) for one in linked) or "none"
        raise ToolError(f"{shown_path} is no worktree; there are: {there}", ToolErrorKind.NOT_FOUND)
    _require_unlocked(found, shown_path)
    inside = [shown(one.path) for one in linked if target in Path(os.path.realpath(one.path)).parents]
    if inside:
        text = f"{shown_path} holds further worktrees: {', '.join(inside)}; remove those first"
        raise ToolError(text, ToolErrorKind.INVALID_ARGUMENT)
    if target.exists() and args.get("force") is not True:
        await _require_clean(git.at(target), found, shown_path)
    await git("worktree", "remove", "--force", "--", str(target))
    return ToolOutput(text=f"Removed worktree: {shown_path}", metadata={"path": shown_path})


def _require_unlocked(worktree: _Worktree, path: str) -> None:
    if worktree.locked is not None:
        why = f" ({shown(worktree.locked)})" if worktree.locked else ""
        text = f"{path} is locked{why} and stays; tell the user, who can run: git worktree unlock {shlex.quote(path)}"
        raise ToolError(text, ToolErrorKind.DENIED)


async def _require_clean(git: Git, worktree: _Worktree, path: str) -> None:
    """Nothing is lost with the worktree; files that git ignores do not count."""
    try:
        await _require_repository(git, git.folder)
    except ToolError as error:
        if error.kind is ToolErrorKind.TIMEOUT:
            raise
        raise ToolError(f"{path} is no sound working copy any more; it stays as it is, tell the user") from error
    changes = await _changes(git)
    submodules = sum(line.startswith("160000 ") for line in _lines(await git("ls-files", "--stage")))
    if changes:
        names = ", ".join([*(shown(line[3:]) for line in changes[:5]), *(["…"] if len(changes) > 5 else [])])
        what = f"{len(changes)} uncommitted change(s): {names}; commit them"
    elif submodules:
        what = f"{submodules} submodule(s), whose changes are not looked at; commit those"
    elif worktree.branch == _DETACHED and not await _any_ref(git, "--contains=HEAD"):
        what = "commits that are on no branch; make one of them with git branch"
    else:
        return
    raise ToolError(f"{path} has {what}, or pass force=true to delete them with it")


async def _changes(git: Git) -> list[str]:
    """One line for each file that differs from the last commit; submodules are not looked into."""
    lines = _lines(await git("status", "--porcelain", "--untracked-files=normal", "--ignore-submodules=dirty"))
    return [line for line in lines if _CHANGE.match(line)]


async def _status(git: Git, root: Path) -> ToolOutput:
    if (await git("rev-parse", "--is-inside-work-tree")).strip() != "true":
        text = "this is a bare repository without a working copy: create a worktree"
        raise ToolError(text, ToolErrorKind.UNSUPPORTED)
    changes = await _changes(git)
    try:
        head = shown(_line(await git("symbolic-ref", "--short", "-q", "HEAD")))
    except GitError:
        head = "(detached)"
    try:
        log = await git("log", "-1", "--no-show-signature", "--no-patch", "--encoding=UTF-8", "--format=%h %s", "--")
        commit = shown(_line(log))
    except GitError:
        commit = "(no commits)"
    folders = (await git("rev-parse", "--absolute-git-dir", "--path-format=absolute", "--git-common-dir")).split("\n")
    linked = folders[0] != folders[1]
    lines = [
        f"Workspace: {root}",
        f"Branch: {head}",
        f"Commit: {commit}",
        f"Status: {f'{len(changes)} uncommitted change(s)' if changes else 'clean'}",
        f"Worktree: {'yes (linked)' if linked else 'no (main)'}",
    ]
    return ToolOutput(
        text="\n".join(lines), metadata={"branch": head, "is_worktree": linked, "dirty_count": len(changes)}
    )

"""git_worktree works inside the workspace and takes no options from the model."""

import asyncio
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from a3s_code_tools.git_worktree import GitWorktreeTool

from a3s_code.plugin import CommandTarget, PathTarget, ToolError, ToolErrorKind, ToolOutput


def git(folder: Path, *args: str) -> str:
    identity = ["-c", "user.name=n", "-c", "user.email=n@example.org"]
    done = subprocess.run(["git", *identity, *args], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout


@pytest.fixture
def repository(folder: Path) -> Path:
    git(folder, "init", "-q", "-b", "main")
    (folder / "f").write_text("x\n")
    git(folder, "add", "f")
    git(folder, "commit", "-q", "-m", "first")
    return folder


def worktree(use: Any, command: str, **more: object) -> ToolOutput:
    return asyncio.run(GitWorktreeTool().run({"command": command, **more}, use))


def refusal(use: Any, command: str, **more: object) -> ToolError:
    with pytest.raises(ToolError) as caught:
        worktree(use, command, **more)
    return caught.value


def test_a_worktree_is_created_inside_the_workspace_and_not_tracked(repository: Path, use: Any):
    said = worktree(use, "create", branch="fix/42")
    assert said.text == "Created worktree at: .worktrees/fix-42"
    assert said.metadata == {"path": ".worktrees/fix-42", "branch": "fix/42"}
    assert (repository / ".worktrees/fix-42/f").read_text() == "x\n"
    assert git(repository, "status", "--porcelain") == ""


def test_an_existing_branch_is_checked_out(repository: Path, use: Any):
    git(repository, "branch", "old")
    worktree(use, "create", branch="old", new_branch=False, path="wt")
    assert git(repository / "wt", "branch", "--show-current") == "old\n"


def test_worktrees_are_listed(repository: Path, use: Any):
    worktree(use, "create", branch="b", path="wt")
    git(repository / "wt", "checkout", "-q", "--detach")
    said = worktree(use, "list")
    assert said.text == f"Worktrees (2):\n  {repository} [main]\n  {repository}/wt (detached HEAD)"
    assert said.metadata == {"count": 2}


def test_a_worktree_is_removed_with_force_only_when_changed(repository: Path, use: Any):
    worktree(use, "create", branch="b", path="wt")
    (repository / "wt" / "new").touch()
    assert "--force" in str(refusal(use, "remove", path="wt"))
    assert worktree(use, "remove", path="wt", force=True).text == "Removed worktree: wt"
    assert not (repository / "wt").exists()


def test_the_status_says_what_is_going_on(repository: Path, use: Any):
    (repository / "f").write_text("changed\n")
    (repository / "g").touch()
    said = worktree(use, "status")
    commit = git(repository, "log", "-1", "--format=%h").strip()
    assert said.text.splitlines() == [
        f"Workspace: {repository}",
        "Branch: main",
        f"Commit: {commit} first",
        "Status: 2 uncommitted change(s)",
        "Worktree: no (main)",
    ]
    assert said.metadata == {"branch": "main", "is_worktree": False, "dirty_count": 2}


def test_the_status_of_a_linked_worktree_and_of_an_unborn_branch(repository: Path, use_in: Any, tmp_path: Path):
    git(repository, "worktree", "add", "-q", str(tmp_path / "linked"))
    assert worktree(use_in(tmp_path / "linked"), "status").metadata["is_worktree"] is True
    (tmp_path / "empty").mkdir()
    git(tmp_path / "empty", "init", "-q")
    assert "Commit: (no commits)\nStatus: clean" in worktree(use_in(tmp_path / "empty"), "status").text


@pytest.mark.parametrize("command", ["create", "list", "remove", "status"])
def test_without_a_repository_it_says_so(use: Any, command: str):
    assert str(refusal(use, command, branch="b", path="wt")).startswith("Not a git repository")


def test_a_repository_around_the_workspace_is_left_alone(repository: Path, use_in: Any):
    (repository / "sub").mkdir()
    assert "Not a git repository" in str(refusal(use_in(repository / "sub"), "status"))


@pytest.mark.parametrize(
    "args", [{"branch": "--upload-pack=x"}, {"branch": "b", "base": "-f"}, {"branch": "b", "path": "--lock"}]
)
def test_values_that_git_would_take_as_options_are_denied(repository: Path, use: Any, args: dict[str, str]):
    assert refusal(use, "create", **args).kind is ToolErrorKind.DENIED


@pytest.mark.parametrize("path", ["../wt", "/tmp/wt", ".git/wt"])
@pytest.mark.parametrize("command", ["create", "remove"])
def test_paths_outside_are_denied(repository: Path, use: Any, command: str, path: str):
    assert refusal(use, command, branch="b", path=path).kind is ToolErrorKind.DENIED


def test_hooks_of_the_repository_do_not_run(repository: Path, use: Any, tmp_path: Path):
    hook = repository / ".git/hooks/post-checkout"
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    hook.chmod(0o755)
    worktree(use, "create", branch="b")
    assert not (tmp_path / "ran").exists()


def test_git_variables_of_the_host_do_not_count(repository: Path, use: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GIT_DIR", os.devnull)
    assert worktree(use, "status").metadata["branch"] == "main"


def test_the_gate_learns_command_and_path():
    targets = GitWorktreeTool().spec.targets
    assert targets({"command": "create", "branch": "b"}) == (
        CommandTarget("git worktree add .worktrees/b b"),
        PathTarget(".worktrees/b", write=True),
    )
    assert targets({"command": "status"}) == (CommandTarget("git status"),)

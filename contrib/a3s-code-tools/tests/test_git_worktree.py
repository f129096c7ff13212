"""git_worktree works inside the workspace and takes no options from the model."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from a3s_code_guard.permission import PermissionPolicy
from a3s_code_testing.running import start
from a3s_code_tools.git import Git
from a3s_code_tools.git_worktree import GitWorktreeTool

from a3s_code.plugin import (
    CommandTarget,
    Decision,
    JsonObject,
    OtherTarget,
    PathTarget,
    PermissionRequest,
    ToolError,
    ToolErrorKind,
    ToolOutput,
)


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


def test_a_gitignore_that_is_there_stays_as_it_is(repository: Path, use: Any):
    (repository / ".worktrees").mkdir()
    (repository / ".worktrees/.gitignore").write_text("mine\n")
    worktree(use, "create", branch="b")
    assert (repository / ".worktrees/.gitignore").read_text() == "mine\n"


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
    assert "wt has 1 uncommitted change(s): new; " in str(refusal(use, "remove", path="wt"))
    assert (repository / "wt" / "new").exists()
    assert worktree(use, "remove", path="wt", force=True).text == "Removed worktree: wt"
    assert not (repository / "wt").exists()


def test_names_of_changed_files_are_shown_as_they_are(repository: Path, use: Any):
    worktree(use, "create", branch="b", path="wt")
    (repository / "wt" / "größe").touch()
    assert "1 uncommitted change(s): größe; " in str(refusal(use, "remove", path="wt"))


def test_what_git_says_of_its_settings_is_no_change(repository: Path, use: Any):
    (repository / ".git/info").mkdir(exist_ok=True)
    (repository / ".git/info/attributes").write_text("* =odd\n")
    assert "is not a valid attribute" in subprocess.getoutput(f"git -C {repository} status --porcelain")
    assert worktree(use, "status").metadata["dirty_count"] == 0


def test_line_ends_that_git_does_not_know_are_part_of_names(repository: Path, use: Any):
    git(repository, "worktree", "add", "-q", "-b", "a\u2028b", "wt")
    (repository / "wt" / "c\x85d").touch()
    assert "wt [a\u2028b]" in worktree(use, "list").text
    assert "1 uncommitted change(s)" in str(refusal(use, "remove", path="wt"))


@pytest.mark.parametrize("force", [False, True])
def test_a_worktree_with_another_one_inside_is_not_removed(repository: Path, use: Any, use_in: Any, force: bool):
    """Git ignores what is in .worktrees, and would delete it with all changes."""
    worktree(use, "create", branch="b", path="wt")
    worktree(use_in(repository / "wt"), "create", branch="c")
    refused = refusal(use, "remove", path="wt", force=force)
    assert "wt/.worktrees/c; remove those first" in str(refused)
    assert (repository / "wt/.worktrees/c/f").exists()


def test_commits_on_no_branch_are_not_lost_without_force(repository: Path, use: Any):
    worktree(use, "create", branch="main~0", new_branch=False, path="wt")
    git(repository / "wt", "commit", "-q", "--allow-empty", "-m", "on no branch")
    assert "commits that are on no branch" in str(refusal(use, "remove", path="wt"))
    git(repository / "wt", "branch", "kept")
    assert worktree(use, "remove", path="wt").success


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


def test_a_repository_that_git_cannot_read_is_not_to_be_made_anew(repository: Path, use: Any):
    (repository / ".git/config").write_text("[broken")
    said = str(refusal(use, "status"))
    assert "bad config line" in said
    assert "git init" not in said


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
    assert targets({"command": "status"}) == (OtherTarget("git status"),)
    assert targets({"command": "remove", "path": "a b", "force": True}) == (
        CommandTarget("git worktree remove --force 'a b'"),
        PathTarget("a b", write=True),
    )


@pytest.mark.parametrize(
    ("args", "decision"),
    [
        ({"command": "list"}, Decision.ALLOW),
        ({"command": "status"}, Decision.ALLOW),
        ({"command": "create", "branch": "b"}, Decision.ASK),
        ({"command": "remove", "path": "wt"}, Decision.ASK),
    ],
)
def test_looking_needs_no_permission_and_changing_does(args: JsonObject, decision: Decision):
    spec = GitWorktreeTool.spec
    request = PermissionRequest(
        tool=spec.name, arguments=args, targets=spec.targets(args), effects=spec.effects_for(args), workspace="/ws"
    )
    assert PermissionPolicy().check(request).decision is decision


# What git can be asked for


def test_a_commit_instead_of_a_branch_is_checked_out_detached(repository: Path, use: Any):
    commit = git(repository, "rev-parse", "HEAD").strip()
    said = worktree(use, "create", branch=commit, new_branch=False, path="wt")
    assert said.text == "Created worktree at: wt (detached HEAD)"
    assert said.metadata == {"path": "wt", "branch": "HEAD"}


def test_the_status_of_a_detached_head(repository: Path, use: Any):
    git(repository, "checkout", "-q", "--detach")
    assert worktree(use, "status").metadata["branch"] == "(detached)"


def test_a_new_branch_starts_at_its_base(repository: Path, use: Any):
    git(repository, "tag", "one")
    (repository / "f").write_text("later\n")
    git(repository, "commit", "-q", "-a", "-m", "second")
    worktree(use, "create", branch="b", base="one", path="wt")
    assert (repository / "wt/f").read_text() == "x\n"


def test_the_branch_of_a_remote_is_found_by_its_name(repository: Path, use_in: Any, tmp_path: Path):
    git(repository, "branch", "theirs")
    git(tmp_path, "clone", "-q", str(repository), "copy")
    said = worktree(use_in(tmp_path / "copy"), "create", branch="theirs", new_branch=False, path="wt")
    assert said.metadata["branch"] == "theirs"


def test_a_bare_repository_has_worktrees_and_no_status(repository: Path, use_in: Any, tmp_path: Path):
    git(tmp_path, "clone", "-q", "--bare", str(repository), "bare")
    bare = use_in(tmp_path / "bare")
    worktree(bare, "create", branch="b", path="wt")
    assert "bare (bare)\n" in worktree(bare, "list").text
    assert refusal(bare, "status").kind is ToolErrorKind.UNSUPPORTED


def test_names_with_blanks_umlauts_and_other_bytes_are_shown(repository: Path, use: Any):
    worktree(use, "create", branch="größe", path="a b/ä")
    assert "a b/ä [größe]" in worktree(use, "list").text
    (repository / os.fsdecode(b"\xff")).touch()
    assert worktree(use, "status").metadata["dirty_count"] == 2
    assert worktree(use, "remove", path="a b/ä").metadata == {"path": "a b/ä"}


def test_an_empty_folder_is_room_enough(repository: Path, use: Any):
    (repository / "wt").mkdir()
    worktree(use, "create", branch="b", path="wt")
    assert (repository / "wt/f").exists()


def test_locked_worktrees_stay_even_with_force(repository: Path, use: Any):
    worktree(use, "create", branch="b", path="wt")
    git(repository, "worktree", "lock", "--reason", "on a stick", "wt")
    assert "wt [b], locked: on a stick" in worktree(use, "list").text
    for force in (False, True):
        refused = refusal(use, "remove", path="wt", force=force)
        assert refused.kind is ToolErrorKind.DENIED
        assert "on a stick" in str(refused)
    assert (repository / "wt/f").exists()


def test_a_worktree_whose_folder_is_gone_is_shown_and_can_be_removed(repository: Path, use: Any):
    worktree(use, "create", branch="b", path="wt")
    shutil.rmtree(repository / "wt")
    assert "wt [b], prunable: " in worktree(use, "list").text
    worktree(use, "remove", path="wt")
    assert worktree(use, "list").metadata == {"count": 1}


def test_a_worktree_whose_folder_is_gone_is_replaced_with_force_only(repository: Path, use: Any):
    worktree(use, "create", branch="b", path="wt")
    shutil.rmtree(repository / "wt")
    assert "force=true" in str(refusal(use, "create", branch="c", path="wt"))
    worktree(use, "create", branch="c", path="wt", force=True)
    assert git(repository / "wt", "branch", "--show-current") == "c\n"


def test_submodules_are_not_deleted_without_force(repository: Path, use: Any, tmp_path: Path):
    git(tmp_path, "clone", "-q", str(repository), "inner")
    git(repository, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(tmp_path / "inner"), "sub")
    git(repository, "commit", "-q", "-m", "with a submodule")
    worktree(use, "create", branch="b", path="wt")
    assert "1 submodule(s)" in str(refusal(use, "remove", path="wt"))
    worktree(use, "remove", path="wt", force=True)
    assert not (repository / "wt").exists()


@pytest.mark.parametrize(
    ("args", "kind", "text"),
    [
        pytest.param({"command": "create"}, "invalid_argument", "branch parameter is required", id="no-branch"),
        pytest.param({"command": "remove"}, "invalid_argument", "path parameter is required", id="no-path"),
        pytest.param(
            {"command": "create", "branch": "main"}, "invalid_argument", "new_branch=false", id="branch-exists"
        ),
        pytest.param({"command": "create", "branch": "a..b"}, "invalid_argument", "no valid name", id="bad-branch"),
        pytest.param({"command": "create", "branch": "@{-1}"}, "invalid_argument", "no valid name", id="expression"),
        pytest.param({"command": "create", "branch": "a\nb"}, "invalid_argument", "control character", id="control"),
        pytest.param({"command": "create", "branch": "a\ud800"}, "invalid_argument", "leave it out", id="surrogate"),
        pytest.param({"command": "create", "branch": "a\u2028"}, "invalid_argument", "leave it out", id="line-end"),
        pytest.param({"command": "create", "branch": "b", "base": "nowhere"}, "not_found", "no commit", id="base"),
        pytest.param({"command": "create", "branch": "b", "path": "f"}, "invalid_argument", "another path", id="taken"),
        pytest.param(
            {"command": "create", "branch": "b", "path": "f/x"}, "invalid_argument", "f is a file", id="below-a-file"
        ),
        pytest.param(
            {"command": "create", "branch": "nowhere", "new_branch": False},
            "not_found",
            "leave out new_branch",
            id="no-branch-there",
        ),
        pytest.param(
            {"command": "create", "branch": "main", "new_branch": False},
            "invalid_argument",
            "is checked out at",
            id="checked-out",
        ),
        pytest.param({"command": "remove", "path": "nowhere"}, "not_found", "there are: none", id="no-worktree"),
        pytest.param({"command": "remove", "path": "."}, "denied", "workspace", id="main"),
        pytest.param({"command": "remove", "path": ".", "force": True}, "denied", "workspace", id="force"),
    ],
)
def test_what_cannot_be_done_says_what_to_do(repository: Path, use: Any, args: dict[str, Any], kind: str, text: str):
    refused = refusal(use, **args)
    assert refused.kind.value == kind
    assert text in str(refused)
    assert git(repository, "branch", "--format=%(refname:short)") == "main\n"
    assert worktree(use, "list").metadata == {"count": 1}


def test_before_the_first_commit_it_says_so(folder: Path, use: Any):
    git(folder, "init", "-q")
    assert "there is no commit yet" in str(refusal(use, "create", branch="b"))


def test_without_git_it_says_so(repository: Path, use: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(repository))
    refused = refusal(use, "status")
    assert refused.kind is ToolErrorKind.UNSUPPORTED
    assert "not installed" in str(refused)


def test_a_folder_of_the_workspace_in_the_path_is_not_searched_for_git(
    repository: Path, use: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    trap = repository / "git"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    trap.chmod(0o755)
    monkeypatch.setenv("PATH", f".:{os.environ['PATH']}")
    monkeypatch.chdir(repository)
    worktree(use, "status")
    assert not (tmp_path / "ran").exists()


def other_git(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """A git that does *script* first; `$real` is the one that is installed."""
    program = folder / "bin" / "git"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nreal={shutil.which("git")}\n{script}\nexec $real "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")


def test_a_git_that_would_not_obey_the_settings_is_not_used(
    repository: Path, use: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Before 2.31 git took none from variables."""
    other_git(tmp_path, monkeypatch, "unset GIT_CONFIG_COUNT")
    refused = refusal(use, "status")
    assert refused.kind is ToolErrorKind.UNSUPPORTED
    assert "older than 2.31" in str(refused)


# Deadlines and cancelling


def slow_git(folder: Path, monkeypatch: pytest.MonkeyPatch, command: str) -> Path:
    """A git that says when it begins *command*, and then never ends; the file it touches."""
    begun = folder / "begun"
    other_git(folder, monkeypatch, f'for word; do [ "$word" = {command} ] && touch {begun} && exec sleep 1000; done')
    return begun


def test_at_its_deadline_a_call_ends_and_takes_back_what_it_began(
    repository: Path, use: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    slow_git(tmp_path, monkeypatch, "reset")
    use.deadline_s = 1.0
    refused = refusal(use, "create", branch="b", path="wt")
    assert refused.kind is ToolErrorKind.TIMEOUT
    assert not (repository / "wt").exists()
    assert git(repository, "branch", "--format=%(refname:short)") == "main\n"


def test_a_cancelled_call_takes_back_what_it_began(
    repository: Path, use: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    begun = slow_git(tmp_path, monkeypatch, "reset")

    async def cancel() -> None:
        call = start(GitWorktreeTool().run({"command": "create", "branch": "b", "path": "wt"}, use))
        while not begun.exists():  # noqa: ASYNC110 # another process sets it
            await asyncio.sleep(0.01)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    asyncio.run(cancel())
    assert not (repository / "wt").exists()
    assert git(repository, "worktree", "list", "--porcelain").count("worktree ") == 1


# Repositories that want to run programs


@pytest.fixture
def ran(tmp_path: Path) -> Path:
    """What the programs below write when they run."""
    return tmp_path / "ran"


@pytest.fixture
def trap(tmp_path: Path, ran: Path) -> str:
    """A program that leaves a mark and hands its input on."""
    program = tmp_path / "trap"
    program.write_text(f'#!/bin/sh\necho "$0 $*" >> {ran}\n[ "$1" = git-upload-pack ] && exit 1\ncat\n')
    program.chmod(0o755)
    return str(program)


def hooks(repository: Path, trap: str) -> None:
    for name in ("post-checkout", "post-index-change", "reference-transaction"):
        (repository / ".git/hooks" / name).symlink_to(trap)


def hooks_path(repository: Path, trap: str) -> None:
    (repository / "hooks").mkdir()
    (repository / "hooks/post-checkout").symlink_to(trap)
    git(repository, "config", "core.hooksPath", str(repository / "hooks"))


def filters(repository: Path, trap: str, name: str = "evil") -> None:
    (repository / ".gitattributes").write_text(f"* filter={name}\n")
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "attributes")
    for key in ("smudge", "clean"):
        git(repository, "config", f"filter.{name}.{key}", trap)


def process_filter(repository: Path, trap: str) -> None:
    filters(repository, trap)
    git(repository, "config", "filter.evil.process", trap)
    git(repository, "config", "filter.evil.required", "true")


def filters_of_worktrees_only(repository: Path, trap: str) -> None:
    filters(repository, trap)
    git(repository, "config", "--remove-section", "filter.evil")
    (repository / ".git/more").write_text(f'[filter "evil"]\n\tsmudge = {trap}\n\tclean = {trap}\n')
    git(repository, "config", "includeIf.gitdir:**/worktrees/**.path", "more")


def file_monitor(repository: Path, trap: str) -> None:
    git(repository, "config", "core.fsmonitor", trap)


def partial_clone(repository: Path, trap: str) -> None:
    """Blobs are missing and would be fetched by a program."""
    blob = git(repository, "rev-parse", "HEAD:f").strip()
    (repository / ".git/objects" / blob[:2] / blob[2:]).unlink()
    git(repository, "config", "remote.evil.url", f"ext::{trap} %S")
    git(repository, "config", "remote.evil.promisor", "true")
    git(repository, "config", "protocol.ext.allow", "always")
    git(repository, "config", "protocol.allow", "always")
    git(repository, "config", "extensions.partialClone", "evil")


TRAPS = (hooks, hooks_path, filters, process_filter, filters_of_worktrees_only, file_monitor, partial_clone)


def attempt(repository: Path, use: Any) -> None:
    """Each command once; some cannot succeed in a broken repository."""
    for args in (
        {"command": "create", "branch": "b", "path": "wt"},
        {"command": "list"},
        {"command": "status"},
        {"command": "remove", "path": "wt"},
        {"command": "remove", "path": "wt", "force": True},
    ):
        with suppress(ToolError):
            worktree(use, **args)


@pytest.mark.parametrize("setting", TRAPS, ids=lambda setting: setting.__name__)
def test_no_program_that_the_repository_names_is_run(
    repository: Path, use: Any, trap: str, ran: Path, setting: Callable[[Path, str], None]
):
    setting(repository, trap)
    (repository / "f").write_text("y\n")
    ran.unlink(missing_ok=True)
    attempt(repository, use)
    assert not ran.exists(), ran.read_text()


def test_a_warning_before_the_list_of_settings_hides_none(
    repository: Path, use: Any, trap: str, ran: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Git says it on the same pipe, in front of the first name."""
    filters(repository, trap)
    monkeypatch.setenv("HOME", str(tmp_path))
    config = repository / ".git/config"
    config.write_text(f'[filter "evil"]\n\tsmudge = {trap}\n[core]\n\trepositoryformatversion = 0\n')
    other_git(tmp_path, monkeypatch, 'export GIT_CONFIG_NOSYSTEM=1; echo "warning: odd" >&2')
    ran.unlink(missing_ok=True)
    worktree(use, "create", branch="b", path="wt")
    assert not ran.exists()


def test_hooks_in_the_settings_are_disabled(repository: Path):
    """Git 2.54 and newer run hook.<name>.command, whatever core.hooksPath says."""
    for key, value in (("event", "post-checkout"), ("command", "touch ran"), ("enabled", "true")):
        git(repository, "config", f"hook.some.one.{key}", value)

    async def settings() -> str:
        neutral = Git(repository, ends_at=asyncio.get_running_loop().time() + 60, limit_s=60)
        return await neutral("config", "--get", "hook.some.one.enabled")

    assert asyncio.run(settings()) == "false\n"


@pytest.mark.parametrize("setting", TRAPS, ids=lambda setting: setting.__name__)
def test_plain_git_would_have_run_it(repository: Path, trap: str, ran: Path, setting: Callable[[Path, str], None]):
    """Else the test above proves nothing."""
    setting(repository, trap)
    (repository / "f").write_text("y\n")
    ran.unlink(missing_ok=True)
    for args in (["worktree", "add", "-b", "b", "wt"], ["status"]):
        subprocess.run(["git", *args], cwd=repository, check=False, capture_output=True, timeout=20)
    assert ran.exists()


def test_submodules_with_settings_of_their_own_are_not_looked_into(
    repository: Path, use: Any, tmp_path: Path, trap: str, ran: Path
):
    git(tmp_path, "clone", "-q", str(repository), "inner")
    git(repository, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(tmp_path / "inner"), "sub")
    git(repository, "commit", "-q", "-m", "with a submodule")
    git(repository / "sub", "config", "core.fsmonitor", trap)
    attempt(repository, use)
    assert not ran.exists()
    git(repository, "status")
    assert ran.exists()


def test_the_result_says_which_files_a_filter_was_left_out_of(repository: Path, use: Any, trap: str):
    filters(repository, trap)
    said = worktree(use, "create", branch="b", path="wt")
    assert said.text.endswith("\n2 file(s) are as the repository stores them: filters are not run (evil)")


def test_files_elsewhere_are_left_alone(repository: Path, use: Any, tmp_path: Path):
    """core.worktree can name any folder as the working copy."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    git(repository, "config", "core.worktree", str(elsewhere))
    for command in ("status", "create"):
        assert refusal(use, command, branch="b").kind is ToolErrorKind.DENIED
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("GIT_DIR", "/nowhere"), ("GIT_WORK_TREE", "/"), ("GIT_EXTERNAL_DIFF", "false"), ("GIT_CONFIG_COUNT", "x")],
)
def test_no_git_variable_of_the_host_is_handed_on(
    repository: Path, use: Any, monkeypatch: pytest.MonkeyPatch, name: str, value: str
):
    monkeypatch.setenv(name, value)
    assert worktree(use, "status").metadata["branch"] == "main"


def test_a_damaged_worktree_is_kept(repository: Path, use: Any):
    worktree(use, "create", branch="b", path="wt")
    (repository / "wt/.git").unlink()
    (repository / "wt/new").touch()
    for force in (False, True):
        refusal(use, "remove", path="wt", force=force)
    assert (repository / "wt/new").exists()

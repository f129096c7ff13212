"""Nothing outside the workspace is read or written, whatever a path looks like and whoever moves links meanwhile."""

import os
import shutil
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from a3s_code.errors import SessionError, ToolError, ToolErrorKind
from a3s_code.points.tools import Workspace
from a3s_code.workspace import FileState, FolderWorkspace


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret.txt").write_text("SECRET")
    return folder


@pytest.fixture
def root(tmp_path: Path, outside: Path) -> Path:
    folder = tmp_path / "ws"
    (folder / "src").mkdir(parents=True)
    (folder / "a.txt").write_text("hello")
    return folder


@pytest.fixture
def workspace(root: Path) -> FolderWorkspace:
    return FolderWorkspace(root)


def kind_of(call: Callable[[], object]) -> ToolErrorKind | None:
    """How a call is refused, None when it is not."""
    try:
        call()
    except ToolError as error:
        return error.kind
    return None


def test_it_is_a_workspace(workspace: FolderWorkspace):
    promised: Workspace = workspace
    assert promised.read_bytes("a.txt") == b"hello"


@pytest.mark.parametrize("name", ["missing", "a.txt"])
def test_a_root_that_is_no_existing_folder_is_named(root: Path, name: str):
    with pytest.raises(SessionError, match=name):
        FolderWorkspace(root / name)


@pytest.mark.parametrize("path", ["", ".", "./", "src/.."])
def test_the_root_has_many_names(workspace: FolderWorkspace, root: Path, path: str):
    assert workspace.resolve(path) == root


def test_paths_are_shown_relative_to_the_root(workspace: FolderWorkspace, root: Path):
    assert [workspace.relative(path) for path in (root, root / "src" / "x", Path("/etc"))] == [".", "src/x", "/etc"]


@pytest.mark.parametrize(
    "path",
    [
        "..",
        "../outside/secret.txt",
        "src/../../outside/secret.txt",
        "/etc/passwd",
        "/proc/self/root/etc/passwd",
        "new/folders/../../../outside/new.txt",
        "../ws-evil/x",
        "../missing/parents/x",
        "~/.ssh/id",
        "~root/x",
        "$HOME/x",
        "${HOME}/x",
        "..%2foutside%2fsecret.txt",
        "..%252foutside%252fsecret.txt",
        "%2e%2e/outside/secret.txt",
        "%2fetc%2fpasswd",
        "..\\outside\\secret.txt",
        "\\\\host\\share\\f",
        "C:\\Windows\\x",
        "file:///etc/passwd",
        "．．／outside／secret.txt",
        "a\0b",
        "\ud800",
        "x" * 300,
        "x/" * 3000,
    ],
)
@pytest.mark.parametrize("write", [False, True])
def test_what_leads_outside_is_denied(workspace: FolderWorkspace, path: str, write: bool):
    assert kind_of(lambda: workspace.resolve(path, write=write)) is ToolErrorKind.DENIED


@pytest.mark.parametrize("path", ["..file", "-rf", "a.txt~", "~backup", "a%20b", "50%", "日本/naïve", "a b", "src//x"])
def test_odd_names_inside_are_fine(workspace: FolderWorkspace, path: str):
    workspace.write_bytes(path, b"x")
    assert workspace.read_bytes(path) == b"x"


def test_a_folder_that_is_really_called_tilde_is_used(workspace: FolderWorkspace, root: Path):
    (root / "~").mkdir()
    (root / "~" / "f").write_text("mine")
    assert workspace.read_bytes("~/f") == b"mine"


def test_links_are_judged_by_where_they_lead(workspace: FolderWorkspace, root: Path, outside: Path):
    for name, target in {
        "out": outside,
        "file": outside / "secret.txt",
        "dangling": outside / "new.txt",
        "chain": "chain2",
        "chain2": "file",
        "loop": "loop2",
        "loop2": "loop",
        "zero": "/dev/zero",
    }.items():
        (root / name).symlink_to(target)
    for path in (
        "out/secret.txt",
        "file",
        "dangling",
        "chain",
        "loop",
        "loop/x",
        "zero",
        "out/../secret.txt",
        "out/new",
    ):
        assert kind_of(lambda path=path: workspace.read_bytes(path)) is ToolErrorKind.DENIED, path
        assert kind_of(lambda path=path: workspace.write_bytes(path, b"x")) is ToolErrorKind.DENIED, path
    assert sorted(path.name for path in outside.iterdir()) == ["secret.txt"]


def test_writing_through_a_link_inside_changes_its_target(workspace: FolderWorkspace, root: Path):
    (root / "link").symlink_to("a.txt")
    assert workspace.write_bytes("link", b"new") == root / "a.txt"
    assert (root / "link").is_symlink()
    assert (root / "a.txt").read_bytes() == b"new"


def test_the_workspace_may_be_reached_through_a_link(root: Path, tmp_path: Path):
    (tmp_path / "wslink").symlink_to(root)
    workspace = FolderWorkspace(tmp_path / "wslink")
    assert workspace.root == root
    assert workspace.resolve(f"{tmp_path}/wslink/a.txt") == root / "a.txt"


def test_pipes_and_sockets_are_denied_without_waiting(workspace: FolderWorkspace, root: Path):
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(root / "sock"))
    for name in ("pipe", "sock"):
        assert kind_of(lambda name=name: workspace.read_bytes(name)) is ToolErrorKind.DENIED
        assert kind_of(lambda name=name: workspace.write_bytes(name, b"x")) is ToolErrorKind.DENIED


def test_folders_are_neither_read_nor_replaced(workspace: FolderWorkspace):
    assert kind_of(lambda: workspace.read_bytes("src")) is ToolErrorKind.UNSUPPORTED
    assert kind_of(lambda: workspace.read_bytes("")) is ToolErrorKind.UNSUPPORTED
    assert kind_of(lambda: workspace.write_bytes("src", b"x")) is ToolErrorKind.UNSUPPORTED


def test_missing_files_are_not_found(workspace: FolderWorkspace):
    assert kind_of(lambda: workspace.read_bytes("missing/x")) is ToolErrorKind.NOT_FOUND
    assert kind_of(lambda: workspace.read_bytes("a.txt/x")) is ToolErrorKind.NOT_FOUND


def test_a_file_over_the_limit_is_refused(workspace: FolderWorkspace, root: Path):
    with (root / "huge").open("wb") as file:
        file.truncate(10**12)
    assert kind_of(lambda: workspace.read_bytes("huge", max_bytes=1000)) is ToolErrorKind.TOO_LARGE
    assert workspace.read_bytes("a.txt", max_bytes=5) == b"hello"


@pytest.mark.parametrize(
    "path",
    [
        ".git/hooks/pre-commit",
        ".GIT/config",
        "sub/.git/config",
        ".git. /config",
        ".g\u200bit/config",
        ".git",
        "agent.hcl",
        ".a3s/x",
        ".bashrc",
    ],
)
def test_what_other_programs_obey_is_read_but_not_written(workspace: FolderWorkspace, path: str):
    assert kind_of(lambda: workspace.resolve(path)) is None
    assert kind_of(lambda: workspace.write_bytes(path, b"x")) is ToolErrorKind.DENIED


def test_a_link_does_not_reach_what_is_protected(workspace: FolderWorkspace, root: Path):
    (root / ".git").mkdir()
    (root / "l").symlink_to(".git")
    assert kind_of(lambda: workspace.write_bytes("l/config", b"x")) is ToolErrorKind.DENIED


@pytest.mark.parametrize("path", [".github/workflows/ci.yml", ".gitignore", "docs/git/hooks.md", "src/agent.hcl.md"])
def test_similar_names_are_written(workspace: FolderWorkspace, path: str):
    workspace.write_bytes(path, b"x")


@pytest.mark.parametrize("kept", ["state/s", "."])
def test_a_session_that_is_kept_in_the_workspace_is_read_but_not_written(
    workspace: FolderWorkspace, root: Path, kept: str
) -> None:
    """Such as in a home folder. Where all of the workspace is the session's folder, only its output is protected."""
    outputs = root / kept / "outputs"
    outputs.mkdir(parents=True)
    (outputs / "long.txt").write_text("long")
    workspace.also_read(outputs)
    assert workspace.read_bytes(str(outputs / "long.txt")) == b"long"
    for path in ("outputs/long.txt", "outputs/new", *(() if kept == "." else ("journal",))):
        with pytest.raises(ToolError, match="the session is kept there") as refused:
            workspace.write_bytes(f"{kept}/{path}", b"mine")
        assert refused.value.kind is ToolErrorKind.DENIED
    workspace.write_bytes("state/other", b"mine")


def test_the_embedder_may_lift_the_protection(root: Path):
    FolderWorkspace(root, protected=()).write_bytes("agent.hcl", b"x")
    assert (root / "agent.hcl").read_bytes() == b"x"


def test_a_replaced_file_keeps_its_mode_without_set_uid(workspace: FolderWorkspace, root: Path):
    (root / "a.txt").chmod(0o4751)
    workspace.write_bytes("a.txt", b"new")
    assert stat.S_IMODE((root / "a.txt").stat().st_mode) == 0o751


def test_a_new_file_gets_the_mode_of_the_umask(workspace: FolderWorkspace, root: Path):
    before = os.umask(0o027)
    try:
        workspace.write_bytes("deep/er/new.txt", b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((root / "deep/er/new.txt").stat().st_mode) == 0o640


def test_a_read_only_file_stays_as_it_is(workspace: FolderWorkspace, root: Path):
    (root / "a.txt").chmod(0o444)
    assert kind_of(lambda: workspace.write_bytes("a.txt", b"new")) is ToolErrorKind.FAILED
    assert (root / "a.txt").read_text() == "hello"


def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    workspace: FolderWorkspace, root: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ToolError, match="No space left"):
        workspace.write_bytes("a.txt", b"new")
    assert (root / "a.txt").read_text() == "hello"
    assert sorted(path.name for path in root.iterdir()) == ["a.txt", "src"]


def test_a_hard_link_is_replaced_and_not_written_through(workspace: FolderWorkspace, root: Path, outside: Path):
    (root / "hard").hardlink_to(outside / "secret.txt")
    workspace.write_bytes("hard", b"x")
    assert (outside / "secret.txt").read_text() == "SECRET"


def test_deleting_removes_a_file_and_through_a_link_what_it_leads_to(workspace: FolderWorkspace, root: Path):
    (root / "link").symlink_to("a.txt")
    assert workspace.delete("link") == root / "a.txt"
    assert not (root / "a.txt").exists()
    assert (root / "link").is_symlink()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        pytest.param("missing", ToolErrorKind.NOT_FOUND, id="missing"),
        pytest.param("src/missing/x", ToolErrorKind.NOT_FOUND, id="missing folder"),
        pytest.param("src", ToolErrorKind.UNSUPPORTED, id="folder"),
        pytest.param(".", ToolErrorKind.DENIED, id="root"),
        pytest.param("../outside/secret.txt", ToolErrorKind.DENIED, id="outside"),
        pytest.param("out/secret.txt", ToolErrorKind.DENIED, id="link to the outside"),
        pytest.param(".git/config", ToolErrorKind.DENIED, id="protected"),
        pytest.param("locked", ToolErrorKind.FAILED, id="read-only"),
    ],
)
def test_what_may_not_be_deleted_stays(
    workspace: FolderWorkspace, root: Path, outside: Path, path: str, kind: ToolErrorKind
):
    (root / "out").symlink_to(outside)
    (root / ".git").mkdir()
    (root / ".git" / "config").write_text("x")
    (root / "locked").write_text("x")
    (root / "locked").chmod(0o444)
    before = sorted((*root.rglob("*"), *outside.rglob("*")))
    assert kind_of(lambda: workspace.delete(path)) is kind
    assert sorted((*root.rglob("*"), *outside.rglob("*"))) == before


def test_a_new_file_gets_the_mode_that_is_asked_for(workspace: FolderWorkspace, root: Path):
    workspace.write_bytes("new", b"x", mode=0o750)
    assert stat.S_IMODE((root / "new").stat().st_mode) == 0o750


def test_looking_tells_digest_mode_and_size_and_gives_the_content_up_to_a_size(workspace: FolderWorkspace, root: Path):
    (root / "a.txt").chmod(0o640)
    looked = workspace.look("a.txt", max_bytes=5)
    assert looked == FileState(digest=sha256(b"hello").hexdigest(), mode=0o640, size=5, content=b"hello")
    assert workspace.look("a.txt", max_bytes=4) == evolve(looked, content=None)
    assert workspace.look("missing/x", max_bytes=4) == FileState()
    assert kind_of(lambda: workspace.look("src", max_bytes=4)) is ToolErrorKind.UNSUPPORTED


@contextmanager
def swapping(place: Path, restore: Callable[[], object], target: Path) -> Iterator[None]:
    """While it lasts, *place* is by turns what *restore* makes of it and a link to *target*."""
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            if place.is_dir() and not place.is_symlink():
                shutil.rmtree(place, ignore_errors=True)
            with suppress(OSError):  # the tool under test made the folder again
                place.unlink(missing_ok=True)
                place.symlink_to(target)
                place.unlink()
                restore()

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def attempts(call: Callable[[], object]) -> set[object]:
    """What 2,000 calls answered: contents, or the kinds of their errors."""
    answers: set[object] = set()
    for _ in range(2000):
        try:
            answers.add(call())
        except ToolError as error:
            answers.add(error.kind)
    return answers


def test_a_file_swapped_for_a_link_is_never_read_outside(workspace: FolderWorkspace, root: Path, outside: Path):
    with swapping(root / "a.txt", lambda: (root / "a.txt").write_text("hello"), outside / "secret.txt"):
        answers = attempts(lambda: workspace.read_bytes("a.txt"))
    assert answers <= {b"", b"hello", ToolErrorKind.DENIED, ToolErrorKind.NOT_FOUND}


def test_a_folder_swapped_for_a_link_is_never_read_outside(workspace: FolderWorkspace, root: Path, outside: Path):
    def restore() -> None:
        (root / "src").mkdir()
        (root / "src" / "secret.txt").write_text("mine")

    with swapping(root / "src", restore, outside):
        answers = attempts(lambda: workspace.read_bytes("src/secret.txt"))
    assert answers <= {b"", b"mine", ToolErrorKind.DENIED, ToolErrorKind.NOT_FOUND}


def test_a_folder_swapped_for_a_link_is_never_written_outside(workspace: FolderWorkspace, root: Path, outside: Path):
    with swapping(root / "src", (root / "src").mkdir, outside):
        attempts(lambda: workspace.write_bytes("src/secret.txt", b"x"))
        attempts(lambda: workspace.write_bytes("src/new/file.txt", b"x"))
        attempts(lambda: workspace.delete("src/secret.txt"))
    assert [path.name for path in outside.iterdir()] == ["secret.txt"]
    assert (outside / "secret.txt").read_text() == "SECRET"


def test_a_folder_moved_out_after_the_check_is_refused(workspace: FolderWorkspace, root: Path, outside: Path):
    class Moving(FolderWorkspace):
        def resolve(self, path: str, *, write: bool = False) -> Path:
            target = super().resolve(path, write=write)
            (root / "src").rename(outside / "src")
            (root / "src").symlink_to(outside / "src")
            return target

    assert kind_of(lambda: Moving(root).write_bytes("src/x", b"x")) is ToolErrorKind.DENIED
    assert list((outside / "src").iterdir()) == []


def test_a_folder_moved_out_while_it_is_opened_is_refused(
    workspace: FolderWorkspace, root: Path, outside: Path, monkeypatch: pytest.MonkeyPatch
):
    really_open = os.open

    def open_and_move(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        descriptor = really_open(path, flags, mode, dir_fd=dir_fd)
        if path == "src":
            (root / "src").rename(outside / "src")
        return descriptor

    monkeypatch.setattr(os, "open", open_and_move)
    assert kind_of(lambda: workspace.write_bytes("src/x", b"x")) is ToolErrorKind.DENIED
    assert list((outside / "src").iterdir()) == []


SEGMENTS = st.sampled_from(["..", ".", "", "src", "a.txt", "up", "in", "new", "/", "~", "%2e%2e", "..\\", "日"])


@given(st.lists(SEGMENTS, max_size=8).map("/".join))
@settings(max_examples=300, deadline=None)
def test_a_resolved_path_is_always_really_inside(tmp_path_factory: pytest.TempPathFactory, path: str):
    base = tmp_path_factory.getbasetemp() / "property"
    root = base / "ws"
    if not root.exists():
        (root / "src").mkdir(parents=True)
        (root / "a.txt").write_text("x")
        (root / "up").symlink_to("..")
        (root / "in").symlink_to("src")
    workspace = FolderWorkspace(root)
    if refusal := kind_of(lambda: workspace.resolve(path)):
        assert refusal is ToolErrorKind.DENIED
        return
    target = workspace.resolve(path)
    assert Path(os.path.realpath(target)) == target
    assert target.is_relative_to(root)

"""patch changes all files of a diff or none, and tells the gate every path beforehand."""

import asyncio
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from a3s_code_tools.patch import PatchTool

from a3s_code.plugin import OtherTarget, PathTarget, ToolError, ToolErrorKind, ToolOutput
from a3s_code.workspace import FolderWorkspace

ONE = "@@ -1 +1 @@\n-1\n+2\n"


def patch(use: Any, diff: str, **more: object) -> ToolOutput:
    return asyncio.run(PatchTool().run({"diff": diff, **more}, use))


def refusal(use: Any, diff: str, **more: object) -> ToolError:
    with pytest.raises(ToolError) as caught:
        patch(use, diff, **more)
    return caught.value


def both(first: str, second: str) -> str:
    return f"--- a/{first}\n+++ b/{first}\n{ONE}--- a/{second}\n+++ b/{second}\n{ONE}"


class Failing(FolderWorkspace):
    """A workspace whose disk is full for one file."""

    def write_bytes(self, path: str, data: bytes, *, mode: int | None = None) -> Path:
        if path == "full":
            raise ToolError("full: No space left on device")
        return super().write_bytes(path, data, mode=mode)


class Remembering(FolderWorkspace):
    """A workspace that knows what the model saw."""

    def __init__(self, root: Path):
        super().__init__(root)
        self.digests: dict[str, str] = {}

    def seen(self, path: str) -> str | None:
        return self.digests.get(path)

    def mark_seen(self, path: str, data: bytes) -> None:
        from hashlib import sha256

        self.digests[path] = sha256(data).hexdigest()


def test_all_files_of_a_diff_are_changed(folder: Path, use: Any):
    (folder / "f").write_text("1\n")
    (folder / "g").write_text("1\n")
    said = patch(use, both("f", "g"))
    assert said.text == "Applied 1 hunk(s) to f\nApplied 1 hunk(s) to g"
    assert [(folder / name).read_text() for name in "fg"] == ["2\n", "2\n"]
    assert said.metadata["files"] == [
        {"path": "f", "change": "updated", "hunks": 1},
        {"path": "g", "change": "updated", "hunks": 1},
    ]
    assert said.metadata["diff"].startswith("--- a/f\n+++ b/f\n@@ -1 +1 @@\n-1\n+2\n--- a/g")


def test_files_are_created_moved_and_deleted(folder: Path, use: Any):
    (folder / "old").write_text("1\n")
    (folder / "old").chmod(0o755)
    (folder / "gone").write_text("1\n")
    said = patch(
        use,
        "*** Begin Patch\n*** Add File: d/n\n+x\n*** Update File: old\n*** Move to: new\n-1\n+2\n"
        "*** Delete File: gone\n*** End Patch",
    )
    assert said.text.split("\n") == [
        "Applied 1 hunk(s) to d/n (created)",
        "Applied 1 hunk(s) to new (moved from old)",
        "Applied 0 hunk(s) to gone (deleted)",
    ]
    assert sorted(path.name for path in folder.rglob("*")) == ["d", "n", "new"]
    assert stat.S_IMODE((folder / "new").stat().st_mode) == 0o755


def test_a_dry_run_shows_and_changes_nothing(folder: Path, use: Any):
    (folder / "f").write_text("1\n")
    said = patch(use, ONE, file_path="f", dry_run=True)
    assert said.text == "Would apply 1 hunk(s) to f\n--- a/f\n+++ b/f\n@@ -1 +1 @@\n-1\n+2\n"
    assert (folder / "f").read_text() == "1\n"


def test_a_stale_hunk_of_the_second_file_leaves_the_first_alone(folder: Path, use: Any):
    (folder / "f").write_text("1\n")
    (folder / "g").write_text("one\n")
    error = refusal(use, both("f", "g"))
    assert error.kind is ToolErrorKind.NOT_FOUND
    assert "hunk 1 of g" in str(error)
    assert (folder / "f").read_text() == "1\n"


def test_a_write_that_fails_takes_the_others_back(folder: Path, use_in: Callable[[Path], Any]):
    (folder / "f").write_text("1\n")
    (folder / "full").write_text("1\n")
    use = use_in(folder)
    use.workspace = Failing(folder)
    error = refusal(use, f"diff --git a/f b/g\nrename from f\nrename to g\n{both('full', 'x')}".split("--- a/x")[0])
    assert str(error) == "full: No space left on device; nothing was changed"
    assert {path.name: path.read_text() for path in folder.iterdir()} == {"f": "1\n", "full": "1\n"}


def test_modes_are_set(folder: Path, use: Any):
    (folder / "f").write_text("1\n")
    (folder / "f").chmod(0o640)
    patch(use, "diff --git a/f b/f\nold mode 100644\nnew mode 100755\n")
    assert stat.S_IMODE((folder / "f").stat().st_mode) == 0o750
    patch(use, "diff --git a/f b/f\nold mode 100755\nnew mode 100644\n")
    assert stat.S_IMODE((folder / "f").stat().st_mode) == 0o640


def test_a_file_that_was_changed_since_it_was_seen_is_refused(folder: Path, use_in: Callable[[Path], Any]):
    use = use_in(folder)
    use.workspace = Remembering(folder)
    (folder / "f").write_text("1\nx\n")
    use.workspace.mark_seen("f", b"1\n")
    error = refusal(use, ONE, file_path="f")
    assert error.kind is ToolErrorKind.VERSION_CONFLICT
    assert (folder / "f").read_text() == "1\nx\n"


def test_what_was_patched_counts_as_seen(folder: Path, use_in: Callable[[Path], Any]):
    use = use_in(folder)
    use.workspace = Remembering(folder)
    (folder / "f").write_text("1\n")
    patch(use, ONE, file_path="f")
    patch(use, "@@ -1 +1 @@\n-2\n+3\n", file_path="f")
    assert (folder / "f").read_text() == "3\n"


def test_two_names_of_one_file_are_refused(folder: Path, use: Any):
    (folder / "f").write_text("1\n")
    (folder / "link").symlink_to("f")
    assert "are the same file" in str(refusal(use, both("f", "link")))
    assert (folder / "f").read_text() == "1\n"


def test_a_patch_through_a_link_keeps_the_link(folder: Path, use: Any):
    (folder / "f").write_text("1\n")
    (folder / "link").symlink_to("f")
    patch(use, ONE, file_path="link")
    assert (folder / "link").is_symlink()
    assert (folder / "f").read_text() == "2\n"


@pytest.mark.parametrize("path", ["../out", "/etc/passwd", ".git/config"])
def test_a_path_outside_is_denied(folder: Path, use: Any, path: str):
    error = refusal(use, f"--- /dev/null\n+++ {path}\n@@ -0,0 +1 @@\n+x\n")
    assert error.kind is ToolErrorKind.DENIED


def test_every_path_is_a_target():
    diff = f"diff --git a/f b/g\ncopy from f\ncopy to g\n--- /dev/null\n+++ b/../h\n{ONE}"
    assert PatchTool.spec.targets({"diff": diff}) == tuple(PathTarget(path, write=True) for path in ("f", "g", "../h"))
    assert PatchTool.spec.targets({"diff": ONE, "file_path": "/x"}) == (PathTarget("/x", write=True),)


def test_what_is_no_diff_has_no_path_and_is_refused(use: Any):
    assert PatchTool.spec.targets({"diff": "please"}) == (OtherTarget("please"),)
    assert refusal(use, "please").kind is ToolErrorKind.INVALID_ARGUMENT

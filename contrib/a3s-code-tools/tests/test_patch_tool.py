"""patch changes all files of a diff or none, and tells the gate every path beforehand."""

import asyncio
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from a3s_code_tools.patch import PatchTool

from a3s_code.history import Author, FileHistory, VersionedWorkspace
from a3s_code.plugin import OtherTarget, PathTarget, ToolError, ToolErrorKind, ToolOutput
from a3s_code.testing import DictSessionStore
from a3s_code.transcript import Transcript
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
    assert said.metadata["diff"] == (
        "--- /dev/null\n+++ b/d/n\n@@ -0,0 +1 @@\n+x\n"
        "diff --git a/old b/new\nrename from old\nrename to new\n--- a/old\n+++ b/new\n@@ -1 +1 @@\n-1\n+2\n"
        "--- a/gone\n+++ /dev/null\n@@ -1 +0,0 @@\n-1\n"
    )
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


def test_a_write_that_fails_takes_modes_back(folder: Path, use_in: Callable[[Path], Any]):
    (folder / "f").write_text("1\n")
    (folder / "f").chmod(0o600)
    (folder / "full").write_text("1\n")
    use = use_in(folder)
    use.workspace = Failing(folder)
    runs = f"diff --git a/f b/f\nold mode 100644\nnew mode 100755\n--- a/f\n+++ b/f\n{ONE}"
    refusal(use, runs + both("full", "x").split("--- a/x")[0])
    assert _modes(folder)["f"] == "600"
    assert (folder / "f").read_text() == "1\n"


def test_modes_are_set(folder: Path, use: Any):
    (folder / "f").write_text("1\n")
    (folder / "f").chmod(0o640)
    said = patch(use, "diff --git a/f b/f\nold mode 100644\nnew mode 100755\n")
    assert said.text == "Applied 0 hunk(s) to f (now executable)"
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


def test_a_patch_that_changes_nothing_says_so(folder: Path, use: Any):
    (folder / "f").write_text("1\n")
    assert patch(use, ONE.replace("2", "1"), file_path="f").text == "Applied 1 hunk(s) to f (the same as before)"


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


def block(path: str, search: str, new: str) -> str:
    return f"{path}\n```\n<<<<<<< SEARCH\n{search}=======\n{new}>>>>>>> REPLACE\n```\n"


def test_blocks_for_several_files_are_applied(folder: Path, use: Any):
    (folder / "f").write_bytes(b"a\r\n\tb\r\n")
    (folder / "g").write_text("1\n")
    text = block("f", "a\n", "x\n") + block("`g`:", "1\n", "2\n") + block("f", "    b\n", "    y\n")
    diff = text + block("d/new", "", "n\n")
    assert PatchTool.spec.targets({"diff": diff}) == tuple(PathTarget(path, write=True) for path in ("f", "g", "d/new"))
    assert patch(use, diff, dry_run=True).text.startswith(
        "Would apply 2 hunk(s) to f (block 2 apart from indentation)\n"
    )
    assert not (folder / "d").exists()
    assert patch(use, diff).text.split("\n") == [
        "Applied 2 hunk(s) to f (block 2 apart from indentation)",
        "Applied 1 hunk(s) to g",
        "Applied 1 hunk(s) to d/new (created)",
    ]
    assert (folder / "f").read_bytes() == b"x\r\n\ty\r\n"
    assert [(folder / name).read_text() for name in ("g", "d/new")] == ["2\n", "n\n"]


def test_a_block_without_a_path_is_for_the_given_file(folder: Path, use: Any):
    (folder / "f").write_text("1\n")
    patch(use, block("I change the number:", "1\n", "2\n"), file_path="f")
    patch(use, block("", "2\n", "3\n"), file_path="f")
    assert (folder / "f").read_text() == "3\n"


@pytest.mark.parametrize(
    ("diff", "said"),
    [
        pytest.param(block("f", "1\n", "2\n") + block("g", "no\n", ""), "block 1 of 1 for g does not fit", id="stale"),
        pytest.param(block("f", "1\n", "2\n") + block("f", "2\n", "2\n"), "block 2 of 2 for f does", id="no change"),
        pytest.param(block("f", "1\n", "2\n") + block("h", "1\n", ""), "h does not exist", id="no such file"),
        pytest.param(block("f", "", "2\n"), "SEARCH part is empty", id="create what exists"),
        pytest.param(block("Let us make a file:", "", "2\n"), "whose path has no blanks", id="prose is no new file"),
        pytest.param(block("", "1\n", "2\n"), "block 1 names no file", id="no name"),
        pytest.param(block("f", "1\n", "2\n") + both("g", "g"), "is not of a search/replace block", id="two dialects"),
        pytest.param(block("g", "a\n", "b\n"), "(lines 1, 3). Add surrounding lines to make it unique.\n", id="twice"),
    ],
)
def test_blocks_that_do_not_fit_change_nothing(folder: Path, use: Any, diff: str, said: str):
    (folder / "f").write_text("1\n")
    (folder / "g").write_text("a\nb\na\n")
    assert said in str(refusal(use, diff))
    assert {path.name: path.read_text() for path in folder.iterdir()} == {"f": "1\n", "g": "a\nb\na\n"}


def test_what_comes_first_decides_between_envelope_and_blocks(folder: Path, use: Any):
    (folder / "f").write_text("*** Begin Patch\n")
    patch(use, block("f", "*** Begin Patch\n", "x\n"))
    assert (folder / "f").read_text() == "x\n"
    inner = "".join(f"+{line}\n" for line in block("f", "x\n", "y\n").splitlines())
    patch(use, f"*** Begin Patch\n*** Add File: doc.md\n{inner}*** End Patch\n")
    assert (folder / "doc.md").read_text() == block("f", "x\n", "y\n")
    unsigned = inner.replace("+<<", "<<")
    assert "each line starts with" in str(refusal(use, f"*** Begin Patch\n*** Add File: x\n{unsigned}*** End Patch\n"))


def test_the_mode_of_a_moved_read_only_file_can_be_taken_back(folder: Path, use: Any):
    (folder / "f").write_text("1\n")
    (folder / "f").chmod(0o444)
    error = refusal(use, "diff --git a/f b/g\nrename from f\nrename to g\n")
    assert str(error) == "f is read-only; nothing was changed"
    assert [path.name for path in folder.iterdir()] == ["f"]


def test_a_new_file_is_executable_when_the_diff_says_so(folder: Path, use: Any):
    patch(use, "diff --git a/f b/f\nnew file mode 100755\n--- /dev/null\n+++ b/f\n@@ -0,0 +1 @@\n+x\n")
    (folder / "plain").write_text("")
    mode = stat.S_IMODE((folder / "plain").stat().st_mode)
    assert stat.S_IMODE((folder / "f").stat().st_mode) == mode | (mode & 0o444) >> 2


def test_an_undo_brings_modes_back(folder: Path, use: Any):
    for name, mode in (("f", 0o640), ("g", 0o600), ("old", 0o755)):
        (folder / name).write_text("1\n")
        (folder / name).chmod(mode)
    modes = (
        "diff --git a/f b/f\nold mode 100644\nnew mode 100755\ndiff --git a/g b/g\nold mode 100644\nnew mode 100755\n"
    )
    moved = "diff --git a/old b/new\nold mode 100755\nnew mode 100644\nrename from old\nrename to new\n"

    async def patched_and_undone() -> tuple[dict[str, str], dict[str, str]]:
        transcript = Transcript(await DictSessionStore().open("s", create=True), "s")
        author = Author(call_id="call", run_id="run", tool="patch", is_model=True)
        use.workspace = VersionedWorkspace(FolderWorkspace(folder), transcript, author)
        await PatchTool().run({"diff": f"{modes}--- a/g\n+++ b/g\n{ONE}{moved}"}, use)
        patched = _modes(folder)
        await FileHistory(FolderWorkspace(folder), transcript).undo()
        await transcript.aclose()
        return patched, _modes(folder)

    patched, undone = asyncio.run(patched_and_undone())
    assert patched == {"f": "750", "g": "700", "new": "644"}
    assert undone == {"f": "640", "g": "600", "old": "755"}
    assert {path.read_text() for path in folder.iterdir()} == {"1\n"}


def _modes(folder: Path) -> dict[str, str]:
    return {path.name: f"{stat.S_IMODE(path.stat().st_mode):o}" for path in folder.iterdir()}


@pytest.mark.parametrize("mode", [0o755, 0o644])
def test_a_copy_is_executable_as_what_it_was_copied_from(folder: Path, use: Any, mode: int):
    (folder / "f").write_text("1\n")
    (folder / "f").chmod(mode)
    said = patch(use, "diff --git a/f b/g\nsimilarity index 100%\ncopy from f\ncopy to g\n")
    assert said.text == "Applied 0 hunk(s) to g (copied from f)"
    assert bool(stat.S_IMODE((folder / "g").stat().st_mode) & 0o100) is (mode == 0o755)


def test_a_deleted_binary_file_is_not_shown(folder: Path, use: Any):
    (folder / "f").write_bytes(b"\0\xff" * 1000)
    said = patch(use, "*** Begin Patch\n*** Delete File: f\n*** End Patch", dry_run=True)
    assert said.text == "Would apply 0 hunk(s) to f (deleted)\nBinary files a/f and /dev/null differ\n"

"""Two changes of a file never interleave, and a version that the model did not see is not changed."""

import threading
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from a3s_code_tools.edit import EditTool
from a3s_code_tools.read import ReadTool
from a3s_code_tools.versions import locked, require_seen, show
from a3s_code_tools.write import WriteTool

from a3s_code.plugin import ToolError, ToolErrorKind
from a3s_code.workspace import FolderWorkspace


class RememberingWorkspace(FolderWorkspace):
    """Keeps what the model saw, as the workspace of a session does."""

    def __init__(self, root: Path):
        super().__init__(root)
        self.digests: dict[Path, str] = {}

    def seen(self, path: str) -> str | None:
        return self.digests.get(self.resolve(path))

    def mark_seen(self, path: str, data: bytes) -> None:
        self.digests[self.resolve(path)] = sha256(data).hexdigest()


@pytest.fixture
def remembering(use: Any, folder: Path) -> Any:
    use.workspace = RememberingWorkspace(folder)
    return use


def run(tool: EditTool | ReadTool | WriteTool, use: Any, **args: object) -> str:
    import asyncio

    return asyncio.run(tool.run({"file_path": "f", **args}, use)).text


@pytest.mark.parametrize(
    ("tool", "args"),
    [(EditTool(), {"old_string": "b", "new_string": "c"}), (WriteTool(), {"content": "c\n"})],
    ids=["edit", "write"],
)
def test_a_file_that_changed_since_it_was_seen_is_refused_with_what_changed(
    tool: EditTool | WriteTool, args: dict[str, object], folder: Path, remembering: Any
):
    show(remembering.workspace, "f", b"a\nb\n")
    (folder / "f").write_bytes(b"a2\nb\n")
    with pytest.raises(ToolError, match="changed since") as caught:
        run(tool, remembering, **args)
    assert caught.value.kind is ToolErrorKind.VERSION_CONFLICT
    assert "-a\n+a2\n b\n" in str(caught.value)
    assert (folder / "f").read_bytes() == b"a2\nb\n"
    run(tool, remembering, **args)  # now it was shown
    assert b"c\n" in (folder / "f").read_bytes()


def test_what_read_has_shown_is_compared_with_what_is_there_now(folder: Path, remembering: Any):
    (folder / "f").write_bytes(b"a\nb\n")
    run(ReadTool(), remembering)
    (folder / "f").write_bytes(b"a2\nb\n")
    with pytest.raises(ToolError, match="-a\n\\+a2\n b\n"):
        run(EditTool(), remembering, old_string="b", new_string="c")


def test_a_version_that_nobody_kept_must_be_read_again(folder: Path, remembering: Any):
    remembering.workspace.mark_seen("f", b"never shown here")
    with pytest.raises(ToolError, match="Read it again"):
        require_seen(remembering.workspace, "f", b"now")


def test_a_file_that_was_never_seen_and_one_written_by_the_tool_may_be_changed(folder: Path, remembering: Any):
    (folder / "f").write_bytes(b"a\n")
    run(EditTool(), remembering, old_string="a", new_string="b")
    run(EditTool(), remembering, old_string="b", new_string="c")
    run(WriteTool(), remembering, content="d\n")
    run(EditTool(), remembering, old_string="d", new_string="e")
    assert (folder / "f").read_bytes() == b"e\n"


def test_many_edits_of_one_file_at_once_are_all_made(folder: Path, use: Any):
    names = [f"name{number}" for number in range(40)]
    (folder / "f").write_text("".join(f"{name}.\n" for name in names))
    (folder / "link").symlink_to("f")

    def change(number: int) -> None:
        path = "link" if number % 2 else "f"
        run(EditTool(), use, file_path=path, old_string=f"name{number}.", new_string=f"done{number}.")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(change, range(40)))
    assert (folder / "f").read_text() == "".join(f"done{number}.\n" for number in range(40))


def test_several_locks_are_taken_in_one_order():
    first, second = Path("/a"), Path("/b")
    turns: list[int] = []

    def hold(*paths: Path) -> None:
        for _ in range(200):
            with locked(*paths):
                turns.append(len(turns))

    threads = [threading.Thread(target=hold, args=paths) for paths in ((first, second), (second, first), (first,))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(turns) == 600

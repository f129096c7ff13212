"""ls shows kind, size and name, and follows no link."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from a3s_code_tools.ls import LsTool

from a3s_code.plugin import ToolError, ToolErrorKind, ToolOutput
from a3s_code.workspace import FolderWorkspace


def ls(use: Any, **args: object) -> ToolOutput:
    return asyncio.run(LsTool().run(args, use))


def test_entries_are_listed_by_name_with_kind_and_size(folder: Path, use: Any):
    (folder / "sub").mkdir()
    (folder / "b.txt").write_text("12345")
    (folder / "link").symlink_to("/etc")
    os.mkfifo(folder / "pipe")
    assert ls(use).text.splitlines() == [
        "file             5  b.txt",
        "link             -  link -> /etc",
        "other            -  pipe",
        "dir              -  sub/",
        "",
        "4 entries",
    ]


def test_a_second_folder_that_may_be_read_is_listed(use: Any, tmp_path: Path):
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs" / "log.txt").touch()
    use.workspace.also_read(tmp_path / "outputs")
    assert ls(use, path=str(tmp_path / "outputs")).text.startswith("file             0  log.txt\n")


def test_an_empty_folder_says_so(use: Any):
    assert ls(use).text == ". is empty"


def test_names_that_are_no_text_are_escaped(folder: Path, use: Any):
    (Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9"))).touch()
    assert "caf\\xe9" in ls(use).text


def test_no_more_entries_than_asked_for_are_shown(folder: Path, use: Any):
    for number in range(5):
        (folder / f"f{number}").touch()
    said = ls(use, limit=2)
    assert said.text.splitlines()[:2] == ["file             0  f0", "file             0  f1"]
    assert "5 entries, first 2 shown" in said.text


def test_many_entries_are_cut_and_counted(folder: Path, use: Any):
    for number in range(900):
        (folder / f"{'n' * 200}{number:04}").touch()
    said = ls(use)
    assert len(said.text.encode()) < 103_000
    assert "900 entries, first " in said.text


def test_a_link_swapped_in_after_the_check_is_not_followed(folder: Path, use_in: Any, tmp_path: Path):
    (tmp_path / "outside").mkdir()
    (folder / "sub").mkdir()

    class Swapping(FolderWorkspace):
        def resolve(self, path: str, *, write: bool = False) -> Path:
            target = super().resolve(path, write=write)
            (folder / "sub").rmdir()
            (folder / "sub").symlink_to(tmp_path / "outside")
            return target

    use = use_in(folder)
    use.workspace = Swapping(folder)
    with pytest.raises(ToolError):
        ls(use, path="sub")


@pytest.mark.parametrize(
    ("path", "kind"), [("missing", ToolErrorKind.NOT_FOUND), ("f", ToolErrorKind.INVALID_ARGUMENT)]
)
def test_what_is_no_folder_is_refused(folder: Path, use: Any, path: str, kind: ToolErrorKind):
    (folder / "f").touch()
    with pytest.raises(ToolError) as caught:
        ls(use, path=path)
    assert caught.value.kind is kind

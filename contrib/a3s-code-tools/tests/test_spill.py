"""The kept output gives back every byte it has, and says what it has not."""

import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from a3s_code_tools.spill import FILES_AT_MOST, Spill
from hypothesis import given, settings
from hypothesis import strategies as st

from a3s_code.plugin import ToolError


def filled(*pieces: str, folder: Path, limit: int = 40, in_memory: int = 0) -> Spill:
    spill = Spill("b1", lambda: folder, limit=limit, in_memory=in_memory)
    for piece in pieces:
        spill.add(piece)
    return spill


@pytest.fixture(scope="module")
def shared() -> Iterator[Path]:
    """A folder that the examples of a property share."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@given(
    pieces=st.lists(st.text(alphabet="abc\n\r", max_size=30), max_size=12),
    offset=st.integers(0, 200),
    limit=st.integers(4, 60),
    in_memory=st.integers(0, 40),
    has_ended=st.booleans(),
)
@settings(max_examples=400, deadline=None)
def test_a_page_is_a_part_of_the_whole(
    shared: Path, pieces: list[str], offset: int, limit: int, in_memory: int, has_ended: bool
):
    whole, spill = "".join(pieces), filled(*pieces, folder=shared, in_memory=in_memory)
    if has_ended:
        spill.finish()
    page = spill.page(offset, limit)
    assert whole[page.start : page.end] == page.text
    assert page.end - page.start <= limit
    spill.close()


@given(
    pieces=st.lists(st.text(alphabet="aé日😀", max_size=20), max_size=12),
    limit=st.integers(4, 30),
    has_ended=st.booleans(),
)
@settings(max_examples=400, deadline=None)
def test_the_pages_together_are_all_that_is_kept(shared: Path, pieces: list[str], limit: int, has_ended: bool):
    whole, spill = "".join(pieces).encode(), filled(*pieces, folder=shared)
    if has_ended:
        spill.finish()
    got, position = [], 0
    while position < spill.size:
        page = spill.page(position, limit)
        assert page.end > position
        got.append(page)
        position = page.end
    first_lost, kept_again = spill.gap
    assert kept_again - first_lost == max(len(whole) - 40, 0)
    if kept_again == first_lost:
        assert "".join(page.text for page in got) == whole.decode()
        assert all("\ufffd" not in page.text for page in got)
    spill.close()


@given(pieces=st.lists(st.text(alphabet="ab\n", max_size=30), min_size=1, max_size=12))
@settings(max_examples=200, deadline=None)
def test_the_file_has_the_whole_or_both_ends_with_what_is_missing_between(shared: Path, pieces: list[str]):
    whole, spill = "".join(pieces), filled(*pieces, folder=shared)
    spill.finish()
    spill.close()
    missing = len(whole) - 40
    if not whole:
        assert spill.path is None
    elif missing <= 0:
        assert spill.path.read_text() == whole
    else:
        note = f"\n[{missing} bytes of the output are not kept]\n"
        assert spill.path.read_text() == whole[:30] + note + whole[-10:]


def test_beyond_the_limit_both_ends_are_kept(tmp_path: Path):
    spill = filled("".join(f"{n:03}|" for n in range(100)), folder=tmp_path)
    assert spill.page(0, 1000).text == "".join(f"{n:03}|" for n in range(7)) + "007|"[:2]
    assert spill.gap == (30, 390)
    page = spill.page(30, 1000)
    assert (page.start, page.text) == (390, "7|098|099|")
    spill.close()


def test_a_short_output_makes_no_file(tmp_path: Path):
    spill = filled("abc", "def", folder=tmp_path, in_memory=6)
    assert (spill.path, spill.page(2, 100).text, list(tmp_path.iterdir())) == (None, "cdef", [])
    spill.add("g")
    assert (spill.path, spill.page(0, 100).text) == (tmp_path / "b1.txt", "abcdefg")
    spill.close()


def test_an_older_file_of_the_name_stays(tmp_path: Path):
    for content in ("first", "second"):
        spill = filled(content, folder=tmp_path)
        spill.close()
    assert spill.path == tmp_path / "b1-2.txt"
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"b1.txt": "first", "b1-2.txt": "second"}


def test_the_oldest_files_make_room(tmp_path: Path):
    """What is not an output stays whatever its age."""
    for number in range(FILES_AT_MOST):
        (tmp_path / f"b{number + 2}.txt").touch()
        os.utime(tmp_path / f"b{number + 2}.txt", (number, number))
    (tmp_path / "mine.txt").touch()
    os.utime(tmp_path / "mine.txt", (0, 0))
    filled("new", folder=tmp_path).close()
    names = {path.name for path in tmp_path.iterdir()}
    assert len(names) == FILES_AT_MOST + 1
    assert {"b1.txt", "b3.txt", "mine.txt"} <= names
    assert "b2.txt" not in names


def test_a_file_is_the_owners_alone(tmp_path: Path):
    spill = filled("abc", folder=tmp_path)
    assert spill.path.stat().st_mode & 0o777 == 0o600
    spill.close()


def test_without_a_folder_the_beginning_is_kept(tmp_path: Path):
    def folder() -> Path:
        raise ToolError("no folder")

    spill = Spill("b1", folder, in_memory=4)
    for piece in ("abc", "def", "g"):
        spill.add(piece)
    spill.finish()
    assert (spill.path, spill.size, spill.gap, spill.page(0, 100).text) == (None, 7, (3, 7), "abc")
    spill.close()


def test_a_negative_offset_counts_from_the_end(tmp_path: Path):
    spill = filled("abcdef", folder=tmp_path)
    assert spill.page(-2, 100).text == "ef"
    assert spill.page(-20, 100).text == "abcdef"
    spill.close()


def test_nothing_said_is_no_page(tmp_path: Path):
    assert filled(folder=tmp_path).page(0, 10).text == ""
    assert filled("", folder=tmp_path).page(5, 10).end == 0


def test_a_full_disk_loses_the_rest_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    spill = filled("abc", folder=tmp_path)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "no space")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        spill.add("defg")
        spill.add("hij")
    assert (spill.size, spill.gap) == (10, (3, 10))
    assert spill.page(0, 100).text == "abc"
    assert spill.page(3, 100).start == 10
    spill.finish()
    spill.close()
    assert spill.path.read_text() == "abc\n[7 bytes of the output are not kept]\n"


def test_a_closed_one_only_counts(tmp_path: Path):
    spill = filled("abc", folder=tmp_path)
    spill.close()
    spill.add("def")
    assert (spill.size, spill.page(0, 100).text) == (6, "")

"""edit changes the text it was given and not one byte more."""

import asyncio
import stat
from pathlib import Path
from typing import Any

import pytest
from a3s_code_tools.edit import EditTool, replaced
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from a3s_code.plugin import ToolError, ToolErrorKind, ToolOutput


def edit(use: Any, old: str, new: str, **more: object) -> ToolOutput:
    return asyncio.run(EditTool().run({"file_path": "f", "old_string": old, "new_string": new, **more}, use))


def refusal(use: Any, old: str, new: str, **more: object) -> ToolError:
    with pytest.raises(ToolError) as caught:
        edit(use, old, new, **more)
    return caught.value


def test_the_one_occurrence_is_replaced(folder: Path, use: Any):
    (folder / "f").write_text("a = 1\nb = 2\n")
    said = edit(use, "b = 2", "b = 3")
    assert (folder / "f").read_text() == "a = 1\nb = 3\n"
    assert said.text == "Replaced 1 occurrence(s) in f"
    assert said.metadata["diff"] == "--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n a = 1\n-b = 2\n+b = 3\n"


def test_all_occurrences_are_replaced_when_asked(folder: Path, use: Any):
    (folder / "f").write_text("x x x")
    assert edit(use, "x", "yy", replace_all=True).text == "Replaced 3 occurrence(s) in f"
    assert (folder / "f").read_text() == "yy yy yy"


def test_several_occurrences_are_refused_with_their_lines(folder: Path, use: Any):
    (folder / "f").write_text("x\ny\nx\n")
    error = refusal(use, "x", "z")
    assert "occurs 2 times in f (lines 1, 3)" in str(error)
    assert (folder / "f").read_text() == "x\ny\nx\n"


def test_overlapping_occurrences_are_ambiguous(folder: Path, use: Any):
    (folder / "f").write_text("aaa")
    assert "occurs 2 times" in str(refusal(use, "aa", "b"))


def test_a_missing_text_is_not_found_and_hints_at_the_place(folder: Path, use: Any):
    (folder / "f").write_text("def f():\n    return 1\n")
    error = refusal(use, "return 1\n  # end", "")
    assert error.kind is ToolErrorKind.NOT_FOUND
    assert str(error).startswith("old_string not found in f. Its first line is like line 2;")


@pytest.mark.parametrize(("old", "new"), [("", "x"), ("same", "same"), ("\ud800", "x"), ("x", "\udfff")])
def test_senseless_strings_are_refused(folder: Path, use: Any, old: str, new: str):
    (folder / "f").write_text("same x")
    assert refusal(use, old, new).kind is ToolErrorKind.INVALID_ARGUMENT


def test_a_file_that_is_not_utf_8_is_left_alone(folder: Path, use: Any):
    (folder / "f").write_bytes(b"caf\xe9 x")
    assert refusal(use, "x", "y").kind is ToolErrorKind.UNSUPPORTED
    assert (folder / "f").read_bytes() == b"caf\xe9 x"


def test_newlines_match_the_line_ends_of_a_crlf_file(folder: Path, use: Any):
    (folder / "f").write_bytes(b"a\r\nb\r\nc")
    edit(use, "a\nb", "1\n2\n3")
    assert (folder / "f").read_bytes() == b"1\r\n2\r\n3\r\nc"


def test_mixed_line_ends_are_kept(folder: Path, use: Any):
    (folder / "f").write_bytes(b"\xef\xbb\xbfa\r\nb\nc\rd")
    edit(use, "b", "B")
    assert (folder / "f").read_bytes() == b"\xef\xbb\xbfa\r\nB\nc\rd"


def test_the_mode_is_kept(folder: Path, use: Any):
    (folder / "f").write_text("x")
    (folder / "f").chmod(0o755)
    edit(use, "x", "y")
    assert stat.S_IMODE((folder / "f").stat().st_mode) == 0o755


PIECES = st.lists(
    st.sampled_from(["a", "ab", "é", "日本", "\t", " ", "x = 1", "\n", "\r\n", "\r", "\u2028", "\x0c", "😀"]),
    max_size=30,
).map("".join)
BOM = st.sampled_from([b"", b"\xef\xbb\xbf"])


@given(bom=BOM, before=PIECES, old=PIECES, after=PIECES, new=PIECES)
@settings(max_examples=500, deadline=None)
def test_every_byte_outside_the_edit_is_unchanged(bom: bytes, before: str, old: str, after: str, new: str):
    head, target, tail, wanted = bom + before.encode(), old.encode(), after.encode(), new.encode()
    content = head + target + tail
    assume(target and target != wanted)
    ends = content.count(b"\n")
    assume(not ends or content.count(b"\r\n") != ends)  # CRLF files have their own property below
    assume(content.find(target) == len(head) and content.find(target, len(head) + 1) < 0)
    assert replaced(content, old, new, replace_all=False, path="f").content == head + wanted + tail


@given(lines=st.lists(st.sampled_from(["a", "b", "é", ""]), min_size=2, max_size=12), new=PIECES, pick=st.data())
@settings(max_examples=300, deadline=None)
def test_a_crlf_file_stays_one(lines: list[str], new: str, pick: st.DataObject):
    first = pick.draw(st.integers(0, len(lines) - 1))
    last = pick.draw(st.integers(first, len(lines) - 1))
    lines[first] = "unique"
    content = "\r\n".join(lines).encode()
    old = "\n".join(lines[first : last + 1])
    assume(old != new and new.replace("\r\n", "\n") != old)
    edited = replaced(content, old, new, replace_all=False, path="f").content
    middle = new.replace("\r\n", "\n").replace("\n", "\r\n")
    assert edited.decode() == "\r\n".join([*lines[:first], middle, *lines[last + 1 :]])


@given(parts=st.lists(PIECES, min_size=2, max_size=6), old=PIECES.filter(bool), new=PIECES)
@settings(max_examples=300, deadline=None)
def test_replacing_all_joins_the_rest_with_the_new_text(parts: list[str], old: str, new: str):
    assume(old != new)
    content = ("\n" + old.join(parts)).encode()  # the lone newline makes it no CRLF file
    edited = replaced(content, old, new, replace_all=True, path="f")
    kept = content.split(old.encode())
    assert edited.content == new.encode().join(kept)
    assert edited.count == len(kept) - 1

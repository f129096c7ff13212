"""edit changes the text it was given and not one byte more; how texts match is tested in test_edits_replace.py."""

import asyncio
import stat
from pathlib import Path
from typing import Any

import pytest
from a3s_code_tools.edit import EditTool

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
    assert said.metadata == {
        "path": "f",
        "replacements": 1,
        "tier": "exact",
        "lines": [2],
        "dry_run": False,
        "diff": "--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n a = 1\n-b = 2\n+b = 3\n",
    }


def test_all_occurrences_are_replaced_when_asked(folder: Path, use: Any):
    (folder / "f").write_text("x x x")
    assert edit(use, "x", "yy", replace_all=True).text == "Replaced 3 occurrence(s) in f"
    assert (folder / "f").read_text() == "yy yy yy"


def test_several_occurrences_are_refused_with_their_lines(folder: Path, use: Any):
    (folder / "f").write_text("x\ny\nx\n")
    error = refusal(use, "x", "z")
    assert "old_string occurs 2 times in f (lines 1, 3)" in str(error)
    assert error.kind is ToolErrorKind.INVALID_ARGUMENT
    assert (folder / "f").read_text() == "x\ny\nx\n"


def test_another_number_than_expected_changes_nothing(folder: Path, use: Any):
    (folder / "f").write_text("x x x")
    error = refusal(use, "x", "y", replace_all=True, expected_replacements=2)
    assert "because expected_replacements is 2" in str(error)
    assert (folder / "f").read_text() == "x x x"
    assert edit(use, "x", "y", expected_replacements=3).text == "Replaced 3 occurrence(s) in f"


def test_a_missing_text_is_not_found_and_shows_the_nearest(folder: Path, use: Any):
    (folder / "f").write_text("def f():\n\treturn 1\n")
    error = refusal(use, "def f():\n    return 2\n", "")
    assert error.kind is ToolErrorKind.NOT_FOUND
    assert str(error).startswith("old_string not found in f. The nearest text is in lines 1 to 2 ")
    assert "-    return 2\n+→return 1\n" in str(error)


def test_a_missing_file_is_told_with_what_to_do(folder: Path, use: Any):
    error = refusal(use, "a", "b")
    assert str(error) == "f does not exist. Find it with glob, or create it with write."
    assert error.kind is ToolErrorKind.NOT_FOUND


def test_a_dry_run_shows_the_difference_and_changes_nothing(folder: Path, use: Any):
    (folder / "f").write_text("a\n")
    said = edit(use, "a", "b", dry_run=True)
    assert said.text == said.metadata["diff"] == "--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\n"
    assert (folder / "f").read_text() == "a\n"


def test_the_result_says_how_the_text_was_found(folder: Path, use: Any):
    (folder / "f").write_text("if x:\n\treturn 1\n")
    said = edit(use, "    return 1\n", "    y()\n    return 2\n")
    assert "matched apart from indentation" in said.text
    assert (folder / "f").read_text() == "if x:\n\ty()\n\treturn 2\n"


def test_the_result_says_that_lines_may_stand_too_far_left(folder: Path, use: Any):
    (folder / "f").write_text("if x:\n    return 1\n")
    assert "check that of the new lines" in edit(use, "  return 1\n", "  y()\n  return 2\n").text


@pytest.mark.parametrize(("old", "new"), [("", "x"), ("same", "same"), ("\ud800", "x"), ("x", "\udfff")])
def test_senseless_strings_are_refused(folder: Path, use: Any, old: str, new: str):
    (folder / "f").write_text("same x")
    assert refusal(use, old, new).kind is ToolErrorKind.INVALID_ARGUMENT


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-8-sig"])
def test_other_encodings_are_kept_and_shown_as_text(folder: Path, use: Any, encoding: str):
    (folder / "f").write_bytes("café\r\nx\r\n".encode(encoding))
    said = edit(use, "café\nx", "café\né")
    assert (folder / "f").read_bytes() == "café\r\né\r\n".encode(encoding)
    assert "-x\r\n+é\r\n" in str(said.metadata["diff"])


def test_a_letter_that_the_encoding_lacks_is_refused(folder: Path, use: Any):
    (folder / "f").write_bytes(b"caf\xe9 x")
    assert "latin-1" in str(refusal(use, "x", "→"))
    assert (folder / "f").read_bytes() == b"caf\xe9 x"


def test_a_binary_file_is_left_alone(folder: Path, use: Any):
    (folder / "f").write_bytes(b"x\0")
    assert refusal(use, "x", "y").kind is ToolErrorKind.UNSUPPORTED
    assert (folder / "f").read_bytes() == b"x\0"


def test_the_mode_is_kept(folder: Path, use: Any):
    (folder / "f").write_text("x")
    (folder / "f").chmod(0o755)
    edit(use, "x", "y")
    assert stat.S_IMODE((folder / "f").stat().st_mode) == 0o755


def test_a_link_stays_a_link(folder: Path, use: Any):
    (folder / "target").write_text("x")
    (folder / "f").symlink_to("target")
    assert edit(use, "x", "y").text == "Replaced 1 occurrence(s) in target"
    assert (folder / "f").is_symlink()
    assert (folder / "target").read_text() == "y"

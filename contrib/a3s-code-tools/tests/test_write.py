"""write creates or replaces whole files and shows the difference."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from a3s_code_tools.write import WriteTool

from a3s_code.plugin import ToolError, ToolErrorKind, ToolOutput


def write(use: Any, path: str, content: str) -> ToolOutput:
    return asyncio.run(WriteTool().run({"file_path": path, "content": content}, use))


def test_a_new_file_is_created_with_its_folders(folder: Path, use: Any):
    said = write(use, "new/deep/f.txt", "one\ntwo\n")
    assert (folder / "new/deep/f.txt").read_text() == "one\ntwo\n"
    assert said.text == "Created new/deep/f.txt: 8 bytes, 2 lines"
    assert said.metadata["created"] is True
    assert said.metadata["diff"] == "--- /dev/null\n+++ b/new/deep/f.txt\n@@ -0,0 +1,2 @@\n+one\n+two\n"


def test_an_existing_file_is_replaced_as_a_whole(folder: Path, use: Any):
    (folder / "f").write_text("one\ntwo\n")
    said = write(use, "f", "one\n2")
    assert (folder / "f").read_text() == "one\n2"
    assert said.text == "Wrote f: 5 bytes, 2 lines"
    assert said.metadata["created"] is False
    assert "-two\n+2\n\\ No newline at end of file\n" in str(said.metadata["diff"])


def test_line_ends_are_written_as_given(folder: Path, use: Any):
    write(use, "f", "a\r\nb\n")
    assert (folder / "f").read_bytes() == b"a\r\nb\n"


@pytest.mark.parametrize(
    ("before", "content", "after", "kept"),
    [
        pytest.param(b"a\r\nb\r\n", "a\nc\n", b"a\r\nc\r\n", " (kept: CRLF line ends)", id="CRLF"),
        pytest.param(b"a\r\nb\n", "a\nc\nb\n", b"a\r\nc\r\nb\n", " (kept: mixed line ends)", id="mixed"),
        pytest.param(b"\xef\xbb\xbfa", "\ufeffb", b"\xef\xbb\xbfb", " (kept: byte order mark)", id="UTF-8 mark"),
        pytest.param(
            "\ufeffa".encode("utf-16-be"), "é", b"\xfe\xff\0\xe9", " (kept: utf-16-be, byte order mark)", id="UTF-16"
        ),
        pytest.param(b"caf\xe9\n", "th\u00e9\n", b"th\xe9\n", " (kept: latin-1)", id="Latin-1"),
        pytest.param(b"a\r\n", "a\r\nb\n", b"a\r\nb\n", "", id="line ends as given"),
        pytest.param("é ü".encode() + b"\xff", "→", "→".encode(), "", id="damaged UTF-8 becomes whole"),
    ],
)
def test_a_replaced_file_keeps_its_form(folder: Path, use: Any, before: bytes, content: str, after: bytes, kept: str):
    (folder / "f").write_bytes(before)
    said = write(use, "f", content)
    assert (folder / "f").read_bytes() == after
    assert said.text.endswith(f"lines{kept}")


def test_a_letter_that_the_encoding_lacks_is_refused(folder: Path, use: Any):
    (folder / "f").write_bytes(b"caf\xe9")
    with pytest.raises(ToolError, match="latin-1") as caught:
        write(use, "f", "→")
    assert caught.value.kind is ToolErrorKind.INVALID_ARGUMENT
    assert (folder / "f").read_bytes() == b"caf\xe9"


def test_binary_content_may_be_replaced(folder: Path, use: Any):
    (folder / "f").write_bytes(b"\xff\0")
    write(use, "f", "text\n")
    assert (folder / "f").read_text() == "text\n"


def test_half_a_surrogate_pair_is_refused(folder: Path, use: Any):
    with pytest.raises(ToolError) as caught:
        write(use, "f", "a\ud800")
    assert caught.value.kind is ToolErrorKind.INVALID_ARGUMENT
    assert not (folder / "f").exists()

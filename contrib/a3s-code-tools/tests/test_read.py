"""read shows lines with their numbers, and says how to go on."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from a3s_code_tools.read import ReadTool

from a3s_code.plugin import ToolError, ToolErrorKind, ToolOutput

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20


def read(use: Any, **args: object) -> ToolOutput:
    return asyncio.run(ReadTool().run({"file_path": "f", **args}, use))


def refusal(use: Any, **args: object) -> ToolError:
    with pytest.raises(ToolError) as caught:
        read(use, **args)
    return caught.value


def test_lines_have_numbers_six_wide_and_a_tab(folder: Path, use: Any):
    (folder / "f").write_text("one\ntwo\n")
    assert read(use).text == "     1\tone\n     2\ttwo"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(b"a\r\nb", "     1\ta\n     2\tb", id="crlf and no final newline"),
        pytest.param(b"\xef\xbb\xbfa\n", "     1\ta", id="byte order mark"),
        pytest.param(b"\n\n", "     1\t\n     2\t", id="empty lines"),
        pytest.param("a\u2028b\x0cc\n".encode(), "     1\ta\u2028b\x0cc", id="only newlines end lines"),
        pytest.param(b"", "[f is empty]", id="empty file"),
    ],
)
def test_text_is_shown_as_it_is(folder: Path, use: Any, content: bytes, expected: str):
    (folder / "f").write_bytes(content)
    assert read(use).text == expected


def test_offset_skips_lines_and_the_rest_is_announced(folder: Path, use: Any):
    (folder / "f").write_text("".join(f"line {number}\n" for number in range(1, 11)))
    assert (
        read(use, offset=2, limit=2).text
        == "     3\tline 3\n     4\tline 4\n\n[6 more lines of 10; continue with offset=4]"
    )


def test_an_offset_beyond_the_end_is_refused(folder: Path, use: Any):
    (folder / "f").write_text("one\n")
    assert str(refusal(use, offset=1)) == "Offset 1 exceeds file length (1 lines)"


def test_at_most_2000_lines_come_at_once(folder: Path, use: Any):
    (folder / "f").write_text("x\n" * 5000)
    assert read(use).metadata["lines"] == 2000


def test_a_long_line_is_cut_with_a_note(folder: Path, use: Any):
    (folder / "f").write_text("x" * 2500)
    assert read(use).text == "     1\t" + "x" * 2000 + "… [500 more characters in this line]"


def test_the_output_stays_within_100_kib_and_can_be_continued(folder: Path, use: Any):
    (folder / "f").write_text(("é" * 1000 + "\n") * 500)
    first = read(use)
    kept = first.metadata["lines"]
    assert len(first.text.encode()) <= 102_400 + 100
    assert f"continue with offset={kept}]" in first.text
    assert read(use, offset=kept).text.startswith(f"{kept + 1:6}\t")


def test_an_image_is_attached_whatever_its_name(folder: Path, use: Any):
    (folder / "f").write_bytes(PNG)
    (image,) = read(use).images
    assert (image.media_type, image.data) == ("image/png", PNG)


def test_an_image_over_the_limit_of_providers_is_too_large(folder: Path, use: Any):
    (folder / "f").write_bytes(PNG + b"\0" * 6_000_000)
    assert refusal(use).kind is ToolErrorKind.TOO_LARGE


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"a\0b", b"caf\xe9"])
def test_what_is_no_utf_8_text_is_refused(folder: Path, use: Any, content: bytes):
    (folder / "f").write_bytes(content)
    assert refusal(use).kind is ToolErrorKind.UNSUPPORTED


def test_a_file_over_20_mib_is_too_large(folder: Path, use: Any):
    with (folder / "f").open("wb") as file:
        file.truncate(20 * 1024 * 1024 + 1)
    assert refusal(use).kind is ToolErrorKind.TOO_LARGE


def test_a_missing_file_is_not_found(use: Any):
    assert refusal(use).kind is ToolErrorKind.NOT_FOUND

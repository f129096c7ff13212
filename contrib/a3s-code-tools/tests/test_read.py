"""read shows lines with their numbers, and says how to go on."""

import asyncio
import base64
from pathlib import Path
from typing import Any

import pytest
from a3s_code_tools.edit import EditTool
from a3s_code_tools.read import ReadTool

from a3s_code.plugin import ToolError, ToolErrorKind, ToolOutput
from a3s_code.workspace import FolderWorkspace

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNg+M9QDwADgQF/e5IkGQAAAABJRU5ErkJggg=="
)
GIF = b"GIF89a\1\0\1\0\0\0\0;"
JPEG = b"\xff\xd8\xff\xdb\0\x03\0\xff\xd9"
WEBP = b"RIFF\x10\0\0\0WEBPVP8L\4\0\0\0\x2f\0\0\0"


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


@pytest.mark.parametrize(
    ("content", "media_type"),
    [(PNG, "image/png"), (GIF, "image/gif"), (JPEG, "image/jpeg"), (WEBP, "image/webp"), (JPEG + b"\0x", "image/jpeg")],
)
def test_an_image_is_attached_whatever_its_name(folder: Path, use: Any, content: bytes, media_type: str):
    (folder / "f").write_bytes(content)
    (image,) = read(use).images
    assert (image.media_type, image.data) == (media_type, content)


@pytest.mark.parametrize("content", [PNG[:8] + b"\0", PNG[:-8], GIF[:-1], JPEG[:-1], WEBP[:-1]])
def test_a_damaged_image_is_not_attached(folder: Path, use: Any, content: bytes):
    """A provider refuses the request that holds it, and with it every later one of the session."""
    (folder / "f").write_bytes(content)
    error = refusal(use)
    assert error.kind is ToolErrorKind.UNSUPPORTED
    assert "damaged or cut short" in str(error)


def test_a_text_that_begins_like_an_image_is_text(folder: Path, use: Any):
    (folder / "f").write_text("GIF89a is a format\n")
    assert read(use).text == "     1\tGIF89a is a format"


def test_an_image_over_the_limit_of_providers_is_too_large(folder: Path, use: Any):
    (folder / "f").write_bytes(PNG + b"\0" * 6_000_000)
    assert refusal(use).kind is ToolErrorKind.TOO_LARGE


@pytest.mark.parametrize(
    ("content", "text", "encoding"),
    [
        pytest.param("naïve café\r\nœuvre".encode("cp1252"), "     1\tnaïve café\n     2\tœuvre", "cp1252", id="8 bit"),
        pytest.param(b"\xff\xfe" + "é\n".encode("utf-16-le"), "     1\té", "utf-16-le", id="utf-16-le"),
        pytest.param(b"\xfe\xff" + "é\n☃".encode("utf-16-be"), "     1\té\n     2\t☃", "utf-16-be", id="utf-16-be"),
    ],
)
def test_other_encodings_are_read_and_named(folder: Path, use: Any, content: bytes, text: str, encoding: str):
    (folder / "f").write_bytes(content)
    assert read(use).text == f"{text}\n\n[the encoding of the file is {encoding}; changes keep it]"


def read_all(use: Any, *files: object, **args: object) -> ToolOutput:
    return asyncio.run(ReadTool().run({"files": list(files), **args}, use))


def test_several_files_come_under_headings_with_what_went_wrong(folder: Path, use: Any):
    (folder / "a").write_text("one\ntwo\nthree\n")
    (folder / "pic").write_bytes(PNG)
    said = read_all(use, {"file_path": "a", "offset": 1, "limit": 1}, "missing", "pic")
    assert said.text == (
        "--- [1: a] ---\n     2\ttwo\n\n[1 more lines of 3; continue with offset=2]\n\n"
        "--- [2: missing] ---\nError: missing does not exist; paths are relative to the workspace; "
        'glob with "**/" and the name finds it\n\n'
        "--- [3: pic] ---\n[pic is an image: image/png, 70 bytes]"
    )
    assert said.success
    assert len(said.images) == 1


def test_several_files_share_offset_and_limit_unless_they_have_their_own(folder: Path, use: Any):
    (folder / "a").write_text("1\n2\n3\n")
    said = read_all(use, "a", {"file_path": "a", "offset": 2}, offset=1, limit=1)
    assert [facts.get("next_offset") for facts in said.metadata["files"]] == [2, None]
    assert "     2\t2\n" in said.text
    assert "     3\t3" in said.text


def test_several_files_share_one_budget(folder: Path, use: Any):
    for name in "abc":
        (folder / name).write_text("0123456789\n" * 3000)
    said = read_all(use, "a", "b", "c")
    first, second, third = said.metadata["files"]
    assert first["lines"] == 2000
    assert second["next_offset"] == second["lines"] < 2000
    assert third["lines"] == 0
    assert said.text.endswith(
        "--- [3: c] ---\n[not shown: the 65,536 bytes of this call are used up; read it in another call]"
    )
    assert len(said.text.encode()) < 66_000


def test_nothing_read_is_a_failure(use: Any):
    assert not read_all(use, "missing", "gone").success


@pytest.mark.parametrize("args", [{}, {"file_path": "f", "files": ["f"]}])
def test_one_of_file_path_and_files_is_needed(use: Any, args: dict[str, object]):
    with pytest.raises(ToolError) as caught:
        asyncio.run(ReadTool().run(args, use))
    assert caught.value.kind is ToolErrorKind.INVALID_ARGUMENT


def test_what_was_shown_is_marked_as_seen(folder: Path, use: Any):
    class Watching(FolderWorkspace):
        def __init__(self, root: Path):
            super().__init__(root)
            self.marked: list[tuple[str, bytes]] = []

        def mark_seen(self, path: str, data: bytes) -> None:
            self.marked.append((path, data))

    (folder / "a").write_text("x" * 600 + "\n")
    (folder / "b").write_text("y" * 600 + "\n")
    use.workspace = Watching(folder)
    read_all(use, "a", "missing", "b", max_bytes=1024)
    assert use.workspace.marked == [("a", b"x" * 600 + b"\n")]


@pytest.mark.parametrize("content", [b"\x7fELF\0\1\2", b"a\0b", b"\0\0\0"])
def test_what_is_binary_is_refused(folder: Path, use: Any, content: bytes):
    (folder / "f").write_bytes(content)
    assert refusal(use).kind is ToolErrorKind.UNSUPPORTED


@pytest.mark.parametrize("size", [20 * 1024 * 1024 + 1, 10**12])
def test_a_binary_file_over_20_mib_is_too_large(folder: Path, use: Any, size: int):
    with (folder / "f").open("wb") as file:
        file.truncate(size)
    assert refusal(use).kind is ToolErrorKind.TOO_LARGE


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a text of 400,001 lines in 26 MB."""
    root = tmp_path_factory.mktemp("large")
    with (root / "f").open("wb") as file:
        file.writelines(b"%d %s\r\n" % (number, b"x" * 55) for number in range(1, 400_001))
        file.write(b"y" * 300_000)
    return root


def test_a_text_over_20_mib_is_read_in_pages(large: Path, use_in: Any):
    said = read(use_in(large), offset=350_000, limit=2)
    assert said.text.splitlines()[:2] == [f"350001\t350001 {'x' * 55}", f"350002\t350002 {'x' * 55}"]
    assert said.text.endswith("edit and patch]\n[49999 more lines of 400001; continue with offset=350002]")


def test_the_last_line_of_a_large_text_is_cut(large: Path, use_in: Any):
    said = read(use_in(large), offset=400_000)
    assert said.text.startswith(f"400001\t{'y' * 2000}… [300,000 bytes in this line]\n")
    assert "next_offset" not in said.metadata


@pytest.mark.parametrize("offset", [0, 1, 16_000, 200_000, 399_999])
def test_every_line_of_a_large_text_can_be_reached(large: Path, use_in: Any, offset: int):
    assert read(use_in(large), offset=offset, limit=1).text.startswith(f"{offset + 1:6}\t{offset + 1} x")


def test_an_offset_beyond_the_end_of_a_large_text_is_refused(large: Path, use_in: Any):
    assert str(refusal(use_in(large), offset=400_001)) == "Offset 400001 exceeds file length (400001 lines)"


def test_a_folder_is_refused_with_what_lists_it(folder: Path, use: Any):
    (folder / "f").mkdir()
    assert str(refusal(use)) == "f is a folder; list it with ls"


def test_a_file_of_another_folder_that_may_be_read_is_read(folder: Path, use: Any, tmp_path: Path):
    """Long output of commands is kept in the session's folder."""
    (tmp_path / "outputs").mkdir()
    with (tmp_path / "outputs" / "f").open("wb") as file:
        file.write(b"line\n" * 5_000_000)
    use.workspace.also_read(tmp_path / "outputs")
    said = read(use, file_path=str(tmp_path / "outputs" / "f"), offset=4_000_000, limit=1)
    assert said.text.startswith("4000001\tline\n")


def test_a_missing_file_is_not_found(use: Any):
    assert refusal(use).kind is ToolErrorKind.NOT_FOUND


def test_invalid_bytes_are_shown_and_the_rest_is_read_as_it_is(folder: Path, use: Any):
    """What was read can be changed as it was read, and the bytes stay."""
    (folder / "f").write_bytes("é ü →\n".encode() + b"a\xff\n")
    said = read(use, file_path="f")
    assert said.text == (
        "     1\té ü →\n     2\ta\\xff\n\n"
        "[the file is UTF-8 with some invalid bytes, shown like \\xff; changes keep them]"
    )
    change = {"file_path": "f", "old_string": "ü →", "new_string": "ö ←"}
    changed = asyncio.run(EditTool().run(change, use))
    assert (folder / "f").read_bytes() == "é ö ←\n".encode() + b"a\xff\n"
    assert "+é ö ←\n a\\xff\n" in str(changed.metadata["diff"])

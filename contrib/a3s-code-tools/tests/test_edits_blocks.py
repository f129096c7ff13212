"""Search/replace blocks are read as they are written, and applied all or none."""

import pytest
from a3s_code_tools.edits import EditError, TextFile
from a3s_code_tools.edits.blocks import Block, apply, is_blocks, parse


def block(search: str, new: str, *, path: str = "f.py", size: int = 7) -> str:
    return f"{path}\n{'<' * size} SEARCH\n{search}{'=' * size}\n{new}{'>' * size} REPLACE\n"


def test_blocks_are_read_with_their_files():
    text = (
        "I change two files.\n\n"
        + block("a\n", "b\n")
        + "\n"
        + block("c\n", "", path="`g.py`")
        + block("d\n", "e\n", path="")
    )
    assert is_blocks(text)
    assert parse(text) == (Block("f.py", "a\n", "b\n"), Block("g.py", "c\n", ""), Block("g.py", "d\n", "e\n"))


def test_a_fence_between_the_file_and_the_block_is_no_file():
    assert parse("src/a.py\n```python\n" + block("a\n", "b\n", path="") + "```\n")[0].path == "src/a.py"


def test_longer_markers_hold_shorter_ones():
    text = block("<<<<<<< SEARCH\n=======\n>>>>>>> REPLACE\n", "x\n", size=9)
    assert parse(text) == (Block("f.py", "<<<<<<< SEARCH\n=======\n>>>>>>> REPLACE\n", "x\n"),)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("just text", "there is no search/replace block", id="none"),
        pytest.param("f\n<<<<<<< SEARCH\na\n=======\nb\n", "line 2 is not complete", id="no end"),
        pytest.param("f\n<<<<<<< SEARCH\na\n>>>>>>> REPLACE\n", 'has 0 lines "======="', id="no middle"),
        pytest.param("f\n<<<<<<< SEARCH\na\n=======\n=======\n>>>>>>> REPLACE\n", 'has 2 lines "======="', id="two"),
    ],
)
def test_what_is_not_complete_is_refused(text: str, said: str):
    with pytest.raises(EditError, match=said):
        parse(text)


def test_blocks_are_applied_in_order_and_keep_the_rest():
    file = TextFile.decode(b"\xef\xbb\xbfa\r\n\tb\r\nc")
    edit = apply(file, parse(block("a\n", "x\ny\n") + block("y\n    b\n", "y\n    z\n") + block("c\n", "d\n")))
    assert edit.after == b"\xef\xbb\xbfx\r\ny\r\n\tz\r\nd"
    assert (edit.count, edit.tier) == (3, "indentation")


@pytest.mark.parametrize(
    ("before", "search", "new", "after", "tier"),
    [
        pytest.param("max = 1\nx = 1\n", "x = 1\n", "x = 2\n", "max = 1\nx = 2\n", "exact", id="not the end of a line"),
        pytest.param(
            "    return 1\n",
            "return 1\n",
            "x = 1\nreturn x\n",
            "    x = 1\n    return x\n",
            "indentation",
            id="indented",
        ),
        pytest.param("a “b”\n“b”\n", '"b"\n', '"c"\n', "a “b”\n“c”\n", "typography", id="typographic"),
        pytest.param("q a \na \n", "a\n", "b\n", "q a \nb\n", "trailing white space", id="blanks at the end"),
    ],
)
def test_a_block_stands_for_whole_lines(before: str, search: str, new: str, after: str, tier: str):
    edit = apply(TextFile.decode(before.encode()), [Block("f", search, new)])
    assert (edit.after.decode(), edit.tier) == (after, tier)


def test_the_end_of_a_line_is_no_place_for_a_block():
    with pytest.raises(EditError, match="not found"):
        apply(TextFile.decode(b"max = 1\n"), [Block("f", "x = 1\n", "x = 2\n")])


def test_an_empty_search_fills_an_empty_file_only():
    blocks = parse(block("", "new\n"))
    assert apply(TextFile.decode(b""), blocks).after == b"new\n"
    with pytest.raises(EditError, match="SEARCH part is empty"):
        apply(TextFile.decode(b"old"), blocks)


def test_the_block_that_fails_is_named():
    with pytest.raises(EditError, match=r"block 2 of 2 for f\.py does not fit: its SEARCH part not found") as caught:
        apply(TextFile.decode(b"a\nb\n"), parse(block("a\n", "x\n") + block("q\n", "r\n")), path="f.py")
    assert caught.value.kind == "not_found"

"""A text that was not found is answered with the nearest place, every difference visible."""

import pytest
from a3s_code_tools.edits import TextFile
from a3s_code_tools.edits.nearest import nearest, visible

LINES = [f"def function_{number}(a, b):\n    value = a + {number}\n    return value * b\n\n" for number in range(1000)]
LONG = TextFile.decode("".join(LINES).encode())


def test_the_block_with_most_equal_lines_is_shown():
    said = nearest(LONG, "def function_500(a, b):\n    value = a - 500\n    return valeu * b\n")
    assert said.startswith("The nearest text is in lines 2001 to 2003 ")
    shown = (
        " def function_500(a, b):\n-    value = a - 500\n-    return valeu * b\n"
        "+    value = a + 500\n+    return value * b\n"
    )
    assert shown in said


def test_a_single_line_is_found_by_its_words():
    assert "line 3109 " in nearest(LONG, "functoin_777(a,b)")


def test_lines_left_out_in_the_middle_are_shown():
    said = nearest(LONG, "def function_3(a, b):\n    return value * b\n\ndef function_4(a, b):\n")
    assert " def function_3(a, b):\n+    value = a + 3\n     return value * b\n" in said


def test_white_space_that_cannot_be_seen_is_shown():
    said = nearest(TextFile.decode("def f():\r\n\treturn\u00a01  \r\n".encode()), "def f():\n    return 2\n")
    assert " def f():␍\n-    return 2\n+→return·1··␍\n" in said


@pytest.mark.parametrize(
    ("line", "shown"),
    [("\ta b", "→a b"), ("a  ", "a··"), ("a\u200bb\ufeff", "a·b·"), ("a\r", "a␍"), ("x" * 400, "x" * 300 + "…")],
)
def test_visible(line: str, shown: str):
    assert visible(line) == shown


def test_nothing_alike_says_so():
    assert nearest(LONG, "???").startswith("Nothing in the file is like it.")
    assert nearest(TextFile.decode(b""), "a\n").startswith("Nothing in the file is like it.")


def test_a_long_difference_is_cut():
    said = nearest(LONG, "".join(LINES[100:200]).replace("value", "vaule"))
    assert len(said.split("\n")) < 70
    assert "more lines]" in said


def test_a_long_line_is_shown_where_it_differs():
    line = " ".join(f"word{number}" for number in range(200))
    said = nearest(TextFile.decode(f"a\n{line}\nb\n".encode()), line.replace("word150", "werd150"))
    shown = said.split("\n")
    assert "word149 werd150" in shown[1]
    assert "word149 word150" in shown[2]
    part = nearest(TextFile.decode(f"a\n{line}\nb\n".encode()), "word100 word101 wrod102").split("\n")
    assert part[1] == "-word100 word101 wrod102"
    assert part[2].startswith("+…word100 word101 word102 ")

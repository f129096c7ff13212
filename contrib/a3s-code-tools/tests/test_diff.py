"""The diff that people see says what happened to the file, in git's words."""

import pytest
from a3s_code_tools.diff import MAX_DIFF_CHARS, cut, difference


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (b"a\n", b"b\n", "--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\n"),
        (None, b"b\n", "--- /dev/null\n+++ b/f\n@@ -0,0 +1 @@\n+b\n"),
        (b"a\n", None, "--- a/f\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n"),
        (
            "\ufeffü\r\n".encode("utf-16-le"),
            "\ufeffö\r\n".encode("utf-16-le"),
            "--- a/f\n+++ b/f\n@@ -1 +1 @@\n-ü\r\n+ö\r\n",
        ),
        (b"a\0", b"b\0", "Binary files a/f and b/f differ\n"),
        (b"a", b"a", ""),
    ],
    ids=["changed", "created", "deleted", "utf-16", "binary", "same"],
)
def test_it_names_what_was_there_and_what_is(before: bytes | None, after: bytes | None, expected: str):
    assert difference("f", before, after) == expected


def test_a_moved_file_is_told_with_both_names():
    moved = difference("new", b"a\n", b"b\n", moved_from="old")
    assert moved == (
        "diff --git a/old b/new\nrename from old\nrename to new\n--- a/old\n+++ b/new\n@@ -1 +1 @@\n-a\n+b\n"
    )
    assert difference("new", b"a\n", b"a\n", copied_from="old").endswith("copy from old\ncopy to new\n")


def test_what_is_long_is_cut():
    assert cut("x" * (MAX_DIFF_CHARS + 7)).endswith("x\n[7 more characters]\n")
    assert cut("x" * MAX_DIFF_CHARS) == "x" * MAX_DIFF_CHARS

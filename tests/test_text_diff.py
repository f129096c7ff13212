"""Unified diffs: applying one gives the other content, and large ones come in time."""

import re
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from a3s_code import text_diff
from a3s_code.text_diff import unified_diff

LINES = st.lists(st.sampled_from(("a\n", "b\n", "c\r\n", "\n", " d\n")), max_size=30).map("".join)
TEXTS = st.builds(lambda body, last: (body + last).encode(), LINES, st.sampled_from(("", "e", "-f")))


def applied(content: bytes, diff: str) -> bytes:
    """The content after *diff*, which must fit exactly."""
    old, new, at = content.decode().split("\n"), list[str](), 0
    for start, length, lines in hunks(diff):
        first = start - 1 if length else start
        new += old[at:first]
        at = first
        for number, line in enumerate(lines):
            is_last = number + 1 < len(lines) and lines[number + 1].startswith("\\")
            if line[0] in " -":
                assert old[at] == line[1:]
                at += 1
            if line[0] in " +":
                new.append(line[1:])
            if is_last and line[0] == "+":
                return "\n".join(new).encode()
            if is_last and line[0] == "-":
                old = [*old[:at], ""]
    return "\n".join([*new, *old[at:]]).encode()


def hunks(diff: str) -> Iterator[tuple[int, int, list[str]]]:
    for part in re.split(r"^(?=@@ )", diff, flags=re.MULTILINE)[1:]:
        head, *lines = part.split("\n")[:-1]
        found = re.match(r"@@ -(\d+)(?:,(\d+))? ", head)
        assert found is not None
        yield int(found[1]), int(found[2] or 1), lines


@given(TEXTS, TEXTS)
def test_applying_the_diff_gives_the_new_content(before: bytes, after: bytes) -> None:
    assert applied(before, unified_diff(before, after, "a", "b")) == after


def test_equal_contents_have_no_diff() -> None:
    assert unified_diff(b"same", b"same", "a", "b") == ""


def test_a_diff_names_both_sides_and_counts_lines_from_the_beginning() -> None:
    before = b"".join(b"%d\n" % number for number in range(100))

    assert unified_diff(before, before.replace(b"50\n", b"x\n"), "old", "new") == (
        "--- old\n+++ new\n@@ -48,7 +48,7 @@\n 47\n 48\n 49\n-50\n+x\n 51\n 52\n 53\n"
    )


def test_binary_contents_are_only_said_to_differ() -> None:
    for before, after in ((b"\0\xff", b"\0\xfe"), (b"a\0", b"b\0"), (b"", b"a\0")):
        assert unified_diff(before, after, "a", "b") == "Binary files a and b differ\n"


def test_other_encodings_are_shown_as_text() -> None:
    assert "+ü\n" in unified_diff("x\n".encode("utf-16"), "ü\n".encode("utf-16"), "a", "b")
    assert "+ü\n" in unified_diff(b"x\n", "ü\n".encode("latin-1"), "a", "b")


def test_what_difflib_would_take_long_for_is_replaced_as_a_whole() -> None:
    before = b"".join(b"%d\n" % number for number in range(5_000))
    after = b"".join(b"%d\n" % (number * 7919 % 5_003) for number in range(5_000))
    assert text_diff.MOST_COMPARED < 5_000 * 5_000

    assert applied(before, unified_diff(before, after, "a", "b")) == after

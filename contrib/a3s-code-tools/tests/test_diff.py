"""The diff that people see is right, wherever the change is and however large the file."""

import difflib

from a3s_code_tools.diff import unified_diff
from hypothesis import given, settings
from hypothesis import strategies as st

LINES = st.lists(st.sampled_from(["a", "b", "c", ""]), max_size=30)


@given(LINES, LINES)
@settings(max_examples=200, deadline=None)
def test_it_leads_from_the_old_lines_to_the_new(old: list[str], new: list[str]):
    diff = unified_diff(
        "f", "".join(f"{line}\n" for line in old).encode(), "".join(f"{line}\n" for line in new).encode()
    )
    assert applied(old, diff) == new


def applied(old: list[str], diff: str) -> list[str]:
    """What a diff makes of lines; it checks every context and removed line."""
    result: list[str] = []
    place = 0
    for line in diff.splitlines()[2:]:
        if line.startswith("@@"):
            first, _, count = line.split()[1][1:].partition(",")
            start = int(first) - (count != "0")
            result += old[place:start]
            place = start
            continue
        if line[0] in " -":
            assert old[place] == line[1:]
            place += 1
        if line[0] in " +":
            result.append(line[1:])
    return result + old[place:]


def test_nothing_changed_is_no_diff():
    assert unified_diff("f", b"a\nb", b"a\nb") == ""


def test_a_small_change_in_a_large_file_shows_its_lines():
    lines = [f"line {number}" for number in range(100_000)]
    changed = [*lines[:70_000], "new", *lines[70_001:]]
    diff = unified_diff("f", "\n".join(lines).encode(), "\n".join(changed).encode())
    assert "@@ -69998,7 +69998,7 @@" in diff
    assert diff.count("\n") == 11


def test_a_large_change_is_cut():
    before, after = b"a\n" * 50_000, b"b\n" * 50_000
    assert unified_diff("f", before, after).endswith("more characters]\n")


def test_the_format_is_that_of_difflib():
    old, new = ["a", "b", "c", "d", "e", "f", "g", "h", "i"], ["a", "b", "c", "d", "X", "f", "g", "h", "i"]
    expected = "\n".join(difflib.unified_diff(old, new, "a/f", "b/f", lineterm="")) + "\n"
    assert unified_diff("f", ("\n".join(old) + "\n").encode(), ("\n".join(new) + "\n").encode()) == expected

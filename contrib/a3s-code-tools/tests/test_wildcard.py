"""Patterns match as people expect and never take exponential time."""

import pytest
from a3s_code_tools.wildcard import Wildcard, leaves_folder


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("*.txt", "a.txt", True),
        ("*.txt", "sub/a.txt", False),
        ("**/*.txt", "a.txt", True),
        ("**/*.txt", "x/y/a.txt", True),
        ("src/**", "src/x/y", True),
        ("src/**/test_*.py", "src/test_a.py", True),
        ("src/**/test_*.py", "lib/test_a.py", False),
        ("*.{md,rst}", "a.rst", True),
        ("{a,b/{c,d}}/x", "b/d/x", True),
        ("[!a].py", "b.py", True),
        ("./a.py", "a.py", True),
        ("**", "a/b", True),
        ("a/**/**/b", "a/b", True),
        ("src/", "src/x/y.py", True),
        ("src/", "lib/src/y.py", False),
        ("!*.py", "a.py", False),
        ("!*.py", "a.txt", True),
        ("!{a,b}/**", "b/c", False),
        ("{,a}", "a", True),
    ],
)
def test_a_pattern_matches(pattern: str, path: str, expected: bool):
    assert Wildcard(pattern).matches(tuple(path.split("/"))) is expected


def test_all_but_a_file_may_lie_at_any_depth():
    assert Wildcard("a/b").depth == 2
    assert Wildcard("!a/b").depth is None


def test_many_stars_end_soon():
    assert not Wildcard("*a" * 40 + "b").matches(("a" * 250,))
    assert not Wildcard("**/a/" * 40 + "b").matches(("a",) * 200)


@pytest.mark.parametrize("pattern", ["../x", "a/../b", "/etc/*", "{a,../b}/*", "{a,/etc}/x", "..\\x", "C:\\x", "~/x"])
def test_patterns_that_lead_outside_are_seen(pattern: str):
    assert leaves_folder(pattern)


@pytest.mark.parametrize("pattern", ["**/*.py", "..x/y", "a..b", "{a,b}/c"])
def test_other_patterns_stay(pattern: str):
    assert not leaves_folder(pattern)


@pytest.mark.parametrize("pattern", ["", ".", "./", "{}", "!", "/"])
def test_a_pattern_that_names_nothing_is_refused(pattern: str):
    with pytest.raises(ValueError, match="names no file"):
        Wildcard(pattern)


def test_too_many_alternatives_are_refused():
    with pytest.raises(ValueError, match="alternatives"):
        Wildcard("{a,b}" * 20)

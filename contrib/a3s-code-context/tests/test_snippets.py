"""The part of a text that is shown."""

from a3s_code_context.snippets import Snippet, best_snippet
from hypothesis import given
from hypothesis import strategies as st

FILLER = [f"line {number}" for number in range(1, 101)]


def test_the_lines_around_the_match_are_shown_not_the_start() -> None:
    lines = [*FILLER]
    lines[49] = "def parse(): ..."
    snippet = best_snippet("\n".join(lines), ["parse"], [1.0], 1000)
    assert snippet == Snippet("\n".join(lines[44:55]), 45, 55)


def test_the_run_with_the_most_weight_wins() -> None:
    lines = [*FILLER]
    lines[10] = "common"
    lines[11] = "common"
    lines[80] = "rare"
    snippet = best_snippet("\n".join(lines), ["common", "rare"], [0.5, 3.0], 100)
    assert snippet is not None
    assert snippet.first <= 81 <= snippet.last


def test_a_long_line_is_cut_around_its_match() -> None:
    snippet = best_snippet("x" * 5000 + "needle" + "y" * 5000, ["needle"], [1.0], 60)
    assert snippet is not None
    assert "needle" in snippet.text
    assert len(snippet.text) == 60


def test_windows_line_ends_count_as_one() -> None:
    assert best_snippet("a\r\nneedle\r\nb", ["needle"], [1.0], 6) == Snippet("needle", 2, 2)


def test_no_match_gives_nothing() -> None:
    assert best_snippet("some text", ["needle"], [1.0], 100) is None
    assert best_snippet("needle", ["needle"], [1.0], 0) is None


words = st.sampled_from(["alpha", "beta", "gamma", "x" * 30, "\n", "\n\n", " ", "é", "\u2028"])


@given(st.lists(words, max_size=60).map("".join), st.integers(5, 80))
def test_a_snippet_holds_a_term_fits_and_stands_where_it_says(text: str, max_chars: int) -> None:
    snippet = best_snippet(text, ["alpha", "beta"], [1.0, 2.0], max_chars)
    assert (snippet is not None) == ("alpha" in text or "beta" in text)
    if snippet is not None:
        assert len(snippet.text) <= max_chars
        assert "alpha" in snippet.text or "beta" in snippet.text
        assert snippet.text in "\n".join(text.split("\n")[snippet.first - 1 : snippet.last])

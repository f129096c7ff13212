"""One order out of several: each page once, the same whoever answers first."""

import pytest
from a3s_code_tools.ranking import Found, merged
from hypothesis import given
from hypothesis import strategies as st

FOUND = st.builds(
    Found,
    title=st.text(max_size=5),
    url=st.sampled_from([f"https://{host}.example/{page}" for host in "abc" for page in "12"] + ["mailto:x"]),
    snippet=st.text(max_size=5),
)
ANSWERS = st.dictionaries(st.sampled_from(["bing", "brave", "wikipedia"]), st.lists(FOUND, max_size=5))
WEIGHTS = st.dictionaries(st.sampled_from(["bing", "brave", "wikipedia"]), st.floats(0, 5))


def found(page: str, title: str = "", snippet: str = "") -> Found:
    return Found(title=title, url=f"https://example.com/{page}", snippet=snippet)


def test_the_score_is_weights_times_engines_times_positions():
    answers = {"bing": [found("a"), found("b")], "brave": [found("b"), found("a")], "wikipedia": [found("b")]}
    best, second = merged(answers, {"bing": 2.0, "brave": 1.5})
    assert (best.url, best.score) == ("https://example.com/b", pytest.approx((2.0 * 1.5 * 1.0 * 3) * (1 / 2 + 1 + 1)))
    assert (second.url, second.score) == ("https://example.com/a", pytest.approx((2.0 * 1.5 * 2) * (1 + 1 / 2)))
    assert best.engines == ("bing", "brave", "wikipedia")


def test_the_longest_title_and_snippet_are_kept_with_the_best_address():
    worse = Found(title="A long title", url="http://www.example.com/a/", snippet="x")
    (one,) = merged({"bing": [found("z"), worse], "brave": [found("a", "A", "longer")]}, {})[:1]
    assert (one.title, one.url, one.snippet) == ("A long title", "https://example.com/a", "longer")


def test_an_engine_that_repeats_itself_counts_once():
    (one,) = merged({"bing": [found("a"), found("a"), found("a")]}, {})
    assert one.score == 1.0


def test_pages_that_score_the_same_are_ordered_by_position_and_engine():
    answers = {"brave": [found("b")], "bing": [found("a")]}
    assert [one.url[-1] for one in merged(answers, {})] == ["a", "b"]


@given(ANSWERS, WEIGHTS)
def test_each_page_comes_once_and_the_order_does_not_depend_on_who_answered_first(answers, weights):
    ranked = merged(answers, weights)
    assert len({one.url for one in ranked}) == len(ranked)
    assert {one.url for one in ranked} == {one.url for found in answers.values() for one in found} - {"mailto:x"}
    assert [one.score for one in ranked] == sorted((one.score for one in ranked), reverse=True)
    assert merged(dict(reversed(answers.items())), weights) == ranked

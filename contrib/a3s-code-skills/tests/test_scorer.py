"""The score of skills."""

import pytest
from a3s_code_skills.scorer import DefaultSkillScorer
from hypothesis import given
from hypothesis import strategies as st

from a3s_code.plugin import SkillFeedback, SkillOutcome, SkillScorer


def scorer_with(*deltas: float) -> DefaultSkillScorer:
    scorer = DefaultSkillScorer()
    for delta in deltas:
        scorer.record(SkillFeedback(skill_name="x", outcome=SkillOutcome.PARTIAL, score_delta=delta))
    return scorer


def test_an_unknown_skill_has_full_score_and_stays():
    scorer = DefaultSkillScorer()
    assert isinstance(scorer, SkillScorer)
    assert (scorer.score("x"), scorer.should_disable("x"), scorer.all_scores()) == (1.0, False, {})


def test_newer_feedback_weighs_more():
    assert scorer_with(-1, 1).score("x") == pytest.approx(2 / 3)
    assert scorer_with(1, -1).score("x") == pytest.approx(1 / 3)


def test_only_the_newest_twenty_count():
    assert scorer_with(*[-1.0] * 50, *[1.0] * 20).score("x") == 1.0


def test_a_skill_is_disabled_after_three_bad_uses():
    assert not scorer_with(-1, -1).should_disable("x")
    assert scorer_with(-1, -1, -1).should_disable("x")
    assert not scorer_with(-1, -1, 1).should_disable("x")


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=30))
def test_a_score_is_always_between_zero_and_one(deltas: list[float]):
    scores = scorer_with(*deltas).all_scores()
    assert all(0 <= score <= 1 for score in scores.values())

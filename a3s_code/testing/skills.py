"""A skill validator and a scorer for tests."""

from collections.abc import Iterable, Mapping, Sequence

from a3s_code.plugin import Skill, SkillFeedback, SkillScorer, SkillValidationError, SkillValidator

__all__ = ["AcceptAllSkills", "FixedScores"]


class AcceptAllSkills(SkillValidator):
    """Finds no fault with any skill."""

    def validate(self, skill: Skill) -> Sequence[SkillValidationError]:
        return ()


class FixedScores(SkillScorer):
    """Scores that never change.

    Args:
        scores: Score by the skill's name; others have 1.0.
        disabled: Names that are to be disabled.

    Attributes:
        feedback: Everything that was recorded.
    """

    def __init__(self, scores: Mapping[str, float] | None = None, *, disabled: Iterable[str] = ()):
        self.feedback: list[SkillFeedback] = []
        self._scores = dict(scores or {})
        self._disabled = frozenset(disabled)

    def record(self, feedback: SkillFeedback) -> None:
        self.feedback.append(feedback)

    def score(self, name: str) -> float:
        return self._scores.get(name, 1.0)

    def should_disable(self, name: str) -> bool:
        return name in self._disabled

    def all_scores(self) -> dict[str, float]:
        return dict(self._scores)

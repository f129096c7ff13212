"""The default score of skills: the average of recent feedback, the newest counting most."""

from collections import defaultdict, deque

from a3s_code.plugin import SkillFeedback, SkillScorer

__all__ = ["DefaultSkillScorer"]

_WINDOW = 20
_MIN_FEEDBACK = 3
_DISABLED_BELOW = 0.3


class DefaultSkillScorer(SkillScorer):
    """Scores a skill 0 to 1 by its last 20 uses; disables one that was used three times and stays below 0.3."""

    def __init__(self) -> None:
        self._deltas: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=_WINDOW))

    def record(self, feedback: SkillFeedback) -> None:
        self._deltas[feedback.skill_name].append(max(-1.0, min(1.0, feedback.score_delta)))

    def score(self, name: str) -> float:
        deltas = self._deltas.get(name)
        if not deltas:
            return 1.0
        weights = range(1, len(deltas) + 1)  # the newest stands last
        total = sum(weight * (delta + 1) / 2 for weight, delta in zip(weights, deltas, strict=True))
        return total / sum(weights)

    def should_disable(self, name: str) -> bool:
        return len(self._deltas.get(name, ())) >= _MIN_FEEDBACK and self.score(name) < _DISABLED_BELOW

    def all_scores(self) -> dict[str, float]:
        return {name: self.score(name) for name in self._deltas}

"""Fills the points skill_validator and skill_scorer."""

from a3s_code.plugin import SkillScorer, SkillValidator, hookimpl

__all__ = ["a3s_code_skill_scorer", "a3s_code_skill_validator"]


@hookimpl
def a3s_code_skill_validator() -> SkillValidator:
    """The default validator: a proper name, a bounded size, no blanket permissions, no prompt injection."""
    from a3s_code_skills.validator import DefaultSkillValidator

    return DefaultSkillValidator()


@hookimpl
def a3s_code_skill_scorer() -> SkillScorer:
    """The default scorer: a weighted average of the newest feedback, in memory."""
    from a3s_code_skills.scorer import DefaultSkillScorer

    return DefaultSkillScorer()

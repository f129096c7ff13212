"""Skill, SkillValidator and SkillScorer: instructions on file, whether they are safe and whether they help."""

from collections.abc import Sequence
from enum import Enum
from typing import Protocol, runtime_checkable

from attrs import field, frozen

__all__ = [
    "Skill",
    "SkillFault",
    "SkillFeedback",
    "SkillKind",
    "SkillOutcome",
    "SkillScorer",
    "SkillValidationError",
    "SkillValidator",
]


class SkillKind(Enum):
    INSTRUCTION = "instruction"
    PERSONA = "persona"


@frozen(kw_only=True)
class Skill:
    """A skill.

    Args:
        name: kebab-case.
        description: One sentence: when to use it.
        content: The Markdown body.
        allowed_tools: Permission rules such as "read(*)"; empty restricts nothing.
        kind: Instruction or persona.
        tags: Words to find it by.
        version: As written in the file.
        source: Path of its file, or None for a built-in.
        disable_model_invocation: Only the person may invoke it.
    """

    name: str
    description: str = ""
    content: str = field(default="", repr=False)
    allowed_tools: tuple[str, ...] = ()
    kind: SkillKind = SkillKind.INSTRUCTION
    tags: tuple[str, ...] = ()
    version: str | None = None
    source: str | None = None
    disable_model_invocation: bool = False


class SkillFault(Enum):
    INVALID_NAME = "invalid_name"
    CONTENT_TOO_LARGE = "content_too_large"
    DANGEROUS_TOOLS = "dangerous_tools"
    RESERVED_NAME = "reserved_name"
    PROMPT_INJECTION = "prompt_injection"


@frozen
class SkillValidationError:
    """Why a skill is not accepted; a value, not an exception: a bad skill is left out with a warning."""

    kind: SkillFault
    message: str


@runtime_checkable
class SkillValidator(Protocol):
    """Contract: pure; all faults, in a stable order; empty when the skill is accepted."""

    def validate(self, skill: Skill) -> Sequence[SkillValidationError]: ...


class SkillOutcome(Enum):
    SUCCESS = "success"
    FAILURE = "failure"
    PARTIAL = "partial"


@frozen(kw_only=True)
class SkillFeedback:
    """How a use of a skill went; *score_delta* is -1 to 1, *timestamp_ms* since the epoch."""

    skill_name: str
    outcome: SkillOutcome
    score_delta: float
    reason: str = ""
    timestamp_ms: int = 0


@runtime_checkable
class SkillScorer(Protocol):
    """Contract: quick; an unknown skill has score 1.0 and is not disabled."""

    def record(self, feedback: SkillFeedback) -> None: ...

    def score(self, name: str) -> float: ...

    def should_disable(self, name: str) -> bool: ...

    def all_scores(self) -> dict[str, float]: ...

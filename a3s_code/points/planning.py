"""Planner: turns a prompt into steps."""

from enum import Enum
from typing import Protocol, runtime_checkable

from attrs import frozen

from a3s_code.points.llm import TextModel

__all__ = ["Complexity", "ExecutionPlan", "PlanRequest", "PlanStep", "Planner"]


class Complexity(Enum):
    SIMPLE = "simple"
    MEDIUM = "medium"
    COMPLEX = "complex"
    VERY_COMPLEX = "very_complex"


@frozen(kw_only=True)
class PlanStep:
    """One step; *dependencies* are ids of steps that come before."""

    id: str
    description: str
    tool: str | None = None
    dependencies: tuple[str, ...] = ()
    success_criteria: str | None = None


@frozen(kw_only=True)
class ExecutionPlan:
    """Steps with unique ids whose dependencies exist and form no cycle."""

    goal: str
    steps: tuple[PlanStep, ...]
    complexity: Complexity = Complexity.SIMPLE
    required_tools: tuple[str, ...] = ()

    @classmethod
    def single(cls, goal: str) -> "ExecutionPlan":
        """The plan that is the request itself."""
        return cls(goal=goal, steps=(PlanStep(id="step-1", description=goal),))


@frozen(kw_only=True)
class PlanRequest:
    """What to plan.

    Args:
        prompt: The person's prompt.
        tools: Names of the tools at hand.
        context: Text found for the prompt.
    """

    prompt: str
    tools: tuple[str, ...] = ()
    context: str = ""


@runtime_checkable
class Planner(Protocol):
    """Makes plans.

    Contract: an answer that is no plan gives `ExecutionPlan.single`; only `ModelError` is raised.
    """

    async def plan(self, request: PlanRequest, model: TextModel) -> ExecutionPlan: ...

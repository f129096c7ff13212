"""A planner for tests that always makes the same plan."""

from a3s_code.plugin import ExecutionPlan, Planner, PlanRequest, PlanStep, TextModel

__all__ = ["FixedPlanner"]


class FixedPlanner(Planner):
    """Plans the given steps whatever is asked, without asking the model; no steps give the prompt as the only one.

    A text becomes a step "step-1", "step-2", ... without dependencies; write a `PlanStep` where those matter.

    Attributes:
        requests: Everything that was to be planned.
    """

    def __init__(self, *steps: str | PlanStep):
        self.requests: list[PlanRequest] = []
        self._steps = tuple(
            PlanStep(id=f"step-{number}", description=step) if isinstance(step, str) else step
            for number, step in enumerate(steps, 1)
        )

    async def plan(self, request: PlanRequest, model: TextModel) -> ExecutionPlan:
        self.requests.append(request)
        if not self._steps:
            return ExecutionPlan.single(request.prompt)
        return ExecutionPlan(goal=request.prompt, steps=self._steps)

"""Plans: the planner's steps, worked through one after the other on the session's own history."""

from collections.abc import Awaitable, Callable, Sequence

from attrs import evolve, frozen

from a3s_code.errors import A3SCodeError
from a3s_code.events import Event, PlanningEnd, PlanningStart, StepEnd, StepStart, Warned
from a3s_code.loop import AgentLoop, Outcome
from a3s_code.messages import user
from a3s_code.points.llm import TextModel
from a3s_code.points.planning import ExecutionPlan, Planner, PlanRequest, PlanStep
from a3s_code.records import Prompted
from a3s_code.redaction import Cleaner
from a3s_code.transcript import Transcript
from a3s_code.usage import Usage

__all__ = ["PlannedRun"]


@frozen(kw_only=True)
class PlannedRun:
    """Runs a prompt with a plan.

    Args:
        loop: Works through a step.
        planner: Makes the plan.
        model: What the planner asks.
        tools: Names of the tools.
        cleaner: Cleans what is shown of the plan.
        emit: Where events go.
    """

    loop: AgentLoop
    planner: Callable[[], Awaitable[Planner]]
    model: TextModel
    tools: Sequence[str]
    cleaner: Cleaner
    emit: Callable[[Event], None]

    async def run(self, transcript: Transcript, run_id: str, prompt: str) -> Outcome:
        """Plans *prompt*, which is in the history already, and works through the steps.

        A plan of one step is the plain run.
        """
        self.emit(PlanningStart(prompt))
        plan = await self._plan(prompt)
        total = len(plan.steps)
        shown = [await self.cleaner.clean(step.description) for step in plan.steps]
        self.emit(PlanningEnd(tuple(shown), total))
        outcome = Outcome(text="", usage=Usage(), stop_reason="end_turn", tool_calls_count=0, turns=0)
        for number, step in enumerate(plan.steps, 1):
            if total > 1:
                text = _instruction(plan, step, number)
                await transcript.add(Prompted(run_id=run_id, message=user(text), prompt="", origin="step"))
            self.emit(StepStart(step.id, shown[number - 1], number, total))
            done = await self.loop.run(transcript, run_id, outcome.turns + 1)
            outcome = evolve(
                done,
                usage=outcome.usage + done.usage,
                tool_calls_count=outcome.tool_calls_count + done.tool_calls_count,
            )
            is_done = done.stop_reason == "end_turn"
            self.emit(StepEnd(step.id, "completed" if is_done else "failed", number, total))
            if not is_done:
                break
        return outcome

    async def _plan(self, prompt: str) -> ExecutionPlan:
        """The planner's plan; one that fails in a way it must not, or answers nonsense, gives the plan of one step."""
        planner = await self.planner()
        try:
            plan: object = await planner.plan(PlanRequest(prompt=prompt, tools=tuple(self.tools)), self.model)
            problem = f"answered {type(plan).__name__}"
        except A3SCodeError:
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001 # a stranger's planner
            plan, problem = None, f"failed ({type(error).__name__}: {error})"
        if isinstance(plan, ExecutionPlan) and plan.steps:
            return plan
        self.emit(Warned(f"the planner {await self.cleaner.clean(problem)}; the prompt runs without a plan"))
        return ExecutionPlan.single(prompt)


def _instruction(plan: ExecutionPlan, step: PlanStep, number: int) -> str:
    total = len(plan.steps)
    parts = []
    if number == 1:
        steps = "\n".join(f"{n}. {one.description}" for n, one in enumerate(plan.steps, 1))
        parts.append(f"## Plan\n{steps}\n")
    parts.append(f"Work on step {number} of {total} now: {step.description}")
    if step.success_criteria:
        parts.append(f"It is done when: {step.success_criteria}")
    if number == total:
        parts.append("It is the last step: finish by answering the whole request.")
    return "\n".join(parts)

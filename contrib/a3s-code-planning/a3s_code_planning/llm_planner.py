"""LlmPlanner: asks the model for a plan, once."""

from a3s_code.plugin import ExecutionPlan, Planner, PlanRequest, TextModel
from a3s_code_planning.plan_json import parse_plan

__all__ = ["LlmPlanner"]

_MAX_TOKENS = 2_000
_MAX_CONTEXT_CHARS = 8_000

_SYSTEM = """\
You split a coding request into steps. Answer with one JSON object and nothing else:
{"goal": "...", "complexity": "simple|medium|complex|very_complex",
 "steps": [{"id": "step-1", "description": "...", "tool": "...", "dependencies": ["..."], "success_criteria": "..."}],
 "required_tools": ["..."]}
"tool", "dependencies" and "success_criteria" are optional. Dependencies are ids of other steps.
Use as few steps as the request needs, at most 10; a small request is one step."""


class LlmPlanner(Planner):
    """Asks once; an answer that is no plan gives the plan of one step that is the request itself."""

    async def plan(self, request: PlanRequest, model: TextModel) -> ExecutionPlan:
        """See `Planner.plan`."""
        reply = await model.ask(_question(request), system=_SYSTEM, max_tokens=_MAX_TOKENS)
        return parse_plan(reply.text, request.prompt, request.tools) or ExecutionPlan.single(request.prompt)


def _question(request: PlanRequest) -> str:
    parts = [f"Tools: {', '.join(request.tools)}"] if request.tools else []
    if request.context:
        parts.append(f"<context>\n{request.context[:_MAX_CONTEXT_CHARS]}\n</context>")
    parts.append(f"Request:\n{request.prompt}")
    return "\n\n".join(parts)

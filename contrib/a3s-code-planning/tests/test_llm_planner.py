"""LlmPlanner asks once and always has a plan."""

import asyncio
import json
from importlib.metadata import distribution

import pytest
from a3s_code_planning.llm_planner import LlmPlanner
from a3s_code_planning.plugin import llm_planner

from a3s_code.plugin import ExecutionPlan, ModelError, Planner, PlanRequest, Reply, StopReason, Usage, assistant


class ScriptedModel:
    """Answers with one text, or raises."""

    def __init__(self, answer: str | ModelError):
        self.answer = answer
        self.questions: list[tuple[str, str, int | None]] = []

    async def ask(self, prompt: str, *, system: str = "", max_tokens: int | None = None) -> Reply:
        self.questions.append((prompt, system, max_tokens))
        if isinstance(self.answer, ModelError):
            raise self.answer
        return Reply(message=assistant(self.answer), usage=Usage(), stop_reason=StopReason.END_TURN)


def plan(model: ScriptedModel, request: PlanRequest) -> ExecutionPlan:
    return asyncio.run(LlmPlanner().plan(request, model))


def test_it_is_a_planner() -> None:
    assert isinstance(llm_planner(), Planner)
    assert {entry.name for entry in distribution("a3s-code-planning").entry_points if entry.load()} == {
        "llm",
        "LlmPlanner",
    }


def test_the_answer_becomes_the_plan() -> None:
    model = ScriptedModel(json.dumps({"steps": [{"id": "a", "description": "x"}, {"id": "b", "description": "y"}]}))
    assert [step.id for step in plan(model, PlanRequest(prompt="do it")).steps] == ["a", "b"]


def test_it_asks_once_with_tools_context_and_prompt() -> None:
    model = ScriptedModel("no")
    plan(model, PlanRequest(prompt="do it", tools=("read", "edit"), context="found text"))
    ((prompt, system, max_tokens),) = model.questions
    assert prompt == "Tools: read, edit\n\n<context>\nfound text\n</context>\n\nRequest:\ndo it"
    assert "JSON" in system
    assert max_tokens


def test_no_plan_gives_the_request_as_the_only_step() -> None:
    assert plan(ScriptedModel("I would rather not."), PlanRequest(prompt="do it")) == ExecutionPlan.single("do it")


def test_an_error_of_the_model_is_passed_on() -> None:
    with pytest.raises(ModelError, match="overloaded"):
        plan(ScriptedModel(ModelError("overloaded")), PlanRequest(prompt="do it"))

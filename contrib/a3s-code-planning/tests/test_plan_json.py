"""Plans are read from whatever a model writes."""

import json

import pytest
from a3s_code_planning.plan_json import in_order, parse_plan
from hypothesis import given
from hypothesis import strategies as st

from a3s_code.plugin import Complexity, ExecutionPlan, PlanStep

PLAN = {
    "goal": "Move the parser",
    "complexity": "medium",
    "steps": [
        {"id": "a", "description": "Find it", "tool": "grep"},
        {"id": "b", "description": "Move {it}", "dependencies": ["a"], "success_criteria": "Tests pass"},
    ],
    "required_tools": ["grep", "edit", "grep"],
}
EXPECTED = ExecutionPlan(
    goal="Move the parser",
    complexity=Complexity.MEDIUM,
    steps=(
        PlanStep(id="a", description="Find it", tool="grep"),
        PlanStep(id="b", description="Move {it}", dependencies=("a",), success_criteria="Tests pass"),
    ),
    required_tools=("grep", "edit"),
)


def written(**changes: object) -> str:
    return json.dumps(PLAN | changes)


def step(id: str, *dependencies: str) -> PlanStep:
    return PlanStep(id=id, description=id, dependencies=dependencies)


def ids(plan: ExecutionPlan | None) -> str:
    return " ".join(step.id for step in plan.steps) if plan else "no plan"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(written(), id="alone"),
        pytest.param(f"Here is {{my}} plan:\n```json\n{json.dumps(PLAN, indent=2)}\n```\nOk? }}", id="fence and prose"),
        pytest.param(f'{{"thought": "{{"}} {written()}', id="another object before it"),
        pytest.param(json.dumps({"plan": PLAN}), id="inside another object"),
        pytest.param(f"```\n{written()}", id="open fence"),
    ],
)
def test_a_plan_is_found(text: str) -> None:
    assert parse_plan(text, "prompt") == EXPECTED


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("I cannot plan this.", id="prose"),
        pytest.param(written()[:-40], id="cut off"),
        pytest.param(written(steps=[]), id="no steps"),
        pytest.param(written(steps="a, b"), id="steps are no list"),
        pytest.param(written(steps=[{"id": "a", "description": "x"}, {"id": "a", "description": "y"}]), id="id twice"),
        pytest.param(written(steps=[{"id": "a", "description": "x", "dependencies": ["z"]}]), id="unknown dependency"),
        pytest.param(written(steps=[{"id": "a", "description": "x", "dependencies": ["a"]}]), id="own dependency"),
        pytest.param(written(steps=[{"id": "a"}]), id="no description"),
        pytest.param(written(steps=[{"id": "a", "description": "x"}, 5]), id="a number for a step"),
        pytest.param('{"steps": ' + "[" * 100_000, id="very deep"),
        pytest.param('{"a":' * 50_000, id="very many braces"),
        pytest.param('{"steps": [' + "9" * 5000 + "]}", id="a huge number"),
    ],
)
def test_what_is_no_plan_gives_none(text: str) -> None:
    assert parse_plan(text, "prompt") is None


@pytest.mark.parametrize(
    ("dependencies", "expected"),
    [
        ("a", ("a",)),
        ("a, b", ("a", "b")),
        ("a;b", ("a", "b")),
        ("step one", ("step one",)),
        ("first, really", ("first, really",)),
        ("none", ()),
        ("", ()),
        (None, ()),
        (["a", "a"], ("a",)),
        ([1], ("1",)),
        (1, ("1",)),
    ],
)
def test_dependencies_may_be_written_in_many_ways(dependencies: object, expected: tuple[str, ...]) -> None:
    steps = [{"id": id, "description": "x"} for id in ("a", "b", "step one", "first, really", 1)]
    plan = parse_plan(written(steps=[*steps, {"id": "z", "description": "x", "dependencies": dependencies}]), "prompt")
    assert plan is not None
    assert plan.steps[-1].dependencies == expected


def test_an_id_that_reads_like_no_dependency_is_an_id() -> None:
    steps = [{"id": "none", "description": "x"}, {"id": "b", "description": "y", "dependencies": "none"}]
    plan = parse_plan(written(steps=steps), "prompt")
    assert plan is not None
    assert plan.steps[1].dependencies == ("none",)


def test_lone_surrogates_do_not_get_through() -> None:
    plan = parse_plan(written(goal="a\ud800b"), "prompt")
    assert plan is not None
    assert plan.goal == "a?b"


def test_steps_may_be_plain_strings_and_ids_may_be_missing() -> None:
    plan = parse_plan(written(steps=["Read", {"content": "Write"}]), "prompt")
    assert plan is not None
    assert [(step.id, step.description) for step in plan.steps] == [("step-1", "Read"), ("step-2", "Write")]


def test_tools_that_do_not_exist_are_dropped() -> None:
    plan = parse_plan(written(), "prompt", tools=["edit"])
    assert plan is not None
    assert plan.required_tools == ("edit",)
    assert plan.steps[0].tool is None


def test_the_prompt_is_the_goal_where_the_model_gives_none() -> None:
    plan = parse_plan(written(goal=None), "the prompt")
    assert plan is not None
    assert plan.goal == "the prompt"


@pytest.mark.parametrize("text", ["very_complex", "VeryComplex", "Very complex"])
def test_complexity_in_any_spelling(text: str) -> None:
    plan = parse_plan(written(complexity=text), "prompt")
    assert plan is not None
    assert plan.complexity is Complexity.VERY_COMPLEX


def test_an_unknown_complexity_is_simple() -> None:
    plan = parse_plan(written(complexity={"level": 3}), "prompt")
    assert plan is not None
    assert plan.complexity is Complexity.SIMPLE


def test_steps_follow_their_dependencies_and_keep_their_order_where_they_can() -> None:
    steps = (step("d", "c"), step("a"), step("c", "b"), step("b"), step("e"))
    ordered = in_order(steps)
    assert ordered is not None
    assert [step.id for step in ordered] == ["a", "b", "c", "d", "e"]


def test_cycles_have_no_order() -> None:
    assert in_order((step("a", "b"), step("b", "c"), step("c", "a"), step("d"))) is None


small_ids = st.sampled_from("abcdef")


@given(
    st.lists(st.builds(lambda name, deps: step(name, *deps), small_ids, st.lists(small_ids, max_size=3)), max_size=6)
)
def test_an_order_holds_every_step_once_behind_its_dependencies(steps: list[PlanStep]) -> None:
    ordered = in_order(steps)
    if ordered is not None:
        assert sorted(step.id for step in ordered) == sorted({step.id for step in steps})
        for place, each in enumerate(ordered):
            assert set(each.dependencies) <= {before.id for before in ordered[:place]}


@given(st.permutations("abcdef"), st.data())
def test_steps_without_cycles_always_have_an_order(letters: list[str], data: st.DataObject) -> None:
    steps = [
        step(id, *data.draw(st.lists(st.sampled_from(letters[:place]), max_size=3) if place else st.just([])))
        for place, id in enumerate(letters)
    ]
    assert in_order(steps) == tuple(steps)
    assert in_order(data.draw(st.permutations(steps))) is not None


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["a", "b", "none", "a,b"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["steps", "id", "description", "dependencies", "tool", "goal", "required_tools", "complexity"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=15,
)


@given(st.text() | st.text(alphabet='{}[]",:\\ abnst`'))
def test_no_text_makes_it_raise(text: str) -> None:
    parse_plan(text, "prompt")
    parse_plan('{"steps": [' + text, "prompt")


@given(values, values, values)
def test_every_plan_from_any_json_is_valid_text_in_order(steps: object, goal: object, tools: object) -> None:
    text = json.dumps({"steps": steps, "goal": goal, "required_tools": tools, "complexity": goal})
    plan = parse_plan(text, "prompt")
    if plan is not None:
        assert plan.steps
        assert in_order(plan.steps) == plan.steps
        assert all(step.id and step.description for step in plan.steps)
        repr(plan).encode()

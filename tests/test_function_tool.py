"""`@tool`: what becomes of a function's hints, docstring, arguments and answer."""

from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from a3s_code_testing.running import run

from a3s_code import WorkspacePath, tool
from a3s_code.errors import PluginError, ToolError, ToolErrorKind
from a3s_code.plugin import Effects, FunctionTool, Json, OtherTarget, PathTarget, ToolOutput, ToolUse
from a3s_code.testing import RecordingUse


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


def taking(hint: object) -> FunctionTool:
    """A tool whose one parameter has the type *hint*; it answers what it got."""

    def show(value: Any) -> str:
        """Shows the value."""
        return repr(value)

    show.__annotations__["value"] = hint
    return tool(show)


def got(hint: object, value: Json, folder: Path) -> object:
    """What a function with a parameter of type *hint* gets for *value*."""
    seen: list[object] = []

    def keep(value: Any) -> None:
        """Keeps the value."""
        seen.append(value)

    keep.__annotations__["value"] = hint
    run(tool(keep).run({"value": value}, RecordingUse(folder)))
    return seen[0]


def answer_of(function: Callable[..., object], folder: Path) -> ToolOutput:
    return run(tool(function).run({}, RecordingUse(folder)))


# The schema


@pytest.mark.parametrize(
    ("hint", "schema"),
    [
        pytest.param(str, {"type": "string"}, id="str"),
        pytest.param(int, {"type": "integer"}, id="int"),
        pytest.param(float, {"type": "number"}, id="float"),
        pytest.param(bool, {"type": "boolean"}, id="bool"),
        pytest.param(WorkspacePath, {"type": "string"}, id="path"),
        pytest.param(str | None, {"type": "string"}, id="optional"),
        pytest.param(int | str, {"anyOf": [{"type": "integer"}, {"type": "string"}]}, id="union"),
        pytest.param(Literal["a", "b"], {"enum": ["a", "b"]}, id="literal"),
        pytest.param(Colour, {"enum": ["red", "blue"]}, id="enum"),
        pytest.param(list[int], {"type": "array", "items": {"type": "integer"}}, id="list"),
        pytest.param(Sequence[str], {"type": "array", "items": {"type": "string"}}, id="sequence"),
        pytest.param(tuple[str, ...], {"type": "array", "items": {"type": "string"}}, id="tuple"),
        pytest.param(dict[str, int], {"type": "object", "additionalProperties": {"type": "integer"}}, id="dict"),
        pytest.param(Annotated[int, "How many."], {"type": "integer", "description": "How many."}, id="annotated"),
    ],
)
def test_a_hint_becomes_a_schema(hint: object, schema: object) -> None:
    assert taking(hint).spec.schema["properties"] == {"value": schema}


def test_parameters_without_default_are_required_and_others_show_theirs() -> None:
    @tool
    def search(pattern: str, limit: int = 5, folder: str | None = None) -> str:
        """Searches."""
        return f"{pattern} {limit} {folder}"

    properties = {
        "pattern": {"type": "string"},
        "limit": {"type": "integer", "default": 5},
        "folder": {"type": "string"},
    }
    assert search.spec.schema == {
        "type": "object",
        "properties": properties,
        "required": ["pattern"],
        "additionalProperties": False,
    }


def test_the_docstring_describes_the_tool_and_its_parameters() -> None:
    @tool
    def search(pattern: str) -> str:
        """Searches the files.

        Slow on large ones.

        Args:
            pattern: What to look for.
        """
        return pattern

    assert search.spec.description == "Searches the files.\n\nSlow on large ones."
    assert search.spec.schema["properties"] == {"pattern": {"type": "string", "description": "What to look for."}}


def test_the_flags_are_its_effects_and_the_name_can_be_chosen() -> None:
    @tool(read_only=True, idempotent=True, open_world=True, name="fetch_page")
    def fetch() -> str:
        """Fetches."""
        return ""

    assert fetch.spec.effects == Effects.READ_ONLY | Effects.IDEMPOTENT | Effects.OPEN_WORLD
    assert fetch.spec.name == "fetch_page"


def test_a_tool_without_flags_counts_as_side_effecting() -> None:
    assert taking(str).spec.effects == Effects.NONE


# What cannot become a tool


def no_docstring(value: str) -> str:
    return value


def no_hint(value) -> str:  # type: ignore[no-untyped-def] # that is the fault
    """Shows."""
    return str(value)


def star(*values: str) -> str:
    """Shows."""
    return str(values)


def by_place(value: str, /) -> str:
    """Shows."""
    return value


@pytest.mark.parametrize(
    ("function", "fault"),
    [
        pytest.param(no_docstring, "a docstring is needed", id="no docstring"),
        pytest.param(no_hint, "parameter 'value' needs a type hint", id="no hint"),
        pytest.param(star, "no JSON form", id="star"),
        pytest.param(by_place, "no JSON form", id="positional"),
    ],
)
def test_a_function_that_says_too_little_is_refused_by_name(function: Callable[..., object], fault: str) -> None:
    with pytest.raises(PluginError, match=rf"{function.__name__}.*{fault}"):
        tool(function)


@pytest.mark.parametrize(
    "hint",
    [bytes, object, set[str], list, dict[int, str], tuple[int, str], tuple[WorkspacePath]],
    ids=["bytes", "object", "set", "bare list", "int keys", "mixed tuple", "tuple of one"],
)
def test_a_hint_without_a_json_form_is_refused(hint: object) -> None:
    with pytest.raises(PluginError, match=r"parameter 'value'.* has no JSON form"):
        taking(hint)


@pytest.mark.parametrize(
    "hint",
    [dict[str, WorkspacePath], dict[str, WorkspacePath | None], list[dict[str, list[WorkspacePath]]]],
    ids=["values", "optional values", "deep"],
)
def test_paths_that_the_gate_could_not_see_are_refused(hint: object) -> None:
    with pytest.raises(PluginError, match=r"use list\[WorkspacePath\]"):
        taking(hint)


# Targets


PATHS = ["../../etc/passwd", "a.py"]


@pytest.mark.parametrize(
    ("hint", "value", "paths"),
    [
        pytest.param(WorkspacePath, "a.py", ["a.py"], id="path"),
        pytest.param(WorkspacePath | None, "a.py", ["a.py"], id="optional"),
        pytest.param(Annotated[WorkspacePath, "Which."], "a.py", ["a.py"], id="annotated"),
        pytest.param(WorkspacePath | int, "a.py", ["a.py"], id="union"),
        pytest.param(list[WorkspacePath], PATHS, PATHS, id="list"),
        pytest.param(list[WorkspacePath] | None, PATHS, PATHS, id="optional list"),
        pytest.param(WorkspacePath | list[WorkspacePath], PATHS, PATHS, id="one or several"),
        pytest.param(list[str] | list[WorkspacePath], PATHS, PATHS, id="two lists"),
        pytest.param(tuple[WorkspacePath, ...], PATHS, PATHS, id="tuple"),
        pytest.param(Sequence[WorkspacePath | None], [*PATHS, None], PATHS, id="sequence"),
        pytest.param(list[list[WorkspacePath]], [PATHS, ["b.py"]], [*PATHS, "b.py"], id="lists of lists"),
    ],
)
def test_each_path_is_a_target_and_arrives_confined(
    hint: object, value: Json, paths: list[str], tmp_path: Path
) -> None:
    assert taking(hint).spec.targets({"value": value}) == [PathTarget(path, write=True) for path in paths]
    assert [str(one) for one in confined(got(hint, value, tmp_path))] == paths


def confined(value: object) -> list[WorkspacePath]:
    """All workspace paths in *value*; nothing else but None may stand there."""
    if isinstance(value, list | tuple):
        return [path for one in value for path in confined(one)]
    assert isinstance(value, WorkspacePath | None)
    return [] if value is None else [value]


def test_a_read_only_tool_reads_its_paths() -> None:
    @tool(read_only=True)
    def show(paths: list[WorkspacePath]) -> str:
        """Shows."""
        return str(paths)

    assert show.spec.targets({"paths": ["a.py"]}) == [PathTarget("a.py", write=False)]


@pytest.mark.parametrize("arguments", [{"value": []}, {"value": None}, {}], ids=["empty", "null", "left out"])
def test_a_call_without_a_path_names_its_arguments(arguments: dict[str, Json]) -> None:
    (target,) = taking(list[WorkspacePath] | None).spec.targets(arguments)

    assert isinstance(target, OtherTarget)


def test_a_path_outside_the_workspace_is_refused_at_the_access(tmp_path: Path) -> None:
    @tool
    def show(paths: list[WorkspacePath]) -> str:
        """Shows."""
        return "".join(path.read_text() for path in paths)

    with pytest.raises(ToolError) as refused:
        run(show.run({"paths": ["../../etc/passwd"]}, RecordingUse(tmp_path)))
    assert refused.value.kind is ToolErrorKind.DENIED


# Arguments


@pytest.mark.parametrize(
    ("hint", "value", "expected"),
    [
        pytest.param(Colour, "red", Colour.RED, id="enum"),
        pytest.param(Colour | None, "blue", Colour.BLUE, id="optional enum"),
        pytest.param(Colour | None, None, None, id="null"),
        pytest.param(list[Colour], ["red", "blue"], [Colour.RED, Colour.BLUE], id="enums"),
        pytest.param(Colour | str, "green", "green", id="enum or text"),
        pytest.param(tuple[int, ...], [1, 2], (1, 2), id="tuple"),
        pytest.param(dict[str, int], {"a": 1}, {"a": 1}, id="dict"),
    ],
)
def test_arguments_arrive_as_the_hints_say(hint: object, value: Json, expected: object, tmp_path: Path) -> None:
    assert got(hint, value, tmp_path) == expected


def test_a_value_that_an_enum_does_not_have_is_told_to_the_model(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="'green' is not a valid Colour") as refused:
        got(Colour | None, "green", tmp_path)
    assert refused.value.kind is ToolErrorKind.INVALID_ARGUMENT


def test_the_running_call_is_passed_as_use_and_is_no_argument(tmp_path: Path) -> None:
    @tool
    def tell(use: ToolUse) -> str:
        """Tells."""
        use.emit("working")
        return use.call_id

    use = RecordingUse(tmp_path, call_id="call_7")
    assert tell.spec.schema["properties"] == {}
    assert run(tell.run({}, use)).text == "call_7"
    assert use.deltas == ["working"]


# Answers


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param("words", "words", id="text"),
        pytest.param(None, "done", id="none"),
        pytest.param(b"caf\xc3\xa9 \xff", "café �", id="bytes"),
        pytest.param({"ä": [1, None]}, '{"ä": [1, null]}', id="dict"),
        pytest.param([1, "b"], '[1, "b"]', id="list"),
        pytest.param({"path": Path("a.py")}, '{"path": "a.py"}', id="no json inside"),
        pytest.param(42, "42", id="number"),
    ],
)
def test_an_answer_becomes_text(value: object, text: str, tmp_path: Path) -> None:
    def give() -> object:
        """Gives."""
        return value

    assert answer_of(give, tmp_path) == ToolOutput.ok(text)


def test_a_tool_output_passes_as_it_is(tmp_path: Path) -> None:
    output = ToolOutput(text="no", success=False, exit_code=3, metadata={"a": 1})

    def give() -> ToolOutput:
        """Gives."""
        return output

    assert answer_of(give, tmp_path) is output


def test_an_async_function_is_awaited(tmp_path: Path) -> None:
    async def give() -> str:
        """Gives."""
        return "later"

    assert answer_of(give, tmp_path).text == "later"


def test_an_error_of_the_function_is_raised_as_it_is(tmp_path: Path) -> None:
    def give() -> str:
        """Gives."""
        raise ToolError("no such branch; there are: main", ToolErrorKind.NOT_FOUND)

    with pytest.raises(ToolError, match="no such branch"):
        answer_of(give, tmp_path)


def test_the_tool_is_still_the_function() -> None:
    @tool
    def double(number: int) -> int:
        """Doubles."""
        return 2 * number

    assert double(4) == 8

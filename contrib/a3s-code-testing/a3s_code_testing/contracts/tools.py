"""What every Tool promises."""

import asyncio
import re
from pathlib import Path

import pytest

from a3s_code.plugin import (
    CommandTarget,
    Effects,
    JsonObject,
    OtherTarget,
    PathTarget,
    Tool,
    ToolError,
    ToolOutput,
    UrlTarget,
)
from a3s_code.testing import RecordingUse
from a3s_code_testing.running import run, start

__all__ = ["ToolContract"]


class ToolContract:
    """Inherit it and give `tool` and `arguments` for a call that succeeds in the folder `workspace`.

    Put what the call needs into `workspace` (a fixture: an empty folder). Give `hopeless_arguments` too, which pass the
    schema and cannot succeed, such as the name of a missing file; without them that test is skipped.
    """

    @pytest.fixture
    def tool(self) -> Tool:
        raise NotImplementedError("give a fixture tool")

    @pytest.fixture
    def arguments(self) -> JsonObject:
        raise NotImplementedError("give a fixture arguments: those of a call that succeeds")

    @pytest.fixture
    def hopeless_arguments(self) -> JsonObject | None:
        return None

    @pytest.fixture
    def workspace(self, tmp_path: Path) -> Path:
        folder = tmp_path / "workspace"
        folder.mkdir()
        return folder

    def test_models_can_call_it(self, tool: Tool) -> None:
        """The name is one that all providers take, and the description tells when to use the tool."""
        assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", tool.spec.name)
        assert tool.spec.description.strip()

    def test_the_schema_describes_an_object(self, tool: Tool) -> None:
        """The schema is a valid JSON schema of an object."""
        from jsonschema import Draft202012Validator

        Draft202012Validator.check_schema(dict(tool.spec.schema))
        assert tool.spec.schema.get("type") == "object"

    def test_the_arguments_pass_the_schema(self, tool: Tool, arguments: JsonObject) -> None:
        """`run` gets arguments that passed the schema."""
        from jsonschema import Draft202012Validator

        assert [error.message for error in Draft202012Validator(dict(tool.spec.schema)).iter_errors(arguments)] == []

    def test_targets_are_pure(self, tool: Tool, arguments: JsonObject) -> None:
        """What a call touches is said without touching it: the same each time."""
        targets = tuple(tool.spec.targets(arguments))
        assert tuple(tool.spec.targets(arguments)) == targets
        assert tool.spec.effects_for(arguments) == tool.spec.effects_for(arguments)
        assert all(isinstance(target, PathTarget | CommandTarget | UrlTarget | OtherTarget) for target in targets)

    def test_it_answers_valid_text(self, tool: Tool, arguments: JsonObject, workspace: Path) -> None:
        """The output is text for the model; valid text."""
        output = _run(tool, arguments, workspace)
        assert output.success, output.text
        output.text.encode()

    def test_what_it_leaves_unsaid_is_its_exit_code(self, tool: Tool, arguments: JsonObject, workspace: Path) -> None:
        """A call that succeeded has no exit code other than 0."""
        assert _run(tool, arguments, workspace).exit_code in (None, 0)

    def test_a_read_only_tool_changes_nothing(self, tool: Tool, arguments: JsonObject, workspace: Path) -> None:
        """READ_ONLY: it changes nothing in the workspace."""
        if Effects.READ_ONLY not in tool.spec.effects_for(arguments):
            pytest.skip("the tool does not say that the call is read-only")
        before = _contents(workspace)
        _run(tool, arguments, workspace)
        assert _contents(workspace) == before

    def test_a_read_only_tool_runs_many_times_at_once(self, tool: Tool, arguments: JsonObject, workspace: Path) -> None:
        """May run many times at once if the spec says READ_ONLY."""
        if Effects.READ_ONLY not in tool.spec.effects_for(arguments):
            pytest.skip("the tool does not say that the call is read-only")

        async def together() -> list[ToolOutput]:
            return await asyncio.gather(*(tool.run(arguments, RecordingUse(workspace)) for _ in range(8)))

        assert [output.text for output in run(together()) if not output.success] == []

    def test_what_cannot_be_done_is_told_to_the_model(
        self, tool: Tool, hopeless_arguments: JsonObject | None, workspace: Path
    ) -> None:
        """Raises `ToolError` for what the model can mend, with a text; an unsuccessful output does too."""
        if hopeless_arguments is None:
            pytest.skip("no hopeless_arguments were given")
        try:
            output = _run(tool, hopeless_arguments, workspace)
        except ToolError as error:
            output = ToolOutput.error(str(error))
        assert not output.success
        assert output.text.strip()

    def test_a_cancelled_call_leaves_nothing_running(self, tool: Tool, arguments: JsonObject, workspace: Path) -> None:
        """Is cancelled at its deadline and must leave nothing running behind."""

        async def cancel_at_once() -> set[object]:
            others = asyncio.all_tasks()
            call = start(tool.run(arguments, RecordingUse(workspace)))
            await asyncio.sleep(0)
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
            return set(asyncio.all_tasks() - others)

        assert run(cancel_at_once()) == set()


def _run(tool: Tool, arguments: JsonObject, workspace: Path) -> ToolOutput:
    return run(tool.run(arguments, RecordingUse(workspace)))


def _contents(folder: Path) -> dict[str, bytes | None]:
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}

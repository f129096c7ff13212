"""batch starts the calls it was given and tells what came of each."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from a3s_code_tools.batch import BatchTool
from a3s_code_tools.output import MAX_OUTPUT_BYTES

from a3s_code.agent import AsyncAgent
from a3s_code.options import SessionOptions
from a3s_code.plugin import Decision, Image, JsonObject, OtherTarget, ToolError, ToolErrorKind, ToolOutput
from a3s_code.testing import FakeTool, RecordingUse, RulePermissionChecker, ScriptedClient, call

CONFIG = 'default_model = "anthropic/none"\nstorage_backend = "memory"\nproviders { name = "anthropic" }\n'


def batch(use: RecordingUse, *invocations: JsonObject) -> ToolOutput:
    return asyncio.run(BatchTool().run({"invocations": [*invocations]}, use))


def answering(folder: Path, **answers: ToolOutput) -> RecordingUse:
    return RecordingUse(folder, answer=lambda name, args: answers[name])


def test_results_stand_in_input_order_under_their_headers(folder: Path):
    use = answering(folder, read=ToolOutput.ok("one\n"), ls=ToolOutput.ok("two"))
    said = batch(use, {"tool": "read", "args": {"file_path": "x"}}, {"tool": "ls"})
    assert said.text == "--- [1: read] ---\none\n\n--- [2: ls] ---\ntwo"
    assert said.success
    assert said.metadata == {"count": 2, "failed": []}
    assert use.started == [("read", {"file_path": "x"}), ("ls", {})]


def test_failed_calls_are_listed_with_their_kind(folder: Path):
    bad = ToolOutput.error("no such file", ToolErrorKind.NOT_FOUND)
    said = batch(answering(folder, read=bad, ls=ToolOutput.ok("two")), {"tool": "read"}, {"tool": "ls"})
    assert "--- [1: read] ---\nError (not_found): no such file\n" in said.text
    assert said.text.endswith("1 of 2 calls failed: 1; the others are done")
    assert said.success
    assert said.metadata == {"count": 2, "failed": [1]}


def test_a_batch_of_which_nothing_succeeded_has_failed(folder: Path):
    said = batch(answering(folder, ls=ToolOutput.error("no")), {"tool": "ls"}, {"tool": "ls"})
    assert not said.success
    assert said.text.endswith("2 of 2 calls failed: 1, 2")


def test_a_batch_in_a_batch_is_refused_and_nothing_runs(folder: Path):
    use = RecordingUse(folder)
    with pytest.raises(ToolError, match="number 2") as caught:
        batch(use, {"tool": "ls"}, {"tool": "batch", "args": {"invocations": [{"tool": "ls"}]}})
    assert caught.value.kind is ToolErrorKind.INVALID_ARGUMENT
    assert use.started == []


def test_without_the_means_to_start_calls_it_says_so(use: Any):
    with pytest.raises(ToolError) as caught:
        asyncio.run(BatchTool().run({"invocations": [{"tool": "ls"}]}, use))
    assert caught.value.kind is ToolErrorKind.UNSUPPORTED


def test_the_whole_output_is_bounded_and_short_results_stay_whole(folder: Path):
    long = ToolOutput.ok("é" * MAX_OUTPUT_BYTES)
    use = answering(folder, read=long, ls=ToolOutput.ok("short"))
    said = batch(use, {"tool": "read"}, {"tool": "ls"}, *({"tool": "read"} for _ in range(30)))
    assert len(said.text.encode()) < MAX_OUTPUT_BYTES + 32 * 120
    assert "--- [2: ls] ---\nshort\n" in said.text
    assert said.text.count("bytes left out; read in a call of its own shows more") == 31
    assert "\ufffd" not in said.text


def test_of_a_long_result_the_end_is_shown_too(folder: Path):
    """There a tool says how it ended and how to go on."""
    long = ToolOutput.error("start\n" + "x" * MAX_OUTPUT_BYTES + "\n[Exit code: 2]")
    said = batch(answering(folder, shell=long, ls=ToolOutput.ok("short")), {"tool": "shell"}, {"tool": "ls"})
    assert "start\nx" in said.text
    assert "x\n[Exit code: 2]\n\n--- [2: ls] ---\nshort\n" in said.text


def test_images_of_the_calls_are_those_of_the_batch(folder: Path):
    image = Image("image/png", b"\x89PNG")
    assert batch(answering(folder, read=ToolOutput.ok("x").with_images([image])), {"tool": "read"}).images == (image,)


def test_permission_rules_can_name_the_tools_in_a_batch():
    targets = BatchTool.spec.targets({"invocations": [{"tool": "read"}, {"tool": "bash", "args": {"command": "x"}}]})
    assert targets == (OtherTarget("read bash"),)


@pytest.mark.parametrize(
    "args",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"invocations": []}, id="empty"),
        pytest.param({"invocations": [{"tool": "ls"}] * 33}, id="too-many"),
        pytest.param({"invocations": [{"args": {}}]}, id="no-tool"),
        pytest.param({"invocations": [{"tool": "ls", "arguments": {}}]}, id="misspelt"),
        pytest.param({"invocations": [{"tool": "ls", "args": "{}"}]}, id="text"),
    ],
)
def test_the_schema_takes_one_to_32_calls_only(args: JsonObject):
    from jsonschema import Draft202012Validator

    assert list(Draft202012Validator(dict(BatchTool.spec.schema)).iter_errors(args))


def test_in_a_session_each_inner_call_passes_the_gate(folder: Path):
    """A denied inner call does not run, an allowed one does, and the model reads both in one result."""
    bash = FakeTool("shell")
    invocations: list[Any] = [
        {"tool": "write", "args": {"file_path": "new.txt", "content": "x"}},
        {"tool": "shell", "args": {}},
        {"tool": "write", "args": {"file_path": "../out.txt", "content": "x"}},
    ]
    model = ScriptedClient(call("batch", invocations=invocations), "done")
    options = SessionOptions(
        llm_client=model,
        tools=[bash],
        permission_checker=RulePermissionChecker(deny=["shell"], default=Decision.ALLOW),
    )

    async def send() -> None:
        async with AsyncAgent(CONFIG) as agent, agent.session(folder, options) as session:
            await session.send("go")

    asyncio.run(send())
    (result,) = model.requests[1].messages[-1].tool_results
    assert (folder / "new.txt").read_text() == "x"
    assert bash.calls == []
    assert not (folder.parent / "out.txt").exists()
    assert "2 of 3 calls failed: 2, 3" in result.output

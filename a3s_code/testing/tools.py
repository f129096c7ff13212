"""Tools for tests, and what a tool gets while it runs."""

import inspect
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from a3s_code.plugin import (
    Effects,
    Image,
    JsonObject,
    OrchestratingUse,
    Target,
    Tool,
    ToolErrorKind,
    ToolOutput,
    ToolResult,
    ToolSpec,
    ToolUse,
    Workspace,
)
from a3s_code.testing.workspace import PlainWorkspace

__all__ = ["EchoTool", "FakeTool", "RecordingUse", "ToolAnswer"]

ToolAnswer: TypeAlias = (
    str | ToolOutput | Exception | Callable[[JsonObject, ToolUse], "str | ToolOutput | Awaitable[str | ToolOutput]"]
)
"""A text, a full output, an error to raise, or a function (plain or async) of the arguments and the running call."""

_ANY_OBJECT: JsonObject = {"type": "object"}


class FakeTool(Tool):
    """A tool that always answers the same.

    Args:
        name: Its name.
        answer: What it answers.
        effects: What it declares; side-effecting by default, like a tool that declares nothing.
        schema: JSON schema of the arguments; default any object.
        targets: What a call touches; default nothing.
        orchestrates: Whether it starts other calls.

    Attributes:
        calls: The arguments of every call, in the order begun.
    """

    def __init__(
        self,
        name: str,
        answer: ToolAnswer = "ok",
        *,
        effects: Effects = Effects.NONE,
        schema: JsonObject = _ANY_OBJECT,
        targets: Callable[[JsonObject], Sequence[Target]] = lambda args: (),
        orchestrates: bool = False,
    ):
        self.calls: list[JsonObject] = []
        self._answer = answer
        self._spec = ToolSpec(
            name=name,
            description=f"The tool {name} of a test.",
            schema=schema,
            effects=effects,
            targets=targets,
            orchestrates=orchestrates,
        )

    @property
    def spec(self) -> ToolSpec:
        return self._spec

    async def run(self, args: JsonObject, use: ToolUse) -> ToolOutput:
        self.calls.append(args)
        answer = self._answer
        if isinstance(answer, Exception):
            raise answer
        if callable(answer):
            said = answer(args, use)
            answer = await said if inspect.isawaitable(said) else said
        return answer if isinstance(answer, ToolOutput) else ToolOutput.ok(answer)


class EchoTool(FakeTool):
    """Reads nothing, writes nothing, answers its argument `text`."""

    def __init__(self) -> None:
        super().__init__(
            "echo",
            lambda args, use: str(args["text"]),
            effects=Effects.READ_ONLY | Effects.IDEMPOTENT,
            schema={
                "type": "object",
                "properties": {"text": {"type": "string"}},
                "required": ["text"],
                "additionalProperties": False,
            },
        )


class RecordingUse(OrchestratingUse):
    """What a tool gets when a test runs it without a session.

    Args:
        folder: The workspace.
        call_id: The id of the call.
        deadline_s: Seconds that the tool is told it has left.
        answer: The result of each call that the tool starts, by name and arguments; default "ok".

    Attributes:
        deltas: What the tool emitted.
        images: What it attached.
        started: The calls that it started.
    """

    def __init__(
        self,
        folder: Path,
        *,
        call_id: str = "call_1",
        deadline_s: float | None = None,
        answer: Callable[[str, JsonObject], ToolOutput] = lambda name, args: ToolOutput.ok("ok"),
    ):
        self.started: list[tuple[str, JsonObject]] = []
        self._answer = answer
        self.deltas: list[str] = []
        self.images: list[Image] = []
        self._workspace = PlainWorkspace(folder)
        self._outputs = folder.resolve().with_name(f"{folder.resolve().name}-outputs")
        self._call_id = call_id
        self._deadline_s = deadline_s

    @property
    def call_id(self) -> str:
        return self._call_id

    @property
    def workspace(self) -> Workspace:
        return self._workspace

    @property
    def deadline_s(self) -> float | None:
        return self._deadline_s

    def emit(self, delta: str) -> None:
        self.deltas.append(delta)

    def attach(self, image: Image) -> None:
        self.images.append(image)

    def outputs(self) -> Path:
        """A folder beside the workspace."""
        self._outputs.mkdir(exist_ok=True)
        return self._outputs

    async def calls(self, calls: Sequence[tuple[str, JsonObject]]) -> tuple[ToolResult, ...]:
        self.started += calls
        first = len(self.started) - len(calls) + 1
        return tuple(self._result(number, name, args) for number, (name, args) in enumerate(calls, first))

    def _result(self, number: int, name: str, args: JsonObject) -> ToolResult:
        output = self._answer(name, args)
        return ToolResult(
            call_id=f"{self.call_id}.{number}",
            name=name,
            output=output.text,
            exit_code=0 if output.success else 1,
            metadata=output.metadata,
            images=output.images,
            kind=None if output.success else (output.kind or ToolErrorKind.FAILED).value,
        )

"""The batch tool: several calls of other tools in one."""

from collections.abc import Sequence

from a3s_code.plugin import (
    Effects,
    JsonObject,
    OrchestratingUse,
    OtherTarget,
    Target,
    ToolError,
    ToolErrorKind,
    ToolOutput,
    ToolResult,
    ToolSpec,
    ToolUse,
)
from a3s_code_tools.output import MAX_OUTPUT_BYTES, from_character_start, to_character_end

__all__ = ["BatchTool"]

CALLS_AT_MOST = 32


def _targets(args: JsonObject) -> Sequence[Target]:
    return (OtherTarget(" ".join(name for name, _ in _invocations(args))),)


class BatchTool:
    """Runs other tools; each inner call passes the gate as if the model had made it alone."""

    spec = ToolSpec(
        name="batch",
        description=(
            "Run up to 32 tool calls that do not depend on each other's results in one call: read-only ones side by "
            "side, all others one after the other in the given order. A call that fails does not stop the others. "
            "Results come in the order of the calls. A batch cannot hold a batch."
        ),
        schema={
            "type": "object",
            "properties": {
                "invocations": {
                    "type": "array",
                    "minItems": 1,
                    "maxItems": CALLS_AT_MOST,
                    "description": "The calls.",
                    "items": {
                        "type": "object",
                        "properties": {
                            "tool": {"type": "string", "description": "The tool's name."},
                            "args": {"type": "object", "default": {}, "description": "The tool's arguments."},
                        },
                        "required": ["tool"],
                        "additionalProperties": False,
                    },
                }
            },
            "required": ["invocations"],
            "additionalProperties": False,
            "examples": [
                {
                    "invocations": [
                        {"tool": "read", "args": {"file_path": "src/main.py"}},
                        {"tool": "grep", "args": {"pattern": "TODO"}},
                    ]
                }
            ],
        },
        effects=Effects.READ_ONLY,  # by itself; what its calls do, they say
        targets=_targets,
        orchestrates=True,
    )

    async def run(self, args: JsonObject, use: ToolUse) -> ToolOutput:
        if not isinstance(use, OrchestratingUse):
            raise ToolError("batch cannot start other tools here; call them one by one", ToolErrorKind.UNSUPPORTED)
        invocations = _invocations(args)
        nested = [number for number, (name, _) in enumerate(invocations, 1) if name == self.spec.name]
        if nested:
            raise ToolError(
                f"a batch cannot hold a batch (number {_listed(nested)}); nothing was run: "
                "put its calls into this one, or make a second call",
                ToolErrorKind.INVALID_ARGUMENT,
            )
        return _output(await use.calls(invocations))


def _invocations(args: JsonObject) -> list[tuple[str, JsonObject]]:
    found: list[tuple[str, JsonObject]] = []
    invocations = args["invocations"]
    assert isinstance(invocations, list), "the schema says so"
    for one in invocations:
        assert isinstance(one, dict), "the schema says so"
        inner = one.get("args", {})
        assert isinstance(inner, dict), "the schema says so"
        found.append((str(one["tool"]), inner))
    return found


def _output(results: Sequence[ToolResult]) -> ToolOutput:
    failed = [number for number, result in enumerate(results, 1) if result.is_error]
    texts = [_told(result) for result in results]
    limits = _shares([len(text.encode()) for text in texts], MAX_OUTPUT_BYTES)
    parts = [
        f"--- [{number}: {result.name}] ---\n{_cut(text, limit, result.name)}"
        for number, (result, text, limit) in enumerate(zip(results, texts, limits, strict=True), 1)
    ]
    if failed:
        rest = "; the others are done" if len(failed) < len(results) else ""
        parts.append(f"{len(failed)} of {len(results)} calls failed: {_listed(failed)}{rest}")
    return ToolOutput(
        text="\n\n".join(parts),
        success=len(failed) < len(results),
        metadata={"count": len(results), "failed": [*failed]},
        images=tuple(image for result in results for image in result.images),
    )


def _told(result: ToolResult) -> str:
    text = result.output.rstrip("\n")
    return f"Error ({result.kind or 'failed'}): {text}" if result.is_error else text


def _shares(sizes: Sequence[int], total: int) -> list[int]:
    """How many bytes of each text are shown: short ones whole, and what they leave is shared by the long ones."""
    limits = [0] * len(sizes)
    left = total
    shortest_first = sorted(range(len(sizes)), key=sizes.__getitem__)
    for count, index in enumerate(shortest_first):
        limits[index] = min(sizes[index], left // (len(sizes) - count))
        left -= limits[index]
    return limits


def _cut(text: str, limit: int, tool: str) -> str:
    """The two ends of *text* in at most *limit* bytes: the last lines say how it ended and how to go on."""
    encoded = text.encode()
    if len(encoded) <= limit:
        return text
    head = to_character_end(encoded[: limit // 2])
    tail = from_character_start(encoded[len(encoded) - limit // 2 :])
    left_out = len(encoded) - len(head) - len(tail)
    note = f"[... {left_out} bytes left out; {tool} in a call of its own shows more ...]"
    return f"{head.decode()}\n{note}\n{tail.decode()}"


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(str(number) for number in numbers)

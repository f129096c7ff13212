"""The bash tool: a shell command in the workspace, run by the session's sandbox."""

from collections.abc import Sequence

from a3s_code.plugin import (
    BashCommand,
    BashSandbox,
    CommandTarget,
    Effects,
    JsonObject,
    Target,
    ToolError,
    ToolErrorKind,
    ToolOutput,
    ToolSpec,
    ToolUse,
)
from a3s_code_tools.child import allowed_env
from a3s_code_tools.output import MAX_OUTPUT_BYTES

__all__ = ["BashTool"]

MAX_TIMEOUT_MS = 600_000


def _targets(args: JsonObject) -> Sequence[Target]:
    return (CommandTarget(str(args["command"])),)


class BashTool:
    """Runs a command with `bash -c` in the workspace.

    Args:
        sandbox: Where commands run.
        timeout_ms: Milliseconds of a command that names no timeout.
        env_names: Environment variables to pass on besides the harmless ones.
    """

    spec = ToolSpec(
        name="bash",
        description=(
            "Run a command with bash in the workspace. Output and errors come together, the middle is left out when "
            "there is much. There is no terminal and no input; background jobs end with the command."
        ),
        schema={
            "type": "object",
            "properties": {
                "command": {"type": "string", "minLength": 1, "description": "The command line."},
                "timeout": {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": MAX_TIMEOUT_MS,
                    "description": "Milliseconds until it is killed; default 120000.",
                },
            },
            "required": ["command"],
            "additionalProperties": False,
            "examples": [{"command": "git status --short"}, {"command": "pytest -q", "timeout": 300_000}],
        },
        effects=Effects.DESTRUCTIVE | Effects.OPEN_WORLD,
        targets=_targets,
    )

    def __init__(self, sandbox: BashSandbox, *, timeout_ms: int = 120_000, env_names: Sequence[str] = ()):
        self._sandbox = sandbox
        self._timeout_ms = timeout_ms
        self._env_names = tuple(env_names)

    async def run(self, args: JsonObject, use: ToolUse) -> ToolOutput:
        timeout = args.get("timeout")
        timeout_ms = min(int(timeout) if isinstance(timeout, int | float) else self._timeout_ms, MAX_TIMEOUT_MS)
        result = await self._sandbox.run(
            BashCommand(
                command=str(args["command"]),
                cwd=str(use.workspace.root),
                env=allowed_env(self._env_names),
                timeout_ms=timeout_ms,
                max_output_bytes=MAX_OUTPUT_BYTES,
            ),
            use.emit,
        )
        if result.timed_out:
            raise ToolError(f"{_ended(result.output)}[Command timed out after {timeout_ms}ms]", ToolErrorKind.TIMEOUT)
        metadata: JsonObject = {"exit_code": result.exit_code, "omitted_bytes": result.omitted_bytes}
        if result.exit_code == 0:
            return ToolOutput(text=result.output or "(no output)", metadata=metadata)
        return ToolOutput(
            text=f"{_ended(result.output)}[Exit code: {result.exit_code}]",
            success=False,
            exit_code=result.exit_code,
            metadata=metadata,
        )


def _ended(output: str) -> str:
    """The output with a line end, so that a note stands on its own line."""
    return output if output.endswith("\n") or not output else f"{output}\n"

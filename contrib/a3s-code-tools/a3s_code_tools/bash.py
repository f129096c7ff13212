"""The bash tool: shell commands in the workspace, run by the session's sandbox, also in the background."""

from collections.abc import Sequence
from pathlib import Path

from a3s_code.plugin import (
    BashCommand,
    BashSandbox,
    CommandTarget,
    Effects,
    JsonObject,
    OtherTarget,
    Target,
    ToolError,
    ToolErrorKind,
    ToolOutput,
    ToolSpec,
    ToolUse,
)
from a3s_code_tools.child import allowed_env
from a3s_code_tools.deltas import Deltas
from a3s_code_tools.jobs import Job, Jobs
from a3s_code_tools.output import MAX_OUTPUT_BYTES

__all__ = ["BashTool", "without_overwritten"]

MAX_TIMEOUT_MS = 600_000
BACKGROUND_TIMEOUT_MS = 24 * 3600 * 1000
UNATTENDED = {"TERM": "dumb", "GIT_EDITOR": "true", "GIT_TERMINAL_PROMPT": "0", "PAGER": "cat"}
"""Variables that keep programs from waiting for somebody at a terminal; `env` in the configuration wins."""


def _targets(args: JsonObject) -> Sequence[Target]:
    if "command" in args:
        return (CommandTarget(str(args["command"])),)
    return (OtherTarget(f"{args.get('action', 'output')} {args.get('job')}"),)


def _effects(args: JsonObject) -> Effects:
    """Whoever was allowed to start a job may look at it and end it; both touch nothing else."""
    return Effects.READ_ONLY | Effects.IDEMPOTENT if "command" not in args else Effects.DESTRUCTIVE | Effects.OPEN_WORLD


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
            "Run a command with bash in the workspace. Output and errors come together; the middle of a long output is "
            "left out, and the whole is kept in a file that is named then. There is no terminal and no input; "
            "everything the command started ends with it. For a server or a long build set background: it goes on as "
            "a job, which ends with the session; see its new output with job, end it with job and action stop."
        ),
        schema={
            "type": "object",
            "properties": {
                "command": {"type": "string", "minLength": 1, "description": "The command line."},
                "timeout": {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": MAX_TIMEOUT_MS,
                    "description": (
                        "Milliseconds until the command is killed; default 120000, in the background none. With job: "
                        "how long to wait for its end; default 0."
                    ),
                },
                "background": {"type": "boolean", "description": "Start a job and return at once."},
                "job": {"type": "string", "description": "A job, instead of a command."},
                "action": {"enum": ["output", "stop"], "description": "What to do with the job; default output."},
                "offset": {
                    "type": "integer",
                    "description": (
                        "Byte of the job's output to start at, negative from its end; default: what is new since the "
                        "last look."
                    ),
                },
            },
            "additionalProperties": False,
            "examples": [
                {"command": "git status --short"},
                {"command": "pytest -q", "timeout": 300_000},
                {"command": "npm run dev", "background": True},
                {"job": "b1"},
                {"job": "b1", "action": "stop"},
            ],
        },
        effects=Effects.DESTRUCTIVE | Effects.OPEN_WORLD,
        targets=_targets,
        effects_of=_effects,
    )

    def __init__(self, sandbox: BashSandbox, *, timeout_ms: int = 120_000, env_names: Sequence[str] = ()):
        self._sandbox = sandbox
        self._jobs = Jobs(sandbox)
        self._timeout_ms = timeout_ms
        self._env_names = tuple(env_names)

    async def run(self, args: JsonObject, use: ToolUse) -> ToolOutput:
        if ("command" in args) == ("job" in args):
            raise ToolError("give either a command or a job", ToolErrorKind.INVALID_ARGUMENT)
        ignored = [name for name in (("background",) if "job" in args else ("action", "offset")) if name in args]
        if ignored:
            other = "a command" if "job" in args else "a job"
            raise ToolError(f"{ignored[0]} goes with {other} only", ToolErrorKind.INVALID_ARGUMENT)
        timeout = args.get("timeout")
        timeout_ms = min(int(timeout), MAX_TIMEOUT_MS) if isinstance(timeout, int | float) else None
        if "job" in args:
            return await self._look(self._jobs.get(str(args["job"])), args, timeout_ms or 0)
        is_background = bool(args.get("background", False))
        command = BashCommand(
            command=str(args["command"]),
            cwd=str(use.workspace.root),
            env=self._env(),
            timeout_ms=timeout_ms or (BACKGROUND_TIMEOUT_MS if is_background else self._timeout_ms),
            max_output_bytes=MAX_OUTPUT_BYTES,
        )
        return self._start(command, use) if is_background else await self._run(command, use)

    def _env(self) -> dict[str, str]:
        env = allowed_env(self._env_names)
        return env | {name: value for name, value in UNATTENDED.items() if name not in self._env_names}

    async def aclose(self) -> None:
        """Ends the jobs."""
        await self._jobs.aclose()

    # A command

    async def _run(self, command: BashCommand, use: ToolUse) -> ToolOutput:
        whole, deltas = self._jobs.spill(use.outputs), Deltas(use.emit)

        def take(piece: str) -> None:
            deltas.add(piece)
            whole.add(piece)

        try:
            result = await self._sandbox.run(command, take)
        finally:
            deltas.close()
            whole.finish()
            whole.close()
        output = without_overwritten(result.output)
        metadata: JsonObject = {"exit_code": result.exit_code, "omitted_bytes": result.omitted_bytes}
        if whole.path is not None:
            metadata = {**metadata, "output_bytes": whole.size, "output_path": str(whole.path)}
            output = f"{_ended(output)}[The output has {whole.size} bytes; {_where(whole.path)}]\n"
        if result.timed_out:
            raise ToolError(f"{_ended(output)}[Command timed out after {command.timeout_ms}ms]", ToolErrorKind.TIMEOUT)
        if result.exit_code == 0:
            return ToolOutput(text=output or "(no output)", metadata=metadata)
        return ToolOutput(
            text=f"{_ended(output)}[Exit code: {result.exit_code}]",
            success=False,
            exit_code=result.exit_code,
            metadata=metadata,
        )

    # Jobs

    def _start(self, command: BashCommand, use: ToolUse) -> ToolOutput:
        job = self._jobs.start(command, use.outputs)
        text = (
            f'[Job {job.id} is running. bash(job="{job.id}") shows its new output, '
            f'bash(job="{job.id}", action="stop") ends it.]'
        )
        return ToolOutput(text=text, metadata={"job": job.id, "running": True})

    async def _look(self, job: Job, args: JsonObject, wait_ms: int) -> ToolOutput:
        if args.get("action") == "stop":
            await job.stop()
        elif wait_ms:
            await job.ended(wait_ms / 1000)
        offset = args.get("offset")
        asked = int(offset) if isinstance(offset, int | float) else job.seen
        page = job.output.page(asked, MAX_OUTPUT_BYTES)
        job.seen = max(job.seen, page.end)
        notes = [f"Job {job.id} {job.state}; {job.output.size} bytes of output"]
        if 0 <= asked < page.start:
            notes.insert(0, f"{page.start - asked} bytes before this are not kept")
        if page.end < job.output.size:
            notes.append(f"go on with offset={page.end}")
        if job.output.path is not None:
            notes.append(_where(job.output.path))
        exit_code = job.result.exit_code if job.result is not None else None
        return ToolOutput(
            text=f"{_ended(without_overwritten(page.text))}[{'; '.join(notes)}]",
            metadata={
                "job": job.id,
                "running": job.is_running,
                "exit_code": exit_code,
                "output_bytes": job.output.size,
                "next_offset": page.end,
                **({} if job.output.path is None else {"output_path": str(job.output.path)}),
            },
        )


def without_overwritten(text: str) -> str:
    """The text as a terminal leaves it: of a line that was written again and again (a progress bar) the last state.

    A carriage return before a line end stays; a note at the end counts what is left out.
    """
    lines, count = text.split("\n"), 0
    for index, line in enumerate(lines):
        states = line.rstrip("\r")
        if "\r" in states:
            count += states.count("\r")
            lines[index] = line[states.rindex("\r") + 1 :]
    if not count:
        return text
    kept = "\n".join(lines)
    return f"{_ended(kept)}[{count} overwritten states of lines left out]\n"


def _where(path: Path) -> str:
    """Where the whole output is."""
    return f"it is kept in {path}: read it with offset and limit, or search it with grep"


def _ended(output: str) -> str:
    """The output with a line end, so that a note stands on its own line."""
    return output if output.endswith("\n") or not output else f"{output}\n"

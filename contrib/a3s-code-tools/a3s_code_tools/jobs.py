"""Commands that run in the background, with what they say."""

import asyncio
import itertools
from collections.abc import Callable
from pathlib import Path

from a3s_code.plugin import BashCommand, BashResult, BashSandbox, ToolError, ToolErrorKind
from a3s_code_tools.spill import Spill

__all__ = ["Job", "Jobs"]

RUNNING_AT_MOST = 8
KEPT_AT_MOST = 16
STOP_S = 4.0
"""Seconds for a stopped command to be gone."""


class Job:
    """A command and what it said.

    Attributes:
        id: How the model calls it.
        command: What runs.
        output: What it said so far.
        seen: How far the model has read it, in bytes.
        result: How it ended; None while it runs, or when it was stopped or failed.
        was_stopped: Somebody ended it.
    """

    def __init__(self, id: str, command: BashCommand, output: Spill):
        self.id = id
        self.command = command
        self.output = output
        self.seen = 0
        self.result: BashResult | None = None
        self.was_stopped = False
        self._error: str | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def is_running(self) -> bool:
        return self._task is not None and not self._task.done()

    @property
    def state(self) -> str:
        """A few words."""
        if self.is_running:
            return "is running"
        if self._error is not None:
            return f"failed: {self._error}"
        if self.result is None or self.was_stopped:
            return "was stopped"
        if self.result.timed_out:
            return f"timed out after {self.command.timeout_ms}ms"
        return f"ended with exit code {self.result.exit_code}"

    def start(self, sandbox: BashSandbox) -> None:
        self._task = asyncio.ensure_future(self._run(sandbox))  # noqa: TID251 # `stop` ends and awaits it

    async def _run(self, sandbox: BashSandbox) -> None:
        try:
            self.result = await sandbox.run(self.command, self.output.add)
        except Exception as error:  # noqa: BLE001 # a sandbox is foreign code; the model reads it at the next look
            self._error = str(error) or type(error).__name__
        finally:
            self.output.finish()

    async def ended(self, seconds: float) -> None:
        """Waits until it ended, at most so long."""
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=seconds)

    async def stop(self) -> None:
        """Ends it and waits until it is gone."""
        if self._task is None or self._task.done():
            return
        self.was_stopped = True
        self._task.cancel()
        await self.ended(STOP_S)


class Jobs:
    """The jobs of a session; the oldest that ended are forgotten.

    Args:
        sandbox: Where they run.
    """

    def __init__(self, sandbox: BashSandbox):
        self._sandbox = sandbox
        self._numbers = itertools.count(1)
        self._others = itertools.count(1)
        self._jobs: dict[str, Job] = {}
        self._is_closed = False

    def start(self, command: BashCommand, outputs: Callable[[], Path]) -> Job:
        """Runs a command in the background.

        Args:
            command: What to run.
            outputs: Gives the folder for an output that is too long to be held in memory.

        Raises:
            ToolError: FAILED, there are too many already.
        """
        running = [job for job in self._jobs.values() if job.is_running]
        if len(running) >= RUNNING_AT_MOST:
            names = ", ".join(f"{job.id} ({job.command.command:.40})" for job in running)
            raise ToolError(f"{len(running)} jobs are running already: {names}; stop one first")
        self._require_open()
        id = f"b{next(self._numbers)}"
        job = Job(id, command, Spill(id, outputs))
        for old in [job for job in self._jobs.values() if not job.is_running][: 1 - KEPT_AT_MOST]:
            self._jobs.pop(old.id).output.close()
        self._jobs[job.id] = job
        job.start(self._sandbox)
        return job

    def spill(self, outputs: Callable[[], Path]) -> Spill:
        """For the output of a command that is no job.

        Raises:
            ToolError: FAILED, the session is closed.
        """
        self._require_open()
        return Spill(f"c{next(self._others)}", outputs)

    def _require_open(self) -> None:
        if self._is_closed:
            raise ToolError("the session is closed; nothing was run")

    def get(self, id: str) -> Job:
        """The job of this id.

        Raises:
            ToolError: NOT_FOUND, with those there are.
        """
        if id not in self._jobs:
            there = ", ".join(f"{job.id} ({job.state})" for job in self._jobs.values()) or "none"
            raise ToolError(f'no job is called "{id}"; there are: {there}', ToolErrorKind.NOT_FOUND)
        return self._jobs[id]

    async def aclose(self) -> None:
        """Ends all jobs and forgets their output."""
        self._is_closed = True
        await asyncio.gather(*(job.stop() for job in self._jobs.values()))
        for job in self._jobs.values():
            job.output.close()
        self._jobs.clear()

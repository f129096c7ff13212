"""A sandbox for tests that starts no process."""

from collections import deque
from collections.abc import Callable
from typing import TypeAlias

from a3s_code.plugin import BashCommand, BashResult, BashSandbox, Isolation

__all__ = ["RecordingSandbox", "ScriptedResult"]

ScriptedResult: TypeAlias = str | BashResult | Exception | Callable[[BashCommand], "str | BashResult"]
"""The output of a command that succeeds, a full result, an error to raise, or a function of the command."""


class RecordingSandbox(BashSandbox):
    """Gives its results one after the other, then empty output; nothing runs.

    Attributes:
        commands: Every command, in order.
        closed: Whether `aclose` was called.
    """

    def __init__(self, *results: ScriptedResult, isolation: Isolation = Isolation.NONE):
        self.commands: list[BashCommand] = []
        self.closed = False
        self._results = deque(results)
        self._isolation = isolation

    @property
    def isolation(self) -> Isolation:
        return self._isolation

    async def run(self, command: BashCommand, on_output: Callable[[str], None]) -> BashResult:
        self.commands.append(command)
        result = self._results.popleft() if self._results else ""
        if isinstance(result, Exception):
            raise result
        if callable(result):
            result = result(command)
        if isinstance(result, str):
            result = BashResult(output=result, exit_code=0)
        if result.output:
            on_output(result.output)
        return result

    async def aclose(self) -> None:
        self.closed = True

"""BashSandbox: where shell commands run."""

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Protocol, runtime_checkable

from attrs import field, frozen

__all__ = ["BashCommand", "BashResult", "BashSandbox", "Isolation"]


class Isolation(Enum):
    """NONE: a plain process with the user's rights. SANDBOX: files and network are confined by the system."""

    NONE = "none"
    SANDBOX = "sandbox"


@frozen(kw_only=True)
class BashCommand:
    """A command for `bash -c`.

    Args:
        command: The text.
        cwd: Absolute folder on this machine to start in.
        env: The whole environment of the command; nothing is inherited.
        timeout_ms: Milliseconds until the whole process tree is killed.
        max_output_bytes: Bytes of output kept in memory: the first and the last half of them.
    """

    command: str
    cwd: str
    env: Mapping[str, str] = field(factory=dict, repr=False)
    timeout_ms: int = 120_000
    max_output_bytes: int = 102_400


@frozen(kw_only=True)
class BashResult:
    """What became of a command.

    Args:
        output: stdout and stderr as they came, valid text, with a note where the middle was left out.
        exit_code: The command's exit code; 128 + n when signal n ended it.
        timed_out: It was killed at its timeout.
        omitted_bytes: Bytes of output not kept.
    """

    output: str
    exit_code: int
    timed_out: bool = False
    omitted_bytes: int = 0


@runtime_checkable
class BashSandbox(Protocol):
    """Runs shell commands.

    Contract: when `run` returns, raises or is cancelled, no process of the command is left; stdin is closed;
    `isolation` says truthfully what is confined; many commands may run at once; a sandbox that cannot run raises
    ToolError and the command did not start.
    """

    @property
    def isolation(self) -> Isolation: ...

    async def run(self, command: BashCommand, on_output: Callable[[str], None]) -> BashResult: ...

    async def aclose(self) -> None: ...

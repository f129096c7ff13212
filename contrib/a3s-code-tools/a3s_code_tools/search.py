"""Running a search: by ripgrep where it can, else by our own program; killed when enough was found or time is up."""

import asyncio
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO

from attrs import asdict, frozen

from a3s_code.plugin import ToolError, ToolErrorKind, ToolUse, Workspace, in_thread
from a3s_code_tools.child import allowed_env
from a3s_code_tools.folder import opened
from a3s_code_tools.ripgrep import Command
from a3s_code_tools.search_query import Query

__all__ = ["Take", "parts_of", "prefix_of", "search"]

Take = Callable[[bytes], bool]
"""Gets output as it comes and says whether more is wanted; runs in a thread."""

_HAS_PROC = Path("/proc/self/fd").exists()
_CHUNK = 65_536
_MAX_MEMORY_BYTES = 2 * 1024**3
_MAX_MESSAGE_BYTES = 4096

# -I and appending: a module in the workspace or in PYTHONPATH must not be run instead of ours
_START = "import sys; sys.path.extend(sys.argv[1:]); from a3s_code_tools.search_child import main; main()"


def parts_of(folder: Path, workspace: Workspace) -> tuple[str, ...]:
    """The parts of a resolved path below its root."""
    return folder.relative_to(workspace.root_of(folder)).parts


def prefix_of(query: Query, workspace: Workspace) -> str:
    """What stands before the paths that a search finds, so that they can be handed back to any tool."""
    folder = Path(query.root, *query.start)
    return "" if folder == workspace.root else f"{workspace.relative(folder)}/"


async def search(query: Query, use: ToolUse, take: Take, *, command: Command | None, timeout_s: float) -> None:
    """Hands the findings to *take*, in ripgrep's form, until it has enough.

    Args:
        query: What to find.
        use: The running call; its deadline counts too.
        take: Gets the findings.
        command: ripgrep's command line; None, or one that ripgrep refuses, makes our own program search.
        timeout_s: Seconds until the search is given up.

    Raises:
        ToolError: INVALID_ARGUMENT (the query is wrong), TIMEOUT or FAILED.
    """
    limit = timeout_s if use.deadline_s is None else min(timeout_s, use.deadline_s)
    try:
        async with asyncio.timeout(limit):
            if command is None or not await _by_ripgrep(command, query, take):
                await _by_our_own(query, take)
    except TimeoutError as error:
        raise ToolError(
            f"The search took longer than {limit:g} s and was stopped. Search a smaller folder, add a glob, or use a "
            "simpler pattern.",
            ToolErrorKind.TIMEOUT,
        ) from error
    except OSError as error:
        raise ToolError(f"the search could not be started: {error.strerror}") from error


async def _by_ripgrep(command: Command, query: Query, take: Take) -> bool:
    """Whether ripgrep did the search; it refuses what is too large for it, and options that it is too old for."""
    try:
        with opened(query.root, query.start) as folder:
            # by descriptor: a folder that was swapped for a link since must not be entered
            place = f"/proc/self/fd/{folder}" if _HAS_PROC else str(Path(query.root, *query.start))
            ended = await _run(command.argv, place, {}, command.rules, take)
    except FileNotFoundError:
        return False
    return ended.was_enough or ended.exit_code in (0, 1) or not ended.message


async def _by_our_own(query: Query, take: Take) -> None:
    argv = [sys.executable, "-I", "-c", _START, *_import_folders()]
    ended = await _run(argv, "/", _env(), json.dumps(asdict(query)).encode(), take)
    if ended.was_enough or ended.exit_code == 0:
        return
    if ended.exit_code == 2:
        raise ToolError(ended.message, ToolErrorKind.INVALID_ARGUMENT)
    last = " ".join(ended.message.strip().splitlines()[-1:])
    raise ToolError(f"the search ended with exit code {ended.exit_code}: {last}")


@frozen
class _Ended:
    """How a search program ended: because enough was found, or by itself."""

    was_enough: bool
    exit_code: int
    message: str


async def _run(argv: Sequence[str], cwd: str, env: dict[str, str], stdin: bytes, take: Take) -> _Ended:
    """Runs a program that starts no others; it has ended when this returns or raises."""
    with tempfile.TemporaryFile() as messages:
        process = _started(argv, cwd, env, stdin, messages)
        try:
            # no await between the start and this line: from here on the process has an owner
            _limit_memory(process.pid)
            was_enough = await in_thread(_pump, process, take)
        finally:
            process.kill()
            with suppress(subprocess.TimeoutExpired):  # stuck in the system; nobody can end it
                process.wait(timeout=1.0)
        messages.seek(0)
        said = messages.read(_MAX_MESSAGE_BYTES).decode("utf-8", "replace")
    if not was_enough and (process.returncode == -signal.SIGABRT or "MemoryError" in said):
        raise ToolError(
            "A file has a line that is too long to be searched (near 1 GiB). Leave the file out with glob, or search a "
            "smaller folder.",
            ToolErrorKind.TOO_LARGE,
        )
    return _Ended(was_enough, process.returncode, said)


def _limit_memory(pid: int) -> None:
    """Makes a program end rather than take all memory for one line."""
    if sys.platform == "linux":
        with suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_AS, (_MAX_MEMORY_BYTES, _MAX_MEMORY_BYTES))


def _started(
    argv: Sequence[str], cwd: str, env: dict[str, str], stdin: bytes, messages: BinaryIO
) -> subprocess.Popen[bytes]:
    def start(source: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            argv,
            cwd=cwd,
            env=env,
            stdin=source,
            stdout=subprocess.PIPE,
            stderr=messages,
            start_new_session=True,
            bufsize=0,
        )

    if not stdin:
        return start(subprocess.DEVNULL)
    with tempfile.TemporaryFile() as file:  # a file, because a pipe could block when the program does not read
        file.write(stdin)
        file.seek(0)
        return start(file.fileno())


def _pump(process: subprocess.Popen[bytes], take: Take) -> bool:
    """Hands on the output; whether *take* had enough before its end. Ends when the program is killed."""
    assert process.stdout is not None
    with process.stdout as output:
        while chunk := os.read(output.fileno(), _CHUNK):
            if not take(chunk):
                return True
    process.wait()
    return False


def _env() -> dict[str, str]:
    return allowed_env() | {"PYTHONIOENCODING": "utf-8", "PYTHONUTF8": "1"}


def _import_folders() -> list[str]:
    """Where the child finds the packages it needs, for hosts that added them to sys.path themselves."""
    specs = (find_spec(name) for name in ("a3s_code_tools", "attr", "attrs"))
    return [str(Path(spec.origin).parent.parent) for spec in specs if spec is not None and spec.origin]

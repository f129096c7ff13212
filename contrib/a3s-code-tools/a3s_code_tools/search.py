"""Asking the search child, with a deadline after which it is killed."""

import json
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from a3s_code.plugin import ToolError, ToolErrorKind, ToolUse, Workspace
from a3s_code_tools.child import allowed_env, run_child

__all__ = ["parts_of", "search"]

MAX_ANSWER_BYTES = 2_000_000

# -I and appending: a module in the workspace or in PYTHONPATH must not be run instead of ours
_START = "import sys; sys.path.extend(sys.argv[1:]); from a3s_code_tools.search_child import main; main()"


def parts_of(folder: Path, workspace: Workspace) -> list[str]:
    """The parts of a resolved path below the root."""
    return list(folder.relative_to(workspace.root).parts)


async def search(
    request: Mapping[str, object], use: ToolUse, *, timeout_s: float
) -> dict[str, Any]:  # Any: the answer comes from JSON
    """The child's answer to *request*.

    Args:
        request: What `search_child` takes, without "root".
        use: The running call; its deadline counts too.
        timeout_s: Seconds until the child is killed.

    Raises:
        ToolError: INVALID_ARGUMENT (it refused the request), TIMEOUT or FAILED.
    """
    answer = bytearray()

    def take(chunk: bytes) -> None:
        if len(answer) < MAX_ANSWER_BYTES:
            answer.extend(chunk)

    limit = timeout_s if use.deadline_s is None else min(timeout_s, use.deadline_s)
    argv = [sys.executable, "-I", "-c", _START, *_import_folders()]
    whole = json.dumps({**request, "root": str(use.workspace.root)}).encode()
    try:
        ended = await run_child(argv, cwd="/", env=_env(), timeout_s=limit, on_bytes=take, stdin=whole)
    except OSError as error:
        raise ToolError(f"the search could not be started: {error}") from error
    if ended.timed_out:
        raise ToolError(
            f"The search took longer than {limit:g} s and was stopped. Search a smaller folder, add a glob, or use a "
            "simpler pattern.",
            ToolErrorKind.TIMEOUT,
        )
    try:
        found: dict[str, Any] = json.loads(answer)
    except ValueError as error:
        last = answer.decode("utf-8", "replace").strip().splitlines()[-1:]
        raise ToolError(f"the search ended with exit code {ended.exit_code}: {' '.join(last)}") from error
    if "error" in found:
        raise ToolError(str(found["error"]), ToolErrorKind.INVALID_ARGUMENT)
    return found


def _env() -> dict[str, str]:
    return allowed_env() | {"PYTHONIOENCODING": "utf-8", "PYTHONUTF8": "1"}


def _import_folders() -> list[str]:
    """Where the child finds the packages it needs, for hosts that added them to sys.path themselves."""
    specs = (find_spec(name) for name in ("a3s_code_tools", "attr", "attrs", "pathspec"))
    return [str(Path(spec.origin).parent.parent) for spec in specs if spec is not None and spec.origin]

"""One change of a file at a time, and none of a version that the model did not see."""

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from pathlib import Path
from weakref import WeakValueDictionary

from a3s_code.plugin import ToolError, ToolErrorKind, Workspace
from a3s_code_tools.diff import MAX_DIFF_CHARS, difference
from a3s_code_tools.edits import EditError

__all__ = ["locked", "require_seen", "show", "told"]

MAX_KEPT_BYTES = 16 * 1024 * 1024
"""Bytes of shown contents that the process keeps, to tell what changed since."""

_locks: WeakValueDictionary[Path, threading.Lock] = WeakValueDictionary()
_guard = threading.Lock()
_shown: OrderedDict[str, bytes] = OrderedDict()


@contextmanager
def locked(*paths: Path) -> Iterator[None]:
    """Holds the locks of these files, so that two changes in this process never interleave.

    Args:
        paths: Canonical paths; they are locked in one order everywhere, so nobody waits in a circle.
    """
    with _guard:
        locks = [_locks.setdefault(path, threading.Lock()) for path in sorted(set(paths))]
    with ExitStack() as held:
        for lock in locks:
            held.enter_context(lock)
        yield


def show(workspace: Workspace, path: str, content: bytes) -> None:
    """Remembers that the model was shown this *content* of the file, or wrote it."""
    workspace.mark_seen(path, content)
    if len(content) > MAX_KEPT_BYTES // 4:
        return
    with _guard:
        _shown[sha256(content).hexdigest()] = content
        while sum(map(len, _shown.values())) > MAX_KEPT_BYTES:
            _shown.popitem(last=False)


def require_seen(workspace: Workspace, path: str, content: bytes) -> None:
    """Refuses to go on when the file is not as the model last saw it; what it never saw may be changed.

    Args:
        workspace: Knows what the model saw.
        path: The file.
        content: What it has now.

    Raises:
        ToolError: VERSION_CONFLICT, with what changed where that is still known.
    """
    seen = workspace.seen(path)
    if seen is None or seen == sha256(content).hexdigest():
        return
    with _guard:
        before = _shown.get(seen)
    said = f"{path} was changed since you last read it; nothing was written."
    changed = "" if before is None else difference(path, before, content)
    if not changed or len(changed) > MAX_DIFF_CHARS:
        raise ToolError(f"{said} Read it again, then repeat the change.", ToolErrorKind.VERSION_CONFLICT)
    show(workspace, path, content)  # the difference shows the model all of it
    raise ToolError(
        f"{said} What changed:\n{changed}Repeat the change if it still fits.", ToolErrorKind.VERSION_CONFLICT
    )


@contextmanager
def told() -> Iterator[None]:
    """Turns what the edit engine refuses into an error that the model reads."""
    try:
        yield
    except EditError as error:
        raise ToolError(str(error), ToolErrorKind(error.kind)) from error

"""Git's binary patches, which git itself applies: to a copy, under a name of our own, outside of any repository."""

import os
import subprocess
import tempfile
from pathlib import Path

from a3s_code_tools.edits.sections import Action, Section
from a3s_code_tools.edits.text import EditError

__all__ = ["binary_applied"]

DEADLINE_S = 20.0
"""Seconds that git may take."""

_NAME = "file"
_SHOWN_CHARS = 500


def binary_applied(section: Section, before: bytes | None) -> bytes:
    """The content after a `GIT binary patch`; b"" where it deletes the file.

    Args:
        section: With `binary`.
        before: The content it is made for; None for a new file.

    Raises:
        EditError: not_found (it does not fit the content), unsupported (there is no git) or timeout.
    """
    # the link's real place: git compares its own idea of the folder with the ceiling
    with tempfile.TemporaryDirectory(prefix="a3s-patch-") as name:
        folder = Path(os.path.realpath(name))
        file = folder / _NAME
        if before is not None:
            file.write_bytes(before)
        _git_apply(folder, "\n".join(_patch(section, before)) + "\n")
        return file.read_bytes() if file.exists() else b""


def _patch(section: Section, before: bytes | None) -> list[str]:
    lines = [f"diff --git a/{_NAME} b/{_NAME}"]
    if before is None:
        lines.append("new file mode 100644")
    if section.action is Action.DELETE:
        lines.append("deleted file mode 100644")
    return [*lines, *(section.binary or ())]


def _git_apply(folder: Path, patch: str) -> None:
    env = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(folder),
        "GIT_CEILING_DIRECTORIES": str(folder.parent),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "LC_ALL": "C",
    }
    try:
        ended = subprocess.run(
            ["git", "apply", "--whitespace=nowarn", "-"],
            cwd=folder,
            env=env,
            input=patch.encode("utf-8", "replace"),
            capture_output=True,
            timeout=DEADLINE_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise EditError(f"git apply took longer than {DEADLINE_S:g} s; nothing was changed", "timeout") from error
    except OSError as error:
        raise EditError(
            f"a git binary patch needs git, which could not be started ({error.strerror}); nothing was changed",
            "unsupported",
        ) from error
    if ended.returncode != 0:
        words = ended.stderr.decode("utf-8", "replace").strip()[:_SHOWN_CHARS]
        raise EditError(f"git does not apply the binary patch: {words}; nothing was changed", "not_found")

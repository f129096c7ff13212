"""The folder of a session for output that is too long to show to the model."""

import os
import shutil
import tempfile
from pathlib import Path
from uuid import uuid4

from a3s_code.errors import ToolError

__all__ = ["Outputs"]


class Outputs:
    """A folder that is made when something is kept in it.

    Args:
        folder: The session's folder, which it becomes a part of; None for a temporary one that goes with `close`.
    """

    def __init__(self, folder: Path | None):
        self._is_temporary = folder is None
        parent = Path(tempfile.gettempdir()) / f"a3s-code-{uuid4().hex}" if folder is None else folder
        self.path = Path(os.path.realpath(parent)) / "outputs"
        """Its canonical path, whether it was made or not."""

    def made(self) -> Path:
        """Its canonical path, after it was made for the owner alone.

        Raises:
            ToolError: FAILED, it cannot be made, or a command put a link in its place.
        """
        try:
            if self._is_temporary:
                self.path.parent.mkdir(mode=0o700, exist_ok=True)
            self.path.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise ToolError(f"long output cannot be kept: {self.path}: {error.strerror}") from error
        if os.path.realpath(self.path) != str(self.path):
            raise ToolError(f"long output cannot be kept: {self.path} leads elsewhere; remove that link")
        return self.path

    def close(self) -> None:
        """Removes a temporary folder."""
        if self._is_temporary:
            shutil.rmtree(self.path.parent, ignore_errors=True)

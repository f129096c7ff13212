"""`python -m a3s_code_testing POINT NAME`: runs the contract suite of a point on an installed plugin."""

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from a3s_code_testing.checking import CHECKED, check

if TYPE_CHECKING:
    from a3s_code.plugins import Factory

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints each broken promise; 0 when there is none."""
    parser = argparse.ArgumentParser(prog="python -m a3s_code_testing", description=__doc__)
    parser.add_argument("point", choices=sorted(CHECKED))
    parser.add_argument("name", help='the word in configuration, such as "file"')
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        faults = check(chosen.point, lambda: _opened(chosen.point, chosen.name, Path(tempfile.mkdtemp(dir=folder))))
    for fault in faults:
        sys.stdout.write(f"{fault}\n")
    sys.stdout.write(f"{chosen.point}:{chosen.name}: {len(faults)} broken promises\n")
    return 1 if faults else 0


def _opened(point: str, name: str, folder: Path) -> object:
    """The plugin with its default settings; *folder* is its workspace and where it keeps its state."""
    from a3s_code.extensions import Extensions
    from a3s_code.plugins import Selection, scan
    from a3s_code.workspace import FolderWorkspace

    os.environ["XDG_STATE_HOME"] = str(folder / "state")  # a check never touches what is the user's
    (folder / "workspace").mkdir()
    given = {"workspace": FolderWorkspace(folder / "workspace"), "session_id": "check"}
    extensions = Extensions(Selection(scan(), chosen={point: name}), _Defaults(), given=given)
    opened: object = asyncio.run(getattr(extensions, point).get())
    return opened


class _Defaults:
    """Every plugin gets its default settings."""

    def for_factory(self, factory: "Factory", provider: str | None) -> object:
        kind = factory.config_class()
        return None if kind is None else kind()


if __name__ == "__main__":
    sys.exit(main())

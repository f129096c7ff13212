"""A running call as tools see it, and the workspace of each test."""

from collections.abc import Callable
from pathlib import Path

import pytest

from a3s_code.plugin import Image, Workspace
from a3s_code.workspace import FolderWorkspace


class Use:
    """A call that keeps what the tool showed."""

    call_id = "call-1"

    def __init__(self, workspace: Workspace, deadline_s: float | None = None):
        self.workspace = workspace
        self.deadline_s = deadline_s
        self.shown: list[str] = []
        self.images: list[Image] = []

    def emit(self, delta: str) -> None:
        self.shown.append(delta)

    def attach(self, image: Image) -> None:
        self.images.append(image)

    def outputs(self) -> Path:
        folder = self.workspace.root.with_name("outputs")
        folder.mkdir(exist_ok=True)
        return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "ws"
    root.mkdir()
    return root


@pytest.fixture
def use(folder: Path) -> Use:
    return Use(FolderWorkspace(folder))


@pytest.fixture
def use_in() -> Callable[[Path], Use]:
    return lambda root: Use(FolderWorkspace(root))

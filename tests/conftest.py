"""Fixtures of the kernel's tests: a workspace, a configuration without a network, and no traces outside the test."""

from pathlib import Path

import pytest

CONFIG = """
default_model   = "anthropic/claude-sonnet-4-20250514"
storage_backend = "memory"

providers {
  name    = "anthropic"
  api_key = "sk-not-used"
}
"""


@pytest.fixture(autouse=True)
def state_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where sessions go that name no folder: never the home of whoever runs the tests."""
    folder = tmp_path_factory.mktemp("state")
    monkeypatch.setenv("XDG_STATE_HOME", str(folder))
    monkeypatch.delenv("A3S_CODE_LANE_CONCURRENCY", raising=False)
    return folder


@pytest.fixture
def config() -> str:
    """A configuration whose sessions live in memory; the model is passed as SessionOptions.llm_client."""
    return CONFIG


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A small project."""
    folder = tmp_path / "ws"
    folder.mkdir()
    (folder / "a.py").write_text("def a():\n    return 1\n")
    (folder / "b.py").write_text("def b():\n    return 2\n")
    return folder

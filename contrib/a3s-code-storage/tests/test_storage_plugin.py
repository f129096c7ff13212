"""The factories fill their points, and their module is cheap to import."""

import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest
from a3s_code_storage import plugin

from a3s_code.plugin import MemoryConfig, MemoryStore, SessionStore, StorageConfig, get_log


def test_every_entry_point_loads() -> None:
    names = {entry.name: entry.load() for entry in distribution("a3s-code-storage").entry_points}
    assert set(names) >= {"file", "memory", "in-memory", "FileSessionStore", "FileMemoryStore", "InMemoryStore"}


def test_the_factories_make_what_their_points_want(tmp_path: Path) -> None:
    log = get_log()
    assert isinstance(plugin.file_session_store(config=StorageConfig(dir=str(tmp_path)), log=log), SessionStore)
    assert isinstance(plugin.memory_session_store(), SessionStore)
    assert isinstance(plugin.in_memory_store(config=MemoryConfig()), MemoryStore)
    assert isinstance(plugin.file_memory_store(config=MemoryConfig(dir=str(tmp_path)), log=log), MemoryStore)


@pytest.mark.parametrize("module", ["asyncio", "cattrs", "json"])
def test_the_plugin_module_imports_nothing_heavy_of_its_own(module: str) -> None:
    script = (
        "import sys, a3s_code.plugin; before = set(sys.modules); import a3s_code_storage.plugin; "
        f"print({module!r} in set(sys.modules) - before)"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert answer.stdout == "False\n"

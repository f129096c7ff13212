"""Both session stores keep the promises of the point."""

from pathlib import Path

import pytest
from a3s_code_storage.file_sessions import FileSessionStore
from a3s_code_storage.memory_sessions import MemorySessionStore
from a3s_code_testing.contracts import SessionStoreContract

from a3s_code.plugin import SessionStore


class TestFileSessionStore(SessionStoreContract):
    @pytest.fixture
    def session_store(self, tmp_path: Path) -> SessionStore:
        return FileSessionStore(tmp_path / "sessions")


class TestMemorySessionStore(SessionStoreContract):
    @pytest.fixture
    def session_store(self) -> SessionStore:
        return MemorySessionStore()

"""The official session stores keep the contract."""

import pytest
from a3s_code_testing.contracts import SessionStoreContract

pytest.importorskip("a3s_code_storage", reason="a3s-code-storage is not installed")


class TestFileSessionStore(SessionStoreContract):
    @pytest.fixture
    def session_store(self, tmp_path):
        from a3s_code_storage.file_sessions import FileSessionStore

        return FileSessionStore(tmp_path / "sessions")


class TestMemorySessionStore(SessionStoreContract):
    @pytest.fixture
    def session_store(self):
        from a3s_code_storage.memory_sessions import MemorySessionStore

        return MemorySessionStore()

"""The official hook engine keeps the contract."""

import pytest
from a3s_code_testing.contracts import HookExecutorContract

pytest.importorskip("a3s_code_hooks.engine", reason="a3s-code-hooks is not installed")


class TestHookEngine(HookExecutorContract):
    @pytest.fixture
    def hook_executor(self):
        from a3s_code_hooks.engine import HookEngine

        return HookEngine()

"""The official guard keeps the contracts."""

import pytest
from a3s_code_testing.contracts import (
    ConfirmationProviderContract,
    PermissionCheckerContract,
    SecurityProviderContract,
)

pytest.importorskip("a3s_code_guard", reason="a3s-code-guard is not installed")


class TestPermissionPolicy(PermissionCheckerContract):
    @pytest.fixture
    def make_checker(self):
        from a3s_code_guard.permission import PermissionPolicy

        return PermissionPolicy


class TestConfirmationManager(ConfirmationProviderContract):
    @pytest.fixture
    def make_provider(self):
        from a3s_code_guard.confirmation import ConfirmationManager

        return lambda answerer, policy: ConfirmationManager(policy, answerer)


class TestDefaultSecurityProvider(SecurityProviderContract):
    @pytest.fixture
    def security_provider(self):
        from a3s_code_guard.security import DefaultSecurityProvider

        return DefaultSecurityProvider()

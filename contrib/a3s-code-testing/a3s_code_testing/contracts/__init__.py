"""One contract suite for each extension point that plugins fill most: inherit it, give its fixture, run pytest.

    class TestMyStore(SessionStoreContract):
        @pytest.fixture
        def session_store(self, tmp_path):
            return MyStore(tmp_path)

Each test checks one sentence of the contract in the Protocol's docstring.
"""

from a3s_code_testing.contracts.confirmation import ConfirmationProviderContract
from a3s_code_testing.contracts.hooks import HookExecutorContract
from a3s_code_testing.contracts.http import HttpClientContract
from a3s_code_testing.contracts.llm import LlmClientContract
from a3s_code_testing.contracts.permission import PermissionCheckerContract
from a3s_code_testing.contracts.sandbox import BashSandboxContract
from a3s_code_testing.contracts.security import SecurityProviderContract
from a3s_code_testing.contracts.session_command import SessionCommandContract
from a3s_code_testing.contracts.sessions import SessionStoreContract
from a3s_code_testing.contracts.tools import ToolContract

__all__ = [
    "BashSandboxContract",
    "ConfirmationProviderContract",
    "HookExecutorContract",
    "HttpClientContract",
    "LlmClientContract",
    "PermissionCheckerContract",
    "SecurityProviderContract",
    "SessionCommandContract",
    "SessionStoreContract",
    "ToolContract",
]

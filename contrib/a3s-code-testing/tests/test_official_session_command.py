"""The core's own session commands keep the contract."""

import pytest
from a3s_code_testing.contracts import SessionCommandContract

from a3s_code.tool_command import ToolCommands


class TestToolCommands(SessionCommandContract):
    @pytest.fixture
    def session_command_maker(self):
        return ToolCommands()

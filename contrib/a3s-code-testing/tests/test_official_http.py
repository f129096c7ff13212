"""The official HTTP client keeps the contract."""

import pytest
from a3s_code_testing.contracts import HttpClientContract

pytest.importorskip("a3s_code_http", reason="a3s-code-http is not installed")


class TestHttpx2Client(HttpClientContract):
    @pytest.fixture
    def http_client(self):
        from a3s_code_http.client import Httpx2Client

        return Httpx2Client()

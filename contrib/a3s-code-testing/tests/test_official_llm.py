"""The official clients of models keep the contract, against a real server on loopback."""

import pytest
from a3s_code_testing.contracts import LlmClientContract
from a3s_code_testing.scripts import loopback_turns

from a3s_code.plugin import ProviderConfig, Secret

pytest.importorskip("a3s_code_http", reason="a3s-code-http is not installed")
pytest.importorskip("a3s_code_anthropic", reason="a3s-code-anthropic is not installed")
pytest.importorskip("a3s_code_openai", reason="a3s-code-openai is not installed")

from a3s_code_anthropic.client import AnthropicClient
from a3s_code_http.client import Httpx2Client
from a3s_code_openai.client import OpenAiClient


class WholeAnthropicClient(AnthropicClient):
    """Closes its way out along with itself."""

    async def aclose(self):
        await super().aclose()
        await self._http.aclose()


class WholeOpenAiClient(OpenAiClient):
    """Closes its way out along with itself."""

    async def aclose(self):
        await super().aclose()
        await self._http_client.aclose()


class TestAnthropicClient(LlmClientContract):
    @pytest.fixture
    def make_client(self, loopback):
        def make(*script):
            server = loopback(*loopback_turns(script))
            config = ProviderConfig(name="anthropic", api_key=Secret("k"), base_url=server.url)
            return WholeAnthropicClient(config, Httpx2Client())

        return make


class TestOpenAiClient(LlmClientContract):
    @pytest.fixture
    def make_client(self, loopback):
        def make(*script):
            server = loopback(*loopback_turns(script))
            config = ProviderConfig(name="openai", api_key=Secret("k"), base_url=f"{server.url}/v1")
            return WholeOpenAiClient(config, http_client=Httpx2Client())

        return make

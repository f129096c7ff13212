"""The factories, and what importing them costs."""

import subprocess
import sys
from importlib.metadata import distribution

from a3s_code_http.client import Httpx2Client
from a3s_code_openai.plugin import OpenAiEmbeddingConfig, a3s_code_embedding_provider, a3s_code_llm_client

from a3s_code.plugin import EmbeddingProvider, LlmClient, ProviderConfig


def test_a_providers_block_becomes_a_client():
    client = a3s_code_llm_client(config=ProviderConfig(name="openai"), http_client=Httpx2Client())
    assert isinstance(client, LlmClient)


def test_the_embedding_block_has_openai_s_defaults():
    provider = a3s_code_embedding_provider(config=OpenAiEmbeddingConfig(), http_client=Httpx2Client())
    assert isinstance(provider, EmbeddingProvider)
    assert (provider.name, provider.dimension) == ("openai:text-embedding-3-small", 1536)


def test_every_entry_point_loads():
    points = distribution("a3s-code-openai").entry_points
    assert {point.load().__name__ for point in points} == {
        "OpenAiClient",
        "OpenAiEmbeddingProvider",
        "a3s_code_embedding_provider",
        "a3s_code_llm_client",
    }


def test_neither_plugin_nor_client_imports_the_sdk():
    program = (
        "import sys; from a3s_code_openai import plugin, client, embedding; "
        "sys.exit(bool({'openai', 'httpx2', 'pydantic'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0

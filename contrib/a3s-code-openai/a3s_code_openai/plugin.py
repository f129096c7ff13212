"""Fills the llm_client and embedding_provider points under the name `openai`."""

from collections.abc import Mapping

from attrs import frozen

from a3s_code.plugin import EmbeddingProvider, HttpClient, LlmClient, ProviderConfig, Secret, hookimpl, setting

__all__ = ["OpenAiEmbeddingConfig", "a3s_code_embedding_provider", "a3s_code_llm_client"]


@frozen(kw_only=True)
class OpenAiEmbeddingConfig:
    """`plugin "embedding_provider" "openai" { }`"""

    api_key: Secret | None = setting(None, "The key; a server of your own may need none.")
    base_url: str | None = setting(None, "The address with /v1; default: OpenAI's.")
    headers: Mapping[str, str] = setting({}, "Additional HTTP headers, kept verbatim.")
    model: str = setting("text-embedding-3-small", "The model that makes the vectors.")
    dimension: int = setting(1536, "Length of the vectors; must be what the model gives.")


@hookimpl
def a3s_code_llm_client(config: ProviderConfig, http_client: HttpClient) -> LlmClient:
    """The client for one providers block; the SDK is imported at its first request."""
    from a3s_code_openai.client import OpenAiClient

    return OpenAiClient(config, http_client=http_client)


@hookimpl
def a3s_code_embedding_provider(config: OpenAiEmbeddingConfig, http_client: HttpClient) -> EmbeddingProvider:
    """The provider of vectors; the SDK is imported at its first request."""
    from a3s_code_openai.embedding import OpenAiEmbeddingProvider

    return OpenAiEmbeddingProvider(
        config.api_key,
        config.model,
        config.dimension,
        base_url=config.base_url,
        headers=config.headers,
        http_client=http_client,
    )

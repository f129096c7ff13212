"""Fills the llm_client point for Anthropic."""

from a3s_code.plugin import HttpClient, LlmClient, Log, ProviderConfig, hookimpl

__all__ = ["a3s_code_llm_client"]


@hookimpl
def a3s_code_llm_client(config: ProviderConfig, log: Log, http_client: HttpClient) -> LlmClient:
    """A client for the provider's block; the SDK is imported at its first request."""
    from a3s_code_anthropic.client import AnthropicClient

    return AnthropicClient(config, http_client, log=log)

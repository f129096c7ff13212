"""The LlmClient for the Anthropic Messages API and what is compatible with it."""

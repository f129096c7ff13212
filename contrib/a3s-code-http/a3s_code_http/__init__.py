"""The default HttpClient: one egress gate for providers, MCP servers and the public web."""

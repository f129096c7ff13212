"""MCP servers for a3s-code: their tools over stdio."""

__version__ = "0.1.0"

"""a3s-code: an embeddable AI coding agent."""

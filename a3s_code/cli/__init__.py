"""The command line: one prompt, a conversation, and what is installed."""

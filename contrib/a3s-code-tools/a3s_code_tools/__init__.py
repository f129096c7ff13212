"""The built-in tools of a3s-code: files, search, shell and git worktrees."""

__version__ = "0.1.0"

"""Contract suites for plugins of a3s-code, a loopback model server and fixtures for pytest."""

from a3s_code_testing.checking import check

__all__ = ["check"]

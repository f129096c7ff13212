"""Contract suites for plugins of a3s-code, a loopback model server and fixtures for pytest."""

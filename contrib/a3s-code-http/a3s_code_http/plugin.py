"""Fills the http_client point."""

from a3s_code.plugin import HttpClient, hookimpl

__all__ = ["a3s_code_http_client"]


@hookimpl
def a3s_code_http_client() -> HttpClient:
    """The default HttpClient; nothing is imported or opened before its first request."""
    from a3s_code_http.client import Httpx2Client

    return Httpx2Client()

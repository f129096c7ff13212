"""McpTransport: carries JSON-RPC messages to an MCP server."""

from collections.abc import AsyncIterator, Mapping
from typing import Protocol, runtime_checkable

from attrs import field, frozen

from a3s_code.messages import JsonObject

__all__ = ["McpServer", "McpTransport", "McpTransportMaker"]


@frozen(kw_only=True)
class McpServer:
    """How a server is reached.

    Args:
        name: Its name; its tools are called mcp__<name>__<tool>.
        transport: The scheme: "stdio", later "http" and "sse".
        command: The program, for stdio.
        args: Its arguments.
        url: The address, for http and sse.
        headers: HTTP headers, kept verbatim.
        env: Additional environment variables, kept verbatim.
        timeout_s: Seconds for one request.
        cwd: Working directory of the program, or None for the workspace.
    """

    name: str
    transport: str = "stdio"
    command: str | None = None
    args: tuple[str, ...] = ()
    url: str | None = None
    headers: Mapping[str, str] = field(factory=dict, repr=False)
    env: Mapping[str, str] = field(factory=dict, repr=False)
    timeout_s: float = 60.0
    cwd: str | None = None


@runtime_checkable
class McpTransport(Protocol):
    """One connection to one server; knows JSON-RPC framing, nothing of MCP's methods.

    Contract: after `connect`, many requests may be under way; a server that dies fails all of them with ToolError and a
    text that has the end of its stderr; `aclose` leaves no process behind and may be called twice.
    """

    async def connect(self) -> None: ...

    async def request(self, method: str, params: JsonObject, *, timeout_s: float) -> JsonObject:
        """The result; raises ToolError for a JSON-RPC error, a timeout or a broken connection."""
        ...

    async def notify(self, method: str, params: JsonObject) -> None: ...

    def notifications(self) -> AsyncIterator[tuple[str, JsonObject]]:
        """What the server says unasked: (method, params) until the connection ends."""
        ...

    @property
    def is_connected(self) -> bool: ...

    async def aclose(self) -> None: ...


@runtime_checkable
class McpTransportMaker(Protocol):
    """What the point is filled with: makes a transport for a server of its scheme, without connecting it."""

    def __call__(self, server: McpServer) -> McpTransport: ...

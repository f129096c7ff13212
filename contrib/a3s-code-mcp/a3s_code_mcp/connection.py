"""A connected MCP server: the handshake and its tools."""

from a3s_code.plugin import Json, JsonObject, McpServer, McpTransport, Tool, ToolError, ToolErrorKind
from a3s_code_mcp.tools import McpTool, tool_names

__all__ = ["McpConnection", "connect"]

PROTOCOL_VERSIONS = ("2025-06-18", "2025-03-26", "2024-11-05")
"""The versions that name the methods and shapes used here; we offer the first."""

MAX_PAGES = 100


async def connect(transport: McpTransport, server: McpServer) -> "McpConnection":
    """Starts *transport*, greets the server and lists its tools. On failure nothing is left running.

    Raises:
        ToolError: The server cannot be started, does not answer in time, or speaks another protocol.
    """
    try:
        await transport.connect()
        connection = McpConnection(transport, server)
        await connection.greet()
        await connection.refresh()
    except BaseException:
        await transport.aclose()
        raise
    return connection


class McpConnection:
    """One server of a session. The tools stay valid until `aclose`."""

    def __init__(self, transport: McpTransport, server: McpServer) -> None:
        self._transport = transport
        self._server = server
        self._has_tools = False
        self._tools: tuple[Tool, ...] = ()

    @property
    def name(self) -> str:
        return self._server.name

    @property
    def is_connected(self) -> bool:
        return self._transport.is_connected

    def tools(self) -> tuple[Tool, ...]:
        """The tools as the last `refresh` found them, in the server's order."""
        return self._tools

    async def greet(self) -> None:
        """The handshake; once, before everything else."""
        greeting: JsonObject = {
            "protocolVersion": PROTOCOL_VERSIONS[0],
            "capabilities": {},
            "clientInfo": {"name": "a3s-code", "version": "0.1.0"},
        }
        answer = await self._ask("initialize", greeting)
        version = answer.get("protocolVersion")
        if version not in PROTOCOL_VERSIONS:
            known = ", ".join(PROTOCOL_VERSIONS)
            message = f'the MCP server "{self.name}" speaks protocol {version}; this client speaks {known}'
            raise ToolError(message, ToolErrorKind.UNSUPPORTED)
        capabilities = answer.get("capabilities")
        self._has_tools = isinstance(capabilities, dict) and "tools" in capabilities
        await self._transport.notify("notifications/initialized", {})

    async def refresh(self) -> tuple[Tool, ...]:
        """Lists the tools anew and returns them."""
        listed = await self._listed() if self._has_tools else []
        names = tool_names(self.name, [str(one["name"]) for one in listed])
        self._tools = tuple(
            McpTool(self._transport, name=name, described=one, timeout_s=self._server.timeout_s)
            for name, one in zip(names, listed, strict=True)
        )
        return self._tools

    async def aclose(self) -> None:
        await self._transport.aclose()

    async def _listed(self) -> list[dict[str, Json]]:
        """All pages of tools/list; of two tools with the same name the first."""
        found: dict[str, dict[str, Json]] = {}
        cursor: Json = None
        for _ in range(MAX_PAGES):
            page = await self._ask("tools/list", {} if cursor is None else {"cursor": cursor})
            tools = page.get("tools")
            for one in tools if isinstance(tools, list) else []:
                if isinstance(one, dict) and isinstance(name := one.get("name"), str) and name:
                    found.setdefault(name, one)
            cursor = page.get("nextCursor")
            if not isinstance(cursor, str):
                return list(found.values())
        raise ToolError(f'the MCP server "{self.name}" lists its tools on more than {MAX_PAGES} pages')

    async def _ask(self, method: str, params: JsonObject) -> JsonObject:
        return await self._transport.request(method, params, timeout_s=self._server.timeout_s)

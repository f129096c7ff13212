"""Fills the point mcp_transport for the scheme stdio."""

from a3s_code.plugin import McpServer, McpTransport, McpTransportMaker, Workspace, hookimpl

__all__ = ["a3s_code_mcp_transport"]


@hookimpl
def a3s_code_mcp_transport(workspace: Workspace) -> McpTransportMaker:
    """Makes stdio transports; a server without a working directory runs in the workspace."""
    from a3s_code_mcp.stdio import StdioTransport

    def make(server: McpServer) -> McpTransport:
        return StdioTransport(server, cwd=server.cwd or workspace.root)

    return make

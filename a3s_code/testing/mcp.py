"""An MCP transport for tests: the server is a dict of answers."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import TypeAlias

from a3s_code.plugin import JsonObject, McpServer, McpTransport, McpTransportMaker, ToolError, ToolErrorKind

__all__ = ["LoopTransport", "LoopTransports", "RpcAnswer"]

RpcAnswer: TypeAlias = JsonObject | Exception | Callable[[JsonObject], JsonObject]
"""A result, an error to raise, or a function of the parameters."""


class LoopTransport(McpTransport):
    """Answers requests from a dict by method; an unknown method is the server's error.

    Attributes:
        requests: (method, params) of every request.
        notified: (method, params) of every notification to the server.
    """

    def __init__(self, answers: Mapping[str, RpcAnswer]):
        self.requests: list[tuple[str, JsonObject]] = []
        self.notified: list[tuple[str, JsonObject]] = []
        self._answers = dict(answers)
        self._said: asyncio.Queue[tuple[str, JsonObject] | None] = asyncio.Queue()
        self._connected = False

    @property
    def is_connected(self) -> bool:
        return self._connected

    async def connect(self) -> None:
        self._connected = True

    async def request(self, method: str, params: JsonObject, *, timeout_s: float) -> JsonObject:
        await self._checkpoint()
        self.requests.append((method, params))
        if method not in self._answers:
            raise ToolError(f"the server does not know the method {method}", ToolErrorKind.UNSUPPORTED)
        answer = self._answers[method]
        if isinstance(answer, Exception):
            raise answer
        return answer(params) if callable(answer) else answer

    async def notify(self, method: str, params: JsonObject) -> None:
        await self._checkpoint()
        self.notified.append((method, params))

    async def notifications(self) -> AsyncIterator[tuple[str, JsonObject]]:
        while (said := await self._said.get()) is not None:
            yield said

    def say(self, method: str, params: JsonObject) -> None:
        """The server says something unasked."""
        self._said.put_nowait((method, params))

    def die(self) -> None:
        """The server is gone: whatever is asked from now on fails."""
        self._connected = False
        self._said.put_nowait(None)

    async def aclose(self) -> None:
        if self._connected:
            self.die()

    async def _checkpoint(self) -> None:
        await asyncio.sleep(0)  # a real transport lets others run while it waits
        if not self._connected:
            raise ToolError("the MCP server is not connected")


class LoopTransports(McpTransportMaker):
    """Makes a `LoopTransport` for any server.

    Attributes:
        made: Every transport, by the server's name.
    """

    def __init__(self, answers: Mapping[str, RpcAnswer]):
        self.made: dict[str, LoopTransport] = {}
        self._answers = answers

    def __call__(self, server: McpServer) -> McpTransport:
        transport = self.made[server.name] = LoopTransport(self._answers)
        return transport

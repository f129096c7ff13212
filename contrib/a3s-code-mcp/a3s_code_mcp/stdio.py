"""An MCP server as a child process: JSON-RPC over its stdin and stdout, the end of its stderr for error messages."""

import asyncio
import os
import signal
from asyncio.subprocess import PIPE, SubprocessStreamProtocol
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from itertools import count
from pathlib import Path

from a3s_code.plugin import ConfigError, Json, JsonObject, McpServer, McpTransport, ToolError, ToolErrorKind
from a3s_code_mcp.json_rpc import INVALID_PARAMS, METHOD_NOT_FOUND, decode, encode

__all__ = ["StdioTransport", "child_environment"]

MAX_MESSAGE_BYTES = 32 * 1024 * 1024
MAX_NOTIFICATIONS = 256
STDERR_KEPT_BYTES = 4096
GRACE_S = 2.0

# What programs need to find themselves, their files and the user's language; nothing that holds a secret.
_PASSED_ON = frozenset(
    {"PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "LANG", "LANGUAGE", "TZ", "TMPDIR", "SSL_CERT_FILE",
     "SSL_CERT_DIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME"}
)  # fmt: skip
_KINDS = {METHOD_NOT_FOUND: ToolErrorKind.UNSUPPORTED, INVALID_PARAMS: ToolErrorKind.INVALID_ARGUMENT}


def child_environment(server: McpServer, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The variables a server sees: harmless ones of ours, then its own."""
    passed_on = {name: value for name, value in environ.items() if name in _PASSED_ON or name.startswith("LC_")}
    return {**passed_on, **server.env}


class StdioTransport(McpTransport):
    """A server that runs as a child in its own process group.

    Args:
        server: Its command, arguments and environment.
        cwd: Its working directory.
        grace_s: Seconds that the server gets to end by itself at `aclose`, and again after SIGTERM.

    Raises:
        ConfigError: The server has no command.
    """

    def __init__(self, server: McpServer, *, cwd: str | Path, grace_s: float = GRACE_S) -> None:
        if not server.command:
            raise ConfigError(f'the MCP server "{server.name}" has transport stdio and no command; name its program')
        self._server = server
        self._command = (server.command, *server.args)
        self._cwd = cwd
        self._grace_s = grace_s
        self._child: _Child | None = None
        self._pipes: asyncio.SubprocessTransport | None = None
        self._group: int | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._ids = count(1)
        self._pending: dict[int, asyncio.Future[JsonObject]] = {}
        self._said: asyncio.Queue[tuple[str, JsonObject] | None] = asyncio.Queue()
        self._stderr = bytearray()
        self._end: str | None = None

    @property
    def is_connected(self) -> bool:
        return self._child is not None and self._end is None

    async def connect(self) -> None:
        """Starts the server.

        Raises:
            ToolError: It cannot be started, or was started before.
        """
        if self._child is not None or self._end is not None:
            raise self._error("was connected before; make a new transport")
        try:
            self._pipes, child = await asyncio.get_running_loop().subprocess_exec(
                _Child,
                *self._command,
                stdin=PIPE,
                stdout=PIPE,
                stderr=PIPE,
                cwd=self._cwd,
                env=child_environment(self._server),
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            message = f'cannot be started with "{self._command[0]}": {reason}; check its command'
            raise self._error(message, ToolErrorKind.NOT_FOUND) from error
        self._child = child
        self._group = self._pipes.get_pid()
        reading = asyncio.create_task(self._read(child))  # noqa: TID251 # aclose ends the three of them
        listening = asyncio.create_task(self._listen(child))  # noqa: TID251 # as above
        watching = asyncio.create_task(self._watch(child, reading, listening))  # noqa: TID251 # as above
        self._tasks = [reading, listening, watching]

    async def request(self, method: str, params: JsonObject, *, timeout_s: float) -> JsonObject:
        id = next(self._ids)
        answer: asyncio.Future[JsonObject] = asyncio.get_running_loop().create_future()
        self._pending[id] = answer
        deadline = asyncio.timeout(timeout_s)
        try:
            async with deadline:
                await self._send({"id": id, "method": method, "params": dict(params)})
                return await answer
        except TimeoutError as error:
            self._withdraw(id, method)
            message = f"did not answer {method} within {timeout_s:g} s; whether it had an effect is unknown"
            raise self._error(message, ToolErrorKind.TIMEOUT) from error
        except asyncio.CancelledError:
            self._withdraw(id, method)
            raise
        finally:
            del self._pending[id]
            if answer.done() and not answer.cancelled():
                answer.exception()  # seen, also when the sending failed first

    async def notify(self, method: str, params: JsonObject) -> None:
        await self._send({"method": method, "params": dict(params)})

    async def notifications(self) -> AsyncIterator[tuple[str, JsonObject]]:
        while (said := await self._said.get()) is not None:
            yield said
        self._said.put_nowait(None)  # for the next who asks

    async def aclose(self) -> None:
        """Ends the server: closes its stdin, then SIGTERM, then SIGKILL, to its whole process group."""
        self._finish("was closed")
        if self._child is None or self._pipes is None:
            return
        assert self._child.stdin is not None
        try:
            self._child.stdin.close()
            if not await self._has_ended(self._child):
                self._signal_group(signal.SIGTERM)
                await self._has_ended(self._child)
        finally:
            self._kill_group()
        await asyncio.wait(self._tasks, timeout=self._grace_s)  # they end when nobody holds the pipes any more
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._pipes.close()

    async def _has_ended(self, child: "_Child") -> bool:
        """Whether the server ends within the grace."""
        await asyncio.wait([child.exited], timeout=self._grace_s)
        return child.exited.done()

    def _kill_group(self) -> None:
        """Kills what is left of the process group; once, since its number may be another's later."""
        self._signal_group(signal.SIGKILL)
        self._group = None

    def _signal_group(self, number: signal.Signals) -> None:
        if self._group is not None:
            with suppress(ProcessLookupError, PermissionError):  # nobody is left; macOS says EPERM of zombies
                os.killpg(self._group, number)

    async def _send(self, message: dict[str, Json]) -> None:
        if self._end is not None:
            raise self._error(self._end)
        if self._child is None or self._child.stdin is None:
            raise self._error("is not connected; await connect() first")
        self._child.stdin.write(encode(message))
        try:
            await self._child.stdin.drain()
        except ConnectionError as error:
            await asyncio.wait(self._tasks[-1:], timeout=self._grace_s)  # the watch finds out why
            raise self._error(self._end or "closed its input") from error

    def _withdraw(self, id: int, method: str) -> None:
        """Tells the server that nobody waits any more, without waiting ourselves; initialize may not be cancelled."""
        if method == "initialize" or not self.is_connected:
            return
        assert self._child is not None
        assert self._child.stdin is not None
        params: dict[str, Json] = {"requestId": id}
        self._child.stdin.write(encode({"method": "notifications/cancelled", "params": params}))

    async def _watch(self, child: "_Child", reading: "asyncio.Task[None]", listening: "asyncio.Task[None]") -> None:
        """Waits for the server's end, takes in its last words and fails whoever still waits."""
        assert self._pipes is not None
        end: list[asyncio.Future[None]] = [child.exited, reading]
        await asyncio.wait(end, return_when=asyncio.FIRST_COMPLETED)
        exit_code = self._pipes.get_returncode() if await self._has_ended(child) else None
        self._kill_group()
        await asyncio.wait([reading, listening], timeout=self._grace_s)
        self._finish("closed its output" if exit_code is None else f"ended with exit code {exit_code}")

    async def _read(self, child: "_Child") -> None:
        """Takes in messages until the server closes its output."""
        assert child.stdout is not None
        try:
            while line := await child.stdout.readline():
                message = decode(line)
                if message is None:
                    self._keep(line)
                else:
                    await self._take(message)
        except ValueError:
            self._finish(f"sent a message over {MAX_MESSAGE_BYTES:,} bytes")

    async def _take(self, message: Mapping[str, Json]) -> None:
        method, id = message.get("method"), message.get("id")
        params = message.get("params")
        if isinstance(method, str) and "id" in message:
            with suppress(ToolError):  # it asks and does not listen
                await self._send({"id": id, **_reply_to(method)})
        elif isinstance(method, str):
            if self._said.qsize() >= MAX_NOTIFICATIONS:
                self._said.get_nowait()  # nobody listens: the oldest goes
            self._said.put_nowait((method, params if isinstance(params, dict) else {}))
        elif isinstance(id, int) and (answer := self._pending.get(id)) is not None and not answer.done():
            self._settle(answer, message)

    def _settle(self, answer: "asyncio.Future[JsonObject]", message: Mapping[str, Json]) -> None:
        result, error = message.get("result"), message.get("error")
        if isinstance(result, dict):
            answer.set_result(result)
        elif isinstance(error, dict):
            code = error.get("code")
            kind = _KINDS.get(code, ToolErrorKind.FAILED) if isinstance(code, int) else ToolErrorKind.FAILED
            answer.set_exception(self._error(f"answered with error {code}: {error.get('message')}", kind))
        else:
            answer.set_exception(self._error("answered with neither a result nor an error"))

    def _finish(self, end: str) -> None:
        """The connection is over; the first reason counts."""
        if self._end is not None:
            return
        words = self._stderr.decode(errors="replace").strip()
        self._end = f"{end}; its last words: {words}" if words else end
        for answer in self._pending.values():
            if not answer.done():
                answer.set_exception(self._error(self._end))
        self._said.put_nowait(None)

    async def _listen(self, child: "_Child") -> None:
        """Keeps the end of what the server writes to stderr."""
        assert child.stderr is not None
        while chunk := await child.stderr.read(STDERR_KEPT_BYTES):
            self._keep(chunk)

    def _keep(self, words: bytes) -> None:
        self._stderr += words[-STDERR_KEPT_BYTES:]
        del self._stderr[:-STDERR_KEPT_BYTES]

    def _error(self, what: str, kind: ToolErrorKind = ToolErrorKind.FAILED) -> ToolError:
        return ToolError(f'the MCP server "{self._server.name}" {what}', kind)


def _reply_to(method: str) -> dict[str, Json]:
    """Our answer to a server's request: we are there, and can do nothing for it."""
    if method == "ping":
        return {"result": {}}
    return {"error": {"code": METHOD_NOT_FOUND, "message": f"this client does not offer {method}"}}


class _Child(SubprocessStreamProtocol):
    """The server's pipes; *exited* is done as soon as the process has ended.

    `Process.wait` would also wait until nobody holds the pipes any more, and a server's children do.
    """

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(limit=MAX_MESSAGE_BYTES, loop=loop)
        self.exited: asyncio.Future[None] = loop.create_future()

    def process_exited(self) -> None:
        super().process_exited()
        self.exited.set_result(None)

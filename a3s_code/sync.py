"""Agent and AgentSession: the same API without await, for scripts and for programs that run an event loop themselves.

One portal thread per process runs one event loop for all synchronous agents. Each method is one call through it.
"""

import asyncio
import atexit
import concurrent.futures
import os
import threading
import weakref
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

from a3s_code.agent import AsyncAgent
from a3s_code.attachments import Attachment
from a3s_code.commands import CommandRegistry
from a3s_code.config import Config
from a3s_code.errors import PluginError, SessionError
from a3s_code.events import Event
from a3s_code.history import FileVersion, Undone
from a3s_code.hook_functions import HookFunction
from a3s_code.logs import get_log
from a3s_code.messages import Image, JsonObject, Message, ToolResult
from a3s_code.options import SessionOptions
from a3s_code.plugins import Catalogue
from a3s_code.points.confirmation import ConfirmationRequest
from a3s_code.points.hooks import HookHandler
from a3s_code.points.llm import ToolDefinition
from a3s_code.points.memory import MemoryItem
from a3s_code.points.sessions import SessionInfo
from a3s_code.points.slash import CommandContext, CommandReply, SlashCommand
from a3s_code.queue.lane_queue import QueueStats
from a3s_code.resilience import Clock
from a3s_code.results import Result
from a3s_code.session import AsyncAgentSession
from a3s_code.streams import EventStream
from a3s_code.usage import Usage

__all__ = ["Agent", "AgentSession", "SyncEventStream"]

T = TypeVar("T")
P = ParamSpec("P")

EXIT_DEADLINE_S = 5.0
LOOK_UP_S = 0.25
"""Seconds that a waiting thread sleeps at most: Ctrl-C just before it fell asleep would else be heeded at its end."""


class _DaemonExecutor(concurrent.futures.ThreadPoolExecutor):
    """Runs each job in a daemon thread, so that the portal's loop can still close files while the interpreter ends."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> concurrent.futures.Future[T]:
        future: concurrent.futures.Future[T] = concurrent.futures.Future()

        def job() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001 # handed to whoever waits
                future.set_exception(error)

        threading.Thread(target=job, daemon=True).start()
        return future


class _Portal:
    """The thread with the event loop of all synchronous agents of this process."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.loop = asyncio.new_event_loop()
        self.loop.set_default_executor(_DaemonExecutor())
        self.is_ending = False
        self.thread = threading.Thread(target=self._serve, name="a3s-code-portal", daemon=True)
        self.thread.start()
        self.agents: weakref.WeakSet[AsyncAgent] = weakref.WeakSet()
        atexit.register(self._end)

    def _serve(self) -> None:
        while not self.is_ending:
            try:
                self.loop.run_forever()
            except BaseException as error:  # noqa: BLE001 # a stranger's SystemExit must not end everybody's loop
                get_log().error("a task tried to end the event loop", error=type(error).__name__)

    def call(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The result of a coroutine that runs in the portal; an interrupted wait cancels it."""
        if threading.current_thread() is self.thread:
            raise SessionError("a synchronous call was made from the event loop of a3s-code itself; use the async API")
        future = asyncio.run_coroutine_threadsafe(_contained(work), self.loop)
        try:
            while not future.done():
                with suppress(TimeoutError):
                    future.exception(LOOK_UP_S)
            return future.result()
        except BaseException:
            if not future.done():
                future.cancel()
            raise

    def _end(self) -> None:
        """A script that never closed its agents: what they opened (servers, locks, clients) is closed at exit."""
        if os.getpid() != self.pid or not self.loop.is_running():
            return
        agents = list(self.agents)
        if agents:
            closing = asyncio.run_coroutine_threadsafe(_close_all(agents), self.loop)
            with suppress(TimeoutError, concurrent.futures.CancelledError):  # every record is on disk already
                closing.result(EXIT_DEADLINE_S)
        self.is_ending = True
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(1)


async def _contained(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    try:
        return await work()
    except SystemExit as error:  # raised again in the caller's thread it would end the caller's program
        raise PluginError(f"a plugin tried to end the process (SystemExit: {error})") from error


async def _close_all(agents: Sequence[AsyncAgent]) -> None:
    await asyncio.gather(*(agent.aclose() for agent in agents), return_exceptions=True)


_portal: _Portal | None = None
_portal_lock = threading.Lock()


def _get_portal() -> _Portal:
    global _portal
    with _portal_lock:
        if _portal is None or _portal.pid != os.getpid():
            _portal = _Portal()
        return _portal


def _reset_after_fork() -> None:
    global _portal_lock
    _portal_lock = threading.Lock()


os.register_at_fork(after_in_child=_reset_after_fork)


class _Ported:
    """What lives in the portal of the process that made it."""

    _portal: _Portal

    def _call(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        if os.getpid() != self._portal.pid:
            raise SessionError("this was made before a fork; make an agent and a session in each process")
        return self._portal.call(work)


class SyncEventStream(_Ported):
    """The events of one prompt as a plain iterator; leaving the loop or the block early cancels the run."""

    def __init__(self, portal: _Portal, stream: EventStream):
        self._portal = portal
        self._stream = stream
        self._batch: list[Event] = []

    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        if not self._batch:
            self._batch = self._call(self._stream.batch)[::-1]
            if not self._batch:
                raise StopIteration
        return self._batch.pop()

    def result(self) -> Result:
        """The result, when the run is over; the events not read until then are dropped."""
        return self._call(self._stream.result)

    def close(self) -> None:
        """Cancels the run if it is not over, and waits until it has ended in order."""
        self._call(self._stream.aclose)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()


class AgentSession(_Ported):
    """One conversation in one workspace (see `AsyncAgentSession`, whose methods these are, without await)."""

    def __init__(self, portal: _Portal, session: AsyncAgentSession):
        self._portal = portal
        self._session = session

    def send(self, prompt: str) -> Result:
        return self._call(lambda: self._session.send(prompt))

    def send_with_attachments(self, prompt: str, attachments: Sequence[Attachment | Image]) -> Result:
        return self._call(lambda: self._session.send_with_attachments(prompt, attachments))

    def stream(self, prompt: str) -> SyncEventStream:
        return self.stream_with_attachments(prompt, ())

    def stream_with_attachments(self, prompt: str, attachments: Sequence[Attachment | Image]) -> SyncEventStream:
        stream = self._call(lambda: _now(self._session.stream_with_attachments, prompt, attachments))
        return SyncEventStream(self._portal, stream)

    def cancel(self) -> bool:
        return self._call(lambda: _now(self._session.cancel))

    @property
    def session_id(self) -> str:
        return self._session.session_id

    @property
    def is_closed(self) -> bool:
        return self._session.is_closed

    @property
    def is_busy(self) -> bool:
        return self._session.is_busy

    @property
    def workspace(self) -> str:
        return self._session.workspace

    def history(self) -> tuple[Message, ...]:
        return self._call(self._session.history)

    def usage(self) -> Usage:
        return self._call(self._session.usage)

    def tool_names(self) -> tuple[str, ...]:
        return self._call(self._session.tool_names)

    def tool_definitions(self) -> tuple[ToolDefinition, ...]:
        return self._call(self._session.tool_definitions)

    def queue_stats(self) -> QueueStats:
        return self._call(self._session.queue_stats)

    def save(self) -> None:
        return self._call(self._session.save)

    def open(self) -> None:
        return self._call(self._session.open)

    def tool(self, name: str, args: JsonObject | None = None) -> ToolResult:
        return self._call(lambda: self._session.tool(name, args))

    def bash(self, command: str, timeout_ms: int | None = None) -> str:
        return self._call(lambda: self._session.bash(command, timeout_ms))

    def read_file(self, path: str) -> str:
        return self._call(lambda: self._session.read_file(path))

    def glob(self, pattern: str) -> list[str]:
        return self._call(lambda: self._session.glob(pattern))

    def grep(self, pattern: str) -> str:
        return self._call(lambda: self._session.grep(pattern))

    def list_file_versions(self, path: str) -> tuple[FileVersion, ...]:
        return self._call(lambda: self._session.list_file_versions(path))

    def diff_file_versions(self, path: str, a: int, b: int) -> str:
        return self._call(lambda: self._session.diff_file_versions(path, a, b))

    def restore_file_version(self, path: str, version: int) -> None:
        return self._call(lambda: self._session.restore_file_version(path, version))

    def undo(self, turns: int = 1, *, force: bool = False) -> Undone:
        return self._call(lambda: self._session.undo(turns, force=force))

    def redo(self, *, force: bool = False) -> Undone:
        return self._call(lambda: self._session.redo(force=force))

    def register_hook(
        self,
        hook_id: str,
        event_type: str,
        handler: HookHandler | HookFunction,
        *,
        matcher: Mapping[str, str] | None = None,
        priority: int = 100,
        timeout_ms: int = 30_000,
    ) -> None:
        return self._call(
            lambda: self._session.register_hook(
                hook_id, event_type, handler, matcher=matcher, priority=priority, timeout_ms=timeout_ms
            )
        )

    def unregister_hook(self, hook_id: str) -> bool:
        return self._call(lambda: self._session.unregister_hook(hook_id))

    def hook_count(self) -> int:
        return self._call(self._session.hook_count)

    def register_command(
        self,
        command: SlashCommand | str,
        description: str = "",
        handler: Callable[[str, CommandContext], CommandReply | str] | None = None,
    ) -> None:
        self._call(lambda: _now(self._session.register_command, command, description, handler))

    def command_registry(self) -> CommandRegistry:
        return self._session.command_registry()

    def pending_confirmations(self) -> tuple[ConfirmationRequest, ...]:
        return self._call(self._session.pending_confirmations)

    def confirm_tool_use(self, tool_id: str, approved: bool, reason: str | None = None) -> bool:
        return self._call(lambda: self._session.confirm_tool_use(tool_id, approved, reason))

    def remember_success(self, task: str, tools: Sequence[str], result: str) -> str:
        return self._call(lambda: self._session.remember_success(task, tools, result))

    def remember_failure(self, task: str, error: str) -> str:
        return self._call(lambda: self._session.remember_failure(task, error))

    def recall_similar(self, query: str, limit: int = 5) -> tuple[MemoryItem, ...]:
        return self._call(lambda: self._session.recall_similar(query, limit))

    def recall_by_tags(self, tags: Sequence[str], limit: int = 5) -> tuple[MemoryItem, ...]:
        return self._call(lambda: self._session.recall_by_tags(tags, limit))

    def memory_recent(self, limit: int = 5) -> tuple[MemoryItem, ...]:
        return self._call(lambda: self._session.memory_recent(limit))

    def close(self) -> None:
        self._call(self._session.aclose)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()


class Agent(_Ported):
    """Makes sessions from one configuration (see `AsyncAgent`, whose methods these are, without await)."""

    def __init__(self, config: str | Path | Config, *, catalogue: Catalogue | None = None, clock: Clock | None = None):
        self._portal = _get_portal()
        self._agent = AsyncAgent(config, catalogue=catalogue, clock=clock)
        self._portal.agents.add(self._agent)

    @classmethod
    def create(cls, config: str | Path | Config) -> Self:
        return cls(config)

    @classmethod
    def from_config(cls, config: Config) -> Self:
        return cls(config)

    @property
    def config(self) -> Config:
        return self._agent.config

    def session(
        self, workspace: str | Path = ".", options: SessionOptions | None = None, **changes: Any
    ) -> AgentSession:
        session = self._call(lambda: _now(self._agent.session, workspace, options, **changes))
        return AgentSession(self._portal, session)

    def resume_session(
        self,
        session_id: str,
        options: SessionOptions | None = None,
        *,
        workspace: str | Path | None = None,
        **changes: Any,
    ) -> AgentSession:
        session = self._call(lambda: self._agent.resume_session(session_id, options, workspace=workspace, **changes))
        return AgentSession(self._portal, session)

    def sessions(self) -> tuple[SessionInfo, ...]:
        return self._call(self._agent.sessions)

    def close(self) -> None:
        self._call(self._agent.aclose)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()


async def _now(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    return function(*args, **kwargs)

"""The agent: owns configuration, plugins, sessions and every background task."""

import asyncio
import os
import warnings
from collections.abc import Coroutine, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import attrs

from a3s_code.blocks import PluginSettings
from a3s_code.composition import SessionPlan, command_registry
from a3s_code.config import Config, LoadedConfig, load, validate
from a3s_code.errors import ConfigError, PluginError, SessionBusyError, SessionError, SessionNotFoundError
from a3s_code.extensions import Extensions
from a3s_code.logs import get_log
from a3s_code.model import choose
from a3s_code.options import SessionOptions
from a3s_code.plugins import Catalogue, Selection, export, from_file, refuse_foreign_distribution, scan
from a3s_code.points.sessions import SessionInfo
from a3s_code.points.slash import SlashCommand
from a3s_code.resilience import Clock, SystemClock
from a3s_code.results import Result
from a3s_code.session import AsyncAgentSession
from a3s_code.workspace import FolderWorkspace

__all__ = ["AsyncAgent"]


class AsyncAgent:
    """Makes sessions from one configuration.

        async with AsyncAgent("agent.hcl") as agent:
            result = await agent.session(".").send("What files handle authentication?")

    Args:
        config: Path of an HCL file, HCL text, or a `Config`.
        catalogue: What plugins there are; default: what is installed.
        clock: Does the waiting between tries of a model call; default: the real one.

    Raises:
        ConfigError: The configuration is wrong.
        PluginError: A plugin that the configuration names is missing or broken.
    """

    def __init__(self, config: str | Path | Config, *, catalogue: Catalogue | None = None, clock: Clock | None = None):
        refuse_foreign_distribution()
        self._pid = os.getpid()
        self._loaded = _loaded(config)
        self._selection = Selection.of(self._loaded.config, catalogue if catalogue is not None else scan())
        self._selection.check(self._loaded.named_at)
        self._settings = PluginSettings(self._loaded, self._selection)
        self._extensions = Extensions(self._selection, self._settings)
        self._clock = clock or SystemClock()
        self._background = Background()
        self._sessions: dict[str, AsyncAgentSession] = {}
        self._closed = False
        for text in self._loaded.warnings:
            warnings.warn(text, stacklevel=2)

    @classmethod
    def create(cls, config: str | Path | Config) -> Self:
        """The same as calling the class."""
        return cls(config)

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """An agent from a configuration made in code."""
        return cls(config)

    @property
    def config(self) -> Config:
        return self._loaded.config

    def session(
        self, workspace: str | Path = ".", options: SessionOptions | None = None, **changes: Any
    ) -> AsyncAgentSession:
        """A new session in a folder; its journal begins at first use.

        Args:
            workspace: The folder; tools cannot leave it.
            options: Copied; None means the defaults.
            changes: Single options as keywords, over *options*.

        Raises:
            ConfigError: The model is not configured.
            SessionError: The workspace is no folder, or the agent is closed.
            PluginError: A one-file plugin cannot be loaded, or an object does not fit its extension point.
        """
        return self._session(workspace, _options(options, changes), is_new=True)

    async def resume_session(
        self,
        session_id: str,
        options: SessionOptions | None = None,
        *,
        workspace: str | Path | None = None,
        **changes: Any,
    ) -> AsyncAgentSession:
        """A saved session with its history; whatever a crash left open is repaired, nothing is run again.

        Args:
            session_id: The id; a session that this agent has open is closed first.
            options: As for `session`; the session's own model is kept unless an option names one.
            workspace: Where it works now; default: where it worked.

        Raises:
            SessionNotFoundError: There is none of this id.
            SessionLockedError: Another process has it open.
            SessionBusyError: This agent has it open, and a prompt is running.
        """
        if session_id in self._sessions:
            if self._sessions[session_id].is_busy:
                raise SessionBusyError(f"a prompt is running in session {session_id}; wait for it before you resume it")
            await self._sessions[session_id].aclose()
        chosen = attrs.evolve(_options(options, changes), session_id=session_id)
        if workspace is None:
            workspace = await self._workspace_of(session_id, chosen)
        session = self._session(workspace, chosen, is_new=False)
        try:
            await session.open()
        except BaseException:
            await session.aclose()
            self._sessions.pop(session_id, None)
            raise
        return session

    async def sessions(self) -> tuple[SessionInfo, ...]:
        """All saved sessions, last used first."""
        return await (await self._extensions.session_store.get()).list()

    async def aclose(self) -> None:
        """Closes the sessions, then everything else that was opened. A second call does nothing."""
        if self._closed:
            return
        self._closed = True
        for session in reversed(self._sessions.values()):
            await session.aclose()
        await self._background.aclose()
        for error in await self._extensions.aclose():
            get_log().warning("closing the agent", error=error)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def _session(self, workspace: str | Path, options: SessionOptions, *, is_new: bool) -> AsyncAgentSession:
        self._check_usable()
        for name in options.without_effect():
            warnings.warn(f"the option {name} has no effect yet", stacklevel=3)
        if options.model is not None or is_new:
            choose(self.config, options.model or self.config.default_model)
        session_id = options.session_id or uuid4().hex
        self._sessions = {id: session for id, session in self._sessions.items() if not session.is_closed}
        if session_id in self._sessions:
            raise SessionError(f"the session {session_id} is open in this agent already; close it first")
        folder = FolderWorkspace(workspace)
        selection = self._selection.with_files(tuple(offer for path in options.plugins for offer in from_file(path)))
        if options.fs_context is True:
            selection = attrs.evolve(selection, used=(*selection.used, "context_provider:filesystem"))
        extensions = Extensions(
            selection,
            self._settings,
            given={"workspace": folder, "session_id": session_id, "answerer": options.on_confirm},
            overrides=_overrides(options) | _folder_context(options, folder),
            agent=self._extensions,
        )
        commands = command_registry()
        for command in (*_slash_commands(selection), *options.slash_commands):
            commands.register(command)
        plan = SessionPlan(
            session_id=session_id,
            is_new=is_new,
            workspace=folder,
            options=options,
            config=self.config,
            extensions=extensions,
            hooks=[],
            commands=commands,
            clock=self._clock,
        )
        session = self._sessions[session_id] = AsyncAgentSession(plan, self._background.spawn)
        return session

    async def _workspace_of(self, session_id: str, options: SessionOptions) -> str:
        store = _overrides(options).get("session_store") or await self._extensions.session_store.get()
        for info in await store.list():  # type: ignore[attr-defined] # a SessionStore
            if info.id == session_id:
                return str(info.workspace)
        raise SessionNotFoundError(f"no session has the id {session_id}; `a3s-code sessions list` shows all")

    def _check_usable(self) -> None:
        if os.getpid() != self._pid:
            raise SessionError("this agent was made before a fork; make one agent in each process")
        if self._closed:
            raise SessionError("the agent is closed; make a new one")


class Background:
    """The tasks that run beside their callers; owned here until they end, and none raises into another."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Result]] = set()

    def spawn(self, work: Coroutine[object, object, Result]) -> asyncio.Task[Result]:
        task = asyncio.ensure_future(work)  # noqa: TID251 # owned by this class until it ends
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return task

    async def aclose(self) -> None:
        """Cancels what still runs and waits for it."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=10)

    def _forget(self, task: asyncio.Task[Result]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waits for the run gets it; here it only counts as seen


def _loaded(config: str | Path | Config) -> LoadedConfig:
    if isinstance(config, Config):
        validate(config)
        return LoadedConfig(config=config, folder=Path.cwd())
    return load(config)


def _options(options: SessionOptions | None, changes: dict[str, Any]) -> SessionOptions:
    try:
        return attrs.evolve((options or SessionOptions()).copy(), **changes)
    except TypeError as error:
        raise ConfigError(f"unknown session option: {error}") from error


def _overrides(options: SessionOptions) -> dict[str, object]:
    """The objects that options put into extension points, including those that single options stand for."""
    overrides = options.overrides()
    if options.sessions_dir is not None and "session_store" not in overrides:
        overrides["session_store"] = _made("FileSessionStore", options.sessions_dir)
    if options.memory_dir is not None and "memory_store" not in overrides:
        overrides["memory_store"] = _made("FileMemoryStore", options.memory_dir)
    if options.confirmation_policy is not None and "confirmation_provider" not in overrides:
        overrides["confirmation_provider"] = _made(
            "ConfirmationManager", options.confirmation_policy, options.on_confirm
        )
    return overrides


def _folder_context(options: SessionOptions, workspace: FolderWorkspace) -> dict[str, object]:
    """The provider for `fs_context="folder"`; `fs_context=True` uses the one of the whole workspace."""
    if isinstance(options.fs_context, bool):
        return {}
    provider = _made("FileSystemContextProvider", workspace.root / options.fs_context)
    return {"context_provider": (*options.context_providers, provider)}


def _made(name: str, *args: object) -> object:
    try:
        maker = export(name)
    except AttributeError as error:
        raise PluginError(f"{name} is not installed: pip install a3s-code", is_missing=True) from error
    assert callable(maker)
    made: object = maker(*args)
    return made


def _slash_commands(selection: Selection) -> Sequence[SlashCommand]:
    commands = []
    for offer in selection.many("slash_command"):
        command = offer.load()
        if not isinstance(command, SlashCommand):
            raise PluginError(f"{offer.id} of {offer.origin} is no slash command: it needs name, description, execute")
        commands.append(command)
    return commands

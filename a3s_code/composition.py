"""Composition: puts the parts of a session together, when the session is first used."""

import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol, runtime_checkable

from attrs import frozen

from a3s_code import __version__
from a3s_code.commands import CommandRegistry, builtin_commands
from a3s_code.config import Config, McpServerConfig, ProviderConfig
from a3s_code.errors import A3SCodeError, PluginError
from a3s_code.events import Event, Warned
from a3s_code.executor import ExecutorSettings, ToolBox, ToolExecutor
from a3s_code.extensions import Extensions, Opening
from a3s_code.finder import Finder
from a3s_code.gate import Gate, GatePoints, GateSettings
from a3s_code.history import FileHistory
from a3s_code.hookspecs import POINTS
from a3s_code.loop import AgentLoop, LoopSettings
from a3s_code.model import Model, ModelSettings
from a3s_code.observers import Observers
from a3s_code.options import SessionOptions
from a3s_code.outputs import Outputs
from a3s_code.plugins import export
from a3s_code.points.context import ContextProvider
from a3s_code.points.hooks import Hook, HookExecutor
from a3s_code.points.llm import LlmClient
from a3s_code.points.mcp import McpServer, McpTransport
from a3s_code.points.memory import MemoryStore
from a3s_code.points.skills import Skill
from a3s_code.points.tools import Tool
from a3s_code.prompts import system_prompt
from a3s_code.queue.lane_queue import LaneQueue
from a3s_code.records import SessionOpened
from a3s_code.redaction import Cleaner
from a3s_code.request import RequestBuilder, RequestSettings
from a3s_code.resilience import Clock
from a3s_code.runs import Asking, Runner
from a3s_code.transcript import Transcript
from a3s_code.waves import PlannedRun
from a3s_code.workspace import FolderWorkspace

__all__ = ["SessionParts", "SessionPlan", "command_registry", "compose", "provider_client"]


@frozen(kw_only=True)
class SessionPlan:
    """What a session is to be made of.

    Args:
        session_id: Its id.
        is_new: Whether its journal is to be made, or one that exists is to be resumed.
        workspace: The folder.
        options: The session's own copy.
        config: The configuration.
        extensions: The session's slots.
        hooks: Hooks registered in code, as they are when the session is first used.
        commands: Slash commands; the built-in ones are registered already.
        clock: Does the waiting between tries of a model call.
    """

    session_id: str
    is_new: bool
    workspace: FolderWorkspace
    options: SessionOptions
    config: Config
    extensions: Extensions
    hooks: list[Hook]
    commands: CommandRegistry
    clock: Clock

    @property
    def permissive(self) -> bool:
        """Whether what would be asked about is allowed; the session's option wins over the configuration."""
        return self.config.permissive if self.options.permissive is None else self.options.permissive


@frozen(kw_only=True)
class SessionParts:
    """The parts of an open session."""

    transcript: Transcript
    files: FileHistory
    model: Model
    request: RequestBuilder
    executor: ToolExecutor
    runner: Runner
    cleaner: Cleaner
    observers: Observers
    queue: LaneQueue
    outputs: Outputs
    tools: ToolBox
    hooks: Callable[[], Awaitable[HookExecutor]]
    skills: tuple[Skill, ...]
    connections: tuple["Connection", ...]
    notes: tuple[Event, ...]


@runtime_checkable
class Connection(Protocol):
    """A connected MCP server."""

    def tools(self) -> tuple[Tool, ...]: ...

    async def aclose(self) -> None: ...


async def compose(
    plan: SessionPlan, emit: Callable[[Event], None], room: Callable[[], Awaitable[None]]
) -> SessionParts:
    """Opens the journal and makes the parts.

    Args:
        plan: What to make.
        emit: Where events go.
        room: Returns when the reader of the events has kept up.

    Raises:
        SessionError: The journal cannot be opened.
        PluginError: Something the session cannot do without cannot be opened.
    """
    options, config, extensions = plan.options, plan.config, plan.extensions
    transcript = await _transcript(plan)
    notes: list[Event] = []
    connections: list[Connection] = []
    outputs = Outputs(transcript.folder)
    plan.workspace.also_read(outputs.path)
    try:
        transcript.listen(emit)
        queue = LaneQueue(options.queue_config or config.queue)
        cleaner = Cleaner(extensions.security_provider.get)
        hooks = Opening(lambda: _hook_executor(plan)).get
        observers = Observers(hooks, plan.session_id)
        model = Model(
            config,
            options.model or transcript.model,
            lambda provider: provider_client(extensions, provider),
            queue,
            _model_settings(options, config),
            plan.clock,
        )
        await _connect(plan, connections, notes)
        tools = ToolBox([*await extensions.tool.get(), *(tool for one in connections for tool in one.tools())])
        gate_settings = GateSettings(
            session_id=plan.session_id,
            permissive=plan.permissive,
            govern_direct_calls=options.govern_direct_calls,
            readable=(str(outputs.path),),
        )
        points = GatePoints(
            permission=extensions.permission_checker.get,
            confirmation=extensions.confirmation_provider.get,
            hooks=hooks,
        )
        executor = ToolExecutor(
            tools=tools,
            gate=Gate(points, plan.workspace, cleaner, gate_settings, emit),
            queue=queue,
            commands=extensions.session_command.get,
            hooks=hooks,
            workspace=plan.workspace,
            outputs=outputs,
            cleaner=cleaner,
            settings=ExecutorSettings(
                session_id=plan.session_id,
                tool_timeout_s=None if options.tool_timeout_ms is None else options.tool_timeout_ms / 1000,
            ),
            emit=emit,
        )
        skills = await _skills(plan, tools, notes)
        system = system_prompt(
            options.slots(),
            workspace=str(plan.workspace.root),
            platform=sys.platform,
            skills=_skills_text(skills),
        )
        request = RequestBuilder(
            system,
            tools.specs,
            model,
            RequestSettings(auto_compact=options.auto_compact, threshold=options.auto_compact_threshold),
            emit,
        )
        loop = AgentLoop(
            request=request,
            ask=Asking(model=model, cleaner=cleaner, observers=observers, emit=emit, room=room),
            tools=executor,
            settings=_loop_settings(options, config),
            model_name=lambda: model.choice.name,
        )
        planned = PlannedRun(
            loop=loop,
            planner=extensions.planner.get,
            model=model,
            tools=tools.names(),
            cleaner=cleaner,
            emit=emit,
        )
        runner = Runner(
            transcript=transcript,
            loop=loop,
            planned=planned if options.planning else None,
            finder=Finder(
                providers=lambda: _context_providers(plan),
                memory=lambda: _memory(plan),
                cleaner=cleaner,
                session_id=plan.session_id,
            ),
            cleaner=cleaner,
            observers=observers,
            emit=emit,
        )
    except BaseException:  # neither the lock nor a server may outlive a session that could not be opened
        closing: list[Callable[[], Awaitable[None]]] = [connection.aclose for connection in connections]
        closing += [transcript.aclose, lambda: _discard(plan)]
        for close in closing:
            with suppress(Exception):  # the error of the opening is the one to tell
                await close()
        raise
    return SessionParts(
        transcript=transcript,
        files=FileHistory(plan.workspace, transcript),
        model=model,
        request=request,
        executor=executor,
        runner=runner,
        cleaner=cleaner,
        observers=observers,
        queue=queue,
        outputs=outputs,
        tools=tools,
        hooks=hooks,
        skills=skills,
        connections=tuple(connections),
        notes=tuple(notes),
    )


async def _discard(plan: SessionPlan) -> None:
    """Removes the journal of a new session that could not be opened, so that the next try can make it."""
    if plan.is_new:
        await (await plan.extensions.session_store.get()).delete(plan.session_id)


async def _transcript(plan: SessionPlan) -> Transcript:
    store = await plan.extensions.session_store.get()
    journal = await store.open(plan.session_id, create=plan.is_new)
    transcript = Transcript(journal, plan.session_id)
    try:
        if plan.is_new:
            opened = SessionOpened(
                session_id=plan.session_id,
                workspace=str(plan.workspace.root),
                created_at=time.time(),
                model=plan.options.model or plan.config.default_model,
                version=__version__,
            )
            await transcript.add(opened)
            await transcript.save()
        else:
            await transcript.load()
    except BaseException:
        await journal.aclose()
        raise
    return transcript


async def provider_client(extensions: Extensions, provider: ProviderConfig) -> LlmClient:
    """The client that speaks to *provider*: the one it names, else the one of its name, else openai with a base_url."""
    if provider.client is not None:
        return await extensions.llm_client.get(provider.client, provider.name)
    names = {offer.name for offer in extensions.selection.catalogue.of("llm_client") if offer.origin.is_official}
    if provider.name in names or provider.name in ("anthropic", "openai"):
        return await extensions.llm_client.get(provider.name, provider.name)
    if provider.base_url is not None:
        return await extensions.llm_client.get("openai", provider.name)
    raise PluginError(
        f'nothing says how to speak to the provider "{provider.name}": give it a base_url (an OpenAI-compatible '
        'endpoint) or client = "..."'
    )


async def _hook_executor(plan: SessionPlan) -> HookExecutor:
    executor = await plan.extensions.hook_executor.get()
    for hook in (*await plan.extensions.hook_handler.get(), *plan.hooks):
        executor.register(hook)
    return executor


async def _context_providers(plan: SessionPlan) -> Sequence[ContextProvider]:
    """The providers that were asked for; the filesystem provider joins when fs_context is set."""
    return await plan.extensions.context_provider.get()


async def _memory(plan: SessionPlan) -> MemoryStore | None:
    """The memory store, when the user said something about memory."""
    selection = plan.extensions.selection
    is_wanted = plan.options.memory_store is not None or plan.options.memory_dir is not None
    if is_wanted or selection.is_chosen(POINTS["memory_store"]):
        return await plan.extensions.memory_store.get()
    return None


def _model_settings(options: SessionOptions, config: Config) -> ModelSettings:
    budget = options.thinking_budget if options.thinking_budget is not None else config.thinking_budget
    return ModelSettings(
        breaker_threshold=options.circuit_breaker_threshold,
        temperature=options.temperature,
        thinking_budget=budget,
    )


def _loop_settings(options: SessionOptions, config: Config) -> LoopSettings:
    return LoopSettings(
        max_rounds=options.max_tool_rounds if options.max_tool_rounds is not None else config.max_tool_rounds,
        max_parse_retries=options.max_parse_retries,
        max_continuations=options.max_continuation_turns if options.continuation_enabled else 0,
    )


async def _skills(plan: SessionPlan, tools: ToolBox, notes: list[Event]) -> tuple[Skill, ...]:
    """The skills of the session; one that is not accepted is left out with a warning."""
    folders = [*plan.config.skill_dirs, *(str(folder) for folder in plan.options.skill_dirs)]
    if not (plan.options.builtin_skills or folders or plan.options.skills):
        return ()
    try:
        registry = export("SkillRegistry")
        builtin = export("builtin_skills")
    except AttributeError as error:
        raise PluginError("skills need the distribution a3s-code-skills: pip install a3s-code-skills") from error
    assert callable(registry)
    assert callable(builtin)
    found = registry(await plan.extensions.skill_validator.get())
    if plan.options.builtin_skills:
        for skill in builtin():
            found.register_unchecked(skill)
    for folder in folders:
        notes.extend(Warned(text) for text in found.load_from_dir(Path(folder)))
    for skill in plan.options.skills:
        notes.extend(Warned(f"skill {skill.name}: {fault.message}") for fault in found.register(skill))
    skills: tuple[Skill, ...] = found.all()
    return tuple(skill for skill in skills if _is_usable(skill, tools))


def _skills_text(skills: tuple[Skill, ...]) -> str:
    if not skills:
        return ""
    prompt_of = export("skills_prompt")
    assert callable(prompt_of)
    text: str = prompt_of(skills)
    return text


def _is_usable(skill: Skill, tools: ToolBox) -> bool:
    """Whether the session has any of the tools that a skill is about; else it would send the model after nothing."""
    names = {rule.partition("(")[0].strip() for rule in skill.allowed_tools}
    return not names or any(tools.get(name) is not None for name in names)


async def _connect(plan: SessionPlan, connections: list["Connection"], notes: list[Event]) -> None:
    """Connects the configured MCP servers; one that fails is left out with a warning."""
    for server in plan.config.mcp_servers:
        if not server.enabled:
            continue
        try:
            connections.append(await _connect_one(plan, server))
        except (A3SCodeError, OSError, TimeoutError) as error:
            notes.append(Warned(f"the MCP server {server.name} could not be connected: {error}"))


async def _connect_one(plan: SessionPlan, server: McpServerConfig) -> Connection:
    try:
        connect = export("connect_mcp")
    except AttributeError as error:
        raise PluginError("MCP servers need the distribution a3s-code-mcp: pip install a3s-code-mcp") from error
    maker = await plan.extensions.mcp_transport.get(server.transport)
    described = McpServer(
        name=server.name,
        transport=server.transport,
        command=server.command,
        args=server.args,
        url=server.url,
        headers=server.headers,
        env=server.env,
        timeout_s=server.timeout,
        cwd=str(plan.workspace.root),
    )
    transport: McpTransport = maker(described)
    assert callable(connect)
    connection: Connection = await connect(transport, described)
    return connection


def command_registry() -> CommandRegistry:
    """A registry with the built-in commands."""
    registry = CommandRegistry()
    for command in builtin_commands(registry):
        registry.register(command)
    return registry

"""A session: one conversation in one workspace."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from types import TracebackType
from typing import Self, TypeVar
from uuid import uuid4

from a3s_code.attachments import Attachment
from a3s_code.commands import (
    ClearHistory,
    CommandRegistry,
    Compact,
    FunctionCommand,
    RedoFiles,
    ShowStatus,
    SwitchModel,
    UndoFiles,
)
from a3s_code.composition import SessionParts, SessionPlan, compose
from a3s_code.errors import (
    ConfigError,
    ModelError,
    PluginError,
    PromptError,
    SessionBusyError,
    SessionError,
    ToolError,
    ToolErrorKind,
)
from a3s_code.events import AgentEnd, AgentStart, CommandOutput, Event, MemoryStored, PluginFailed
from a3s_code.extensions import Opening
from a3s_code.feed import Feed
from a3s_code.history import FileVersion, Undone
from a3s_code.hook_functions import HookFunction, hook_of
from a3s_code.logs import get_log
from a3s_code.messages import Image, Json, JsonObject, Message, ToolCall, ToolResult
from a3s_code.points.confirmation import ConfirmationRequest
from a3s_code.points.hooks import HookEventType, HookHandler
from a3s_code.points.llm import ToolDefinition
from a3s_code.points.memory import MemoryItem, MemoryType
from a3s_code.points.slash import CommandContext, CommandReply, SlashCommand
from a3s_code.queue.lane_queue import QueueStats
from a3s_code.records import Cleared, ModelSwitched
from a3s_code.results import Result
from a3s_code.streams import EventStream, RunningPrompt
from a3s_code.threads import in_thread
from a3s_code.usage import Usage

__all__ = ["AsyncAgentSession"]

T = TypeVar("T")

LARGEST_PROMPT_BYTES = 4 * 1024 * 1024
"""A prompt of more bytes does not fit any model's context window (4 MiB are about a million tokens)."""
CLOSE_DEADLINE_S = 10.0

Spawn = Callable[[Coroutine[object, object, Result]], "asyncio.Task[Result]"]


class AsyncAgentSession:
    """One conversation in one workspace. Made by `AsyncAgent.session`; opened at first use.

    One prompt runs at a time; a second one meanwhile raises SessionBusyError. Direct calls may run beside it.
    """

    def __init__(self, plan: SessionPlan, spawn: Spawn):
        self._plan = plan
        self._spawn = spawn
        self._pid = os.getpid()
        self._opening = Opening(self._open)
        self._parts: SessionParts | None = None
        self._run: RunningPrompt | None = None
        self._closed = False
        self._told_notes = False
        self._told_failures = 0
        self._opened_at = 0.0

    # Prompts

    async def send(self, prompt: str) -> Result:
        """Runs *prompt* to its end.

        Raises:
            PromptError: The prompt is empty, too large or was blocked by a hook.
            SessionBusyError: Another prompt is running.
            ModelError: The model could not be asked; the session can go on.
        """
        return await self.send_with_attachments(prompt, ())

    async def send_with_attachments(self, prompt: str, attachments: Sequence[Attachment | Image]) -> Result:
        """Runs *prompt* with images. Cancelling the caller cancels the run in order."""
        run = self._start(prompt, attachments, keep=False)
        try:
            return await asyncio.shield(run.task)
        except asyncio.CancelledError:
            run.cancel()
            await asyncio.wait({run.task})
            raise

    def stream(self, prompt: str) -> EventStream:
        """Starts *prompt* and gives its events."""
        return self.stream_with_attachments(prompt, ())

    def stream_with_attachments(self, prompt: str, attachments: Sequence[Attachment | Image]) -> EventStream:
        """Starts *prompt* with images and gives its events."""
        return EventStream(self._start(prompt, attachments, keep=True))

    def cancel(self) -> bool:
        """Ends the running prompt in order: its result has what there is. False when none is running."""
        return self._run is not None and self._run.cancel()

    # Facts

    @property
    def session_id(self) -> str:
        return self._plan.session_id

    @property
    def is_closed(self) -> bool:
        return self._closed

    @property
    def is_busy(self) -> bool:
        """Whether a prompt is running."""
        return self._run is not None and not self._run.task.done()

    @property
    def workspace(self) -> str:
        """The canonical path of the workspace."""
        return str(self._plan.workspace.root)

    async def history(self) -> tuple[Message, ...]:
        """The messages so far."""
        return tuple((await self._get()).transcript.messages)

    async def usage(self) -> Usage:
        """Tokens of the whole session."""
        return (await self._get()).transcript.usage

    async def tool_names(self) -> tuple[str, ...]:
        return (await self._get()).tools.names()

    async def tool_definitions(self) -> tuple[ToolDefinition, ...]:
        """The tools as the model sees them."""
        return (await self._get()).request.tools()

    async def queue_stats(self) -> QueueStats:
        """What waits and runs in each lane."""
        return (await self._get()).queue.stats()

    async def save(self) -> None:
        """A snapshot: everything is on disk. The journal is always on, so nothing is lost without it either."""
        await (await self._get()).transcript.save()

    # Direct calls: origin "host"

    async def tool(self, name: str, args: JsonObject | None = None) -> ToolResult:
        """Calls a tool directly: confinement, deny rules, redaction and the journal apply, nobody is asked."""
        parts = await self._get()
        call = ToolCall(id=f"host_{uuid4().hex}", name=name, arguments=dict(args or {}))
        return await parts.executor.run(call, parts.transcript, "host")

    async def bash(self, command: str, timeout_ms: int | None = None) -> str:
        """The output of a shell command, whatever its exit code; `tool("bash", ...)` gives that too.

        Raises:
            ToolError: It was refused or timed out.
        """
        args: dict[str, object] = {"command": command}
        if timeout_ms is not None:
            args["timeout"] = timeout_ms
        result = await self.tool("bash", args)  # type: ignore[arg-type] # a string and an int are JSON
        return result.output if "exit_code" in result.metadata else _text(result)

    async def read_file(self, path: str) -> str:
        """The whole text of a file in the workspace, sanitised.

        Raises:
            ToolError: It was refused, is missing or is no UTF-8 text.
        """
        _text(await self.tool("read", {"file_path": path, "limit": 1}))
        content = await in_thread(self._plan.workspace.read_bytes, path)
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ToolError(f"{path} is no UTF-8 text ({error})", ToolErrorKind.UNSUPPORTED) from error
        return await (await self._get()).cleaner.clean(text)

    async def glob(self, pattern: str) -> list[str]:
        """Paths in the workspace that match, newest first. Raises ToolError."""
        result = await self.tool("glob", {"pattern": pattern})
        listing = _text(result)
        return listing.partition("\n\n")[0].splitlines() if result.metadata.get("count") else []

    async def grep(self, pattern: str) -> str:
        """Lines in the workspace that match a regular expression, as text. Raises ToolError."""
        return _text(await self.tool("grep", {"pattern": pattern}))

    # File history

    async def list_file_versions(self, path: str) -> tuple[FileVersion, ...]:
        """The contents that a file had, oldest first; none when no tool of this session changed it.

        Raises:
            ToolError: It is outside the workspace.
        """
        return (await self._get()).files.versions(path)

    async def diff_file_versions(self, path: str, a: int, b: int) -> str:
        """What changed from version *a* of a file to version *b*, as a unified diff, sanitised; "" when they are equal.

        Raises:
            ToolError: There is no such version, or its content was too large to be kept.
        """
        parts = await self._get()
        return await parts.cleaner.clean(await parts.files.diff(path, a, b))

    async def restore_file_version(self, path: str, version: int) -> None:
        """Gives a file the content it had; where there was no file it is removed. `undo` takes it back.

        Raises:
            SessionBusyError: A prompt is running.
            ToolError: There is no such version, its content was too large to be kept, or it cannot be written.
        """
        await (await self._idle()).files.restore(path, version)

    async def undo(self, turns: int = 1, *, force: bool = False) -> Undone:
        """Takes back what the last prompts that changed files did to them; called again it goes back further.

        Direct calls and `restore_file_version` count as a prompt each. Only files that a tool changed are touched, and
        only by writing and removing them: what commands did stays, and git is not used. All of it or nothing happens.

        Args:
            turns: How many prompts.
            force: Also where somebody else changed a file since; what is overwritten is kept as a version.

        Raises:
            SessionBusyError: A prompt is running.
            ToolError: VERSION_CONFLICT, somebody else changed files since; it names them and nothing was changed.
        """
        return await (await self._idle()).files.undo(turns, force=force)

    async def redo(self, *, force: bool = False) -> Undone:
        """Takes the last `undo` back, as long as no tool changed a file since. Raises as `undo` does."""
        return await (await self._idle()).files.redo(force=force)

    # Hooks, commands, confirmation

    async def register_hook(
        self,
        hook_id: str,
        event_type: str,
        handler: HookHandler | HookFunction,
        *,
        matcher: Mapping[str, str] | None = None,
        priority: int = 100,
        timeout_ms: int = 30_000,
    ) -> None:
        """Calls *handler* at a lifecycle event.

        Args:
            hook_id: Registering the same id replaces the hook.
            event_type: Such as "pre_tool_use".
            handler: A HookHandler, or a function that takes {"event_type", "payload"} and gives None or
                {"action": "continue" | "block" | "modify" | "skip" | "retry", "reason", "modified", "delay_ms"}.
            matcher: Any of "tool", "path", "command", "session_id".
            priority: Smaller first.
            timeout_ms: Milliseconds until it counts as failed.
        """
        hook = hook_of(hook_id, event_type, handler, matcher=matcher, priority=priority, timeout_ms=timeout_ms)
        if self._parts is None:
            self._plan.hooks.append(hook)
        else:
            (await self._parts.hooks()).register(hook)

    async def unregister_hook(self, hook_id: str) -> bool:
        """Removes a hook; False when there is none of this id."""
        return (await (await self._get()).hooks()).unregister(hook_id)

    async def hook_count(self) -> int:
        return (await (await self._get()).hooks()).hook_count()

    def register_command(
        self,
        command: SlashCommand | str,
        description: str = "",
        handler: Callable[[str, CommandContext], CommandReply | str] | None = None,
    ) -> None:
        """Adds a slash command: an object, or name, description and handler(args, context)."""
        if isinstance(command, str):
            if handler is None:
                raise PromptError(
                    f"the command /{command} needs a handler: register_command(name, description, handler)"
                )
            command = FunctionCommand(command, description, handler)
        self._plan.commands.register(command)

    def command_registry(self) -> CommandRegistry:
        """The session's slash commands."""
        return self._plan.commands

    async def pending_confirmations(self) -> tuple[ConfirmationRequest, ...]:
        """The open questions."""
        return (await self._plan.extensions.confirmation_provider.get()).pending()

    async def confirm_tool_use(self, tool_id: str, approved: bool, reason: str | None = None) -> bool:
        """Answers an open question; False when there is none of this id."""
        provider = await self._plan.extensions.confirmation_provider.get()
        return provider.respond(tool_id, approved=approved, reason=reason)

    # Memory

    async def remember_success(self, task: str, tools: Sequence[str], result: str) -> str:
        """Keeps what worked; the id of the memory."""
        content = f"Success: {task}\nTools: {', '.join(tools)}\nResult: {result}"
        return await self._remember(content, MemoryType.PROCEDURAL, 0.8, ("success", "pattern"))

    async def remember_failure(self, task: str, error: str) -> str:
        """Keeps what did not work; the id of the memory."""
        return await self._remember(f"Failure: {task}\nError: {error}", MemoryType.EPISODIC, 0.9, ("failure", "avoid"))

    async def recall_similar(self, query: str, limit: int = 5) -> tuple[MemoryItem, ...]:
        """Memories that contain *query*, best first."""
        return await (await self._plan.extensions.memory_store.get()).search(query, limit)

    async def recall_by_tags(self, tags: Sequence[str], limit: int = 5) -> tuple[MemoryItem, ...]:
        return await (await self._plan.extensions.memory_store.get()).search_by_tags(tuple(tags), limit)

    async def memory_recent(self, limit: int = 5) -> tuple[MemoryItem, ...]:
        return await (await self._plan.extensions.memory_store.get()).get_recent(limit)

    async def _remember(self, content: str, kind: MemoryType, importance: float, tags: tuple[str, ...]) -> str:
        parts = await self._get()
        store = await self._plan.extensions.memory_store.get()
        item = MemoryItem(
            id=uuid4().hex,
            content=await parts.cleaner.clean(content),
            timestamp=time.time(),
            importance=importance,
            tags=tags,
            memory_type=kind,
        )
        await store.store(item)
        self._emit(MemoryStored(item.id, kind.value, importance, tags))
        return item.id

    # Life

    async def aclose(self) -> None:
        """Cancels what runs, saves, and closes everything that the session opened. A second call does nothing."""
        if self._closed:
            return
        self._closed = True
        if self._run is not None and not self._run.task.done():
            self._run.cancel()
            await asyncio.wait({self._run.task}, timeout=CLOSE_DEADLINE_S)
        await self._opening.settle()
        parts = self._parts
        errors: list[str] = []
        if parts is not None:
            await self._tell_end(parts)
            closing = [lambda: parts.queue.aclose(CLOSE_DEADLINE_S), *(one.aclose for one in parts.connections)]
            for close in (*closing, parts.transcript.save, parts.transcript.aclose):
                errors += await _attempt(close)
        errors += await self._plan.extensions.aclose()
        if parts is not None:  # after the tools that may still write there
            await in_thread(parts.outputs.close)
        for error in errors:
            get_log().warning("closing the session", session=self.session_id, error=error)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self.aclose()

    # Inside

    async def _get(self) -> SessionParts:
        self._check_usable()
        return self._parts or await self._opening.get()

    async def _idle(self) -> SessionParts:
        self._check_idle()
        return await self._get()

    async def open(self) -> None:
        """Opens the session now instead of at first use; raises what the first use would."""
        await self._get()

    async def _open(self) -> SessionParts:
        self._parts = await compose(self._plan, self._emit, self._room)
        await self._parts.observers.tell(
            HookEventType.SESSION_START,
            model_name=self._parts.model.choice.name,
            system_prompt=self._parts.request.system,
        )
        self._opened_at = time.time()
        await self._tell_skills(self._parts)
        return self._parts

    async def _tell_skills(self, parts: SessionParts) -> None:
        for skill in parts.skills:
            await parts.observers.tell(
                HookEventType.SKILL_LOAD,
                skill_name=skill.name,
                tool_names=list(skill.allowed_tools),
                version=skill.version,
                description=skill.description,
                loaded_at=int(self._opened_at * 1000),
            )

    async def _tell_end(self, parts: SessionParts) -> None:
        duration_ms = int((time.time() - self._opened_at) * 1000)
        for skill in parts.skills:
            tools: list[Json] = list(skill.allowed_tools)
            await parts.observers.tell(
                HookEventType.SKILL_UNLOAD, skill_name=skill.name, tool_names=tools, duration_ms=duration_ms
            )
        total = parts.transcript.usage.total_tokens
        await parts.observers.tell(HookEventType.SESSION_END, total_tokens=total, duration_ms=duration_ms)

    def _check_usable(self) -> None:
        if os.getpid() != self._pid:
            raise SessionError("this session was made before a fork; make an agent and a session in each process")
        if self._closed:
            raise SessionError(f"the session {self.session_id} is closed; resume it with agent.resume_session(...)")

    def _check_idle(self) -> None:
        if self.is_busy:
            raise SessionBusyError(f"a prompt is running in session {self.session_id}; wait for it or call cancel()")

    def _start(self, prompt: str, attachments: Sequence[Attachment | Image], *, keep: bool) -> RunningPrompt:
        self._check_usable()
        _check_prompt(prompt)
        before = self._run
        if before is not None and not before.was_cancelled:
            self._check_idle()
        feed = Feed(keep=keep)
        images = tuple(Image(one.media_type, one.data, one.digest) for one in attachments)  # records know no subclass
        asyncio.get_running_loop()  # without one nothing may begin
        self._run = RunningPrompt(self._spawn(self._work(_valid(prompt), images, feed, before)), feed)
        return self._run

    async def _work(self, prompt: str, images: tuple[Image, ...], feed: Feed, before: RunningPrompt | None) -> Result:
        """The run's task: whatever happens, the feed ends."""
        try:
            if before is not None and not before.task.done():  # it was cancelled and is ending in order
                await asyncio.wait({before.task})
            self._feed = feed
            parts = await self._get()
            self._tell_notes(parts)
            command = self._plan.commands.parse(prompt)
            if command is not None:
                result = await self._command(parts, prompt, *command)
            else:
                result = await parts.runner.run(prompt, images)
        except asyncio.CancelledError:  # before the runner began: nothing is recorded
            result = Result(text="", usage=Usage(), stop_reason="cancelled")
            feed.emit(AgentEnd("", Usage(), "cancelled"))
        except SystemExit as error:  # of a stranger's code; it must not end the loop
            failure = PluginError(f"a plugin tried to end the process (SystemExit: {error})")
            feed.end(failure)
            raise failure from error
        except BaseException as error:
            feed.end(error)
            raise
        feed.end()
        return result

    _feed: Feed | None = None

    def _emit(self, event: Event) -> None:
        if self._feed is not None:
            self._tell_failures(self._feed)
            self._feed.emit(event)

    async def _room(self) -> None:
        if self._feed is not None:
            await self._feed.room()

    def _tell_notes(self, parts: SessionParts) -> None:
        """What was left out at opening is told once, in the first prompt after it."""
        notes = () if self._told_notes else parts.notes
        self._told_notes = True
        for note in notes:
            self._emit(note)

    def _tell_failures(self, feed: Feed) -> None:
        """Each plugin that was left out is told once, before the next event; some are opened in the middle of a run."""
        failures = self._plan.extensions.failures[self._told_failures :]
        self._told_failures += len(failures)
        for one in failures:
            feed.emit(PluginFailed(one.plugin, one.error))

    async def _command(self, parts: SessionParts, prompt: str, name: str, args: str) -> Result:
        """A slash command: never reaches the model, is not recorded."""
        self._emit(AgentStart(prompt))
        command = self._plan.commands.get(name)
        if command is None:
            text = f"Unknown command: /{name}. /help lists the commands."
        else:
            text = await self._execute(parts, command, args)
        self._emit(CommandOutput(text))
        self._emit(AgentEnd(text, Usage(), "command"))
        return Result(text=text, usage=Usage(), stop_reason="command")

    async def _execute(self, parts: SessionParts, command: SlashCommand, args: str) -> str:
        context = self._context(parts)
        try:
            answer = await in_thread(command.execute, args, context)
            if isinstance(answer, Awaitable):
                answer = await answer
        except Exception as error:  # noqa: BLE001 # a stranger's command; the person sees what it said
            return f"/{command.name} failed: {type(error).__name__}: {error}"
        reply = answer if isinstance(answer, CommandReply) else CommandReply(str(answer))
        try:
            return await self._act(parts, reply)
        except (ConfigError, ModelError, ToolError) as error:
            return f"/{command.name} failed: {error}"

    async def _act(self, parts: SessionParts, reply: CommandReply) -> str:
        """Does what a command's reply asks for; the text for the person."""
        match reply.action:
            case Compact():
                before = len(parts.transcript.messages)
                done = await parts.request.compact(parts.transcript)
                after = len(parts.transcript.messages)
                return f"Compacted: {before} messages, now {after}." if done else "Nothing to compact."
            case ClearHistory():
                await parts.transcript.add(Cleared())
            case SwitchModel(model):
                parts.model.switch(model)
                await parts.transcript.add(ModelSwitched(model=model))
            case ShowStatus():
                return _status(self._plan, parts)
            case UndoFiles(turns, force):
                return (await parts.files.undo(turns, force=force)).text
            case RedoFiles(force):
                return (await parts.files.redo(force=force)).text
            case _:
                pass  # a command without an action, or with one of a stranger's
        return reply.text

    def _context(self, parts: SessionParts) -> CommandContext:
        price = parts.model.choice.known.cost
        usage = parts.transcript.usage
        return CommandContext(
            session_id=self.session_id,
            workspace=self.workspace,
            model=parts.model.choice.name,
            history_len=len(parts.transcript.messages),
            usage=usage,
            cost_usd=None if price is None else price.of(usage),
            tool_names=parts.tools.names(),
        )


def _check_prompt(prompt: str) -> None:
    if not isinstance(prompt, str) or not prompt.strip():
        raise PromptError("the prompt is empty; say what is to be done")
    size = len(prompt.encode("utf-8", "replace"))
    if size > LARGEST_PROMPT_BYTES:
        raise PromptError(
            f"the prompt has {size:,} bytes; the limit is {LARGEST_PROMPT_BYTES:,}: put the text into a file of the "
            "workspace and name it in the prompt"
        )


def _valid(prompt: str) -> str:
    """The prompt as valid text: halves of a character join or become the replacement character."""
    return prompt.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _text(result: ToolResult) -> str:
    if result.is_error:
        kinds = {kind.value: kind for kind in ToolErrorKind}
        raise ToolError(result.output, kinds.get(result.kind or "", ToolErrorKind.FAILED))
    return result.output


_PROTECTIONS = {"permission_checker": "Permissions", "security_provider": "Redaction", "bash_sandbox": "Commands"}
"""The points that a person wants to see the fillers of, with their headings."""


def _status(plan: SessionPlan, parts: SessionParts) -> str:
    selection = plan.extensions.selection
    lines = [f"Model: {parts.model.choice.name}", f"Workspace: {plan.workspace.root}"]
    lines += [f"{label}: {plan.extensions.filled_by(name)}" for name, label in _PROTECTIONS.items()]
    if plan.permissive:
        lines.append("Permissive: what would be asked about runs")
    if selection.chosen.get("security_provider") == "none":
        lines.append('Security: off (security_provider = "none")')
    lines += [f"Left out: {failure.plugin}: {failure.error}" for failure in plan.extensions.failures]
    return "\n".join(lines)


async def _attempt(close: Callable[[], Awaitable[None]]) -> list[str]:
    try:
        async with asyncio.timeout(CLOSE_DEADLINE_S):
            await close()
    except Exception as error:  # noqa: BLE001 # everything is closed before anything is said
        return [f"{type(error).__name__}: {error}"]
    return []

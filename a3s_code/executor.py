"""The executor: runs the calls of a reply through the gate, a lane and the cleaner, each exactly once."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from copy import deepcopy
from pathlib import Path

import orjson
from attrs import evolve, field, frozen

from a3s_code.errors import A3SCodeError, PluginError, ToolError, ToolErrorKind
from a3s_code.events import Event, PermissionDenied, ToolOutputDelta
from a3s_code.gate import Gate, Passed, Refusal, call_hash
from a3s_code.history import Author, VersionedWorkspace
from a3s_code.logs import get_log
from a3s_code.messages import Image, JsonObject, ToolCall, ToolResult, valid_text
from a3s_code.outputs import Outputs
from a3s_code.points.hooks import HookEvent, HookEventType, HookExecutor, HookResult
from a3s_code.points.session_command import SessionCommandMaker, ToolWork
from a3s_code.points.tools import Effects, Tool, ToolOutput, ToolSpec, lane_of
from a3s_code.queue.lane_queue import LaneQueue
from a3s_code.records import ToolIntended, ToolSettled
from a3s_code.redaction import Cleaner, DeltaCleaner
from a3s_code.schemas import Schema
from a3s_code.threads import is_being_cancelled
from a3s_code.transcript import Transcript
from a3s_code.workspace import FolderWorkspace

__all__ = ["ExecutorSettings", "ToolBox", "ToolExecutor"]

SAME_CALLS_AT_MOST = 3
LONGEST_OUTPUT = 200_000
"""Characters of a tool's output that enter the history; the built-in tools keep to 102,400 bytes by themselves."""
JUDGED_AGAIN_AT_MOST = 3
CHILDREN_AT_ONCE = 8
BROKEN_OFF = "the call was broken off; its effects are unknown: check before you repeat it"
CHANGED = (
    "{name} did not run: while it waited its permission was judged again, and its arguments were changed; "
    "send the call again"
)
HOOK_DEADLINE_S = 60.0


class ToolBox:
    """The tools of a session by name, each with its compiled schema."""

    def __init__(self, tools: Sequence[Tool]):
        self._tools: dict[str, tuple[Tool, Schema]] = {}
        for tool in tools:
            self.add(tool)

    def add(self, tool: Tool) -> None:
        """Adds a tool.

        Raises:
            PluginError: There is one of this name already; names both.
        """
        name = tool.spec.name
        if name in self._tools:
            raise PluginError(
                f'two tools are called "{name}": one of {_home(self._tools[name][0])} and one of {_home(tool)}; '
                f'disable one of them: plugins {{ disabled = ["tool:{name}"] }}'
            )
        self._tools[name] = (tool, Schema(tool.spec.schema))

    def get(self, name: str) -> tuple[Tool, Schema] | None:
        return self._tools.get(name)

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._tools))

    def specs(self) -> tuple[ToolSpec, ...]:
        """All specs by name, so that the order is always the same."""
        return tuple(self._tools[name][0].spec for name in self.names())


def _home(tool: Tool) -> str:
    function = getattr(tool, "function", None)
    return str(getattr(function, "__module__", None) or type(tool).__module__).split(".")[0]


@frozen(kw_only=True)
class ExecutorSettings:
    """What the session decides about running tools; *tool_timeout_s* None lets each tool decide."""

    session_id: str
    tool_timeout_s: float | None = None


@frozen(kw_only=True)
class ToolExecutor:
    """Runs calls. What the model or a tool did wrong never raises: the model reads the result.

    Args:
        tools: The tools.
        gate: Judges calls.
        queue: The lanes.
        commands: Makes units of queued work.
        hooks: For post_tool_use.
        workspace: What tools may touch.
        outputs: Where tools keep what is too long to show.
        cleaner: Cleans what tools say.
        settings: The session's decisions.
        emit: Where events go.
    """

    tools: ToolBox
    gate: Gate
    queue: LaneQueue
    commands: Callable[[], Awaitable[SessionCommandMaker]]
    hooks: Callable[[], Awaitable[HookExecutor]]
    workspace: FolderWorkspace
    outputs: Outputs
    cleaner: Cleaner
    settings: ExecutorSettings
    emit: Callable[[Event], None]
    _recent: list[tuple[str, str]] = field(factory=list, init=False)

    async def run_all(self, calls: Sequence[ToolCall], transcript: Transcript) -> None:
        """Runs the calls of one reply: judged in order, read-only ones side by side, all others one after the other.

        Raises:
            SessionError: The journal cannot be written.
        """
        await self._run_in_order(calls, transcript, "model", len(calls))
        await transcript.repair("the call was broken off")  # by a stranger's code that cancelled itself

    async def run_children(self, calls: Sequence[ToolCall], transcript: Transcript) -> tuple[ToolResult, ...]:
        """Runs calls that a running call started, like those of a reply; their results, in the order asked.

        Raises:
            SessionError: The journal cannot be written, or the session is closing.
        """
        results = await self._run_in_order(calls, transcript, "child", CHILDREN_AT_ONCE)
        return tuple(results.get(call.id) or _failed(call, BROKEN_OFF, ToolErrorKind.INTERRUPTED) for call in calls)

    def begin(self) -> None:
        """A new prompt: what was called before says nothing of it."""
        self._recent.clear()

    async def _run_in_order(
        self, calls: Sequence[ToolCall], transcript: Transcript, origin: str, at_once: int
    ) -> Mapping[str, ToolResult]:
        """The results by id, without those of calls that were broken off."""
        results: dict[str, ToolResult] = {}

        async def run(passed: Passed) -> None:
            results[passed.call.id] = await self._run_passed(passed, transcript, origin)

        try:
            async with asyncio.TaskGroup() as group:
                running: set[asyncio.Task[None]] = set()
                for call in calls:
                    judged = await self._judge(call, transcript, origin)
                    if isinstance(judged, ToolResult):
                        results[call.id] = judged
                        continue
                    is_alone = self._runs_alone(judged)
                    await _until(running, 0 if is_alone else at_once - 1)
                    running.add(group.create_task(run(judged)))
                    await _until(running, 0 if is_alone else at_once)
        except BaseExceptionGroup as errors:  # callers know the journal's own error, not a group of it
            raise errors.exceptions[0] from None
        return results

    def _runs_alone(self, passed: Passed) -> bool:
        found = self.tools.get(passed.call.name)
        return found is None or Effects.READ_ONLY not in passed.effects or found[0].spec.orchestrates

    async def run(self, call: ToolCall, transcript: Transcript, origin: str) -> ToolResult:
        """Runs one call that the host asked for."""
        verdict = await self._verdict(call, origin)
        if isinstance(verdict, Refusal):
            return await self._settle(_refused(call, verdict), call, transcript, origin)
        return await self._run_passed(verdict, transcript, origin)

    async def _judge(self, call: ToolCall, transcript: Transcript, origin: str) -> Passed | ToolResult:
        """The call that may run, or its result when it was refused; that is settled already."""
        repeated = self._repeat_refusal(call) if origin == "model" else None
        if repeated is not None:  # not counted as an answer of its own: the same call stays refused until another comes
            result = _refused(call, repeated)
            await transcript.add(ToolSettled(result=result), durable=False)
            return result
        verdict = await self._parse_refusal(call) or await self._verdict(call, origin)
        if isinstance(verdict, Passed):
            return verdict
        if verdict.kind is ToolErrorKind.DENIED:
            shown = await self.cleaner.clean_json(call.arguments)
            self.emit(PermissionDenied(call.id, call.name, shown, verdict.text))
        return await self._settle(_refused(call, verdict), call, transcript, origin)

    async def _verdict(self, call: ToolCall, origin: str) -> Passed | Refusal:
        found = self.tools.get(call.name)
        if found is None:
            names = ", ".join(self.tools.names()) or "none"
            return Refusal(f"Unknown tool: {call.name}; there are: {names}", ToolErrorKind.NOT_FOUND)
        tool, schema = found
        verdict = await self.gate.judge(call, tool.spec, schema, origin)
        if isinstance(verdict, Refusal):  # hooks, people and strangers speak through it
            return evolve(verdict, text=await self.cleaner.clean(verdict.text))
        return verdict

    async def _run_passed(self, passed: Passed, transcript: Transcript, origin: str) -> ToolResult:
        call, permit = passed.call, passed.permit
        found = self.tools.get(call.name)
        assert found is not None, "a call that passed has a tool"
        tool, _ = found
        intent = ToolIntended(
            call_id=call.id,
            name=call.name,
            arguments=await self.cleaner.clean_json(call.arguments),
            permit=permit.call_hash,
            origin=origin,
        )
        # what changes nothing may be lost with the power: its intent matters to nobody
        await transcript.add(intent, durable=Effects.READ_ONLY not in passed.effects)
        try:
            result = await self._clean(await self._perform(tool, passed, transcript, origin), call)
        except asyncio.CancelledError:
            if origin == "child":  # those of the model get their results from `Transcript.repair`
                await self._settle(_failed(call, BROKEN_OFF, ToolErrorKind.INTERRUPTED), call, transcript, origin)
            raise
        return await self._settle(result, call, transcript, origin)

    async def _perform(self, tool: Tool, passed: Passed, transcript: Transcript, origin: str) -> ToolResult:
        """Runs the tool in its lane; the kernel's one broad except around a stranger's code."""
        for _ in range(JUDGED_AGAIN_AT_MOST):
            kind_of_use = _OrchestratingUse if tool.spec.orchestrates else _Use
            use = kind_of_use(self, passed, transcript, origin)
            try:
                output = await self._in_lane(tool, passed, use)
            except _StalePermitError:  # the policy or a link changed while the call waited for its lane
                again = await self._verdict(passed.call, origin)
                if isinstance(again, Refusal):
                    return _refused(passed.call, again)
                if (again.call, again.effects) != (passed.call, passed.effects):  # what was recorded is another call
                    return _failed(passed.call, CHANGED.format(name=passed.call.name), ToolErrorKind.DENIED)
                passed = again
                continue
            except ToolError as error:
                return _failed(passed.call, str(error), _kind(error.kind))
            except TimeoutError:
                return _failed(passed.call, f"Tool '{passed.call.name}' timed out", ToolErrorKind.TIMEOUT)
            except asyncio.CancelledError:
                if is_being_cancelled():
                    raise
                return _failed(passed.call, f"{passed.call.name} failed: it cancelled itself; its effects are unknown")
            except (Exception, SystemExit) as error:  # noqa: BLE001 # a stranger's tool may raise anything
                get_log().warning("tool failed", tool=passed.call.name, error=type(error).__name__)
                return _failed(passed.call, f"{passed.call.name} failed: {type(error).__name__}: {error}")
            finally:
                await use.finish()
            return _result(passed.call, output, use.images)
        return _failed(
            passed.call, f"{passed.call.name}: the policy kept changing; nothing was run", ToolErrorKind.DENIED
        )

    async def _in_lane(self, tool: Tool, passed: Passed, use: "_Use") -> ToolOutput:
        async def perform() -> ToolOutput:
            return await tool.run(deepcopy(dict(passed.call.arguments)), use)  # the history's own stay as they are

        command = (await self.commands()).make(ToolWork(call=passed.call, permit=passed.permit, perform=perform))

        async def covered() -> ToolOutput:
            if not await self.gate.covers(passed.permit, passed.call, tool.spec):
                raise _StalePermitError
            return await command.execute()

        if tool.spec.orchestrates:
            return await covered()
        return await self.queue.run(lane_of(passed.effects), covered, timeout_s=self.settings.tool_timeout_s)

    async def _clean(self, result: ToolResult, call: ToolCall) -> ToolResult:
        """Sanitised, then shown to the post_tool_use hooks, and sanitised again if they changed it."""
        result = evolve(result, output=await self.cleaner.clean(result.output))
        if result.metadata:
            result = evolve(result, metadata=await self.cleaner.clean_json(result.metadata))
        changed = await self._post_hook(result, call)
        if changed is not None and changed != result.output:
            result = evolve(result, output=await self.cleaner.clean(changed))
        return result

    async def _post_hook(self, result: ToolResult, call: ToolCall) -> str | None:
        """The output that a hook wants instead; hooks that fail here are observers and cost nothing."""
        payload: JsonObject = {
            "session_id": self.settings.session_id,
            "tool": call.name,
            "args": dict(call.arguments),
            "result": {"success": not result.is_error, "output": result.output, "exit_code": result.exit_code},
            "output": result.output,
        }
        event = HookEvent(event_type=HookEventType.POST_TOOL_USE, session_id=self.settings.session_id, payload=payload)
        try:
            hooks = await self.hooks()
            async with asyncio.timeout(HOOK_DEADLINE_S):
                answer: object = await hooks.fire(event)
        except (Exception, SystemExit) as error:  # noqa: BLE001 # foreign code, and observers fail open
            get_log().warning("post_tool_use hooks failed", error=type(error).__name__)
            return None
        except asyncio.CancelledError:
            if is_being_cancelled():
                raise
            return None
        if not isinstance(answer, HookResult) or not isinstance(answer.payload, Mapping):
            return None
        output = answer.payload.get("output")
        return output if isinstance(output, str) else None

    async def _settle(self, result: ToolResult, call: ToolCall, transcript: Transcript, origin: str) -> ToolResult:
        result = evolve(result, output=_bounded(valid_text(result.output)))
        if origin == "model":
            self._recent.append((call_hash(call), result.output))
            del self._recent[:-SAME_CALLS_AT_MOST]
        await transcript.add(ToolSettled(result=result, origin=origin), durable=False)
        return result

    async def _parse_refusal(self, call: ToolCall) -> Refusal | None:
        if call.parse_error is None:
            return None
        error = await self.cleaner.clean(call.parse_error)  # it may quote the arguments
        text = f"the arguments of {call.name} are not a JSON object ({error}); send the call again, complete"
        return Refusal(text, ToolErrorKind.INVALID_ARGUMENT)

    def _repeat_refusal(self, call: ToolCall) -> Refusal | None:
        """Refuses a call that was just made several times in a row with the same result."""
        if (
            len(self._recent) < SAME_CALLS_AT_MOST
            or len(set(self._recent)) > 1
            or self._recent[0][0] != call_hash(call)
        ):
            return None
        text = (
            f"this call of {call.name} was made {SAME_CALLS_AT_MOST} times in a row with the same result; "
            "it was not run again: try something else, or answer with what you know"
        )
        return Refusal(text, ToolErrorKind.FAILED)


class _StalePermitError(A3SCodeError):
    """The permit no longer covers the call."""


class _Use:
    """What a running call may use (see `ToolUse`)."""

    def __init__(self, executor: ToolExecutor, passed: Passed, transcript: Transcript, origin: str):
        call = passed.call
        self._executor = executor
        self._transcript = transcript
        self.call_id = call.id
        author = Author(
            call_id=call.id,
            run_id=call.id if origin == "host" else transcript.run_id,
            tool=call.name,
            is_model=origin != "host",
            is_read_only=Effects.READ_ONLY in passed.effects,
        )
        self.workspace = VersionedWorkspace(executor.workspace, transcript, author)
        self.deadline_s = executor.settings.tool_timeout_s
        self.images: list[Image] = []
        self._calling = asyncio.Lock()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._deltas: asyncio.Queue[str | None] = asyncio.Queue()
        self._cleaner = DeltaCleaner(
            executor.cleaner, lambda text: executor.emit(ToolOutputDelta(call.id, call.name, text))
        )
        self._pump: asyncio.Task[None] | None = None
        self._has_ended = False

    def emit(self, delta: str) -> None:
        if not isinstance(delta, str):
            raise TypeError(f"emit takes text, not {type(delta).__name__}")
        if threading.get_ident() == self._thread:
            self._take(delta)
        else:
            self._loop.call_soon_threadsafe(self._take, delta)

    def attach(self, image: Image) -> None:
        self.images.append(image)

    def outputs(self) -> Path:
        return self._executor.outputs.made()

    async def finish(self) -> None:
        """Shows what is left of the output; however it ends, the call is over then."""
        try:
            if self._pump is not None:
                self._deltas.put_nowait(None)
                await self._pump
                self._pump = None
        finally:
            self._has_ended = True
            await self.workspace.finish()

    def _take(self, delta: str) -> None:
        if self._has_ended:  # from a thread that was abandoned at its deadline
            return
        if self._pump is None:
            self._pump = asyncio.ensure_future(self._show())  # noqa: TID251 # `finish` ends and awaits it
        self._deltas.put_nowait(delta)

    async def _show(self) -> None:
        while (delta := await self._deltas.get()) is not None:
            while not self._deltas.empty():  # several at once: one pass of the cleaner
                more = self._deltas.get_nowait()
                if more is None:
                    self._deltas.put_nowait(None)
                    break
                delta += more
            await self._cleaner.feed(delta)
        await self._cleaner.end()


class _OrchestratingUse(_Use):
    """What a running call may use whose tool starts others (see `OrchestratingUse`)."""

    _count = 0

    async def calls(self, calls: Sequence[tuple[str, JsonObject]]) -> tuple[ToolResult, ...]:
        if self._has_ended:
            raise ToolError(f"the call {self.call_id} is over; it cannot start others")
        first = self._count + 1
        self._count += len(calls)
        children = [
            ToolCall(id=f"{self.call_id}.{number}", name=name, arguments=deepcopy(dict(arguments)))
            for number, (name, arguments) in enumerate(calls, first)
        ]
        async with self._calling:  # else mutations of two lists would run at once
            return await self._executor.run_children(children, self._transcript)


async def _until(running: set[asyncio.Task[None]], at_most: int) -> None:
    """Waits until no more than so many of the tasks run, and takes out those that have ended."""
    while len(running) > at_most:
        done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        running -= done


def _refused(call: ToolCall, refusal: Refusal) -> ToolResult:
    return _failed(call, refusal.text, refusal.kind)


def _failed(call: ToolCall, text: str, kind: ToolErrorKind = ToolErrorKind.FAILED) -> ToolResult:
    return ToolResult(call_id=call.id, name=call.name, output=text, exit_code=1, kind=kind.value)


def _result(call: ToolCall, output: object, images: Sequence[Image]) -> ToolResult:
    """The result of what a tool gave; anything but a `ToolOutput` of valid text is an error of the tool."""
    if not isinstance(output, ToolOutput) or not isinstance(output.text, str):
        return _failed(call, f"{call.name} answered {type(output).__name__} instead of a ToolOutput; its effects stand")
    metadata = _plain(output.metadata)
    if metadata is None:
        return _failed(call, f"{call.name} gave metadata that are not JSON; its effects stand")
    return ToolResult(
        call_id=call.id,
        name=call.name,
        output=output.text,
        exit_code=_exit_code(output),
        metadata=metadata,
        images=tuple(image for image in (*output.images, *images) if isinstance(image, Image)),
        kind=None if output.success else _kind(output.kind).value,
    )


def _kind(kind: object) -> ToolErrorKind:
    return kind if isinstance(kind, ToolErrorKind) else ToolErrorKind.FAILED


def _exit_code(output: ToolOutput) -> int:
    code: object = output.exit_code
    if isinstance(code, int) and abs(code) < 2**31:  # what a process can give; anything else is nonsense
        return int(code)
    return 0 if output.success else 1


def _bounded(text: str) -> str:
    """The text, with its middle left out when it is too long for the history."""
    half = LONGEST_OUTPUT // 2
    if len(text) <= LONGEST_OUTPUT:
        return text
    left_out = len(text) - LONGEST_OUTPUT
    return f"{text[:half]}\n[{left_out:,} characters left out: ask for less at a time]\n{text[-half:]}"


def _plain(metadata: object) -> JsonObject | None:
    try:
        value = orjson.loads(orjson.dumps(metadata))
    except (TypeError, ValueError):
        return None
    return value if isinstance(value, Mapping) else None

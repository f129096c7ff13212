"""One prompt from its acceptance to `agent_end`, which is said only when everything is on disk."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from uuid import uuid4

from attrs import field, frozen

from a3s_code.errors import A3SCodeError, PluginError, PromptError
from a3s_code.events import (
    Event,
    PersistenceFailed,
    ReasoningDelta,
    TextDelta,
    TextRetracted,
    ToolInputDelta,
    TurnStart,
)
from a3s_code.finder import Finder
from a3s_code.loop import AgentLoop, Outcome
from a3s_code.messages import Image, user
from a3s_code.model import Model
from a3s_code.observers import Observers
from a3s_code.points.hooks import HookEventType
from a3s_code.points.llm import ModelRequest, ReasoningPart, Reply, TextPart, ToolCallPart
from a3s_code.records import Prompted, RunEnded
from a3s_code.redaction import Cleaner, DeltaCleaner
from a3s_code.results import Result
from a3s_code.threads import is_being_cancelled
from a3s_code.transcript import Transcript
from a3s_code.usage import Usage
from a3s_code.waves import PlannedRun

__all__ = ["Asking", "Runner"]


@frozen(kw_only=True)
class Asking:
    """Asks the model for one turn and shows what comes, cleaned.

    Args:
        model: The model.
        cleaner: Cleans what is shown.
        observers: Told before and after.
        emit: Where events go.
        room: Returns when the reader of the events has kept up.
    """

    model: Model
    cleaner: Cleaner
    observers: Observers
    emit: Callable[[Event], None]
    room: Callable[[], Awaitable[None]]

    async def __call__(self, request: ModelRequest, turn: int) -> Reply:
        await self.room()
        self.emit(TurnStart(turn))
        provider, _, name = self.model.choice.name.partition("/")
        await self.observers.tell(
            HookEventType.GENERATE_START,
            model_provider=provider,
            model_name=name,
            available_tools=[tool.name for tool in request.tools],
        )
        reply = await self.model.reply(request, _Sink(self.cleaner, self.emit))
        await self.observers.tell(
            HookEventType.GENERATE_END,
            response_text=await self.cleaner.clean(reply.text),
            tool_calls=[{"name": call.name, "args": dict(call.arguments)} for call in reply.message.tool_calls],
            usage={
                "prompt": reply.usage.prompt_tokens,
                "completion": reply.usage.completion_tokens,
                "total": reply.usage.total_tokens,
            },
        )
        return reply


class _Sink:
    """Turns the parts of a reply into events, each kind cleaned as a text of its own."""

    def __init__(self, cleaner: Cleaner, emit: Callable[[Event], None]):
        self._emit = emit
        self._cleaner = cleaner
        self._text = DeltaCleaner(cleaner, lambda text: emit(TextDelta(text)))
        self._reasoning = DeltaCleaner(cleaner, lambda text: emit(ReasoningDelta(text)))
        self._inputs: dict[str, DeltaCleaner] = {}

    async def part(self, part: TextPart | ReasoningPart | ToolCallPart) -> None:
        match part:
            case TextPart(text):
                await self._text.feed(text)
            case ReasoningPart(text):
                await self._reasoning.feed(text)
            case ToolCallPart(id, _, text):
                if id not in self._inputs:
                    self._inputs[id] = DeltaCleaner(self._cleaner, lambda text: self._emit(ToolInputDelta(id, text)))
                await self._inputs[id].feed(text)

    async def retract(self, reason: str) -> None:
        for cleaner in (self._text, self._reasoning, *self._inputs.values()):
            cleaner.drop()
        self._inputs.clear()
        self._emit(TextRetracted(await self._cleaner.clean(reason)))

    async def end(self) -> None:
        for cleaner in (self._reasoning, self._text, *self._inputs.values()):
            await cleaner.end()


@frozen(kw_only=True)
class Runner:
    """Runs prompts, one at a time.

    Args:
        transcript: The session's history.
        loop: Asks and acts.
        planned: Plans first, or None when planning is off.
        finder: Finds text for the prompt.
        cleaner: Cleans the final text.
        observers: Told before and after.
        emit: Where events go.
    """

    transcript: Transcript
    loop: AgentLoop
    planned: PlannedRun | None
    finder: Finder
    cleaner: Cleaner
    observers: Observers
    emit: Callable[[Event], None]
    _ended: dict[str, Result] = field(factory=dict, init=False)

    async def run(self, prompt: str, images: Sequence[Image] = ()) -> Result:
        """Runs *prompt* to its end. Cancelling the task ends the run in order and returns what there is.

        Raises:
            PromptError: A hook refused the prompt; nothing was recorded.
            ModelError: The model could not be asked; what was done until then is in the history.
            PluginError: A plugin cancelled itself though nobody had cancelled the run.
        """
        run_id = uuid4().hex
        before = self.transcript.usage
        try:
            outcome = await self._work(run_id, prompt, images)
            return await self._end(run_id, prompt, outcome)
        except asyncio.CancelledError as error:
            if not is_being_cancelled():
                failure = PluginError(f"a plugin broke the run off: it raised {type(error).__name__} by itself")
                await self._failed(run_id, failure, before)
                raise failure from error
            _forget_cancellation()
            if run_id in self._ended:  # it had ended in order already
                return self._ended[run_id]
            return await self._cancelled(run_id, before)
        except PromptError:  # refused before anything was recorded
            raise
        except Exception as error:
            await self._failed(run_id, error, before)
            raise

    async def _work(self, run_id: str, prompt: str, images: Sequence[Image]) -> Outcome:
        await self.transcript.repair("the last run did not end in order")
        self.loop.tools.begin()
        prompt = await self.observers.prompt(prompt, len(self.transcript.messages))
        await self.cleaner.taint(prompt)
        found = await self.finder.find(prompt)
        text = f"{found.text}\n\n{prompt}" if found.text else prompt
        await self.transcript.add(Prompted(run_id=run_id, message=user(text, *images), prompt=prompt))
        for event in found.events:
            self.emit(event)
        if self.planned is not None:
            return await self.planned.run(self.transcript, run_id, prompt)
        return await self.loop.run(self.transcript, run_id)

    async def _end(self, run_id: str, prompt: str, outcome: Outcome) -> Result:
        text = await self.cleaner.clean(outcome.text)
        await self.observers.tell(
            HookEventType.POST_RESPONSE,
            response_text=text,
            tool_calls_count=outcome.tool_calls_count,
            usage={"total": outcome.usage.total_tokens},
        )
        await self.finder.answered(prompt, text)
        result = Result(
            text=text,
            usage=outcome.usage,
            stop_reason=outcome.stop_reason,
            tool_calls_count=outcome.tool_calls_count,
        )
        await self._finish(run_id, result)
        return result

    async def _cancelled(self, run_id: str, before: Usage) -> Result:
        await self.transcript.repair("cancelled by the user")
        text = await self.cleaner.clean(self._last_text())
        result = Result(text=text, usage=_since(self.transcript.usage, before), stop_reason="cancelled")
        await self._finish(run_id, result)
        return result

    async def _failed(self, run_id: str, error: Exception, before: Usage) -> None:
        message = await self.cleaner.clean(str(error)) or type(error).__name__
        try:
            await self.transcript.repair("the run failed")
            ended = RunEnded(
                run_id=run_id,
                text="",
                usage=_since(self.transcript.usage, before),
                stop_reason="error",
                error=message,
            )
            await self.transcript.add(ended)
        except A3SCodeError as second:  # the first error is what the caller must see
            self.emit(PersistenceFailed("append", str(second)))
        kind = "llm_failure" if isinstance(error, A3SCodeError) else "other"
        await self.observers.tell(HookEventType.ON_ERROR, error_type=kind, error_message=message)

    async def _finish(self, run_id: str, result: Result) -> None:
        """Saved first, said last."""
        try:
            await self.transcript.save()
        except A3SCodeError as error:
            self.emit(PersistenceFailed("snapshot", str(error)))
        self._ended.clear()
        self._ended[run_id] = result
        ended = RunEnded(
            run_id=run_id,
            text=result.text,
            usage=result.usage,
            stop_reason=result.stop_reason,
            tool_calls_count=result.tool_calls_count,
        )
        await self.transcript.add(ended)

    def _last_text(self) -> str:
        reply = self.transcript.last_reply
        return reply.message.text if reply is not None else ""


def _since(now: Usage, before: Usage) -> Usage:
    return Usage(
        input_tokens=now.input_tokens - before.input_tokens,
        output_tokens=now.output_tokens - before.output_tokens,
        cache_read_tokens=now.cache_read_tokens - before.cache_read_tokens,
        cache_write_tokens=now.cache_write_tokens - before.cache_write_tokens,
    )


def _forget_cancellation() -> None:
    """The cancellation is answered by ending the run; what follows must not be cancelled by it."""
    task = asyncio.current_task()
    if task is not None:
        while task.cancelling():
            task.uncancel()

"""The request: what of a session is sent to the model, and making it fit."""

from collections.abc import Callable

from attrs import frozen

from a3s_code.compaction import (
    clear_old_tool_output,
    compacted,
    estimate_tokens,
    split_for_summary,
    summary_prompt,
)
from a3s_code.errors import ModelError
from a3s_code.events import Event, Warned
from a3s_code.logs import get_log
from a3s_code.messages import Message
from a3s_code.model import Model
from a3s_code.points.llm import ModelRequest, ToolDefinition
from a3s_code.points.tools import ToolSpec
from a3s_code.records import Compacted
from a3s_code.transcript import Transcript
from a3s_code.usage import Usage

__all__ = ["RequestBuilder", "RequestSettings"]

SUMMARY_TOKENS = 4000
KEEP_SHARE = 0.25
"""Share of the context window that the newest messages may keep when the rest is summarised."""


@frozen(kw_only=True)
class RequestSettings:
    """What the session decides about its requests; *threshold* is a share of the model's context window."""

    auto_compact: bool = True
    threshold: float = 0.80


class RequestBuilder:
    """Builds requests. System prompt and tools stay the same, messages only grow, until a compaction.

    Args:
        system: The system prompt.
        specs: The tools as they are now.
        model: Asked for summaries; knows the context window.
        settings: The session's decisions.
        emit: Where warnings go.
    """

    def __init__(
        self,
        system: str,
        specs: Callable[[], tuple[ToolSpec, ...]],
        model: Model,
        settings: RequestSettings,
        emit: Callable[[Event], None],
    ):
        self._system = system
        self._specs = specs
        self._model = model
        self._settings = settings
        self._emit = emit
        self._shown: tuple[tuple[ToolSpec, ...], str, tuple[ToolDefinition, ...]] = ((), "", ())
        self._refused_at = 0

    @property
    def system(self) -> str:
        return self._system

    def tools(self) -> tuple[ToolDefinition, ...]:
        """The tool definitions; the same tuple while tools and model stay, so that its wire form is kept too."""
        specs, family = self._specs(), self._model.choice.family
        if (specs, family) != self._shown[:2]:
            self._shown = (specs, family, tuple(_definition(spec, family) for spec in specs))
        return self._shown[2]

    async def build(self, transcript: Transcript) -> ModelRequest:
        """The next request; compacts the history first when it nears the context window."""
        if self._settings.auto_compact and self._share(transcript) >= self._settings.threshold:
            await self._compact_once(transcript)
        return ModelRequest(model="", messages=tuple(transcript.messages), system=self._system, tools=self.tools())

    async def compact(self, transcript: Transcript) -> bool:
        """Makes the history smaller: clears old tool output, and if that is not enough puts a summary before the rest.

        Returns whether it got smaller. A failing summary changes nothing.

        Raises:
            ModelError: The summary could not be had.
        """
        await transcript.repair("compaction")
        before = tuple(transcript.messages)
        share = self._share(transcript)
        after, usage = clear_old_tool_output(before), Usage()
        window = self._model.choice.context_tokens
        if after is None or self._tokens(after) > window * self._settings.threshold / 2:
            summarised, usage = await self._summarise(after or before, int(window * KEEP_SHARE))
            after = summarised or after
        if after is None or self._tokens(after) >= self._tokens(before):
            return False
        await transcript.add(
            Compacted(messages=after, before_messages=len(before), percent_before=round(share, 4), usage=usage)
        )
        return True

    async def _compact_once(self, transcript: Transcript) -> None:
        """Compacts unless the last try at this length achieved nothing."""
        if len(transcript.messages) <= self._refused_at:
            return
        try:
            done = await self.compact(transcript)
        except ModelError as error:
            self._emit(Warned(f"the history could not be compacted: {error}"))
            done = False
        self._refused_at = 0 if done else len(transcript.messages) + 4

    async def _summarise(self, messages: tuple[Message, ...], keep: int) -> tuple[tuple[Message, ...] | None, Usage]:
        split = split_for_summary(messages, keep)
        if split is None:
            return None, Usage()
        head, tail = split
        reply = await self._model.ask(summary_prompt(head), max_tokens=SUMMARY_TOKENS)
        return compacted(messages, reply.text, tail), reply.usage

    def _tokens(self, messages: tuple[Message, ...]) -> int:
        return estimate_tokens(messages, self._system, self.tools())

    def _share(self, transcript: Transcript) -> float:
        """How full the context window is: what the provider counted for the last request, plus what came since."""
        counted = transcript.last_usage.total_tokens
        if counted:
            since = transcript.messages[-1:] if transcript.messages else []
            tokens = counted + estimate_tokens(tuple(since))
        else:
            tokens = self._tokens(tuple(transcript.messages))
        return tokens / self._model.choice.context_tokens


def _definition(spec: ToolSpec, family: str) -> ToolDefinition:
    return ToolDefinition(name=spec.name, description=_description(spec, family), schema=spec.schema)


def _description(spec: ToolSpec, family: str) -> str:
    """What the tool says to models of *family*; what it says to all when a stranger's code fails."""
    if spec.describe is None:
        return spec.description
    try:
        text: object = spec.describe(family)
    except (Exception, SystemExit) as error:  # noqa: BLE001 # foreign code
        get_log().warning("a tool could not describe itself", tool=spec.name, error=type(error).__name__)
        return spec.description
    return text if isinstance(text, str) else spec.description

"""The loop: ask the model, run what it calls, repeat."""

from collections.abc import Awaitable, Callable

from attrs import frozen

from a3s_code.errors import ModelError, ModelErrorKind
from a3s_code.executor import ToolExecutor
from a3s_code.messages import StopReason, user
from a3s_code.points.llm import ModelRequest, Reply
from a3s_code.prompts import CONTINUE
from a3s_code.records import Prompted, Replied
from a3s_code.request import RequestBuilder
from a3s_code.transcript import Transcript
from a3s_code.usage import Usage

__all__ = ["AgentLoop", "LoopSettings", "Outcome"]

_STOPPED_MID_WORK = frozenset({StopReason.MAX_TOKENS, StopReason.PAUSE})


@frozen(kw_only=True)
class LoopSettings:
    """What the session decides about a run."""

    max_rounds: int = 50
    max_parse_retries: int = 2
    max_continuations: int = 3


@frozen(kw_only=True)
class Outcome:
    """How a run of the loop ended; *text* is the last reply's."""

    text: str
    usage: Usage
    stop_reason: str
    tool_calls_count: int
    turns: int


@frozen(kw_only=True)
class AgentLoop:
    """Asks and acts until the model is done.

    Args:
        request: Builds requests.
        ask: Asks the model as turn number n and shows what comes.
        tools: Runs calls.
        settings: The session's decisions.
        model_name: The model asked, for the record.
    """

    request: RequestBuilder
    ask: Callable[[ModelRequest, int], Awaitable[Reply]]
    tools: ToolExecutor
    settings: LoopSettings
    model_name: Callable[[], str]

    async def run(self, transcript: Transcript, run_id: str, first_turn: int = 1) -> Outcome:
        """Runs until the model answers without a call, or the rounds are used up.

        Raises:
            ModelError: The model could not be asked, or keeps sending arguments that cannot be read.
        """
        usage, calls, continued, unreadable, reply = Usage(), 0, 0, 0, None
        for turn in range(first_turn, first_turn + self.settings.max_rounds):
            reply = await self.ask(await self.request.build(transcript), turn)
            await transcript.add(self._replied(reply, turn), durable=False)
            usage += reply.usage
            if reply.message.tool_calls:
                unreadable = self._unreadable_in_a_row(reply, unreadable)
                calls += len(reply.message.tool_calls)
                await self.tools.run_all(reply.message.tool_calls, transcript)
                await transcript.sync()  # results are on disk before the next request
            elif self._stopped_mid_work(reply) and continued < self.settings.max_continuations:
                continued += 1
                await transcript.add(Prompted(run_id=run_id, message=user(CONTINUE), prompt="", origin="continuation"))
            else:
                return Outcome(
                    text=reply.text,
                    usage=usage,
                    stop_reason=reply.stop_reason.value,
                    tool_calls_count=calls,
                    turns=turn,
                )
        text = reply.text if reply is not None else ""
        return Outcome(
            text=text,
            usage=usage,
            stop_reason="max_tool_rounds",
            tool_calls_count=calls,
            turns=self.settings.max_rounds,
        )

    def _replied(self, reply: Reply, turn: int) -> Replied:
        return Replied(
            message=reply.message,
            usage=reply.usage,
            stop_reason=reply.stop_reason,
            model=self.model_name(),
            turn=turn,
        )

    @staticmethod
    def _stopped_mid_work(reply: Reply) -> bool:
        """By its stop reason or an empty answer; never by guessing from words."""
        is_empty = not reply.text.strip() and reply.stop_reason is not StopReason.REFUSAL
        return reply.stop_reason in _STOPPED_MID_WORK or is_empty

    def _unreadable_in_a_row(self, reply: Reply, before: int) -> int:
        errors = [call.parse_error for call in reply.message.tool_calls if call.parse_error is not None]
        if len(errors) < len(reply.message.tool_calls):
            return 0
        if before + 1 > self.settings.max_parse_retries:
            raise ModelError(
                f"the model sent unreadable tool arguments {before + 1} times in a row, "
                f"{self.settings.max_parse_retries} are forgiven (max_parse_retries); last: {errors[-1]}",
                kind=ModelErrorKind.PROTOCOL,
            )
        return before + 1

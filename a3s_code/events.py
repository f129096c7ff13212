"""What a caller sees while a prompt runs: frozen classes, one per wire name.

Events with a `seq` are views of a journal record: what they tell is already on disk, and they can be replayed.
Events whose `seq` is None (deltas, progress) are not kept.
"""

from typing import ClassVar

from attrs import field, frozen

from a3s_code.messages import JsonObject, ToolResult
from a3s_code.usage import Usage

__all__ = [
    "AgentEnd",
    "AgentStart",
    "CommandOutput",
    "ConfirmationReceived",
    "ConfirmationRequired",
    "ConfirmationTimeout",
    "ContextCompacted",
    "ContextResolved",
    "ContextResolving",
    "Error",
    "Event",
    "MemoriesSearched",
    "MemoryRecalled",
    "MemoryStored",
    "PermissionDenied",
    "PersistenceFailed",
    "PlanningEnd",
    "PlanningStart",
    "PluginFailed",
    "ReasoningDelta",
    "StepEnd",
    "StepStart",
    "TextDelta",
    "TextRetracted",
    "ToolEnd",
    "ToolInputDelta",
    "ToolOutputDelta",
    "ToolStart",
    "TurnEnd",
    "TurnStart",
    "Warned",
]


@frozen
class Event:
    """One thing that happened; `event_type` is its wire name, `seq` its record's number or None."""

    event_type: ClassVar[str]
    seq: int | None = field(default=None, kw_only=True)


@frozen
class AgentStart(Event):
    """A prompt was accepted and is on disk."""

    event_type: ClassVar[str] = "agent_start"
    prompt: str


@frozen
class TurnStart(Event):
    """A round begins: one model call and its tools. Turns count from 1."""

    event_type: ClassVar[str] = "turn_start"
    turn: int


@frozen
class TextDelta(Event):
    event_type: ClassVar[str] = "text_delta"
    text: str


@frozen
class TextRetracted(Event):
    """Forget the text deltas since the last `turn_start`: the model call is made again."""

    event_type: ClassVar[str] = "text_retracted"
    reason: str


@frozen
class ReasoningDelta(Event):
    event_type: ClassVar[str] = "reasoning_delta"
    text: str


@frozen
class ToolInputDelta(Event):
    """A piece of the JSON arguments while the model writes them."""

    event_type: ClassVar[str] = "tool_input_delta"
    tool_id: str
    delta: str


@frozen
class TurnEnd(Event):
    """The model's reply is on disk; *usage* is that of this call."""

    event_type: ClassVar[str] = "turn_end"
    turn: int
    usage: Usage

    @property
    def total_tokens(self) -> int:
        return self.usage.total_tokens


@frozen
class ToolStart(Event):
    """A call passed the gate; its intent is on disk and it is about to run with these arguments.

    A call that another call started has the id `<tool_id of the other>.<n>`.
    """

    event_type: ClassVar[str] = "tool_start"
    tool_id: str
    tool_name: str
    args: JsonObject


@frozen
class ToolOutputDelta(Event):
    event_type: ClassVar[str] = "tool_output_delta"
    tool_id: str
    tool_name: str
    delta: str


@frozen
class ToolEnd(Event):
    """A call has its result (also when it was refused or failed before it started)."""

    event_type: ClassVar[str] = "tool_end"
    result: ToolResult

    @property
    def tool_id(self) -> str:
        return self.result.call_id

    @property
    def tool_name(self) -> str:
        return self.result.name

    @property
    def tool_output(self) -> str:
        return self.result.output

    @property
    def exit_code(self) -> int:
        return self.result.exit_code


@frozen
class PermissionDenied(Event):
    """A call was refused by rule, hook or person; the model is told."""

    event_type: ClassVar[str] = "permission_denied"
    tool_id: str
    tool_name: str
    args: JsonObject
    reason: str


@frozen
class ConfirmationRequired(Event):
    event_type: ClassVar[str] = "confirmation_required"
    tool_id: str
    tool_name: str
    args: JsonObject
    timeout_ms: int


@frozen
class ConfirmationReceived(Event):
    event_type: ClassVar[str] = "confirmation_received"
    tool_id: str
    approved: bool
    reason: str | None = None


@frozen
class ConfirmationTimeout(Event):
    """Nobody answered; *action_taken* is "rejected" or "auto_approved"."""

    event_type: ClassVar[str] = "confirmation_timeout"
    tool_id: str
    action_taken: str


@frozen
class ContextResolving(Event):
    event_type: ClassVar[str] = "context_resolving"
    providers: tuple[str, ...]


@frozen
class ContextResolved(Event):
    event_type: ClassVar[str] = "context_resolved"
    total_items: int
    total_tokens: int


@frozen
class ContextCompacted(Event):
    """Old history was replaced by something smaller."""

    event_type: ClassVar[str] = "context_compacted"
    before_messages: int
    after_messages: int
    percent_before: float


@frozen
class MemoryStored(Event):
    event_type: ClassVar[str] = "memory_stored"
    memory_id: str
    memory_type: str
    importance: float
    tags: tuple[str, ...]


@frozen
class MemoryRecalled(Event):
    event_type: ClassVar[str] = "memory_recalled"
    memory_id: str
    content: str
    relevance: float


@frozen
class MemoriesSearched(Event):
    event_type: ClassVar[str] = "memories_searched"
    query: str
    result_count: int


@frozen
class PlanningStart(Event):
    event_type: ClassVar[str] = "planning_start"
    prompt: str


@frozen
class PlanningEnd(Event):
    """The plan's steps as text, in order."""

    event_type: ClassVar[str] = "planning_end"
    plan: tuple[str, ...]
    estimated_steps: int


@frozen
class StepStart(Event):
    event_type: ClassVar[str] = "step_start"
    step_id: str
    description: str
    step_number: int
    total_steps: int


@frozen
class StepEnd(Event):
    """*status* is "completed" or "failed"."""

    event_type: ClassVar[str] = "step_end"
    step_id: str
    status: str
    step_number: int
    total_steps: int


@frozen
class CommandOutput(Event):
    """The answer of a slash command."""

    event_type: ClassVar[str] = "command_output"
    text: str


@frozen
class PluginFailed(Event):
    """A member of a many-point could not be opened and is left out."""

    event_type: ClassVar[str] = "plugin_failed"
    plugin: str
    error: str


@frozen
class PersistenceFailed(Event):
    event_type: ClassVar[str] = "persistence_failed"
    operation: str
    error: str


@frozen
class Warned(Event):
    """Something the user should know once, such as which setting would have allowed a refused call."""

    event_type: ClassVar[str] = "warning"
    text: str


@frozen
class Error(Event):
    """The run failed; the exception with the same text is raised to the caller after `agent_end`'s place."""

    event_type: ClassVar[str] = "error"
    error: str


@frozen
class AgentEnd(Event):
    """The run is over and everything it did is on disk. The last event of a run that did not fail.

    `stop_reason` is "end_turn", "max_tool_rounds", "cancelled", "max_tokens", "refusal" or "command".
    """

    event_type: ClassVar[str] = "agent_end"
    text: str
    usage: Usage
    stop_reason: str = "end_turn"
    tool_calls_count: int = 0

    @property
    def total_tokens(self) -> int:
        return self.usage.total_tokens

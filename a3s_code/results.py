"""What `send` gives back."""

from attrs import frozen

from a3s_code.usage import Usage

__all__ = ["Result"]


@frozen(kw_only=True)
class Result:
    """The end of a run.

    Args:
        text: The model's final text, sanitised; what there was of it when the run was cut short.
        usage: Tokens of the run.
        stop_reason: Such as "end_turn", "max_tool_rounds" or "cancelled", as in `events.AgentEnd`.
        tool_calls_count: Calls that the model asked for.
    """

    text: str
    usage: Usage
    stop_reason: str
    tool_calls_count: int = 0

    @property
    def prompt_tokens(self) -> int:
        return self.usage.prompt_tokens

    @property
    def completion_tokens(self) -> int:
        return self.usage.completion_tokens

    @property
    def total_tokens(self) -> int:
        return self.usage.total_tokens

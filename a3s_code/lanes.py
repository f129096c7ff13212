"""The four lanes and which work belongs in which."""

from enum import Enum

__all__ = ["Lane"]


class Lane(Enum):
    """A lane of the session's queue; a smaller priority number goes first."""

    CONTROL = "control"
    QUERY = "query"
    EXECUTE = "execute"
    GENERATE = "generate"

    @property
    def priority(self) -> int:
        return _PRIORITY[self]


_PRIORITY = {Lane.CONTROL: 0, Lane.QUERY: 1, Lane.EXECUTE: 2, Lane.GENERATE: 3}

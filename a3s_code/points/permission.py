"""PermissionChecker: may this call run, must a person be asked, or is it refused?"""

from enum import Enum
from typing import Protocol, runtime_checkable

from attrs import field, frozen

from a3s_code.messages import JsonObject
from a3s_code.points.tools import Effects, Target

__all__ = ["Decision", "PermissionChecker", "PermissionRequest", "Verdict"]


class Decision(Enum):
    ALLOW = "allow"
    ASK = "ask"
    DENY = "deny"


@frozen(kw_only=True)
class PermissionRequest:
    """A call to judge.

    Args:
        tool: The tool's name.
        arguments: The validated arguments.
        targets: What it touches; each PathTarget's path is canonical already.
        effects: What the call does, by what the tool declares.
        workspace: Canonical absolute path of the workspace.
        readable: Canonical absolute paths of other folders that hold only what tools of this session kept there: what
            may be read inside the workspace may be read there.
    """

    tool: str
    arguments: JsonObject = field(factory=dict)
    targets: tuple[Target, ...] = ()
    effects: Effects = Effects.NONE
    workspace: str = ""
    readable: tuple[str, ...] = ()


@frozen
class Verdict:
    """The answer; *rule* is the deciding rule's text or None, *reason* a sentence for the model and the person."""

    decision: Decision
    rule: str | None = None
    reason: str = ""


@runtime_checkable
class PermissionChecker(Protocol):
    """Judges calls.

    Contract: quick and without side effects; deny beats ask beats allow; raising or answering anything but a
    `Verdict` counts as deny. `version` changes whenever the same request could be answered differently than before.
    """

    @property
    def version(self) -> str: ...

    def check(self, request: PermissionRequest) -> Verdict: ...

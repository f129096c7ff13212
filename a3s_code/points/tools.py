"""Tool: something the model can do. What it may touch is declared, so that the gate can judge it."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from enum import Flag, auto
from pathlib import Path
from typing import Protocol, TypeAlias, runtime_checkable

from attrs import evolve, field, frozen

from a3s_code.errors import ToolError, ToolErrorKind
from a3s_code.lanes import Lane
from a3s_code.messages import Image, JsonObject, ToolResult

__all__ = [
    "CommandTarget",
    "Effects",
    "OrchestratingUse",
    "OtherTarget",
    "PathTarget",
    "Target",
    "Tool",
    "ToolOutput",
    "ToolSpec",
    "ToolUse",
    "UrlTarget",
    "Workspace",
    "lane_of",
]


class Effects(Flag):
    """What a tool does to the world. One that declares nothing is side-effecting: Execute lane, one at a time, ask."""

    NONE = 0
    READ_ONLY = auto()
    IDEMPOTENT = auto()
    DESTRUCTIVE = auto()
    OPEN_WORLD = auto()


def lane_of(effects: Effects) -> Lane:
    """The lane of a call with these effects."""
    return Lane.QUERY if Effects.READ_ONLY in effects else Lane.EXECUTE


@frozen
class PathTarget:
    """A file or folder that the call touches.

    Args:
        path: As the model wrote it: absolute or relative to the workspace.
        write: Whether the call changes it.
    """

    path: str
    write: bool = False


@frozen
class CommandTarget:
    """A shell command that the call runs."""

    command: str


@frozen
class UrlTarget:
    """An address that the call reads."""

    url: str


@frozen
class OtherTarget:
    """Anything else; *text* is what permission patterns are matched against."""

    text: str


Target: TypeAlias = PathTarget | CommandTarget | UrlTarget | OtherTarget


def _no_targets(args: JsonObject) -> Sequence[Target]:
    return ()


@frozen(kw_only=True)
class ToolSpec:
    """What the model and the gate know of a tool.

    Args:
        name: Unique within a session; letters, digits, "_" and "-", at most 64 characters (both providers' limit).
        description: For the model.
        schema: JSON Schema of the arguments, an object with `additionalProperties: false`.
        effects: What it does itself, not counting the calls it starts; decides lane, parallelism and the default
            permission.
        targets: What a call with these (already validated) arguments touches. Pure.
        orchestrates: It starts other calls, so it gets an `OrchestratingUse`, holds no lane slot and runs alone.
        effects_of: The effects of one call, where some do less than `effects` says (only look, only show). Pure.
        describe: The description for a family of models, in lower case: the model's `family` in the configuration,
            else its id; None: `description` for all. Pure.
    """

    name: str
    description: str
    schema: JsonObject
    effects: Effects = Effects.NONE
    targets: Callable[[JsonObject], Sequence[Target]] = field(default=_no_targets, eq=False, repr=False)
    orchestrates: bool = False
    effects_of: Callable[[JsonObject], Effects] | None = field(default=None, eq=False, repr=False)
    describe: Callable[[str], str] | None = field(default=None, eq=False, repr=False)

    def effects_for(self, args: JsonObject) -> Effects:
        """What a call with these arguments does."""
        return self.effects if self.effects_of is None else self.effects_of(args)


@frozen(kw_only=True)
class ToolOutput:
    """What a tool answers.

    Args:
        text: For the model; valid text.
        success: False marks the result as an error.
        exit_code: The command's exit code where there is one; default 0 or 1 by *success*.
        metadata: Facts for programs.
        images: Images for the model.
        kind: Why it failed; default FAILED. Not for a success.
    """

    text: str
    success: bool = True
    exit_code: int | None = None
    metadata: JsonObject = field(factory=dict)
    images: tuple[Image, ...] = ()
    kind: ToolErrorKind | None = None

    @classmethod
    def ok(cls, text: str) -> "ToolOutput":
        return cls(text=text)

    @classmethod
    def error(cls, text: str, kind: ToolErrorKind | None = None) -> "ToolOutput":
        return cls(text=text, success=False, kind=kind)

    def with_images(self, images: Sequence[Image]) -> "ToolOutput":
        return evolve(self, images=tuple(images))

    def with_metadata(self, metadata: JsonObject) -> "ToolOutput":
        return evolve(self, metadata=metadata)


class Workspace(Protocol):
    """The folder a session works in, and the only way for tools to reach files.

    Contract: every method resolves links and refuses what lies outside with `ToolError(kind=DENIED)`; reading and
    writing check again at the open, so that a link swapped in between is refused too.
    """

    @property
    def root(self) -> Path:
        """The canonical absolute path of the workspace."""
        ...

    def resolve(self, path: str, *, write: bool = False) -> Path:
        """The canonical path of *path* ("" or "." is the root); the file need not exist."""
        ...

    def root_of(self, path: Path) -> Path:
        """The root above a resolved path: the workspace's, or that of the session's folder for long output."""
        return self.root

    def relative(self, path: Path) -> str:
        """How *path* is shown: relative to the root with "/" as separator, absolute when it is outside of it."""
        ...

    def read_bytes(self, path: str, *, max_bytes: int | None = None) -> bytes:
        """The content of a regular file.

        Raises:
            ToolError: NOT_FOUND, DENIED, UNSUPPORTED (not a regular file) or TOO_LARGE (over max_bytes).
        """
        ...

    def write_bytes(self, path: str, data: bytes, *, mode: int | None = None) -> Path:
        """Replaces or creates a regular file atomically (temporary file beside it, fsync, rename).

        Missing parent folders are made. Returns the canonical path. In a session the old content is kept first, so that
        the change can be undone: it waits for the disk, so async code calls it with `await in_thread(...)`.

        Args:
            path: As for `resolve`.
            data: The whole content.
            mode: Permission bits it gets; default: those it has, of a new file what the umask leaves of 0o666.

        Raises:
            ToolError: DENIED, UNSUPPORTED (a folder), VERSION_CONFLICT (this call read it, and it was changed since) or
                FAILED; the old content is untouched.
        """
        ...

    def delete(self, path: str) -> Path:
        """Removes a regular file; through a link, the file that it leads to. Returns the canonical path.

        Raises:
            ToolError: NOT_FOUND, and as for `write_bytes`.
        """
        raise ToolError(f"{path} was not removed: this workspace removes no files", ToolErrorKind.UNSUPPORTED)

    def together(self) -> AbstractContextManager[None]:
        """Around changes of several files that are whole only together: a cancelled call is waited for to its end.

        For a block that runs in a thread and only writes and removes files; it is waited for a few seconds.

        Raises:
            ToolError: INTERRUPTED, the call is over already; nothing was changed.
        """
        return nullcontext()

    def seen(self, path: str) -> str | None:
        """SHA-256 in hexadecimal of what the model last saw of the file, None when it never did."""
        return None

    def mark_seen(self, path: str, data: bytes) -> None:
        """The model is shown the file, whose content is *data*. What this call writes counts as seen by itself."""
        return  # an empty body would make the method abstract


class ToolUse(Protocol):
    """What a running call may use; narrow on purpose.

    Attributes:
        call_id: The id of the call.
        workspace: The session's workspace.
        deadline_s: Seconds left until the call is cancelled, or None.
    """

    @property
    def call_id(self) -> str: ...

    @property
    def workspace(self) -> Workspace: ...

    @property
    def deadline_s(self) -> float | None: ...

    def emit(self, delta: str) -> None:
        """Shows a piece of output while the call runs; it is sanitised on the way and may be dropped."""

    def attach(self, image: Image) -> None:
        """Adds an image to the result."""

    def outputs(self) -> Path:
        """A folder of the session for output that is too long to show; made when it is first asked for.

        The model may read its files by their absolute path, and no others may be written there. They are not cleaned of
        secrets before they are read, and go when the session is deleted; a fork of it has copies under the same names.

        Raises:
            ToolError: FAILED, it cannot be made.
        """
        raise ToolError("there is no folder for long output here", ToolErrorKind.UNSUPPORTED)


@runtime_checkable
class OrchestratingUse(ToolUse, Protocol):
    """What a running call may use whose tool says `orchestrates=True`."""

    async def calls(self, calls: Sequence[tuple[str, JsonObject]]) -> tuple[ToolResult, ...]:
        """Runs other tools: each call passes the same gate, hooks, lanes and cleaning as one of the model.

        They are judged in order, read-only ones run side by side (eight at most), all others alone and in order. Each
        has an id of its own, `<call_id>.<n>`, counted from 1; its events are shown, its result enters the history only
        through what this tool answers. Cancelling the caller ends them all.

        Args:
            calls: The name and arguments of each.

        Returns:
            One result for each call, in the order asked; what failed or was refused is a result that says so.

        Raises:
            SessionError: The journal cannot be written, or the session is closing.
        """
        ...


@runtime_checkable
class Tool(Protocol):
    """Something the model can do.

    Contract: `run` gets arguments that passed the schema; may run many times at once if the spec says READ_ONLY; raises
    `ToolError` for what the model can mend; is cancelled at its deadline and must leave nothing running behind.
    """

    @property
    def spec(self) -> ToolSpec: ...

    async def run(self, args: JsonObject, use: ToolUse) -> ToolOutput: ...

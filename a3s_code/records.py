"""What the journal keeps: typed records, and their form as bytes.

A session is the fold of its records. Records only ever gain fields with defaults; a reader that meets a record type it
does not know refuses the journal and names the version that wrote it, because skipping it could break the history.
"""

from collections.abc import Callable
from functools import cache
from typing import ClassVar, TypeAlias

import orjson
from attrs import field, frozen

from a3s_code.errors import SessionError
from a3s_code.messages import Image, JsonObject, Message, StopReason, ToolResult
from a3s_code.usage import Usage

__all__ = [
    "FORMAT_VERSION",
    "Cleared",
    "Compacted",
    "FileChanged",
    "FilesSeen",
    "FilesUndone",
    "ModelSwitched",
    "Prompted",
    "Record",
    "Replied",
    "RunEnded",
    "SessionOpened",
    "ToolIntended",
    "ToolSettled",
    "decode",
    "encode",
]

FORMAT_VERSION = 1


@frozen(kw_only=True)
class SessionOpened:
    """The first record: which session this is and where it works.

    Args:
        session_id: The id.
        workspace: Absolute path of the workspace.
        created_at: Seconds since the epoch.
        model: "provider/model".
        version: Version of a3s-code-core that wrote it.
        format: Version of the record format.
    """

    wire: ClassVar[str] = "session_opened"
    session_id: str
    workspace: str
    created_at: float
    model: str
    version: str
    format: int = FORMAT_VERSION


@frozen(kw_only=True)
class Prompted:
    """A user message, durable before the request that carries it.

    Args:
        run_id: The run that it starts or continues.
        message: What is sent, including the found context, memory and skill text, which is not recomputed.
        prompt: What the person wrote.
        origin: "user", "continuation" (the model stopped mid-work) or "step" (a step of a plan).
    """

    wire: ClassVar[str] = "prompted"
    run_id: str
    message: Message
    prompt: str
    origin: str = "user"


@frozen(kw_only=True)
class Replied:
    """A complete reply of the model; *turn* counts from 1 within the run."""

    wire: ClassVar[str] = "replied"
    message: Message
    usage: Usage
    stop_reason: StopReason
    model: str
    turn: int = 1


@frozen(kw_only=True)
class ToolIntended:
    """A call that passed the gate and is about to run; durable before it starts.

    Args:
        call_id: The id of the call.
        name: The tool.
        arguments: The arguments it runs with (hooks and people may have changed them).
        permit: Hash of the permit it runs under.
        origin: Who asked: "model", "host", "hook", "child" or "mcp".
    """

    wire: ClassVar[str] = "tool_intended"
    call_id: str
    name: str
    arguments: JsonObject
    permit: str
    origin: str = "model"


@frozen(kw_only=True)
class ToolSettled:
    """The result of a call, after sanitising; durable before the next request.

    Direct calls of the embedding program have origin "host", calls that a tool started "child"; neither enters the
    messages.
    """

    wire: ClassVar[str] = "tool_settled"
    result: ToolResult
    origin: str = "model"


@frozen(kw_only=True)
class FileChanged:
    """A tool is about to change a file; durable, with the old and the new content as blobs, before it does.

    Whether it then did so is told by the file: it has one of the two digests.

    Args:
        call_id: The call that changes it; "" when a person restores or undoes.
        run_id: What is undone together: a run's id, or an id of its own for what a person asked for.
        path: Relative to the workspace, links resolved.
        before: SHA-256 of the old content, None when there is no file.
        after: SHA-256 of the new content, None when it is removed.
        mode: Permission bits before, None when there is no file.
        mode_after: Permission bits that the tool gives it, None when it leaves them.
        tool: The tool.
        at: Seconds since the epoch.
        size_before: Bytes.
        size_after: Bytes.
    """

    wire: ClassVar[str] = "file_changed"
    call_id: str
    run_id: str
    path: str
    before: str | None
    after: str | None
    mode: int | None
    tool: str
    at: float
    size_before: int = 0
    size_after: int = 0
    mode_after: int | None = None


@frozen(kw_only=True)
class FilesSeen:
    """The model saw these files: paths relative to the workspace with the SHA-256 of what it saw."""

    wire: ClassVar[str] = "files_seen"
    seen: dict[str, str]


@frozen(kw_only=True)
class FilesUndone:
    """A person is about to undo changes of files, or to take that back; durable together with those changes.

    Args:
        run_id: The `run_id` of the changes that do it.
        run_ids: What is undone; of a redo, the undo that is taken back.
        is_redo: Whether it takes an undo back.
    """

    wire: ClassVar[str] = "files_undone"
    run_id: str
    run_ids: tuple[str, ...]
    is_redo: bool = False


@frozen(kw_only=True)
class Compacted:
    """The history was made smaller; folding replaces all messages by these."""

    wire: ClassVar[str] = "compacted"
    messages: tuple[Message, ...]
    before_messages: int
    percent_before: float
    usage: Usage = field(factory=Usage)


@frozen(kw_only=True)
class Cleared:
    """The person cleared the history."""

    wire: ClassVar[str] = "cleared"


@frozen(kw_only=True)
class ModelSwitched:
    """From here on *model* ("provider/model") is asked."""

    wire: ClassVar[str] = "model_switched"
    model: str


@frozen(kw_only=True)
class RunEnded:
    """A run is over; `stop_reason` as in `events.AgentEnd`, or "error" with *error*."""

    wire: ClassVar[str] = "run_ended"
    run_id: str
    text: str
    usage: Usage
    stop_reason: str
    tool_calls_count: int = 0
    error: str | None = None


Record: TypeAlias = (
    SessionOpened
    | Prompted
    | Replied
    | ToolIntended
    | ToolSettled
    | FileChanged
    | FilesSeen
    | FilesUndone
    | Compacted
    | Cleared
    | ModelSwitched
    | RunEnded
)

_TYPES = {kind.wire: kind for kind in Record.__args__}


def encode(record: Record) -> bytes:
    """One line of JSON without a line end; images stand as their digests."""
    unstructure, _ = _codec()
    return orjson.dumps({"type": record.wire, "data": unstructure(record)})


def decode(payload: bytes, blob: Callable[[str], bytes]) -> Record:
    """The record of *payload*.

    Args:
        payload: What `encode` made.
        blob: Gives the bytes of an image by its digest.

    Raises:
        SessionError: It is not a record of this version.
    """
    _, structure = _codec()
    try:
        raw = orjson.loads(payload)
        kind = _TYPES.get(raw["type"])
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise SessionError(f"a record of the journal is not valid: {error}") from error
    if kind is None:
        raise SessionError(
            f"the journal holds a record of type {raw['type']!r}, which this version does not know; "
            "upgrade a3s-code-core to resume this session"
        )
    record: Record = structure(raw["data"], kind, blob)
    return record


@cache
def _codec():  # type: ignore[no-untyped-def] # cattrs is imported at first use: it costs 25 ms
    import cattrs
    from cattrs.strategies import configure_tagged_union

    from a3s_code.messages import Block

    converter = cattrs.Converter(unstruct_collection_overrides={tuple: list}, prefer_attrib_converters=True)
    blobs: list[Callable[[str], bytes]] = []

    def image(value: dict[str, str], _: type[Image]) -> Image:
        return Image(value["media_type"], blobs[-1](value["digest"]), value["digest"])

    converter.register_unstructure_hook_func(
        lambda kind: isinstance(kind, type) and issubclass(kind, Image),
        lambda value: {"media_type": value.media_type, "digest": value.digest},
    )
    converter.register_structure_hook(Image, image)
    converter.register_structure_hook_func(lambda kind: kind == JsonObject, lambda value, _: value)
    configure_tagged_union(Block, converter)

    def structure(value: object, kind: type[Record], blob: Callable[[str], bytes]) -> Record:
        blobs.append(blob)
        try:
            return converter.structure(value, kind)
        except Exception as error:  # cattrs raises groups of whatever a damaged record provokes
            raise SessionError(f"a record of type {kind.wire!r} in the journal is damaged: {error!r}") from error
        finally:
            blobs.pop()

    return converter.unstructure, structure

"""What is said between the person, the model and the tools: frozen messages made of blocks."""

from collections.abc import Callable, Mapping
from enum import Enum
from hashlib import sha256
from typing import TypeAlias

from attrs import field, frozen

__all__ = [
    "Block",
    "Image",
    "Json",
    "JsonObject",
    "Message",
    "Reasoning",
    "Role",
    "StopReason",
    "Text",
    "ToolCall",
    "ToolResult",
    "assistant",
    "user",
    "valid_text",
]

Json: TypeAlias = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
JsonObject: TypeAlias = Mapping[str, Json]


class Role(Enum):
    USER = "user"
    ASSISTANT = "assistant"


class StopReason(Enum):
    """Why the model stopped, in one vocabulary for all providers."""

    END_TURN = "end_turn"
    TOOL_USE = "tool_use"
    MAX_TOKENS = "max_tokens"
    STOP_SEQUENCE = "stop_sequence"
    REFUSAL = "refusal"
    PAUSE = "pause"


@frozen
class Text:
    text: str


@frozen
class Image:
    """An image; on disk only its digest stands in the record, the bytes are a blob of the journal.

    Args:
        media_type: "image/png", "image/jpeg", "image/gif" or "image/webp".
        data: The encoded image file.
        digest: SHA-256 of data in hexadecimal; computed when not given.
    """

    media_type: str
    data: bytes = field(repr=False)
    digest: str = field()

    @digest.default
    def _digest(self) -> str:
        return sha256(self.data).hexdigest()


@frozen
class Reasoning:
    """Thinking of the model; *signature* and *redacted* are the provider's opaque tokens, sent back unchanged."""

    text: str
    signature: str | None = None
    redacted: str | None = None


@frozen(kw_only=True)
class ToolCall:
    """A call that the model asked for.

    Args:
        id: Unique within the session; pairs the call with its result.
        name: The tool's name as the model wrote it.
        arguments: The parsed arguments; empty when they could not be parsed.
        parse_error: Why the arguments could not be parsed, or None.
        raw: The text of the arguments when they could not be parsed, else "".
    """

    id: str
    name: str
    arguments: JsonObject = field(factory=dict)
    parse_error: str | None = None
    raw: str = ""


@frozen(kw_only=True)
class ToolResult:
    """What came of a call; exactly one for each `ToolCall` of the history.

    Args:
        call_id: The id of the call.
        name: The tool's name.
        output: Text for the model; always valid text.
        exit_code: 0 when it succeeded, else the command's exit code or 1.
        metadata: Facts for programs, such as {"exit_code": 2} or {"path": "a.py"}.
        images: Images for the model.
        kind: The word of the error (see `ToolErrorKind`), or None.
    """

    call_id: str
    name: str
    output: str
    exit_code: int = 0
    metadata: JsonObject = field(factory=dict)
    images: tuple[Image, ...] = ()
    kind: str | None = None

    @property
    def is_error(self) -> bool:
        return self.exit_code != 0


Block: TypeAlias = Text | Image | Reasoning | ToolCall | ToolResult


@frozen
class Message:
    """One turn of one side. Results of tools stand in a user message.

    A message never changes, so its wire form is made once for each dialect and kept with it.
    """

    role: Role
    blocks: tuple[Block, ...]
    _wire: dict[str, bytes] = field(factory=dict, init=False, eq=False, repr=False)

    @property
    def text(self) -> str:
        """All text of the message, without reasoning."""
        return "".join(block.text for block in self.blocks if isinstance(block, Text))

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        return tuple(block for block in self.blocks if isinstance(block, ToolCall))

    @property
    def tool_results(self) -> tuple[ToolResult, ...]:
        return tuple(block for block in self.blocks if isinstance(block, ToolResult))

    def wire(self, dialect: str, encode: "Callable[[Message], bytes]") -> bytes:
        """The message in *dialect*, encoded at the first use and kept.

        Args:
            dialect: Name of the wire format including everything the encoding depends on.
            encode: Makes the bytes; called at most once for each dialect.
        """
        encoded = self._wire.get(dialect)
        if encoded is None:
            encoded = self._wire[dialect] = encode(self)
        return encoded


def user(text: str, *images: Image) -> Message:
    """A message of the person: images first, then the text, as the providers advise."""
    return Message(Role.USER, (*images, Text(text)))


def assistant(text: str, *calls: ToolCall) -> Message:
    """A message of the model."""
    return Message(Role.ASSISTANT, (*((Text(text),) if text else ()), *calls))


def valid_text(text: str) -> str:
    """The text with lone halves of characters replaced, so that every provider and every journal takes it."""
    return text.encode("utf-8", "replace").decode("utf-8")

"""Every error of a3s-code that a caller can meet.

    A3SCodeError                 catch this to catch them all
    ├── ConfigError              the configuration is wrong: says file, line, column and what to write instead
    ├── PluginError              a plugin is missing, broken or clashes with another: says which and what to install
    ├── PromptError              what was to be sent cannot be sent (empty, too large, unreadable attachment)
    ├── ModelError               the model's provider refused, failed or broke off; carries kind, status, retry_after_s
    ├── ToolError                raised by tools and told to the model; callers meet it in direct calls only
    └── SessionError             a session or agent cannot be used like this (closed, forked process, damaged journal)
        ├── SessionBusyError     a prompt is already running in this session
        ├── SessionLockedError   another process holds this session; names it
        └── SessionNotFoundError no session has this id

What the model or a tool did wrong never is one of these: it becomes a `ToolResult` that the model reads.
"""

from enum import Enum

__all__ = [
    "A3SCodeError",
    "ConfigError",
    "ModelError",
    "ModelErrorKind",
    "PluginError",
    "PromptError",
    "SessionBusyError",
    "SessionError",
    "SessionLockedError",
    "SessionNotFoundError",
    "ToolError",
    "ToolErrorKind",
]


class A3SCodeError(Exception):
    """Base of all errors that a3s-code raises on purpose."""


class ConfigError(A3SCodeError):
    """The configuration is wrong at a known place.

    Args:
        message: What is wrong and what to do.
        path: The file, or "<string>" for a configuration given as text; None when it was given as an object.
        line: 1-based line, or None.
        column: 1-based column in characters, or None.
    """

    def __init__(self, message: str, *, path: str | None = None, line: int | None = None, column: int | None = None):
        place = ":".join(str(part) for part in (path, line, column) if part is not None)
        super().__init__(f"{place}: {message}" if place else message)
        self.message = message
        self.path = path
        self.line = line
        self.column = column


class PluginError(A3SCodeError):
    """A plugin is missing, broken, or two of them claim one name.

    Args:
        message: Names the plugin, its distribution and version where known, and the cure.
        plugin: Full id such as "vector_store:in-memory", or None when no single plugin is at fault.
        is_missing: Nobody offers it, as opposed to: it is there and broken.
    """

    def __init__(self, message: str, *, plugin: str | None = None, is_missing: bool = False):
        super().__init__(message)
        self.plugin = plugin
        self.is_missing = is_missing


class PromptError(A3SCodeError):
    """The prompt or an attachment cannot be sent; nothing was recorded."""


class ModelErrorKind(Enum):
    """Why a model call failed."""

    AUTHENTICATION = "authentication"
    INVALID_REQUEST = "invalid_request"
    NOT_FOUND = "not_found"
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    SERVER = "server"
    CONNECTION = "connection"
    TRUNCATED = "truncated"
    STALLED = "stalled"
    CIRCUIT_OPEN = "circuit_open"
    PROTOCOL = "protocol"
    CONTEXT_LENGTH = "context_length"


class ModelError(A3SCodeError):
    """The provider of the model refused, failed or broke off.

    Args:
        message: What happened and what to do next.
        kind: The cause, for code that decides what to do.
        status: HTTP status, or None when there was no response.
        retry_after_s: Seconds that the provider asked us to wait, or None.
    """

    def __init__(
        self,
        message: str,
        *,
        kind: ModelErrorKind = ModelErrorKind.SERVER,
        status: int | None = None,
        retry_after_s: float | None = None,
    ):
        super().__init__(message)
        self.kind = kind
        self.status = status
        self.retry_after_s = retry_after_s

    @property
    def is_transient(self) -> bool:
        """Whether the same request may succeed when sent again."""
        return self.kind in _TRANSIENT


_TRANSIENT = frozenset(
    {
        ModelErrorKind.RATE_LIMITED,
        ModelErrorKind.OVERLOADED,
        ModelErrorKind.SERVER,
        ModelErrorKind.CONNECTION,
        ModelErrorKind.TRUNCATED,
        ModelErrorKind.STALLED,
    }
)


class ToolErrorKind(Enum):
    """The small set of ways in which a tool call fails; the model is told the word."""

    NOT_FOUND = "not_found"
    INVALID_ARGUMENT = "invalid_argument"
    VERSION_CONFLICT = "version_conflict"
    UNSUPPORTED = "unsupported"
    TIMEOUT = "timeout"
    DENIED = "denied"
    TOO_LARGE = "too_large"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


class ToolError(A3SCodeError):
    """A tool could not do what was asked; the text tells the model what to do next.

    Args:
        message: One or two sentences for the model.
        kind: One of the small set of kinds.
    """

    def __init__(self, message: str, kind: ToolErrorKind = ToolErrorKind.FAILED):
        super().__init__(message)
        self.kind = kind


class SessionError(A3SCodeError):
    """The session or agent cannot be used like this (closed, forked process, damaged journal)."""


class SessionBusyError(SessionError):
    """A prompt is already running in this session; wait for it or cancel it."""


class SessionLockedError(SessionError):
    """Another process has this session open; the text names it."""


class SessionNotFoundError(SessionError):
    """No session has this id."""

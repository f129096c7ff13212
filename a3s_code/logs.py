"""The log that the kernel and plugins write to: structlog over the standard logger "a3s_code".

structlog costs 100 ms to import, so it is imported when the first line is really written.
"""

import logging
from collections.abc import MutableMapping
from typing import Protocol

__all__ = ["Log", "get_log"]


class Log(Protocol):
    """A structured log: an event in words and its facts as keywords. Facts never hold arguments of calls or secrets."""

    def debug(self, event: str, **facts: object) -> None: ...

    def info(self, event: str, **facts: object) -> None: ...

    def warning(self, event: str, **facts: object) -> None: ...

    def error(self, event: str, **facts: object) -> None: ...


class _LazyLog:
    def __init__(self, name: str):
        self._name = name
        self._logger = logging.getLogger(name)

    def debug(self, event: str, **facts: object) -> None:
        self._write(logging.DEBUG, event, facts)

    def info(self, event: str, **facts: object) -> None:
        self._write(logging.INFO, event, facts)

    def warning(self, event: str, **facts: object) -> None:
        self._write(logging.WARNING, event, facts)

    def error(self, event: str, **facts: object) -> None:
        self._write(logging.ERROR, event, facts)

    def _write(self, level: int, event: str, facts: dict[str, object]) -> None:
        if not self._logger.isEnabledFor(level):
            return
        import structlog

        bound = structlog.wrap_logger(
            self._logger,
            processors=[
                _redact,
                structlog.stdlib.add_log_level,
                structlog.processors.LogfmtRenderer(key_order=["event"]),
            ],
        )
        bound.log(level, event, **facts)


_SECRET_WORDS = ("api_key", "apikey", "authorization", "password", "secret", "token")


def _redact(_logger: object, _method: str, event: MutableMapping[str, object]) -> dict[str, object]:
    return {
        key: "[REDACTED]" if any(word in key.lower() for word in _SECRET_WORDS) and isinstance(value, str) else value
        for key, value in event.items()
    }


def get_log(name: str = "a3s_code") -> Log:
    """The log called *name*; handlers and levels are those of the standard library."""
    return _LazyLog(name)

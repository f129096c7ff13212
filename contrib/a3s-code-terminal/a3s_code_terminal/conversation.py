"""The conversation: a line from the person, the events of the answer, and again."""

import os
import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from a3s_code.events import Error, Event
from a3s_code.plugin import A3SCodeError

__all__ = ["ReplSession", "converse", "line_reader"]

_PROMPT = "> "
_LEAVING = ("/exit", "/quit")
_INTERRUPTED = 130  # exit code of a program ended by SIGINT


class ReplSession(Protocol):
    """The part of a session that a conversation needs; leaving the stream's block cancels what still runs."""

    def stream(self, prompt: str, /) -> AbstractContextManager[Iterable[Event]]: ...

    def cancel(self) -> bool: ...


def converse(session: ReplSession, read_line: Callable[[], str], render: Callable[[Event], None]) -> int:
    """Reads prompts and shows their events, until "/exit", the end of input, or Ctrl-C twice.

    Args:
        session: Who answers.
        read_line: The next line; raises EOFError at the end.
        render: Shows an event.
    """
    was_interrupted = False
    while True:
        try:
            text = read_line().strip()
            if text in _LEAVING:
                return 0
            was_interrupted = bool(text) and _answer(session, text, render)
        except EOFError:
            return 0
        except KeyboardInterrupt:
            if was_interrupted:
                return _INTERRUPTED
            was_interrupted = True
            print("\nCtrl-C again or /exit leaves", file=sys.stderr)


def _answer(session: ReplSession, text: str, render: Callable[[Event], None]) -> bool:
    """Shows the events of one prompt; True when the person cancelled it."""
    has_error = False
    try:
        with session.stream(text) as events:
            try:
                for event in events:
                    has_error |= isinstance(event, Error)
                    render(event)
            except KeyboardInterrupt:
                session.cancel()
                print("\ncancelled; Ctrl-C again leaves", file=sys.stderr)
                return True
    except A3SCodeError as exc:
        if not has_error:
            render(Error(str(exc)))
    return False


def line_reader() -> Callable[[], str]:
    """Lines with editing and history on a terminal, plain lines elsewhere."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return _plain_line
    from prompt_toolkit import PromptSession
    from prompt_toolkit.history import FileHistory, History, InMemoryHistory

    history: History
    try:
        folder = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "a3s-code"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / "history"
        path.touch(mode=0o600)
        history = FileHistory(str(path))
    except OSError:
        history = InMemoryHistory()
    prompter: PromptSession[str] = PromptSession(history=history)
    return lambda: prompter.prompt(_PROMPT)


def _plain_line() -> str:
    return input()

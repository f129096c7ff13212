"""One prompt, or a conversation."""

import shlex
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from a3s_code.cli.arguments import ExitCode, Options, UsageError
from a3s_code.cli.setup import Opened, opened_session
from a3s_code.cli.terminal import Terminal, installed, is_interactive, terminal
from a3s_code.errors import ModelError, PromptError
from a3s_code.events import AgentEnd, Error, Event

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from a3s_code import AgentSession, Answer, ConfirmationRequest

__all__ = ["Refusals", "converse", "follow", "read_prompt", "send"]

LARGEST_INPUT = 16 * 1024 * 1024
"""Bytes read from standard input; a session refuses far less, and says so."""
_DONE = ("end_turn", "command", "stop_sequence")


def send(options: Options, prompt: str) -> int:
    """Runs one prompt and shows its events; the exit code tells how it ended."""
    prompt = read_prompt(prompt)
    screen = terminal()
    refusals = Refusals()
    with opened_session(options, screen.confirm if is_interactive() else refusals.confirm) as opened:
        hint = _hint(options, opened)
        try:
            reason = follow(opened.session, prompt, screen)
        except ModelError as error:
            raise ModelError(f"{error}\n{hint}", kind=error.kind, status=error.status) from error
        refusals.tell()
    if reason in _DONE:
        return ExitCode.OK
    if reason == "cancelled":
        _say(f"interrupted. {hint}")
        return ExitCode.INTERRUPTED
    _say(f"ended early: {reason}. {hint}")
    return ExitCode.ENDED_EARLY


def converse(options: Options) -> int:
    """Holds a conversation until the person leaves."""
    repl = installed()
    if repl is None:
        raise UsageError(
            'a conversation needs a terminal: pip install a3s-code-terminal\nor send one prompt: a3s-code "your prompt"'
        )
    with opened_session(options, repl.confirm) as opened:
        what = f"session {options.resume}" if options.resume else options.model or opened.config.default_model
        print(f"{what} in {opened.session.workspace}; /help lists commands, /exit leaves")
        watched = _Watched(opened.session)
        code = repl(watched)
    if watched.was_used:
        _say(_hint(options, opened))
    return code


def follow(session: "AgentSession", prompt: str, screen: Terminal) -> str:
    """Shows the events of *prompt*; how it ended. One Ctrl-C cancels the prompt, a second one leaves.

    Raises:
        KeyboardInterrupt: At the second Ctrl-C.
        A3SCodeError: The run failed.
    """
    was_interrupted = False
    reason = "cancelled"
    with session.stream(prompt) as events:
        while True:
            try:
                for event in events:
                    if isinstance(event, AgentEnd):
                        reason = event.stop_reason
                    if not isinstance(event, Error):  # the same text is raised and told once, on standard error
                        screen.render(event)
                return reason
            except KeyboardInterrupt:
                if was_interrupted:
                    raise
                was_interrupted = True
                session.cancel()
                if sys.stderr.isatty():
                    print(file=sys.stderr)  # the terminal has written "^C"


def read_prompt(prompt: str) -> str:
    """The prompt; "-" means that it stands on standard input. Raises PromptError."""
    if prompt == "-":
        content = sys.stdin.buffer.read(LARGEST_INPUT)
        try:
            prompt = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise PromptError(f"the prompt on standard input is not UTF-8 (byte {error.start})") from None
    if not prompt.strip():
        raise PromptError("the prompt is empty; say what is to be done")
    try:
        prompt.encode()
    except UnicodeEncodeError as error:
        raise PromptError(f"the prompt is not UTF-8 text (character {error.start + 1})") from None
    return prompt


class Refusals:
    """Answers no, because nobody can be asked, and says at the end what would have to be allowed."""

    def __init__(self) -> None:
        self._tools: dict[str, None] = {}

    async def confirm(self, request: "ConfirmationRequest") -> "Answer":
        from a3s_code import Answer, Outcome

        self._tools[request.tool_name] = None
        reason = "nobody can be asked, this runs without a terminal; say in your answer what was not permitted"
        return Answer(outcome=Outcome.REJECTED, reason=reason)

    def tell(self) -> None:
        if self._tools:
            rules = ", ".join(f'"{name}(*)"' for name in self._tools)
            _say(
                f"refused, because nobody can be asked without a terminal: {', '.join(self._tools)}.\n"
                f'Allow them in the configuration: plugin "policy" {{ allow = [{rules}] }}, or pass --permissive'
            )


def _hint(options: Options, opened: Opened) -> str:
    """How to go on with the session."""
    if opened.config.storage_backend == "memory":
        return 'Nothing was saved (storage_backend = "memory")'
    config = ("-c", options.config) if options.config else ()
    return f"To go on: {shlex.join(['a3s-code', *config, '--resume', opened.session.session_id])}"


class _Watched:
    """The part of a session that a conversation needs; knows whether anything was sent."""

    def __init__(self, session: "AgentSession") -> None:
        self._session = session
        self.was_used = False

    def stream(self, prompt: str) -> "AbstractContextManager[Iterable[Event]]":
        self.was_used = True
        return self._session.stream(prompt)

    def cancel(self) -> bool:
        return self._session.cancel()


def _say(text: str) -> None:
    sys.stdout.flush()
    print(f"a3s-code: {text}", file=sys.stderr)

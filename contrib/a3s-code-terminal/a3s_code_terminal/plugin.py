"""The entry point: the terminal as one object."""

import sys
from typing import TYPE_CHECKING

from a3s_code.plugin import Answer, ConfirmationRequest

if TYPE_CHECKING:
    from a3s_code.events import Event
    from a3s_code_terminal.conversation import ReplSession
    from a3s_code_terminal.renderer import Renderer

__all__ = ["Terminal", "repl"]


class Terminal:
    """Shows events and talks to the person on standard input and output."""

    def __init__(self) -> None:
        self._renderer: Renderer | None = None
        self._always: set[str] = set()

    def __call__(self, session: "ReplSession") -> int:
        """Holds a conversation; the exit code is 0, or 130 when the person left with Ctrl-C."""
        from a3s_code_terminal.conversation import converse, line_reader

        return converse(session, line_reader(), self.render)

    def render(self, event: "Event") -> None:
        if self._renderer is None:
            from a3s_code_terminal.renderer import Renderer

            self._renderer = Renderer(sys.stdout)
        self._renderer.render(event)

    async def confirm(self, request: ConfirmationRequest) -> Answer:
        """Asks whether the call may run, unless the person said "always" to such calls; an answerer for the session."""
        from a3s_code_terminal.question import ALWAYS, call_group, prompt_confirmation

        group = call_group(request)
        if group in self._always:
            return ALWAYS
        answer = await prompt_confirmation(request)
        if answer == ALWAYS:
            self._always.add(group)
        return answer


repl = Terminal()

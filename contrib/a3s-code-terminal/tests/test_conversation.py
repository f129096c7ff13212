"""A conversation ends when the person wants it to, and an error or Ctrl-C ends only the prompt."""

from contextlib import contextmanager

from a3s_code_terminal.conversation import converse
from a3s_code_terminal.plugin import Terminal

from a3s_code.events import Error, TextDelta
from a3s_code.plugin import ModelError


class Session:
    """Streams fixed steps; an exception among them is raised at its place."""

    def __init__(self, *steps):
        self.steps = steps
        self.prompts = []
        self.cancelled = 0
        self.closed = 0

    @contextmanager
    def stream(self, prompt):
        self.prompts.append(prompt)
        try:
            yield self._events()
        finally:
            self.closed += 1

    def _events(self):
        for step in self.steps:
            if isinstance(step, BaseException):
                raise step
            yield step

    def cancel(self):
        self.cancelled += 1
        return True


class Lines:
    """What the person types; an exception class is raised, the end is EOFError."""

    def __init__(self, *lines):
        self.lines = list(lines)

    def __call__(self):
        line = self.lines.pop(0) if self.lines else EOFError
        if isinstance(line, str):
            return line
        raise line


def talk(session, *lines):
    shown = []
    code = converse(session, Lines(*lines), shown.append)
    return code, shown


def test_prompts_are_sent_and_their_events_shown():
    session = Session(TextDelta("a"), TextDelta("b"))

    assert talk(session, " one ", "", "two") == (0, [TextDelta("a"), TextDelta("b")] * 2)
    assert session.prompts == ["one", "two"]


def test_exit_leaves():
    session = Session()

    assert talk(session, "/exit", "more") == (0, [])
    assert session.prompts == []


def test_an_error_is_shown_once_and_the_conversation_goes_on():
    told = ModelError("no key")

    assert talk(Session(told), "one", "two") == (0, [Error("no key"), Error("no key")])
    assert talk(Session(Error("no key"), told), "one") == (0, [Error("no key")])


def test_ctrl_c_cancels_the_prompt_only():
    session = Session(TextDelta("a"), KeyboardInterrupt())

    assert talk(session, "one", "two") == (0, [TextDelta("a"), TextDelta("a")])
    assert (session.cancelled, session.closed) == (2, 2)


def test_ctrl_c_twice_leaves():
    assert talk(Session(KeyboardInterrupt()), "one", KeyboardInterrupt, "two")[0] == 130
    assert talk(Session(), KeyboardInterrupt, KeyboardInterrupt, "two")[0] == 130


def test_a_prompt_between_two_ctrl_c_keeps_the_conversation():
    session = Session()

    assert talk(session, KeyboardInterrupt, "one", KeyboardInterrupt, "two")[0] == 0
    assert session.prompts == ["one", "two"]


def test_lines_of_a_pipe_are_prompts(monkeypatch, tmp_path, capsys):
    script = tmp_path / "prompts"
    script.write_text("hello\n")
    with script.open() as typed:
        monkeypatch.setattr("sys.stdin", typed)
        code = Terminal()(Session(TextDelta("hi")))

    assert code == 0
    assert capsys.readouterr().out == "hi"

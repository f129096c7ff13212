"""Only a clear yes runs a tool, and the person sees what would run."""

import asyncio
import io
import os

import pytest
from a3s_code_terminal.plugin import Terminal
from a3s_code_terminal.question import answer_of, prompt_confirmation, question

from a3s_code.plugin import Answer, ConfirmationRequest, Outcome

REQUEST = ConfirmationRequest(tool_id="1", tool_name="bash", arguments={"command": "ls\nrm x"}, reason="no rule")


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("y", Answer(outcome=Outcome.APPROVED)),
        (" YES ", Answer(outcome=Outcome.APPROVED)),
        ("", Answer(outcome=Outcome.REJECTED)),
        ("n", Answer(outcome=Outcome.REJECTED)),
        (None, Answer(outcome=Outcome.REJECTED)),
        ("yes but no", Answer(outcome=Outcome.REJECTED, reason="yes but no")),
    ],
)
def test_only_a_clear_yes_approves(line, answer):
    assert answer_of(line) == answer


def test_the_question_shows_every_argument_whole():
    text = question(REQUEST, colour=False)

    assert "bash wants to run  (no rule)" in text
    assert "  command: ls\n    rm x" in text


def test_arguments_cannot_draw_over_the_question():
    request = ConfirmationRequest(tool_id="1", tool_name="bash", arguments={"command": "rm x\r\x1b[2Kls\u202e"})

    assert not {"\r", "\x1b", "\u202e"} & set(question(request, colour=False))


@pytest.fixture
def pipe():
    reader, writer = os.pipe()
    with os.fdopen(reader) as source:
        yield source, writer


def test_the_answer_is_one_line_and_the_rest_is_left(pipe):
    source, writer = pipe
    os.write(writer, b"y\nnext prompt\n")
    os.close(writer)
    out = io.StringIO()

    assert asyncio.run(prompt_confirmation(REQUEST, source=source, out=out)).outcome is Outcome.APPROVED
    assert source.readline() == "next prompt\n"


def test_the_end_of_input_refuses(pipe):
    source, writer = pipe
    os.close(writer)

    assert asyncio.run(prompt_confirmation(REQUEST, source=source, out=io.StringIO())).outcome is Outcome.REJECTED


def test_a_file_can_answer(tmp_path):
    path = tmp_path / "answers"
    path.write_text("y\n")
    with path.open() as source:
        assert asyncio.run(prompt_confirmation(REQUEST, source=source, out=io.StringIO())).outcome is Outcome.APPROVED


def test_a_cancelled_question_reads_nothing_more(pipe):
    source, writer = pipe

    async def scene():
        asked = asyncio.ensure_future(prompt_confirmation(REQUEST, source=source, out=io.StringIO()))  # noqa: TID251 # awaited below
        await asyncio.sleep(0)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        os.write(writer, b"next\n")
        await asyncio.sleep(0)
        return asked.cancelled()

    assert asyncio.run(scene())
    assert source.readline() == "next\n"
    os.close(writer)


def test_the_terminal_is_an_answerer(monkeypatch, pipe, capsys):
    source, writer = pipe
    os.write(writer, b"y\n")
    os.close(writer)
    monkeypatch.setattr("sys.stdin", source)

    assert asyncio.run(Terminal().confirm(REQUEST)).outcome is Outcome.APPROVED
    assert "run it?" in capsys.readouterr().out

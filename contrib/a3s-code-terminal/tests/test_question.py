"""Only a clear yes runs a tool, and the person sees what would run."""

import asyncio
import io
import os

import pytest
from a3s_code_terminal.plugin import Terminal
from a3s_code_terminal.question import ALWAYS, answer_of, prompt_confirmation, question

from a3s_code.plugin import Answer, ConfirmationRequest, Outcome

REQUEST = ConfirmationRequest(tool_id="1", tool_name="bash", arguments={"command": "ls\nrm x"}, reason="no rule")


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("y", Answer(outcome=Outcome.APPROVED)),
        (" YES ", Answer(outcome=Outcome.APPROVED)),
        ("a", ALWAYS),
        ("always read first", Answer(outcome=Outcome.REJECTED, reason="always read first")),
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

    assert "bash wants to run\n  (no rule)\n" in text
    assert "  command:\n    ls\n    rm x\n" in text


def asked(name, *, colour=False, reason="no rule", **arguments):
    return question(request(name, reason, **arguments), colour=colour)


def request(name, reason="no rule", **arguments):
    return ConfirmationRequest(tool_id="1", tool_name=name, arguments=arguments, reason=reason)


def test_a_replacement_is_asked_about_as_a_diff_with_every_line_of_both_texts():
    text = asked("edit", file_path="a.py", old_string="a\nb\nc\n", new_string="a\nB\nc\n", replace_all=True)

    assert "  file_path: a.py\n  replace_all: true\n  change:\n     a\n    -b\n    +B\n     c\nrun it?" in text
    assert "old_string" not in text


def test_a_line_end_that_changes_is_seen():
    assert "    -a\n    +a\\r\n" in asked("edit", old_string="a", new_string="a\r")
    assert "     a\n    +\n" in asked("edit", old_string="a", new_string="a\n")
    assert "  change:\n     a\n" in asked("edit", old_string="a", new_string="a")


def test_very_large_replacements_are_not_compared():
    same = "same\n" * 3000

    assert "    -same\n" in asked("edit", old_string=f"{same}a", new_string=f"{same}b")


def test_a_question_longer_than_the_screen_says_at_its_end_what_it_is_about():
    assert "\n    x\n● write a.py\nrun it?" in asked("write", file_path="a.py", content="x\n" * 100)
    assert "● write a.py" not in asked("write", file_path="a.py", content="x\n" * 3)


def test_a_patch_is_coloured():
    text = asked("patch", diff="--- a\n+++ b\n@@ -1 +1 @@\n-old\n+new\n", colour=True)

    assert "\n    \x1b[31m-old\x1b[0m\n    \x1b[32m+new\x1b[0m\n" in text


def test_a_text_that_looks_like_a_diff_is_not_coloured():
    assert "\n    -x\n    -y\n" in asked("bash", command="-x\n-y", colour=True)


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


def test_the_end_of_input_refuses_and_ends_the_line(pipe):
    source, writer = pipe
    os.close(writer)
    out = io.StringIO()

    assert asyncio.run(prompt_confirmation(REQUEST, source=source, out=out)).outcome is Outcome.REJECTED
    assert out.getvalue().endswith("] \n")


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


@pytest.mark.parametrize(
    ("first", "second", "is_asked_again"),
    [
        pytest.param(request("edit", file_path="a"), request("edit", file_path="b"), False, id="same-tool"),
        pytest.param(request("edit"), request("write"), True, id="other-tool"),
        pytest.param(request("edit"), request("edit", "a rule asks"), True, id="other-reason"),
        pytest.param(request("bash", command="ls"), request("bash", command="ls", timeout=9), False, id="same-command"),
        pytest.param(request("bash", command="ls"), request("bash", command="rm x"), True, id="other-command"),
        pytest.param(request("web_fetch", url="a"), request("web_fetch", url="b"), True, id="other-address"),
        pytest.param(request("web_fetch", url="a"), request("web_fetch", url="a", offset=9), False, id="next-part"),
        pytest.param(
            request("git_worktree", command="remove", path="a"),
            request("git_worktree", command="remove", path="b"),
            True,
            id="other-folder",
        ),
    ],
)
def test_always_stands_for_calls_of_the_same_kind(monkeypatch, pipe, capsys, first, second, is_asked_again):
    source, writer = pipe
    os.write(writer, b"a\nn\n")
    os.close(writer)
    monkeypatch.setattr("sys.stdin", source)
    terminal = Terminal()

    async def scene():
        return [(await terminal.confirm(one)).outcome for one in (first, second)]

    second_outcome = Outcome.REJECTED if is_asked_again else Outcome.APPROVED
    assert asyncio.run(scene()) == [Outcome.APPROVED, second_outcome]
    assert capsys.readouterr().out.count("run it?") == 1 + is_asked_again

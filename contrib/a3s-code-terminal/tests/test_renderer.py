"""Events become readable text, and nothing in them can steer the terminal."""

import io

import pytest
from a3s_code_terminal.renderer import Renderer, summary
from a3s_code_terminal.screen import has_colour, visible

from a3s_code.events import (
    AgentEnd,
    CommandOutput,
    ConfirmationReceived,
    Error,
    PermissionDenied,
    StepStart,
    TextDelta,
    ToolEnd,
    ToolOutputDelta,
    ToolStart,
    TurnStart,
    Warned,
)
from a3s_code.plugin import ToolResult, Usage

DIFF = "--- a\n+++ b\n@@ -1 +1 @@\n-old\n+new\n same"


def shown(*events, colour=False) -> str:
    out = io.StringIO()
    renderer = Renderer(out, colour=colour)
    for event in events:
        renderer.render(event)
    return out.getvalue()


def end(text="", stop_reason="end_turn", calls=0):
    usage = Usage(input_tokens=1200, output_tokens=34)
    return AgentEnd(text, usage, stop_reason=stop_reason, tool_calls_count=calls)


def result(output="", exit_code=0, **metadata):
    return ToolEnd(ToolResult(call_id="1", name="bash", output=output, exit_code=exit_code, metadata=metadata))


def test_text_is_shown_as_it_comes():
    assert shown(TextDelta("Hel"), TextDelta("lo")) == "Hello"


def test_a_tool_is_one_line_of_its_own():
    start = ToolStart("1", "edit", {"path": "src/a.py", "old": "x"})

    assert shown(TextDelta("I edit"), start, TextDelta("done")) == "I edit\n● edit src/a.py\ndone"


def test_a_run_ends_with_its_usage():
    assert shown(TextDelta("hi"), end("hi", calls=2)) == "hi\n1,234 tokens · 2 tool calls\n"


def test_a_text_that_was_not_streamed_is_shown_at_the_end():
    assert shown(end("hi", "max_tool_rounds")) == "hi\n1,234 tokens · max tool rounds\n"


def test_a_diff_is_coloured():
    coloured = shown(result(diff=DIFF), colour=True)

    assert "\x1b[31m-old\x1b[0m" in coloured
    assert "\x1b[32m+new\x1b[0m" in coloured
    assert shown(result(diff=DIFF)) == DIFF + "\n"


def test_the_output_of_a_failed_tool_is_red_and_short():
    text = shown(result("\n".join(f"line {n}" for n in range(20)), exit_code=1), colour=True)

    assert "\x1b[31m  line 0\x1b[0m" in text
    assert "line 8" not in text
    assert "12 more lines" in text


def test_the_output_of_a_successful_tool_is_not_shown():
    assert shown(result("lots of text")) == ""


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (Error("it failed"), "it failed\n"),
        (Warned("take care"), "take care\n"),
        (CommandOutput("help"), "help\n"),
        (StepStart("s1", "write it", 2, 5), "2/5 write it\n"),
        (TurnStart(1), ""),
        (ToolOutputDelta("1", "bash", "x"), ""),
    ],
)
def test_other_events(event, text):
    assert shown(event) == text


def test_escape_sequences_are_spelled_out():
    text = shown(TextDelta("a\x1b]0;title\x07b"), ToolStart("1", "bash", {"command": "ls\r\x1b[2K\u202eevil"}))

    assert "\x1b" not in text
    assert "\\x1b]0;title\\x07" in text
    assert "\u202e" not in text


def test_a_summary_is_one_short_line():
    assert summary({"command": "a\n  b"}) == "a b"
    assert summary({"n": 1}) == '{"n": 1}'
    assert summary({}) == ""
    assert len(summary({"path": "x" * 500})) == 100


@pytest.mark.parametrize(
    ("args", "text"),
    [
        pytest.param({"diff": "--- a\n+++ b\n"}, "", id="patch"),
        pytest.param({"diff": "--- a\n+++ b\n", "dry_run": True}, '{"dry_run": true}', id="patch-tried"),
        pytest.param({"invocations": [{"tool": "ls", "args": {}}]}, "", id="batch"),
        pytest.param({"files": ["a", "b"]}, '{"files": ["a", "b"]}', id="read-several"),
        pytest.param({"pattern": "TODO", "path": "src"}, "TODO src", id="grep"),
        pytest.param({"command": "create", "branch": "fix"}, "create fix", id="git_worktree"),
        pytest.param({"command": "npm run dev", "background": True}, "npm run dev background", id="bash"),
        pytest.param({"path": "src", "background": False}, "src", id="ls"),
    ],
)
def test_a_summary_leaves_out_what_tells_nothing_in_a_line(args, text):
    assert summary(args) == text


def test_a_call_that_the_person_refused_is_told_in_two_words():
    refused = result("bash was REJECTED by the user. DO NOT retry it", exit_code=1)

    assert shown(ConfirmationReceived("1", False), PermissionDenied("1", "bash", {}, "no"), refused) == "  not run\n"
    assert shown(ConfirmationReceived("1", False), ConfirmationReceived("2", False), refused) == "  not run\n"


def test_a_call_that_a_rule_refused_is_named():
    denied = PermissionDenied("1", "bash", {"command": "git push"}, "rule")

    assert shown(denied, result("Permission denied", exit_code=1)) == "● bash git push\n  Permission denied\n"


def test_a_line_of_a_diff_stays_one_line():
    assert shown(result(diff="@@ -1 +1 @@\n-a\r\n+b\u2028+c\x0c\r\n")) == "@@ -1 +1 @@\n-a\n+b\\u2028+c\\x0c\n"


def test_letters_of_all_languages_stay():
    assert visible("naïve 日本語 👩‍💻 عربى") == "naïve 日本語 👩‍💻 عربى"


class Tty(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("out", "environment", "coloured"),
    [
        (Tty(), {}, True),
        (Tty(), {"NO_COLOR": "1"}, False),
        (Tty(), {"NO_COLOR": ""}, True),
        (Tty(), {"TERM": "dumb"}, False),
        (io.StringIO(), {}, False),
    ],
)
def test_where_colours_are_used(monkeypatch, out, environment, coloured):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert has_colour(out) is coloured

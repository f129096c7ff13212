"""Writes docs/reference/cli.md from the parsers of the command line.

Run `python docs/generate_cli.py` after changing an option; a test compares the page with the parsers.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

from a3s_code.cli.arguments import EXIT_TEXTS, parsers

PAGE = Path(__file__).parent / "reference" / "cli.md"

INTRODUCTION = """\
# Command line

<!-- Made by docs/generate_cli.py from the parsers; do not edit. -->

`a3s-code` holds a conversation (with a3s-code-terminal), `a3s-code "a prompt"` runs one prompt and ends.
One argument with white space is a prompt, so is everything after `-p` or after `--`; a single word is a command.
`-p -` reads the prompt from standard input; without it standard input is not read.

On a terminal a call that needs permission is asked about; no answer means no.
Without a terminal it is refused, and the last lines say which setting would allow it.
Ctrl-C once cancels the prompt and keeps the session, a second one leaves.
An error is one message on standard error without a traceback; `--debug` shows it with one.

Other distributions can bring commands through the entry-point group `a3s_code.cli`:
each entry is a function of the arguments after the command that returns the exit code.
Those of official distributions are always there, others when `plugins { use = ["name"] }` names them.
"""


def render() -> str:
    """The page."""
    top, *commands = parsers().values()
    everywhere = {action.dest for action in top._actions if action.dest != "prompt"}
    sections = [
        *_section(top, set()),
        "`-c`, `-m`, `--workspace`, `--permissive` and `--debug` may follow a command.\n",
    ]
    sections += [line for command in commands for line in _section(command, everywhere)]
    codes = "\n".join(f"| {code.value} | {text} |" for code, text in EXIT_TEXTS.items())
    return "\n".join([INTRODUCTION, *sections, f"## Exit codes\n\n| code | |\n|---|---|\n{codes}\n"])


def _section(parser: argparse.ArgumentParser, known: set[str]) -> Iterator[str]:
    """The page's part about one command; options in *known* are described elsewhere."""
    yield f"## `{parser.prog}`\n\n{parser.description}\n"
    yield from _described(parser, known)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for one in action.choices.values():
                words = [one.prog, *(str(each.metavar) for each in one._actions if not each.option_strings)]
                yield f"### `{' '.join(words)}`\n\n{one.description}\n"
                yield from _described(one, known)


def _described(parser: argparse.ArgumentParser, known: set[str]) -> Iterator[str]:
    hidden = (None, argparse.SUPPRESS)
    rows = [
        f"| {_name(action)} | {action.help} |"
        for action in parser._actions
        if action.help not in hidden and action.dest not in known and action.dest != "action"
    ]
    if rows:
        yield "\n".join(["| | |\n|---|---|", *rows, ""])


def _name(action: argparse.Action) -> str:
    if not action.option_strings:
        return f"`{action.metavar}`"
    value = f" {action.metavar}" if action.metavar else ""
    return f"`{', '.join(action.option_strings)}{value}`"


if __name__ == "__main__":
    PAGE.write_text(render())

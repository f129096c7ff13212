"""What the command line understands. Nothing heavy is imported here: `--version` and `--help` are answered from it."""

import argparse
import shlex
from collections.abc import Sequence
from enum import IntEnum
from typing import NoReturn

from a3s_code.errors import A3SCodeError

__all__ = ["VERBS", "ExitCode", "Options", "UsageError", "no_command", "parse", "parsers"]


class ExitCode(IntEnum):
    """How the command ended; `--help` shows these lines."""

    OK = 0, "it worked"
    FAILED = 1, "the run failed: the model could not be asked, the demo's tests stay red, a selected plugin is broken"
    USAGE = 2, "the command line, the configuration or the prompt is wrong"
    ENDED_EARLY = 3, "the model stopped before it was done (max_tool_rounds, max_tokens, refusal)"
    INTERNAL = 70, "an error in a3s-code itself"
    INTERRUPTED = 130, "Ctrl-C"

    about: str

    def __new__(cls, value: int, about: str) -> "ExitCode":
        code = int.__new__(cls, value)
        code._value_ = value
        code.about = about
        return code


class UsageError(A3SCodeError):
    """The command line is wrong; the text says how to write it."""


class Options(argparse.Namespace):
    """Everything that can be said on the command line; each parser fills its part."""

    config: str | None = None
    model: str | None = None
    workspace: str | None = None
    permissive: bool = False
    resume: str | None = None
    prompt: str | None = None
    debug: bool = False
    version: bool = False
    verb: str | None = None
    action: str | None = None
    point: str = ""
    name: str = ""
    id: str = ""
    keep: bool = False
    project: str | None = None
    rest: Sequence[str] = ()


VERBS = ("plugins", "sessions", "demo")

_ABOUT = "An AI coding agent. Without a prompt or a command it holds a conversation."

_EXAMPLES = """\
examples:
  a3s-code "What files handle authentication?"
  a3s-code -p explain
  a3s-code -p - < prompt.txt
  a3s-code demo
"""


class _Parser(argparse.ArgumentParser):
    """Raises instead of leaving the program, so that every error is told in one place."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see: {self.prog} --help")


def parse(words: Sequence[str]) -> Options:
    """The options in *words*, the arguments after the program's name.

    The first word that is no option is a command, or a prompt when it has white space.

    Raises:
        UsageError: They cannot be understood.
        SystemExit: Help was asked for and shown.
    """
    before, word, after = _split(words)
    top = parsers()
    if word is None or any(char.isspace() for char in word) or not word or "--" in before:
        return _prompt_options(top["a3s-code"], before, [word] if word is not None else [], after)
    if word in VERBS:
        options = top["a3s-code"].parse_args(before, Options())
        if options.prompt is not None:
            raise UsageError(f'a prompt and the command "{word}" do not go together')
        options.verb = word
        return top[word].parse_args(after, options)
    options = top["a3s-code"].parse_args(before, Options())
    options.verb, options.rest = word, after
    return options


def no_command(word: str, rest: Sequence[str], others: Sequence[str]) -> UsageError:
    """The error for a single word that no command is called, with both readings."""
    prompt = shlex.quote(" ".join([word, *rest]))
    commands = ", ".join([*VERBS, *others])
    return UsageError(
        f'"{word}" is no command. To send it as a prompt: a3s-code -p {prompt}. Commands: {commands}'
    )


def parsers() -> dict[str, argparse.ArgumentParser]:
    """The parser of each command by its name; "a3s-code" is the one without a command."""
    codes = "\n".join(f"  {code.value:3}  {code.about}" for code in ExitCode)
    shared = _shared()
    top = _Parser(
        prog="a3s-code",
        usage='a3s-code [options] ["a prompt" | -p PROMPT | command ...]',
        description=_ABOUT,
        epilog=f"commands:\n{_commands()}\n\n{_EXAMPLES}\nexit codes:\n{codes}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[shared],
        allow_abbrev=False,
    )
    top.add_argument("-p", "--prompt", metavar="PROMPT", help='the prompt; "-" reads it from standard input')
    top.add_argument("--resume", metavar="ID", help="go on with a saved session")
    top.add_argument("--version", action="store_true", help="show the version")
    return {"a3s-code": top, "plugins": _plugins(shared), "sessions": _sessions(shared), "demo": _demo(shared)}


def _shared() -> argparse.ArgumentParser:
    """The options that stand before or after a command; what is not said keeps the default of `Options`."""
    shared = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    shared.add_argument(
        "-c", "--config", metavar="FILE", help="the configuration; default: $A3S_CONFIG, else ~/.a3s/config.hcl"
    )
    shared.add_argument("-m", "--model", metavar="PROVIDER/MODEL", help="the model; default: default_model")
    shared.add_argument(
        "--workspace", metavar="DIR", help="the folder to work in; default: this one, or the session's when resuming"
    )
    shared.add_argument("--permissive", action="store_true", help="run what would be asked about; deny still wins")
    shared.add_argument("--debug", action="store_true", help="show the log and tracebacks")
    return shared


_HELP = {
    "plugins": "what is installed, what is used, and whether it works",
    "sessions": "saved sessions",
    "demo": "repair a small project without a key or a network",
}


def _commands() -> str:
    return "\n".join(f"  {name:9} {text}" for name, text in _HELP.items())


def _verb(name: str, shared: argparse.ArgumentParser) -> _Parser:
    return _Parser(prog=f"a3s-code {name}", description=_sentence(_HELP[name]), parents=[shared], allow_abbrev=False)


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."


def _plugins(shared: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser = _verb("plugins", shared)
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION", parser_class=_Parser)
    kinds = {"parents": [shared], "allow_abbrev": False}
    actions.add_parser("list", help="everything installed and who uses it; imports no plugin", **kinds)
    actions.add_parser("doctor", help="load and open each plugin in a process of its own", **kinds)
    for action, text in (
        ("show", "where a plugin comes from, what it depends on, its settings"),
        ("check", "run the contract suite of its extension point (needs a3s-code-testing)"),
    ):
        one = actions.add_parser(action, help=text, **kinds)
        one.add_argument("name", metavar="NAME", help="such as docker or bash_sandbox:docker")
    use = actions.add_parser("use", help="write the choice of a plugin into the configuration", **kinds)
    use.add_argument("point", metavar="POINT", help="the extension point, such as bash_sandbox")
    use.add_argument("name", metavar="NAME", help="the plugin's name")
    return parser


def _sessions(shared: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser = _verb("sessions", shared)
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION", parser_class=_Parser)
    kinds = {"parents": [shared], "allow_abbrev": False}
    actions.add_parser("list", help="all saved sessions, last used first", **kinds)
    resume = actions.add_parser("resume", help="go on with a session", **kinds)
    resume.add_argument("id", metavar="ID", help="its id, as the list shows it")
    resume.add_argument("-p", "--prompt", metavar="PROMPT", help='one prompt; "-" reads it from standard input')
    delete = actions.add_parser("delete", help="remove a session with all it holds", **kinds)
    delete.add_argument("id", metavar="ID", help="its id, as the list shows it")
    return parser


def _demo(shared: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser = _verb("demo", shared)
    parser.add_argument("--keep", action="store_true", help="keep the folder with the project and the journal")
    parser.add_argument("--project", metavar="DIR", help=argparse.SUPPRESS)
    return parser


_WITH_VALUE = ("-c", "--config", "-m", "--model", "--workspace", "--resume", "-p", "--prompt")


def _split(words: Sequence[str]) -> tuple[list[str], str | None, list[str]]:
    """The options, the first word that is none of them, and what follows it. After "--" everything is prompt."""
    at = 0
    while at < len(words):
        word = words[at]
        if word == "--":
            return [*words[:at], "--"], None, list(words[at + 1 :])
        if word in _WITH_VALUE:
            at += 2
        elif word.startswith("-") and len(word) > 1 and not any(char.isspace() for char in word):
            at += 1
        else:
            return list(words[:at]), word, list(words[at + 1 :])
    return list(words), None, []


def _prompt_options(
    parser: argparse.ArgumentParser, before: list[str], first: list[str], after: list[str]
) -> Options:
    is_verbatim = "--" in before
    options = [word for word in before if word != "--"] if is_verbatim else [*before, *after]
    parsed, unknown = parser.parse_known_args(options, Options())
    strange = [word for word in unknown if word.startswith("-")]
    if strange:
        parser.error(f"unknown option {strange[0]}")
    texts = [*first, *(after if is_verbatim else unknown)]
    if len(texts) > 1 and not is_verbatim:
        raise UsageError(f"put the prompt into quotes: a3s-code {shlex.quote(' '.join(texts))}")
    if texts and parsed.prompt is not None:
        raise UsageError("there are two prompts: one after -p and one without; give only one")
    if texts or is_verbatim:
        parsed.prompt = " ".join(texts)
    return parsed

"""What the command line understands. Nothing heavy is imported here: `--version` and `--help` are answered from it."""

import argparse
import shlex
from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, NoReturn

from a3s_code.errors import A3SCodeError

__all__ = ["EXIT_TEXTS", "VERBS", "ExitCode", "Options", "UsageError", "no_command", "parse", "parsers"]


class ExitCode(IntEnum):
    """How the command ended."""

    OK = 0
    FAILED = 1
    USAGE = 2
    ENDED_EARLY = 3
    INTERNAL = 70
    INTERRUPTED = 130


EXIT_TEXTS = {
    ExitCode.OK: "it worked",
    ExitCode.FAILED: "the run failed: the model could not be asked, tests stay red, a plugin in use is broken",
    ExitCode.USAGE: "the command line, the configuration or the prompt is wrong",
    ExitCode.ENDED_EARLY: "the model stopped before it was done (max_tool_rounds, max_tokens, refusal)",
    ExitCode.INTERNAL: "an error in a3s-code itself",
    ExitCode.INTERRUPTED: "Ctrl-C",
}


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
    return UsageError(f'"{word}" is no command. To send it as a prompt: a3s-code -p {prompt}. Commands: {commands}')


def parsers() -> Mapping[str, argparse.ArgumentParser]:
    """The parser of each command by its name; "a3s-code" is the one without a command."""
    codes = "\n".join(f"  {code.value:3}  {text}" for code, text in EXIT_TEXTS.items())
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


def _shared() -> _Parser:
    """The options that stand before or after a command; what is not said keeps the default of `Options`."""
    shared = _Parser(add_help=False, argument_default=argparse.SUPPRESS)
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


def _verb(name: str, shared: _Parser) -> _Parser:
    return _Parser(prog=f"a3s-code {name}", description=_sentence(_HELP[name]), parents=[shared], allow_abbrev=False)


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."


def _plugins(shared: _Parser) -> _Parser:
    parser = _verb("plugins", shared)
    actions = _actions(parser)
    _action(actions, "list", "everything installed and who uses it; imports no plugin", shared)
    _action(actions, "doctor", "load and open each plugin in a process of its own", shared)
    for name, text in (
        ("show", "where a plugin comes from, what it depends on, its settings"),
        ("check", "run the contract suite of its extension point (needs a3s-code-testing)"),
    ):
        one = _action(actions, name, text, shared)
        one.add_argument("name", metavar="NAME", help="such as docker or bash_sandbox:docker")
    use = _action(actions, "use", "write the choice of a plugin into the configuration", shared)
    use.add_argument("point", metavar="POINT", help="the extension point, such as bash_sandbox")
    use.add_argument("name", metavar="NAME", help="the plugin's name")
    return parser


def _sessions(shared: _Parser) -> _Parser:
    parser = _verb("sessions", shared)
    actions = _actions(parser)
    _action(actions, "list", "all saved sessions, last used first", shared)
    resume = _action(actions, "resume", "go on with a session", shared)
    resume.add_argument("id", metavar="ID", help="its id, as the list shows it")
    resume.add_argument("-p", "--prompt", metavar="PROMPT", help='one prompt; "-" reads it from standard input')
    delete = _action(actions, "delete", "remove a session with all it holds", shared)
    delete.add_argument("id", metavar="ID", help="its id, as the list shows it")
    return parser


if TYPE_CHECKING:
    _Actions = argparse._SubParsersAction[_Parser]  # what add_subparsers returns has no public name


def _actions(parser: _Parser) -> "_Actions":
    return parser.add_subparsers(dest="action", required=True, metavar="ACTION", title="actions", parser_class=_Parser)


def _action(actions: "_Actions", name: str, text: str, shared: _Parser) -> _Parser:
    return actions.add_parser(name, help=text, description=_sentence(text), parents=[shared], allow_abbrev=False)


def _demo(shared: _Parser) -> _Parser:
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


def _prompt_options(parser: argparse.ArgumentParser, before: list[str], first: list[str], after: list[str]) -> Options:
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

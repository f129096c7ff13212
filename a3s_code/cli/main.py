"""The entry point `a3s-code`: understands the arguments, calls the command, and tells errors without a traceback."""

import io
import os
import sys
import traceback
from collections.abc import Sequence

from a3s_code.cli.arguments import ExitCode, Options, UsageError, no_command, parse
from a3s_code.errors import A3SCodeError, ConfigError, PluginError, PromptError, SessionNotFoundError

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code.

    Args:
        argv: The arguments; default: those of the process.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    _accept_any_text()
    try:
        code = _run(words)
        sys.stdout.flush()
    except SystemExit as end:  # argparse has shown help
        return end.code if isinstance(end.code, int) else ExitCode.OK
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except BrokenPipeError:  # the reader of our output went away: what is still buffered has nowhere to go
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.FAILED
    except Exception as error:  # noqa: BLE001 # the border to the person: one line instead of a traceback
        return _told(error, is_debug="--debug" in words)
    return code


def _run(words: Sequence[str]) -> int:
    options = parse(words)
    if options.version:
        from a3s_code import __version__

        print(f"a3s-code {__version__}")
        return ExitCode.OK
    _set_up_log(is_debug=options.debug)
    match options.verb:
        case None:
            from a3s_code.cli.prompts import converse, send

            return send(options, options.prompt) if options.prompt is not None else converse(options)
        case "plugins":
            from a3s_code.cli.plugins import run
        case "sessions":
            from a3s_code.cli.sessions import run
        case "demo":
            from a3s_code.cli.demo import run
        case _:
            return _other(options)
    return run(options)


def _other(options: Options) -> int:
    """A command that an installed distribution brings."""
    from a3s_code.cli.verbs import active, find

    assert options.verb is not None
    verb = find(options)
    if verb is None:
        raise no_command(options.verb, options.rest, active())
    return verb(options.rest)


def _told(error: Exception, *, is_debug: bool) -> ExitCode:
    """Says what went wrong on standard error; the exit code for it."""
    from a3s_code.cli.layout import plain_text

    if is_debug:
        traceback.print_exception(error)
    if not isinstance(error, A3SCodeError):
        hint = "" if is_debug else "; run with --debug and report it"
        text = " ".join(f"{type(error).__name__}: {error}".split())
        print(plain_text(f"a3s-code: internal error: {text}{hint}"), file=sys.stderr)
        return ExitCode.INTERNAL
    print(plain_text(f"a3s-code: {error}"), file=sys.stderr)
    is_usage = isinstance(error, UsageError | ConfigError | PluginError | PromptError | SessionNotFoundError)
    return ExitCode.USAGE if is_usage else ExitCode.FAILED


def _accept_any_text() -> None:
    """Characters that the terminal's encoding lacks are replaced, and a closed stream is an empty one."""
    sys.stdin, sys.stdout, sys.stderr = (
        stream if stream is not None else open(os.devnull, mode)  # noqa: PTH123, SIM115 # open until the process ends
        for stream, mode in ((sys.stdin, "r"), (sys.stdout, "w"), (sys.stderr, "w"))
    )
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _set_up_log(*, is_debug: bool) -> None:
    import logging
    import warnings

    def show(message: Warning | str, *_where: object, **_more: object) -> None:
        print(f"a3s-code: {message}", file=sys.stderr)

    warnings.showwarning = show
    level = logging.DEBUG if is_debug else logging.CRITICAL  # what people must see comes as events and errors
    logging.basicConfig(level=logging.WARNING, format="%(name)s %(message)s")
    logging.getLogger("a3s_code").setLevel(level)

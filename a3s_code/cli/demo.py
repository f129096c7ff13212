"""`a3s-code demo`: an agent repairs a small project in a temporary folder, without a key or a network.

Only the model's turns are a script; configuration, session, permissions, lanes, tools and journal are the real ones.
The script cannot know whether the repair held, so the demo runs the tests itself at the end.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from a3s_code.cli.arguments import ExitCode, Options, UsageError
from a3s_code.cli.prompts import follow
from a3s_code.cli.setup import KEY_VARIABLES, check_key, config_path
from a3s_code.cli.terminal import terminal
from a3s_code.config import load
from a3s_code.errors import ConfigError, PluginError

__all__ = ["run"]

HERE = Path(__file__).parent
TEST_DEADLINE_S = 60.0

_SCRIPTED = """\
default_model = "scripted/demo"
providers { name = "scripted" }
plugin "llm_client" "scripted" { script = "turns.json" }
"""

# -B: an edit in the same second would otherwise meet the bytecode of the old file
_TESTS = ("-B", "-m", "unittest")


def run(options: Options) -> int:
    """Repairs the project and tells whether its tests are green."""
    folder = Path(tempfile.mkdtemp(prefix="a3s-code-demo-"))
    try:
        return _repair(options, folder)
    finally:
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)


def _repair(options: Options, folder: Path) -> int:
    try:
        from a3s_code import Agent, PermissionPolicy, SessionOptions
    except ImportError as error:
        raise PluginError("the demo needs the default plugins: pip install a3s-code", is_missing=True) from error

    project = _copied(options, folder / "project")
    config = _scripted(folder) if options.model is None else _configured(options, folder)
    _introduce(options, project)
    session_options = SessionOptions(
        model=options.model,
        permission_checker=PermissionPolicy(allow=_allowed(), deny=_DENIED, default="deny"),
        sessions_dir=folder / "sessions",
    )
    with Agent(config) as agent, agent.session(project, session_options) as session:
        reason = follow(session, _prompt(), terminal())
    print()
    if reason == "cancelled":
        return ExitCode.INTERRUPTED
    return _verdict(options, folder, project)


def _copied(options: Options, project: Path) -> Path:
    source = Path(options.project) if options.project is not None else HERE / "demo_project"
    if not source.is_dir():
        raise UsageError(f"--project {source} is no folder")
    shutil.copytree(source, project, ignore=shutil.ignore_patterns("__pycache__"))
    return project


def _scripted(folder: Path) -> Path:
    """The configuration of the scripted model."""
    command = json.dumps(_test_command())[1:-1]
    turns = (HERE / "demo_turns.json").read_text(encoding="utf-8").replace("{test_command}", command)
    (folder / "turns.json").write_text(turns, encoding="utf-8")
    config = folder / "agent.hcl"
    config.write_text(_SCRIPTED, encoding="utf-8")
    return config


def _configured(options: Options, folder: Path) -> Path:
    """The user's configuration; without one, a configuration that takes the key from the environment."""
    assert options.model is not None
    try:
        path = config_path(options)
    except ConfigError:
        provider = options.model.partition("/")[0]
        variable = KEY_VARIABLES.get(provider, "")
        if not os.environ.get(variable):
            raise
        path = folder / "agent.hcl"
        model = json.dumps(options.model)
        text = f'default_model = {model}\nproviders {{\n  name = "{provider}"\n  api_key = env("{variable}")\n}}\n'
        path.write_text(text, encoding="utf-8")
    check_key(load(path), options.model)
    return path


def _test_command() -> str:
    return shlex.join([sys.executable, *_TESTS])


def _prompt() -> str:
    return f"The tests of this project fail. Find the mistake, repair it, and run the tests: {_test_command()}"


_DENIED = ("edit(test_*)",)


def _allowed() -> tuple[str, ...]:
    # a rule with wildcards compares words, so a path with blanks or quotes is allowed as this one command only
    is_plain = re.fullmatch(r"[\w./+-]+", sys.executable) is not None
    tests = _test_command() + ("*" if is_plain else "")
    return "read(*)", "ls(*)", "glob(*)", "grep(*)", "edit(*.py)", f"bash({tests})"


def _introduce(options: Options, project: Path) -> None:
    if options.model is None:
        print("The model in this demo is a script; everything else is real.")
    else:
        print(f"The model is {options.model}; it works on a copy.")
    files = ", ".join(sorted(path.name for path in project.iterdir()))
    print(f"\nproject  {project}: {files}")
    print(f"allowed  {', '.join(_allowed())}")
    print(f"denied   {', '.join(_DENIED)}, and everything else")
    print(f"prompt   {_prompt()}\n", flush=True)


def _verdict(options: Options, folder: Path, project: Path) -> int:
    """Runs the tests once more, whatever the model said."""
    try:
        done = subprocess.run(
            [sys.executable, *_TESTS],
            cwd=project,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TEST_DEADLINE_S,
            check=False,
        )
        said, is_green = done.stderr, done.returncode == 0 and "Ran 0 tests" not in done.stderr
    except subprocess.TimeoutExpired:
        said, is_green = f"they did not end within {TEST_DEADLINE_S:.0f} s", False
    if is_green:
        print(_coloured("tests: green", "32"))
    else:
        print(said.strip())
        print(_coloured("tests: RED", "31") + ", the project is not repaired")
    removed = "" if options.keep else " (removed now; --keep keeps it)"
    print(f"journal: {folder / 'sessions'}{removed}")
    return ExitCode.OK if is_green else ExitCode.FAILED


def _coloured(text: str, code: str) -> str:
    is_plain = not sys.stdout.isatty() or bool(os.environ.get("NO_COLOR"))
    return text if is_plain else f"\x1b[1;{code}m{text}\x1b[0m"

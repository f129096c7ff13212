"""The command line as its user meets it: a real process with a home of its own."""

import fcntl
import json
import os
import pty
import re
import runpy
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from io import StringIO
from pathlib import Path

import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from a3s_code.cli import doctor
from a3s_code.cli.arguments import EXIT_TEXTS, ExitCode
from a3s_code.cli.choice import chosen_text
from a3s_code.cli.setup import Found
from a3s_code.cli.terminal import PlainTerminal
from a3s_code.config import load
from a3s_code.events import AgentEnd, TextDelta, ToolEnd, ToolStart, Warned
from a3s_code.messages import ToolResult
from a3s_code.plugins import Offer, Origin
from a3s_code.usage import Usage

DEADLINE_S = 60
CONFIG = """\
default_model = "scripted/model"
providers { name = "scripted" }
plugin "llm_client" "scripted" { script = "turns.json" }
"""
SAYS = [{"text": "There are two files."}]
RUNS = [{"text": "I run it.", "calls": [{"name": "bash", "arguments": {"command": "echo it-ran > ran.txt"}}]}, *SAYS]
WAITS = [{"calls": [{"name": "bash", "arguments": {"command": "touch begun; sleep 50"}}]}, *SAYS]


@frozen
class Done:
    """How a process ended."""

    code: int
    out: str
    err: str


class Shell:
    """A home, a working folder and the command line in it."""

    def __init__(self, folder: Path):
        self.home = folder / "home"
        self.cwd = folder / "work"
        self.site = folder / "site"
        for one in (self.home, self.cwd, self.site):
            one.mkdir()
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "XDG_STATE_HOME": str(self.home / "state"),
            "PYTHONPATH": str(self.site),
            "LANG": "C.UTF-8",
            "TERM": "xterm",
        }

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-m", "a3s_code"]

    def configure(self, turns: object, more: str = "", place: str = ".a3s/config.hcl") -> Path:
        """Writes a configuration with a scripted model into the home."""
        path = self.home / place
        path.parent.mkdir(exist_ok=True)
        path.write_text(CONFIG + more)
        (path.parent / "turns.json").write_text(json.dumps(turns))
        return path

    def distribute(self, name: str, entries: str, **modules: str) -> None:
        """Installs a distribution whose entry_points.txt is *entries*."""
        info = self.site / f"{name.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(entries)
        for module, text in modules.items():
            (self.site / f"{module}.py").write_text(text)

    def run(self, *words: str | bytes, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> Done:
        done = subprocess.run(
            [*self.command, *words],
            cwd=self.cwd,
            env={**self.env, **(env or {})},
            input=stdin,
            capture_output=True,
            timeout=DEADLINE_S,
            check=False,
        )
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())

    def refused(self, *words: str | bytes, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> str:
        """The error of a command that must end with the code for usage, without a traceback."""
        done = self.run(*words, stdin=stdin, env=env)
        assert "Traceback" not in done.err
        assert done.err.startswith("a3s-code: ")
        assert done.code == ExitCode.USAGE
        return done.err


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


# Starting


@pytest.mark.parametrize("words", [("--version",), ("plugins", "list")], ids=" ".join)
def test_quick_commands_import_nothing_heavy(shell, words):
    program = (
        "import sys; from a3s_code.cli.main import main; code = main(sys.argv[1:]);"
        "print('\\n' + ' '.join({name.partition('.')[0] for name in sys.modules})); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *words], env=shell.env, capture_output=True, text=True, check=True
    )
    heavy = {"lark", "hcl2", "stevedore", "cattrs", "structlog", "anthropic", "openai", "httpx2", "prompt_toolkit"}

    assert heavy & set(done.stdout.splitlines()[-1].split()) == set()


def test_the_package_and_the_folder_of_the_command_line_can_be_run(shell):
    for module in ("a3s_code", "a3s_code.cli"):
        done = subprocess.run(
            [sys.executable, "-m", module, "--version"], env=shell.env, capture_output=True, text=True, check=True
        )
        assert done.stdout.startswith("a3s-code ")


def test_help_tells_every_exit_code(shell):
    said = shell.run("--help").out

    assert [code for code, text in EXIT_TEXTS.items() if f"{code.value}  {text}" not in said] == []


def test_the_reference_page_is_current():
    root = Path(__file__).parents[1]
    page = runpy.run_path(str(root / "docs" / "generate_cli.py"))["render"]()

    assert (root / "docs" / "reference" / "cli.md").read_text() == page


# One prompt


@pytest.mark.parametrize(
    ("words", "stdin"),
    [
        pytest.param(("how many files",), b"", id="white space"),
        pytest.param(("-p", "explain"), b"", id="-p"),
        pytest.param(("--prompt=explain",), b"", id="--prompt="),
        pytest.param(("--", "explain", "this"), b"", id="--"),
        pytest.param(("-p", "-"), b"explain\n", id="standard input"),
        pytest.param(("how many files", "-m", "scripted/other"), b"", id="option behind"),
    ],
)
def test_a_prompt_is_answered(shell, words, stdin):
    shell.configure(SAYS)
    done = shell.run(*words, stdin=stdin)

    assert "There are two files." in done.out
    assert (done.code, done.err) == (0, "")


def test_a_single_word_is_told_with_both_readings(shell):
    said = shell.refused("explain")

    assert said == (
        'a3s-code: "explain" is no command. To send it as a prompt: a3s-code -p explain. '
        "Commands: plugins, sessions, demo\n"
    )


def test_words_without_quotes_are_told_with_quotes(shell):
    assert "a3s-code -p 'fix the bug'" in shell.refused("fix", "the", "bug")
    assert "a3s-code 'fix the bug'" in shell.refused("fix the", "bug")


def test_without_a_terminal_a_call_is_refused_and_the_last_lines_name_the_setting(shell):
    shell.configure(RUNS)
    done = shell.run("run it please")

    assert not (shell.cwd / "ran.txt").exists()
    assert 'plugin "policy" { allow = ["bash(*)"] }, or pass --permissive' in done.err
    assert done.code == 0


def test_permissive_runs_what_would_be_asked_about(shell):
    shell.configure(RUNS)
    done = shell.run("--permissive", "run it please")

    assert (shell.cwd / "ran.txt").read_text() == "it-ran\n"
    assert done.err == ""


def test_the_workspace_is_where_it_works(shell, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    shell.configure(RUNS)
    shell.run("--permissive", "--workspace", str(other), "run it please")

    assert (other / "ran.txt").exists()


def test_too_many_rounds_end_early(shell):
    shell.configure([{"calls": [{"name": "ls", "arguments": {}}]}] * 3, "max_tool_rounds = 2\n")
    done = shell.run("list the files")

    assert done.code == ExitCode.ENDED_EARLY
    assert "ended early: max_tool_rounds. To go on: a3s-code --resume " in done.err


def test_a_model_that_fails_is_told_in_one_message_and_the_session_can_go_on(shell):
    shell.configure([])
    done = shell.run("list the files")

    assert done.code == ExitCode.FAILED
    assert done.err.startswith("a3s-code: the script is over")
    assert "To go on: a3s-code --resume " in done.err
    assert "Traceback" not in done.err


def test_an_output_that_nobody_reads_ends_it_quietly(shell):
    shell.configure([{"text": "word " * 100_000}])
    process = subprocess.Popen(
        [*shell.command, "a long answer"],
        cwd=shell.cwd,
        env=shell.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    process.stdout.read(10)
    process.stdout.close()
    process.stdout = None
    _, err = process.communicate(timeout=DEADLINE_S)

    assert (process.returncode, err) == (ExitCode.FAILED, b"")


# Interrupting


def interrupted(shell: Shell, *words: str) -> Done:
    """Ctrl-C while a tool runs."""
    process = subprocess.Popen(
        [*shell.command, *words],
        cwd=shell.cwd,
        env=shell.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "sleep" in line:
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=DEADLINE_S)
    return Done(process.returncode, out, err)


def test_ctrl_c_cancels_and_says_how_to_go_on(shell):
    shell.configure(WAITS)
    done = interrupted(shell, "--permissive", "wait for me")
    found = re.search(r"To go on: a3s-code (--resume \w+)", done.err)

    assert done.code == ExitCode.INTERRUPTED
    assert "Traceback" not in done.err
    assert found is not None
    shell.configure(SAYS)
    assert "There are two files." in shell.run(*found[1].split(), "go on please").out


# What is wrong


def test_a_newcomer_is_told_in_two_lines_what_to_do(shell):
    said = shell.refused("what files are there")

    assert len(said.splitlines()) == 2
    assert [
        word for word in ("~/.a3s/config.hcl", "ANTHROPIC_API_KEY", "base_url", "a3s-code demo") if word not in said
    ] == []


def test_a_configuration_in_the_folder_is_named_and_not_used(shell):
    (shell.cwd / "agent.hcl").write_text(CONFIG)

    assert shell.refused("what files are there") == "a3s-code: found ./agent.hcl; pass -c ./agent.hcl to use it\n"


@pytest.mark.parametrize("line", ['api_key = env("ANTHROPIC_API_KEY")', ""], ids=["unset variable", "no key at all"])
def test_a_missing_key_is_told_before_the_model_is_asked(shell, line):
    path = shell.cwd / "my.hcl"
    path.write_text(f'default_model = "anthropic/claude"\nproviders {{\n  name = "anthropic"\n  {line}\n}}\n')
    said = shell.refused("-c", "my.hcl", "what files are there")

    assert len(said.splitlines()) == 2
    assert [word for word in ("ANTHROPIC_API_KEY", "base_url", "a3s-code demo") if word not in said] == []


BAD_CONFIGS = [
    pytest.param(
        CONFIG.encode() + b"max_tool_round = 3\n", 'my.hcl:4:1: unknown key "max_tool_round"', id="unknown key"
    ),
    pytest.param(b'default_model = "a/b\n', "my.hcl:1:17: this quote is not closed", id="unclosed quote"),
    pytest.param(b'default_model = "a/b"\n', 'no providers block named "a"', id="missing provider"),
    pytest.param(b'default_model = "model"\nproviders { name = "a" }\n', "provider/model", id="model without provider"),
    pytest.param(b'default_model = "\xff"\n', "my.hcl:1:18: the file is not UTF-8", id="not UTF-8"),
    pytest.param(b"", "default_model", id="empty"),
    pytest.param(b"\x00\x01\x02" * 100, "my.hcl:1:1", id="binary"),
    pytest.param(b'{"default_model": "a/b"}', "use HCL", id="JSON"),
    pytest.param(
        CONFIG.encode() + b'plugins { bash_sandbox = "dokcer" }\n',
        'no plugin offers bash_sandbox "dokcer"',
        id="no plugin",
    ),
    pytest.param(CONFIG.encode() + b'plugin "policy" { alow = [] }\n', 'unknown key "alow"', id="unknown plugin key"),
]


@pytest.mark.parametrize(("content", "expected"), BAD_CONFIGS)
def test_a_bad_configuration_is_a_clear_error(shell, content, expected):
    (shell.cwd / "my.hcl").write_bytes(content)
    (shell.cwd / "turns.json").write_text(json.dumps(SAYS))

    assert expected in shell.refused("-c", "my.hcl", "what files are there")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("nowhere.hcl", "nowhere.hcl: the configuration cannot be read: No such file"),
        (".", "this is a folder"),
        ("loop.hcl", "loop.hcl: the configuration cannot be read: Too many levels of symbolic links"),
        ("x" * 300 + ".hcl", "the configuration cannot be read: File name too long"),
    ],
    ids=["missing", "folder", "loop", "long name"],
)
def test_an_unreadable_configuration_is_a_clear_error(shell, name, expected):
    (shell.cwd / "loop.hcl").symlink_to("loop.hcl")

    assert expected in shell.refused("-c", name, "what files are there")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("-m", "model", "list them all"), 'the model "model" must be written as "provider/model"'),
        (("-m", "other/model", "list them all"), 'no providers block is named "other"'),
        (("--workspace", "nowhere", "list them all"), "nowhere is no folder"),
        (("--resume", "nosuch", "list them all"), "no session has the id nosuch"),
        (("--resume", "../../etc", "list them all"), "../../etc"),
        (("sessions", "resume", "nosuch", "-p", "hi"), "no session has the id nosuch"),
        (("sessions", "delete", "nosuch"), "no session has the id nosuch"),
        (("-p", ""), "the prompt is empty"),
        (("",), "the prompt is empty"),
        (("   ",), "the prompt is empty"),
        (("--", " "), "the prompt is empty"),
        (("-p", "-"), "the prompt is empty"),
        (("-p", b"caf\xe9 au lait"), "not UTF-8"),
        (("-p", "a", "b c"), "two prompts"),
        (("-p", "a", "plugins", "list"), "do not go together"),
        (("--bogus", "list them all"), "unknown option --bogus"),
        (("-p",), "expected one argument"),
        (("plugins",), "required: ACTION"),
        (("plugins", "lst"), "invalid choice"),
        (("plugins", "show", "nosuch"), 'no plugin is called "nosuch"'),
        (("plugins", "show", "openai"), "embedding_provider:openai, llm_client:openai"),
        (("plugins", "use", "bash_sandbox", "nosuch"), 'no plugin offers bash_sandbox "nosuch"'),
        (("plugins", "use", "sandbox", "local"), 'there is no extension point "sandbox"'),
        (("plugins", "use", "llm_client", "openai"), 'client = "openai"'),
        (("plugins", "check", "slash_command:nosuch"), "no plugin is called"),
        (("demo", "--project", "nowhere"), "nowhere is no folder"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_a_bad_command_is_a_clear_error(shell, words, expected):
    shell.configure(SAYS)

    assert expected in shell.refused(*words)


def test_a_prompt_of_ten_megabytes_is_refused(shell):
    shell.configure(SAYS)

    assert "the limit is 4,194,304" in shell.refused("-p", "-", stdin=b"word " * 2_000_000)


def test_a_prompt_that_is_no_text_is_refused(shell):
    shell.configure(SAYS)

    assert "not UTF-8 (byte 1)" in shell.refused("-p", "-", stdin=b"a\xff")


def test_debug_shows_where_an_error_was_raised(shell):
    done = shell.run("--debug", "what files are there")

    assert "Traceback" in done.err
    assert done.code == ExitCode.USAGE


def test_a_setting_without_effect_is_told_and_the_prompt_runs(shell):
    shell.configure(SAYS, 'storage_url = "x.db"\n')
    done = shell.run("what files are there")

    assert "storage_url" in done.err
    assert done.err.startswith("a3s-code: ")
    assert "There are two files." in done.out


# Asking on a terminal


def on_a_terminal(shell: Shell, words: Sequence[str], talk: Callable[[str], bytes | None]) -> Done:
    """Runs with a terminal for input and output; *talk* sees all that was said and gives what is typed, or None."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [*shell.command, *words],
        cwd=shell.cwd,
        env=shell.env,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(slave, termios.TIOCSCTTY, 0),  # noqa: PLW1509 # so that a typed Ctrl-C is a signal
    )
    os.close(slave)
    said = b""
    end = time.monotonic() + DEADLINE_S
    try:
        while time.monotonic() < end and select.select([master], [], [], end - time.monotonic())[0]:
            try:
                said += os.read(master, 4096)
            except OSError:  # the other side is closed
                break
            if typed := talk(said.decode(errors="replace")):
                os.write(master, typed)
        return Done(process.wait(DEADLINE_S), said.decode(errors="replace"), "")
    finally:
        process.kill()
        os.close(master)


def once(question: str, typed: bytes) -> Callable[[str], bytes | None]:
    answers = iter([typed])
    return lambda said: next(answers, None) if question in said else None


CASES = [
    pytest.param(b"y\n", True, id="y"),
    pytest.param(b"n\n", False, id="n"),
    pytest.param(b"\n", False, id="enter"),
]
CASES += [pytest.param(b"\x04", False, id="end of input"), pytest.param(b"yesterday\n", False, id="a word with y")]


@pytest.mark.parametrize(("typed", "runs"), [*CASES, pytest.param(b"a\n", True, id="always")])
def test_on_a_terminal_a_person_is_asked_and_only_yes_runs_it(shell, typed, runs):
    shell.configure(RUNS)
    done = on_a_terminal(shell, ["run it please"], once("run it?", typed))

    assert (shell.cwd / "ran.txt").exists() is runs
    assert "There are two files." in done.out
    assert done.code == 0


PLAIN = """\
import sys
from a3s_code.cli import main, terminal
from a3s_code.plugins import Catalogue
terminal.scan = lambda: Catalogue(())
sys.exit(main.main())
"""


class PlainShell(Shell):
    """The command line where a3s-code-terminal is not installed."""

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-c", PLAIN]


@pytest.mark.parametrize(("typed", "runs"), CASES)
def test_the_plain_terminal_asks_too(tmp_path, typed, runs):
    shell = PlainShell(tmp_path)
    shell.configure(RUNS)
    done = on_a_terminal(shell, ["run it please"], once("run it? [y/N]", typed))

    assert (shell.cwd / "ran.txt").exists() is runs
    assert "There are two files." in done.out
    assert done.code == 0


@pytest.mark.parametrize("kind", [Shell, PlainShell])
def test_ctrl_c_at_the_question_refuses_and_ends(tmp_path, kind):
    shell = kind(tmp_path)
    shell.configure(RUNS)
    done = on_a_terminal(shell, ["run it please"], once("run it?", b"\x03"))

    assert not (shell.cwd / "ran.txt").exists()
    assert "To go on: a3s-code --resume" in done.out
    assert done.code == ExitCode.INTERRUPTED


@pytest.mark.parametrize("kind", [Shell, PlainShell])
def test_what_follows_ctrl_c_has_a_line_of_its_own(tmp_path, kind):
    shell = kind(tmp_path)
    shell.configure(WAITS)
    done = on_a_terminal(shell, ["--permissive", "wait for me"], once("sleep 50", b"\x03"))

    assert "^C\r\n" in done.out
    assert done.code == ExitCode.INTERRUPTED


def test_the_plain_terminal_shows_text_tools_diffs_and_errors_without_control_characters():
    out = StringIO()
    screen = PlainTerminal(out)
    edited = ToolResult(call_id="1", name="edit", output="done", metadata={"diff": "--- a/x\n+new\n"})
    failed = ToolResult(call_id="2", name="bash", output="no such \x1b[31mfile", exit_code=1)
    for event in (
        TextDelta("I edit"),
        ToolStart("1", "edit", {"file_path": "x"}),
        ToolEnd(edited),
        ToolEnd(failed),
        Warned("careful"),
        TextDelta("done"),
        AgentEnd("done", Usage()),
    ):
        screen.render(event)

    assert out.getvalue() == "I edit\n* edit x\n--- a/x\n+new\nno such \ufffd[31mfile\ncareful\ndone\n"


# Conversations and sessions


def test_a_conversation_reads_lines_until_exit(shell):
    shell.configure(SAYS)
    done = shell.run(stdin=b"how many files\n/exit\n")

    assert "There are two files." in done.out
    assert "To go on: a3s-code --resume" in done.err
    assert done.code == 0


def test_a_conversation_without_the_terminal_says_what_to_install(tmp_path):
    shell = PlainShell(tmp_path)
    shell.configure(SAYS)

    assert "pip install a3s-code-terminal" in shell.refused()


def test_a_session_is_listed_resumed_and_deleted(shell):
    shell.configure(SAYS)
    assert shell.run("sessions", "list").out == "there are no sessions yet\n"
    shell.run("how many files are there")
    head, row = shell.run("sessions", "list").out.splitlines()
    id = row.split()[0]

    assert head.split() == ["id", "last", "used", "title", "workspace", "model"]
    assert [fact for fact in ("how many files are there", str(shell.cwd), "scripted/model") if fact not in row] == []
    assert "There are two files." in shell.run("sessions", "resume", id, "-p", "again").out
    assert "There are two files." in shell.run("sessions", "resume", id, stdin=b"again\n").out
    assert shell.run("sessions", "delete", id).out == f"deleted {id}\n"
    assert shell.run("sessions", "list").out == "there are no sessions yet\n"


def test_sessions_are_listed_without_a_configuration(shell):
    assert shell.run("sessions", "list").out == "there are no sessions yet\n"


# Plugins


BROKEN = {
    "printing": "print('noise')\nimport os\nos.write(1, b'noise')",
    "raising": "raise RuntimeError('broken on purpose')",
    "leaving": "import sys\nsys.exit(3)",
    "vanishing": "import os\nos._exit(7)",
    "crashing": "import ctypes\nctypes.string_at(0)",
    "hanging": "import time\ntime.sleep(600)",
}
MODULE = """
from a3s_code.plugin import Isolation, hookimpl
{text}

class Sandbox:
    isolation = Isolation.NONE
    async def run(self, command, on_output): raise NotImplementedError
    async def aclose(self): pass

@hookimpl
def a3s_code_bash_sandbox(): return Sandbox()
"""


def offer(shell: Shell, name: str, text: str, distribution: str = "") -> Offer:
    """Installs a bash_sandbox plugin whose module runs *text*."""
    distribution = distribution or f"stranger-{name}"
    module = distribution.replace("-", "_")
    target = f"{module}:a3s_code_bash_sandbox"
    shell.distribute(
        distribution, f"[a3s_code.bash_sandbox]\n{name} = {target}\n", **{module: MODULE.format(text=text)}
    )
    return Offer("bash_sandbox", name, Origin(distribution=distribution, version="1.0", target=target), lambda: None)


@pytest.mark.parametrize("name", BROKEN)
def test_no_plugin_breaks_the_list(shell, name):
    offer(shell, name, BROKEN[name])
    shell.configure(SAYS, "nonsense = 1\n")
    done = shell.run("plugins", "list")

    assert f"stranger-{name} 1.0" in done.out
    assert f'installed, not used: bash_sandbox = "{name}" uses it' in done.out
    assert "left out here" in done.err
    assert "nonsense" in done.err
    assert done.code == 0


def line_of(text: str, *words: str) -> str:
    return next(line for line in text.splitlines() if all(word in line for word in words))


def test_the_list_tells_why_something_is_used(shell):
    offer(shell, "mine", "pass")
    offer(shell, "other", "pass")
    path = shell.configure(
        SAYS, 'plugins {\n  bash_sandbox = "mine"\n  disabled = ["tool:bash"]\n  use = ["lost"]\n}\n'
    )
    said = shell.run("plugins", "list").out

    assert f'used: bash_sandbox = "mine" ({path}:5:18)' in line_of(said, "mine")
    assert 'bash_sandbox = "local" uses it' in line_of(said, "bash_sandbox ", "local")
    assert "disabled" in line_of(said, "tool ", "bash")
    assert line_of(said, "tool ", "grep").endswith("default")
    assert "used: providers scripted" in line_of(said, "llm_client", "scripted")
    assert line_of(said, "MISSING").startswith(f'MISSING  {path}:7:10: plugins.use names "lost"')


def test_two_offers_of_one_name_are_a_clash_with_both_names(shell):
    offer(shell, "twin", "pass", "stranger-one")
    offer(shell, "twin", "pass", "stranger-two")

    assert "CLASH with stranger-two 1.0" in line_of(shell.run("plugins", "list").out, "stranger-one")
    assert "offered by stranger-one 1.0 and stranger-two 1.0" in shell.run("plugins", "doctor").out


@pytest.fixture
def in_shell(shell, monkeypatch) -> Iterator[Shell]:
    """This process with the shell's environment for its children."""
    for name, value in shell.env.items():
        monkeypatch.setenv(name, value)
    return shell


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("raising", "RuntimeError: broken on purpose; reinstall or upgrade stranger-raising"),
        ("leaving", "SystemExit: 3"),
        ("vanishing", "the process ended with code 7 while it was loaded"),
        ("crashing", "the process died of SIGSEGV while it was loaded; reinstall or upgrade stranger-crashing"),
        ("hanging", "it did not load and open within 3 s; reinstall or upgrade stranger-hanging"),
    ],
)
def test_the_doctor_tells_what_a_broken_plugin_did(in_shell, monkeypatch, name, expected):
    monkeypatch.setattr(doctor, "DEADLINE_S", 3.0 if name == "hanging" else 60.0)
    report = doctor.ask_child("open", offer(in_shell, name, BROKEN[name]), Found(None))

    assert report.status == "failed"
    assert expected in report.text


def test_the_doctor_is_not_disturbed_by_output_at_import(in_shell):
    assert doctor.ask_child("open", offer(in_shell, "printing", BROKEN["printing"]), Found(None)).status == "ok"


def test_what_a_plugin_starts_ends_with_its_examination(in_shell):
    pipe = in_shell.cwd / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    text = f"import subprocess\nsubprocess.Popen(['sleep', '300'], stdout=open({str(pipe)!r}, 'w'))"
    doctor.ask_child("open", offer(in_shell, "starting", text), Found(None))
    is_closed = select.select([reader], [], [], DEADLINE_S)[0] and os.read(reader, 1) == b""
    os.close(reader)

    assert is_closed


def test_the_doctor_finds_everything_installed_in_order(shell):
    shell.configure(SAYS)
    done = shell.run("plugins", "doctor")

    assert [line for line in done.out.splitlines() if line.startswith("FAILED")] == []
    assert done.out.endswith("all that is used works\n")
    assert done.code == 0


def test_the_doctor_fails_only_for_what_is_used(shell):
    offer(shell, "raising", BROKEN["raising"])
    shell.configure(SAYS)
    unused = shell.run("plugins", "doctor")
    shell.configure(SAYS, 'plugins { bash_sandbox = "raising" }\n')
    used = shell.run("plugins", "doctor")

    assert "FAILED  bash_sandbox:raising  stranger-raising 1.0  (not used)" in unused.out
    assert unused.code == 0
    assert "PROBLEM  bash_sandbox:raising is used and does not work" in used.out
    assert used.code == ExitCode.FAILED


def test_the_doctor_tells_a_broken_configuration_and_looks_at_the_plugins_all_the_same(shell):
    shell.configure(SAYS, "nonsense = 1\n")
    done = shell.run("plugins", "doctor")

    assert "PROBLEM  configuration: " in done.out
    assert "ok      tool:bash" in done.out
    assert done.code == ExitCode.FAILED


def test_show_tells_point_origin_dependencies_and_settings(shell):
    said = shell.run("plugins", "show", "tool:bash").out

    assert [
        fact
        for fact in (
            "a3s-code-tools",
            "a3s_code_tools.plugin:bash",
            "bash_sandbox",
            "timeout_ms  120000",
            "Milliseconds",
        )
        if fact not in said
    ] == []


def test_show_tells_why_a_plugin_cannot_be_loaded(shell):
    offer(shell, "raising", BROKEN["raising"])
    done = shell.run("plugins", "show", "raising")

    assert "broken on purpose" in done.out
    assert done.code == ExitCode.FAILED


def test_check_runs_the_contract_suite(shell):
    done = shell.run("plugins", "check", "bash_sandbox:local")

    assert (done.code, done.err) == (0, "")


def test_check_says_which_plugins_need_a_test_of_their_own(shell):
    assert "tool:edit cannot be checked by its name alone" in shell.refused("plugins", "check", "edit")


def test_check_says_what_to_install(shell):
    (shell.site / "sitecustomize.py").write_text("import sys\nsys.modules['a3s_code_testing'] = None\n")

    assert "pip install a3s-code-testing" in shell.refused("plugins", "check", "bash_sandbox:local")


# Choosing a plugin


def test_use_writes_the_line_and_keeps_the_rest(shell):
    offer(shell, "mine", "pass")
    path = shell.configure(SAYS, "# the end\n")
    path.chmod(0o600)
    before = path.read_text()
    done = shell.run("plugins", "use", "bash_sandbox", "mine")

    assert path.read_text() == before + '\nplugins {\n  bash_sandbox = "mine"\n}\n'
    assert path.stat().st_mode & 0o777 == 0o600
    assert done.out == f"{path} uses bash_sandbox:mine now\n"
    assert shell.run("plugins", "use", "bash_sandbox", "mine").out == f"{path} uses bash_sandbox:mine already\n"


def test_use_follows_a_link(shell):
    path = shell.configure(SAYS, place=".a3s/real.hcl")
    (shell.home / ".a3s" / "config.hcl").symlink_to(path)
    shell.run("plugins", "use", "security_provider", "none")

    assert 'security_provider = "none"' in path.read_text()
    assert (shell.home / ".a3s" / "config.hcl").is_symlink()


def test_use_names_a_member_in_the_list(shell):
    path = shell.configure(SAYS, 'plugins {\n  use = ["command"]\n}\n')
    shell.run("plugins", "use", "context_provider", "filesystem")

    assert 'use = ["command", "filesystem"]' in path.read_text()


def test_use_leaves_a_wrong_configuration_as_it_is(shell):
    path = shell.configure(SAYS, "nonsense = 1\n")
    before = path.read_bytes()
    shell.refused("plugins", "use", "security_provider", "none")

    assert path.read_bytes() == before
    assert {one.name for one in path.parent.iterdir()} == {"config.hcl", "turns.json"}


MINIMAL = 'default_model = "a/b"\nproviders { name = "a" }\n'
PLUGINS = [
    pytest.param("", id="no block"),
    pytest.param("plugins {\n}\n", id="empty block"),
    pytest.param("plugins {}\n", id="empty on one line"),
    pytest.param('plugins { bash_sandbox = "x" }\n', id="one line"),
    pytest.param('plugins {\n  vector_store = "old" # why\n}\n', id="replaces"),
    pytest.param('plugins {\n  vectorStore = "old"\n}\n', id="camel case"),
    pytest.param(
        '# plugins {\n/* plugins { } */\nplugins { # here\n  use = [\n    "a", # first\n    "b",\n  ]\n}\n',
        id="comments",
    ),
    pytest.param(
        'plugin "policy" {\n  allow = ["bash(plugins { use = [])"]\n}\nplugins {\n  use = []\n}\n', id="braces in text"
    ),
    pytest.param('skill_dirs = [<<END\nplugins { use = ["\nEND\n]\nplugins {\n  use = ["x"]\n}\n', id="heredoc"),
    pytest.param('plugins {\r\n  use = ["x"]\r\n}\r\n', id="CRLF"),
    pytest.param('plugins {\n  use = ["x"]\n}', id="no line end"),
]


@pytest.mark.parametrize("text", PLUGINS)
@pytest.mark.parametrize(("key", "is_list"), [("vector_store", False), ("use", True)])
def test_a_choice_changes_nothing_else(text, key, is_list):
    before = load(MINIMAL + text).config.plugins
    changed = chosen_text(MINIMAL + text, key, "new", is_list=is_list)
    after = load(changed).config.plugins

    assert after.use == ((*before.use, "new") if is_list else before.use)
    assert after.select == (before.select if is_list else {**before.select, "vector_store": "new"})
    assert changed.startswith(MINIMAL)
    without_value = re.sub(r'[^#\n]*"old"[^#\n]*', "", text) if not is_list else text
    assert lines_kept(without_value, changed)


def lines_kept(before: str, after: str) -> bool:
    """Whether all comments and line ends of *before* are in *after*."""
    comments = re.findall(r"#[^\n]*", before)
    return all(comment in after for comment in comments) and before.count("\r\n") <= after.count("\r\n")


NAMES = st.text("abc-_1", min_size=1, max_size=8).filter(lambda name: name[0].isalpha())


@given(
    st.lists(NAMES, unique=True, max_size=4),
    NAMES.map(lambda name: f"new{name}"),
    st.sampled_from([" ", "\n  ", "# } ]\n"]),
)
def test_names_are_added_to_any_list(names, name, blank):
    elements = f",{blank}".join(f'"{one}"' for one in names)
    text = f"{MINIMAL}plugins {{\n  use = [{blank}{elements}{blank}]\n}}\n"

    assert load(chosen_text(text, "use", name, is_list=True)).config.plugins.use == (*names, name)


# Commands of others


VERB = """
def greet(arguments):
    "Greets."
    print("hello", *arguments)
    return len(arguments)

def fail(arguments):
    raise RuntimeError("broken on purpose")
"""
ENTRIES = "[a3s_code.cli]\ngreet = greeting:greet\nfail = greeting:fail\n"


def test_a_strangers_command_is_there_only_when_the_configuration_names_it(shell):
    shell.distribute("stranger-greeting", ENTRIES, greeting=VERB)
    unnamed = shell.refused("greet", "you")
    shell.configure(SAYS, 'plugins { use = ["greet"] }\n')
    done = shell.run("greet", "you", "two")

    assert '"greet" comes from stranger-greeting 1.0 and is not used' in unnamed
    assert 'plugins { use = ["greet"] }' in unnamed
    assert (done.out, done.code) == ("hello you two\n", 2)


def test_an_unexpected_error_is_one_line(shell):
    shell.distribute("stranger-greeting", ENTRIES, greeting=VERB)
    shell.configure(SAYS, 'plugins { use = ["fail"] }\n')
    done = shell.run("fail")

    assert done.err == "a3s-code: internal error: RuntimeError: broken on purpose; run with --debug and report it\n"
    assert done.code == ExitCode.INTERNAL
    assert "Traceback" in shell.run("--debug", "fail").err


def test_the_conversation_is_no_command(shell):
    said = shell.refused("repl")

    assert '"repl" is no command' in said
    assert "repl" not in said.partition("Commands:")[2]

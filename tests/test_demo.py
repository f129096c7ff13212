"""The demo does the main job offline, and ends red when the job was not done."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from a3s_code.cli import demo

PROJECT = Path(demo.__file__).parent / "demo_project"
DEADLINE_S = 120


def run(folder: Path, *words: str, python: str = sys.executable) -> "subprocess.CompletedProcess[str]":
    """The demo in a process with a home and a temporary folder of its own."""
    for name in ("home", "tmp"):
        (folder / name).mkdir(exist_ok=True)
    env = {"PATH": os.environ["PATH"], "HOME": str(folder / "home"), "TMPDIR": str(folder / "tmp"), "LANG": "C.UTF-8"}
    command: Sequence[str] = [python, "-m", "a3s_code", "demo", *words]
    return subprocess.run(
        command,
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def changed(folder: Path, file: str, old: str, new: str) -> Path:
    """A copy of the demo's project with one text replaced."""
    copy = folder / "changed"
    shutil.copytree(PROJECT, copy)
    text = (copy / file).read_text()
    assert text.count(old) == 1
    (copy / file).write_text(text.replace(old, new))
    return copy


def test_it_repairs_the_project_and_shows_how(tmp_path):
    done = run(tmp_path)
    order = (
        "The model in this demo is a script; everything else is real.",
        "allowed  read(*)",
        "denied   edit(test_*), and everything else",
        " ls\n",
        "FAIL: ",
        "read test_pricing.py",
        "grep discounted",
        "-    return price - price * percent\n",
        "+    return price - price * percent // 100\n",
        "tests: green",
        "journal: ",
    )
    places = [done.stdout.find(text) for text in order]

    assert -1 not in places
    assert places == sorted(places)
    assert done.stdout.startswith(order[0])
    assert (done.returncode, done.stderr) == (0, "")


def test_nothing_is_left_behind(tmp_path):
    run(tmp_path)

    assert list((tmp_path / "tmp").iterdir()) == []
    assert {one.name for one in (tmp_path / "home").iterdir()} <= {".cache"}  # the compiled grammar of configurations


def test_the_journal_holds_the_session_when_it_is_kept(tmp_path):
    done = run(tmp_path, "--keep")
    found = re.search(r"^journal: (\S+)$", done.stdout, re.MULTILINE)

    assert found is not None
    assert "price * percent // 100" in "".join(
        path.read_text(errors="replace") for path in Path(found[1]).rglob("*") if path.is_file()
    )


def test_the_shipped_project_is_red_before(tmp_path):
    done = subprocess.run(
        [sys.executable, "-B", "-m", "unittest"], cwd=PROJECT, capture_output=True, check=False, timeout=DEADLINE_S
    )

    assert done.returncode != 0


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        pytest.param("pricing.py", "price - price * percent", "price - price * percenT", id="the edit does not fit"),
        pytest.param("test_pricing.py", "== 900", "== 901", id="another result is expected"),
        pytest.param("test_pricing.py", "from pricing", "from pricinG", id="the tests cannot be imported"),
        pytest.param("test_pricing.py", "class Prices(unittest", "class Prices (unittesT", id="no test can be loaded"),
    ],
)
def test_a_changed_project_ends_red(tmp_path, file, old, new):
    done = run(tmp_path, "--project", str(changed(tmp_path, file, old, new)))

    assert "tests: RED" in done.stdout
    assert "tests: green" not in done.stdout
    assert done.returncode == 1


def test_a_project_without_tests_is_not_green(tmp_path):
    project = tmp_path / "empty"
    project.mkdir()
    done = run(tmp_path, "--project", str(project))

    assert "tests: RED" in done.stdout
    assert done.returncode == 1


def test_an_interpreter_with_odd_characters_in_its_path_works(tmp_path):
    prefix = tmp_path / "odd 'place' $HOME"
    (prefix / "bin").mkdir(parents=True)
    python = prefix / "bin" / "python"
    python.symlink_to(Path(sys.executable).resolve())
    if sys.prefix != sys.base_prefix:
        shutil.copy(Path(sys.prefix) / "pyvenv.cfg", prefix)
        (prefix / "lib").symlink_to(Path(sys.prefix) / "lib")
    done = run(tmp_path, python=str(python))

    assert done.stderr == ""
    assert "tests: green" in done.stdout


def test_a_model_of_the_users_configuration_works_under_the_same_policy(tmp_path):
    """The configured model tries to cheat: it changes the tests and runs another command."""
    (tmp_path / "agent.hcl").write_text(
        'default_model = "scripted/other"\npermissive = true\nproviders { name = "scripted" }\n'
        'plugin "llm_client" "scripted" { script = "turns.json" }\n'
    )
    cheat = {"file_path": "test_pricing.py", "old_string": "== 900", "new_string": "== -9000"}
    calls = [{"name": "edit", "arguments": cheat}, {"name": "bash", "arguments": {"command": "touch escaped"}}]
    (tmp_path / "turns.json").write_text(json.dumps([{"calls": calls}, {"text": "Repaired."}]))
    done = run(tmp_path, "-c", "agent.hcl", "-m", "scripted/other", "--keep")
    project = next((tmp_path / "tmp").iterdir()) / "project"

    assert done.stdout.startswith("The model is scripted/other; it works on a copy.")
    assert "== 900" in (project / "test_pricing.py").read_text()
    assert not (project / "escaped").exists()
    assert "tests: RED" in done.stdout
    assert done.returncode == 1


def test_a_model_without_a_key_says_what_to_do(tmp_path):
    done = run(tmp_path, "-m", "anthropic/claude-sonnet-4-20250514")

    assert "ANTHROPIC_API_KEY" in done.stderr
    assert done.returncode == 2

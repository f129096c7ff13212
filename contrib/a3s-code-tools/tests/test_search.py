"""glob and grep find what git would see, stay inside and end in time."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest
from a3s_code_tools.glob import GlobTool
from a3s_code_tools.grep import GrepTool

from a3s_code.plugin import Tool, ToolError, ToolErrorKind, ToolOutput


def run(tool: Tool, use: Any, **args: object) -> ToolOutput:
    return asyncio.run(tool.run(json.loads(json.dumps(args)), use))


def glob(use: Any, pattern: str, **more: object) -> ToolOutput:
    return run(GlobTool(), use, pattern=pattern, **more)


def grep(use: Any, pattern: str, **more: object) -> ToolOutput:
    return run(GrepTool(), use, pattern=pattern, **more)


def refusal(tool: Tool, use: Any, **args: object) -> ToolError:
    with pytest.raises(ToolError) as caught:
        run(tool, use, **args)
    return caught.value


@pytest.fixture
def tree(folder: Path) -> Path:
    for number, name in enumerate(["a.py", "sub/b.py", "sub/c.txt", "build/d.py", "sub/e.log", ".git/f.py"]):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"first\nneedle {number}\nlast\n")
        os.utime(path, (1000 + number, 1000 + number))
    (folder / ".gitignore").write_text("build/\n[\n*.log\n")
    os.utime(folder / ".gitignore", (1, 1))
    return folder


def test_glob_lists_the_newest_first(tree: Path, use: Any):
    assert glob(use, "**/*.py").text == "sub/b.py\na.py\n\n2 file(s) found"


def test_glob_counts_from_the_given_folder(tree: Path, use: Any):
    assert glob(use, "*", path="sub").text == "sub/c.txt\nsub/b.py\n\n2 file(s) found"


def test_glob_says_when_there_is_nothing(tree: Path, use: Any):
    assert glob(use, "*.rs").text == "No files found matching pattern: *.rs"


def test_an_ignored_folder_that_is_named_is_searched(tree: Path, use: Any):
    assert glob(use, "*", path="build").text == "build/d.py\n\n1 file(s) found"


def test_a_deeper_gitignore_decides(tree: Path, use: Any):
    (tree / "sub" / ".gitignore").write_text("!e.log\nc.txt\n")
    assert "sub/e.log" in glob(use, "**/*.{log,txt}").text
    assert "c.txt" not in glob(use, "**/*.{log,txt}").text


def test_links_are_not_followed(tree: Path, use: Any, tmp_path: Path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.py").write_text("needle")
    (tree / "link").symlink_to(tmp_path / "outside")
    (tree / "file.py").symlink_to(tmp_path / "outside" / "secret.py")
    assert glob(use, "**/*.py").metadata["count"] == 2
    assert grep(use, "needle").metadata["files"] == 3


def test_long_lists_are_cut_and_counted(folder: Path, use: Any):
    for number in range(900):
        (folder / f"{'n' * 200}{number:04}").touch()
    said = glob(use, "*")
    assert len(said.text.encode()) < 103_000
    assert "900 file(s) found, the newest " in said.text


@pytest.mark.parametrize("pattern", ["../*", "/etc/*", "{a,../b}/*"])
def test_patterns_that_lead_outside_are_denied(use: Any, pattern: str):
    assert refusal(GlobTool(), use, pattern=pattern).kind is ToolErrorKind.DENIED


def test_grep_shows_path_line_and_text(tree: Path, use: Any):
    assert (
        grep(use, r"needle \d", glob="*.py").text == "a.py:2:needle 0\nsub/b.py:2:needle 1\n\n2 match(es) in 2 file(s)"
    )


def test_grep_says_when_there_is_nothing(tree: Path, use: Any):
    assert grep(use, "nowhere").text == "No matches found for pattern: nowhere"


@pytest.mark.parametrize(
    ("args", "note"),
    [
        pytest.param({"glob": "*.rs"}, '(only files like "**/*.rs" were searched)', id="glob"),
        pytest.param(
            {"pattern": r"needle\nlast"}, r"(lines are searched one by one, so that \n matches nothing)", id="lines"
        ),
        pytest.param({"path": "bin"}, "(the file is binary, and these are not searched)", id="binary"),
    ],
)
def test_grep_says_why_there_may_be_nothing(tree: Path, use: Any, args: dict[str, object], note: str):
    (tree / "bin").write_bytes(b"needle\0")
    assert grep(use, **{"pattern": "needle", **args}).text.endswith(note)


def test_a_long_pattern_that_finds_nothing_is_not_shown_whole(use: Any):
    assert len(grep(use, "x" * 100_000).text) < 1000
    assert len(glob(use, "x" * 100_000).text) < 1000


def test_an_absolute_pattern_in_the_folder_is_taken(tree: Path, use: Any):
    assert glob(use, f"{tree}/sub/*.py").text == "sub/b.py\n\n1 file(s) found"
    assert grep(use, "needle", glob=f"{tree}/sub/*.py").metadata["matches"] == 1


def test_a_pattern_that_names_nothing_is_explained(tree: Path, use: Any):
    error = refusal(GlobTool(), use, pattern="./")
    assert error.kind is ToolErrorKind.INVALID_ARGUMENT
    assert '"**" is all of them' in str(error)


def test_glob_in_a_file_names_the_tools_for_it(tree: Path, use: Any):
    error = refusal(GlobTool(), use, pattern="*", path="a.py")
    assert error.kind is ToolErrorKind.INVALID_ARGUMENT
    assert str(error) == "a.py is a file; use read or grep"


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is unreadable for root")
def test_a_file_that_cannot_be_read_is_not_taken_for_one_without_matches(folder: Path, use: Any):
    (folder / "f").touch(mode=0)
    assert str(refusal(GrepTool(), use, pattern="x", path="f")) == "f: Permission denied"


@pytest.mark.parametrize("program", ["", "rg"])
def test_a_second_folder_that_may_be_read_is_searched(folder: Path, use: Any, tmp_path: Path, program: str):
    """Long output of commands is kept in the session's folder; its paths are shown so that read takes them."""
    outputs = tmp_path / "outputs"
    outputs.mkdir()
    (outputs / "log.txt").write_text("needle\n")
    use.workspace.also_read(outputs)
    path = str(outputs / "log.txt")
    assert run(GrepTool(program=program), use, pattern="needle", path=path).text.startswith(f"{path}:1:needle\n")
    assert run(GrepTool(program=program), use, pattern="needle", path=str(outputs)).text.startswith(f"{path}:1:needle")
    assert run(GlobTool(program=program), use, pattern="*", path=str(outputs)).text.startswith(f"{path}\n")


def test_grep_ignores_case_when_asked(tree: Path, use: Any):
    assert grep(use, "NEEDLE", path="a.py").metadata["matches"] == 0
    assert grep(use, "NEEDLE", path="a.py", **{"-i": True}).metadata["matches"] == 1


def test_grep_searches_one_file_even_an_ignored_one(tree: Path, use: Any):
    assert grep(use, "needle", path="sub/e.log").text == "sub/e.log:2:needle 4\n\n1 match(es) in 1 file(s)"


def test_grep_shows_context_once_and_separates_groups(folder: Path, use: Any):
    (folder / "f").write_text("1\nhit\n3\nhit\n5\n6\n7\nhit\n")
    assert grep(use, "hit", context=1).text.splitlines()[:-2] == [
        "f-1-1",
        "f:2:hit",
        "f-3-3",
        "f:4:hit",
        "f-5-5",
        "--",
        "f-7-7",
        "f:8:hit",
    ]


def test_binary_files_and_pipes_are_skipped(folder: Path, use: Any):
    (folder / "bin").write_bytes(b"needle\0")
    os.mkfifo(folder / "pipe")
    assert grep(use, "needle").metadata["matches"] == 0


def test_text_that_is_not_utf_8_is_still_searched(folder: Path, use: Any):
    (folder / "f").write_bytes(b"caf\xe9 needle\n")
    assert grep(use, "needle").text.startswith("f:1:caf\ufffd needle")


def test_a_page_ends_at_100_kib_and_says_how_to_go_on(folder: Path, use: Any):
    (folder / "f").write_text(f"needle {'x' * 500}\n" * 1000)
    said = grep(use, "needle")
    assert len(said.text.encode()) < 103_000
    assert f'[there are more; continue with cursor="{said.metadata["cursor"]}"]' in said.text


def test_counting_gives_the_totals(folder: Path, use: Any):
    (folder / "f").write_text("needle\n" * 20_000)
    assert grep(use, "needle", output_mode="count").text == "f:20000\n\n20000 match(es) in 1 file(s)"


def test_a_pattern_that_looks_like_an_option_is_a_pattern(folder: Path, use: Any):
    (folder / "f").write_text("--pre=./evil\n")
    assert grep(use, "--pre=./evil").metadata["matches"] == 1


def test_a_wrong_expression_is_explained(use: Any):
    error = refusal(GrepTool(), use, pattern="(")
    assert error.kind is ToolErrorKind.INVALID_ARGUMENT
    assert str(error).startswith("invalid regular expression: missing )")


def test_an_expression_that_never_ends_is_stopped(folder: Path, use: Any):
    (folder / "f").write_text("a" * 60 + "!\n")
    assert refusal(GrepTool(timeout_s=0.5, program=""), use, pattern="(a+)+$").kind is ToolErrorKind.TIMEOUT


def test_a_cancelled_search_leaves_no_process(folder: Path, use: Any):
    (folder / "f").write_text("a" * 60 + "!\n")

    async def cancelled() -> None:
        async with asyncio.timeout(0.3):
            await GrepTool(program="").run({"pattern": "(a+)+$"}, use)

    before = set(_children())
    with pytest.raises(TimeoutError):
        asyncio.run(cancelled())
    assert set(_children()) <= before


def _children() -> list[str]:
    return [pid for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()]


def test_a_gitignore_with_many_stars_takes_no_time(folder: Path, use: Any):
    (folder / ".gitignore").write_text("*a" * 30 + "b\n" + "**/a/" * 30 + "b\n")
    (folder / ("a" * 250)).touch()
    assert run(GlobTool(program=""), use, pattern="*").metadata["count"] == 2


def test_modules_in_the_workspace_are_not_run(folder: Path, use: Any, monkeypatch: pytest.MonkeyPatch):
    for name in ("re", "json", "pathspec", "a3s_code_tools"):
        (folder / f"{name}.py").write_text("raise SystemExit('hijacked')")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    assert grep(use, "hijacked").metadata["files"] == 4

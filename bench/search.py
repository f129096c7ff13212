"""What grep and glob cost beside ripgrep itself, in CPU seconds of one run, on a tree of 30,000 files.

Usage: python bench/search.py [ROUNDS]
"""

import asyncio
import resource
import shutil
import subprocess
import sys
import tempfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path

from a3s_code_tools.glob import GlobTool
from a3s_code_tools.grep import GrepTool

from a3s_code.plugin import JsonObject, Tool, ToolOutput
from a3s_code.workspace import FolderWorkspace

FILES = 30_000
WORDS = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta"]
TARGET = 1.15


class Use:
    """A call without a deadline."""

    call_id = "bench"
    deadline_s = None

    def __init__(self, root: Path):
        self.workspace = FolderWorkspace(root)

    def emit(self, delta: str) -> None:
        """Shows nothing."""


def cpu_s() -> float:
    """CPU seconds, user and system, of this process and of those it waited for."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def make_tree(root: Path) -> None:
    """60 lines in each file; "needle" in every 40th, "common" four times in each."""
    lines = [" ".join(WORDS[(number + each) % 8] for each in range(8)) for number in range(56)]
    text = "\n".join(lines + ["a common line"] * 4) + "\n"
    for number in range(FILES):
        folder = root / f"pkg{number // 1000}" / f"mod{number // 50 % 20}"
        if number % 50 == 0:
            folder.mkdir(parents=True, exist_ok=True)
        more = "the needle\n" if number % 40 == 0 else ""
        (folder / f"file{number}.{('py', 'ts', 'md')[number % 3]}").write_text(text + more)
    (root / ".gitignore").write_text("*.log\nbuild/\n")


RUNNER = asyncio.Runner()  # one loop for all calls, as in a session


def run(tool: Tool, root: Path, **args: object) -> ToolOutput:
    arguments: JsonObject = {name: value for name, value in args.items() if isinstance(value, str | int)}
    return RUNNER.run(tool.run(arguments, Use(root)))  # type: ignore[arg-type] # a call needs no more than this


def ripgrep(root: Path, *args: str) -> None:
    subprocess.run(["rg", "--no-config", *args], cwd=root, stdout=subprocess.DEVNULL, check=False)


def compare(name: str, rounds: int, ours: Callable[[], object], theirs: Callable[[], object]) -> None:
    """Prints the best of some rounds, taken in turns, and the ratio."""
    best = [float("inf"), float("inf")]
    for _ in range(rounds):
        for place, each in enumerate((ours, theirs)):
            before = cpu_s()
            each()
            best[place] = min(best[place], cpu_s() - before)
    print(f"{name:44}{best[0]:9.3f}{best[1]:9.3f}{best[0] / best[1]:8.2f}  (target {TARGET})")


def measure_paging(root: Path) -> None:
    """A page after 100,000 matches, and the most memory that Python needs for it."""
    cursor: dict[str, object] = {}
    wanted = 100_000
    probe = run(GrepTool(), root, pattern="common", limit=1)
    place = str(probe.metadata["cursor"])
    for _ in range(wanted // 1000):
        page = run(GrepTool(), root, pattern="common", limit=1000, **cursor)
        place = str(page.metadata["cursor"])
        cursor = {"cursor": place}
    tracemalloc.start()
    before = cpu_s()
    page = run(GrepTool(), root, pattern="common", limit=1000, cursor=place)
    spent = cpu_s() - before
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    first = page.text.split("\n", 1)[0]
    print(f"page after {wanted:,} matches: {peak / 1e6:.2f} MB at most, {spent:.2f} s CPU (traced); begins {first}")


def main(rounds: int) -> None:
    if shutil.which("rg") is None:
        sys.exit("ripgrep (rg) is not installed: there is nothing to compare with")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        make_tree(root)
        print(subprocess.run(["rg", "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0])
        print(f"{'CPU seconds, ' + format(FILES, ',') + ' files':44}{'ours':>9}{'rg':>9}{'ratio':>8}")
        grep, glob = GrepTool(), GlobTool()
        run(grep, root, pattern="x", path="pkg0/mod0")  # imports are paid once for each process, not here
        run(glob, root, pattern="*.none")
        compare(
            "grep needle (750 matches)",
            rounds,
            lambda: run(grep, root, pattern="needle"),
            lambda: ripgrep(root, "needle"),
        )
        compare("grep nothing", rounds, lambda: run(grep, root, pattern="absent"), lambda: ripgrep(root, "absent"))
        compare(
            "grep common (1,000 of 120,000)",
            rounds,
            lambda: run(grep, root, pattern="common"),
            lambda: ripgrep(root, "common"),
        )
        by_time = ("--files", "--sortr=modified")
        compare("glob **/*", rounds, lambda: run(glob, root, pattern="**/*"), lambda: ripgrep(root, *by_time))
        compare(
            "glob **/*.py",
            rounds,
            lambda: run(glob, root, pattern="**/*.py"),
            lambda: ripgrep(root, *by_time, "-g", "*.py"),
        )
        measure_paging(root)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)

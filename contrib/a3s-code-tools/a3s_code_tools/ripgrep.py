"""Arguments for ripgrep, so that it finds what our own program would find.

Options: `rg --help` of 13.0 and later; older ones refuse them, and then our own program searches.
"""

import functools
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from attrs import frozen

from a3s_code_tools.expression import portable
from a3s_code_tools.folder import opened
from a3s_code_tools.ignore import rules_above
from a3s_code_tools.search_query import MAX_DEPTH, MAX_LINE_BYTES, SKIPPED, Query
from a3s_code_tools.wildcard import Wildcard

__all__ = ["Command", "command", "found", "sorts_by_time"]

_COMMON = (
    "--no-config",
    "--no-messages",
    "--no-ignore-messages",
    "--color=never",
    "--null",
    "--hidden",
    "--no-ignore-dot",
    "--no-ignore-exclude",
    "--no-ignore-global",
    "--no-ignore-parent",
    "--no-require-git",
    *(f"--glob=!{name}" for name in SKIPPED),
)
_LINES = (
    "--sort=path",  # the same order every time, so that a cursor is a place in it
    "--no-mmap",
    "--no-heading",
    "--with-filename",
    "--line-number",
    f"--max-columns={MAX_LINE_BYTES + 1}",  # it counts the line feed
    "--max-columns-preview",
)
_LITERAL = re.compile(r"[\w.-]+", re.ASCII)
_NAME = re.compile(r"[\w.*-]+", re.ASCII)


@frozen(kw_only=True)
class Command:
    """ripgrep's command line for a query.

    Args:
        argv: Program and arguments, to be run in the folder where the search starts.
        rules: What it reads from standard input: lines as in a .gitignore file.
        is_exact: It finds nothing that the query's wildcard does not match.
        is_sorted: The newest file comes first.
    """

    argv: tuple[str, ...]
    rules: bytes
    is_exact: bool
    is_sorted: bool = False


def found(program: str, workspace: Path) -> str | None:
    """The absolute path of ripgrep, None without one; one that lies in the workspace is not trusted.

    Args:
        program: Its name or path; "" is none.
        workspace: Where the model may have put something.
    """
    beside = Path(sys.executable).parent
    path = shutil.which(program) or shutil.which(program, path=str(beside)) if program else None
    if path is None or not Path(path).is_absolute() or Path(path).resolve().is_relative_to(workspace):
        return None
    return path


def command(program: str, query: Query, *, by_time: bool = False) -> Command | None:
    """The command line, None when ripgrep cannot answer the query as our own program would.

    Args:
        program: Path of ripgrep.
        query: What to find.
        by_time: Whether names shall come newest first; only if `sorts_by_time`.

    Raises:
        OSError: A folder on the way to the start does not exist, or became a link.
        ValueError: The wildcard has too many alternatives, or names nothing.
    """
    options = _sorted_names(by_time) if query.kind == "names" else _expression(query)
    place = _one_file(query.only) if query.only is not None else _places(program, query)
    if options is None or place is None:
        return None
    rules = "".join(f"{line}\n" for line in place.rules).encode("latin-1")
    source = ["--ignore-file=/dev/stdin"] if rules else []
    return Command(
        argv=(program, *_COMMON, *place.options, *source, *options, "--", "./"),
        rules=rules,
        is_exact=place.is_exact,
        is_sorted=by_time,
    )


def sorts_by_time(program: str) -> bool:
    """Whether it sorts files of different folders by time: from version 14 on."""
    return _version(program) >= 14


def _version(program: str) -> int:
    return _said_version(program, Path(program).stat().st_mtime_ns)


@functools.lru_cache(maxsize=8)
def _said_version(program: str, modified_ns: int) -> int:
    """The major version, 0 when it does not tell; asked again when the program was exchanged."""
    try:
        said = subprocess.run([program, "--version"], capture_output=True, timeout=5, check=False, env={}).stdout
    except (OSError, subprocess.TimeoutExpired):
        return 0
    number = re.match(rb"ripgrep (\d+)", said)
    return int(number[1]) if number else 0


def _sorted_names(by_time: bool) -> list[str]:
    return ["--files", "--sortr=modified" if by_time else "--threads=1"]


def _expression(query: Query) -> list[str] | None:
    both = portable(query.pattern)
    if both is None:
        return None
    case = "--ignore-case" if query.ignores_case or both.ignores_case else "--case-sensitive"
    context = [f"--context={query.context}", "--no-context-separator"] if query.context else []
    # not --files-with-matches: it ends at a file's first match and would not see that the file is binary
    showing = ["--count"] if query.kind != "content" else ["--column"] if query.columns else []
    return [*_LINES, *showing, *context, case, "-e", both.ripgrep]


@frozen
class _Place:
    """Which files are looked at: options, and rules that stand in for a .gitignore in the start folder."""

    options: Sequence[str]
    rules: Sequence[str]
    is_exact: bool


def _one_file(name: str) -> _Place | None:
    # not as a path: ripgrep treats binary files that are named in another way
    if not _is_text(name):
        return None
    escaped = re.sub(r"([][*?{}\\!# ])", r"\\\1", name)
    return _Place(["--max-depth=1", f"--glob=/{escaped}"], (), True)


def _places(program: str, query: Query) -> _Place:
    rules = rules_above(query.root, query.start)
    if _version(program) < 14:  # it forgets the rules of outer folders in a repository within the tree
        with opened(query.root, query.start) as folder:
            rules.add(query.start, folder)
    above = rules.lines_below(query.start)
    if query.wildcard is None:
        return _Place([f"--max-depth={MAX_DEPTH}"], above, True)
    wildcard = Wildcard(query.wildcard)
    if wildcard.negated:
        return _Place([f"--max-depth={MAX_DEPTH}"], above, False)
    depth = min(wildcard.depth or MAX_DEPTH, MAX_DEPTH)
    names = [alternative[-1] for alternative in wildcard.texts]
    types = [] if any(set(name) <= {"*"} for name in names) else [_loose(name) for name in names]
    options = [
        f"--max-depth={depth}",
        *(f"--type-add=a3s:{each}" for each in types),
        *(["--type=a3s"] if types else []),
    ]
    return _Place(options, [*_pruning(wildcard.texts), *above], _is_exact(wildcard.texts))


def _loose(name: str) -> str:
    """A pattern for names that matches at least what *name* does and that ripgrep understands."""
    return re.sub(r"\*+", "*", re.sub(r"\[.*\]|[^\w.*-]", "*", name, flags=re.ASCII | re.DOTALL))


def _is_exact(alternatives: Sequence[Sequence[str]]) -> bool:
    """Whether name and depth say all: the patterns are all "name" or all "**/name"."""
    folders = {tuple(alternative[:-1]) for alternative in alternatives}
    return folders in ({()}, {("**",)}) and all(_NAME.fullmatch(each[-1]) and each[-1] != "**" for each in alternatives)


def _pruning(alternatives: Sequence[Sequence[str]]) -> list[str]:
    """Rules that keep ripgrep out of folders beside those with which all patterns begin."""
    lines: list[str] = []
    place = ""
    for names in zip(*(each[:-1] for each in alternatives), strict=False):
        name = names[0]
        if set(names) != {name} or not _LITERAL.fullmatch(name):
            break
        lines += [f"{place}/*", f"!{place}/{name}"]
        place += f"/{name}"
    return lines


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True

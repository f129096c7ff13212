"""ripgrep and our own program find the same, in the same order, page by page."""

import asyncio
import io
import itertools
import os
import shutil
import subprocess
import tracemalloc
from collections.abc import Mapping
from pathlib import Path

import pytest
from a3s_code_tools import ripgrep, search_child
from a3s_code_tools.cursor import decoded, encoded
from a3s_code_tools.expression import portable
from a3s_code_tools.glob import GlobTool
from a3s_code_tools.grep import GrepTool
from a3s_code_tools.search_page import LinePage
from a3s_code_tools.search_query import MAX_LINE_BYTES, Kind, Query
from a3s_code_tools.search_records import Record, Records
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from a3s_code.plugin import ToolError, ToolErrorKind, ToolOutput
from a3s_code.workspace import FolderWorkspace

needs_ripgrep = pytest.mark.skipif(shutil.which("rg") is None, reason="ripgrep (rg) is not installed")

LATE_ZERO = b"needle early\n" + b"x\n" * 50_000 + b"needle late\n\0needle after\nneedle end\n"

FILES: Mapping[bytes, bytes] = {
    b"a.py": b"first\nneedle 1\nlast\n",
    b"a/b.py": b"NEEDLE\r\nneedle end\r\n\r\n",
    b"a/.hidden/h.txt": b"needle in hiding\n",
    b"a-b.txt": b"no newline at the end: needle",
    b"line\nend": b"one\nneedle 2\nthree\n",
    b"--\n./x": b"needle behind a separator\n",
    b"sub\n/f.txt": b"needle\nneedle\nx\nx\nx\nneedle\n",
    b"caf\xe9.txt": b"needle in caf\xe9\n\xff\xfe needle\n",
    "ünïcode ☃.md".encode(): "näedle needle ☃\nsecond\n".encode(),
    b"utf16le": b"\xff\xfe" + "needle é\r\nother\nneedle".encode("utf-16-le"),
    b"utf16be": b"\xfe\xff" + "x\nneedle ☃\n".encode("utf-16-be"),
    b"mark": b"\xef\xbb\xbfneedle after a mark\n",
    b"binary": b"needle\n\0needle\n",
    b"late": LATE_ZERO,
    b"long": b"needle" + b"y- " * 70_000 + b"\nx needle\n",
    b"wide": ("é" * 3000 + " needle\n").encode(),
    b"just": b"needle" + b"z, " * 21_843 + b"z" + b"\nneedle" + b"z, " * 21_843 + b"zz" + b"\n",
    b"empty": b"",
    b"-n": b"needle\n",
    b"we[i]rd*{a} !#": b"needle\n",
    b"cr": b"a\rneedle\rb\nneedle\r\r\n",
    b"spaces": b"needle \x1c\xc2\x85\xc2\xa0\nneedle\t\n",
    b"build/out.py": b"needle built\n",
    b"build/keep/k.py": b"needle kept\n",
    b"logs/x.log": b"needle log\n",
    b"logs/keep.log": b"needle kept log\n",
    b"logs/deep/er/y.log": b"needle deep log\n",
    b"logs/deep/er/z.txt": b"needle deep txt\n",
    b".git/config": b"needle of git\n",
    b"logs/.git": b"needle: a file\n",
    b".gitignore": b"*.log\n/build/*\n!/build/keep\nlogs/deep/*.tmp\n# needle\n[\n",
    b"logs/.gitignore": b"!keep.log\r\ndeep/**/z.*\nx[!y]z\n",
}

PATTERNS = [
    "needle",
    "needle$",
    "^needle",
    r"needle\s*$",
    r"needle\s",
    r"ne+dle .",
    r"[^\W\d]+ \d",
    r"\bneedle\b",
    r"caf.",
    r"[\s\S]needle",
    r"^$",
    r"(^|\s)needle(\s|$)",
    r"x*",
    r"\r",
    r"é|☃",
    r"(?i)NEEDLE",
    r"[\x80-\uffff]",
    r"\W needle",
    r"(n|N)(?:e|E){2}[dD]le {,2}",
]


def fill(root: Path) -> None:
    for number, (name, content) in enumerate(FILES.items()):
        path = root / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (10_000 - number // 3, 10_000 - number // 3))
    (root / "link.py").symlink_to(root / "a.py")
    (root / "away").symlink_to("/etc")
    (root / "loop").symlink_to(root)
    os.mkfifo(root / "pipe")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tree")
    fill(root)
    return root


class Use:
    """A call without a deadline."""

    call_id = "call"
    deadline_s = None

    def __init__(self, root: Path):
        self.workspace = FolderWorkspace(root)


def grep(root: Path, program: str, **args: object) -> ToolOutput:
    return asyncio.run(GrepTool(program=program).run(args, Use(root)))


def glob(root: Path, program: str, **args: object) -> ToolOutput:
    return asyncio.run(GlobTool(program=program).run(args, Use(root)))


def assert_same_lines(root: Path, **args: object) -> str:
    ours, theirs = grep(root, "", **args), grep(root, "rg", **args)
    assert theirs.text == ours.text
    assert theirs.metadata == ours.metadata
    return ours.text


def records(query: Query, chunk: bytes) -> list[Record]:
    reader = Records(query.kind, columns=query.columns)
    found = [*reader.feed(chunk), *reader.end()]
    binary = {each.path for each in found if each.is_binary}
    return [each._replace(text=each.text[: MAX_LINE_BYTES + 1]) for each in found if each.path not in binary]


def assert_same_records(query: Query) -> None:
    """Without tools and child processes of ours, which take their time."""
    program = shutil.which("rg")
    assert program is not None
    command = ripgrep.command(program, query)
    assert command is not None
    folder = Path(query.root, *query.start)
    theirs = subprocess.run(command.argv, cwd=folder, input=command.rules, capture_output=True, check=False)
    ours = io.BytesIO()
    search_child.search(query, ours)
    assert theirs.stderr == b""
    assert records(query, theirs.stdout) == records(query, ours.getvalue())


@needs_ripgrep
@pytest.mark.parametrize("kind", ["content", "files_with_matches", "count"])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_records_are_the_same(tree: Path, pattern: str, kind: Kind):
    assert_same_records(Query(kind=kind, root=str(tree), pattern=pattern))


@needs_ripgrep
@pytest.mark.parametrize("pattern", PATTERNS[:4])
def test_records_with_context_are_the_same(tree: Path, pattern: str):
    assert_same_records(Query(kind="content", root=str(tree), pattern=pattern, context=2, ignores_case=True))


@needs_ripgrep
@pytest.mark.parametrize(
    "args",
    [
        pytest.param({"path": "logs"}, id="rules above the start"),
        pytest.param({"path": "logs/deep"}, id="rules two above the start"),
        pytest.param({"path": "build"}, id="a start with ignored files"),
        pytest.param({"path": "build/keep"}, id="a start that is kept"),
        pytest.param({"path": "sub\n"}, id="a start with a line end"),
        pytest.param({"glob": "*.py"}, id="names"),
        pytest.param({"glob": "a/*.py"}, id="paths"),
        pytest.param({"glob": "logs/**/*.{log,txt}"}, id="alternatives"),
        pytest.param({"glob": "[ab]*"}, id="sets"),
        pytest.param({"glob": "!*.py"}, id="all but some names"),
        pytest.param({"glob": "!logs/**", "path": "."}, id="all but some paths"),
        pytest.param({"glob": "logs/"}, id="all in a folder"),
        pytest.param({"glob": "*.py", "path": "logs/x.log"}, id="a file that is named"),
        pytest.param({"glob": "caf?.txt"}, id="one character"),
        pytest.param({"glob": "**"}, id="all"),
        pytest.param({"glob": "{a,logs}/**"}, id="folders"),
        pytest.param({"context": 1}, id="context"),
        pytest.param({"context": 3, "path": "sub\n"}, id="groups"),
        pytest.param({"-i": True, "context": 2, "glob": "*.py"}, id="all at once"),
        *(pytest.param({"path": name}, id=name) for name in ("late", "binary", "we[i]rd*{a} !#", "line\nend", "-n")),
        pytest.param({"path": "logs/x.log"}, id="an ignored file"),
        pytest.param({"path": ".git/config"}, id="a file of git"),
        pytest.param({"path": "ünïcode ☃.md"}, id="an unusual name"),
        pytest.param({"path": "link.py"}, id="a link in the workspace"),
    ],
)
def test_places_and_context_are_the_same(tree: Path, args: dict[str, object]):
    assert "needle" in assert_same_lines(tree, pattern="needle", **args)


@needs_ripgrep
def test_a_folder_that_is_named_alone_counts_at_any_depth(tree: Path):
    assert assert_same_lines(tree, pattern="needle", glob=".hidden/").startswith("a/.hidden/h.txt:1:needle in hiding\n")


@needs_ripgrep
@pytest.mark.parametrize("mode", ["content", "files_with_matches", "count"])
@pytest.mark.parametrize("context", [0, 2])
def test_pages_are_the_same_and_make_up_the_whole(tree: Path, mode: str, context: int):
    args: dict[str, object] = {"pattern": "needle", "output_mode": mode, "context": context}
    counted = "files" if mode == "files_with_matches" else "matches"
    total, found = grep(tree, "", **args).metadata[counted], 0
    cursor: dict[str, object] = {}
    while True:
        assert_same_lines(tree, limit=2, **args, **cursor)
        page = grep(tree, "rg", limit=2, **args, **cursor)
        found += page.metadata[counted]
        if "cursor" not in page.metadata:
            break
        cursor = {"cursor": page.metadata["cursor"]}
    assert found == total


@needs_ripgrep
@pytest.mark.parametrize(
    "args",
    [
        {"pattern": "**"},
        {"pattern": "*"},
        {"pattern": "**/*.py"},
        {"pattern": "**/*.{log,txt}"},
        {"pattern": "logs/**/*.log"},
        {"pattern": "*/*"},
        {"pattern": "a*"},
        {"pattern": "?.py"},
        {"pattern": "**/*", "path": "logs"},
        {"pattern": "**/*", "path": "build"},
        {"pattern": "**/*", "limit": 5},
        {"pattern": "**/.hidden/**"},
        {"pattern": "logs/"},
        {"pattern": "{,a}*"},
    ],
    ids=str,
)
def test_files_are_the_same(tree: Path, args: dict[str, object]):
    ours, theirs = glob(tree, "", **args), glob(tree, "rg", **args)
    assert theirs.text == ours.text
    assert theirs.metadata == ours.metadata
    assert ours.metadata["count"]


@pytest.mark.parametrize("program", ["", pytest.param("rg", marks=needs_ripgrep)])
def test_pages_of_files_make_up_the_whole(tree: Path, program: str):
    whole = glob(tree, program, pattern="**").text.split("\n\n")[0]
    pages: list[str] = []
    cursor: dict[str, object] = {}
    while True:
        page = glob(tree, program, pattern="**", limit=4, **cursor)
        pages.append(page.text.rsplit("\n\n", 1)[0])
        if "cursor" not in page.metadata:
            break
        cursor = {"cursor": page.metadata["cursor"]}
    assert "\n".join(pages) == whole


@pytest.mark.parametrize("program", ["", pytest.param("rg", marks=needs_ripgrep)])
def test_nothing_outside_hidden_git_or_ignored_is_found(tree: Path, program: str):
    found = grep(tree, program, pattern="needle|root", output_mode="files_with_matches").text.splitlines()
    assert not {"link.py", "away/passwd", "loop/a.py", ".git/config", "logs/.git", "build/out.py"} & set(found)
    assert {"a/.hidden/h.txt", "build/keep/k.py", "logs/keep.log", "caf\\xe9.txt", "utf16be"} <= set(found)


@pytest.mark.parametrize("program", ["", pytest.param("rg", marks=needs_ripgrep)])
def test_a_line_of_100_mb_shows_its_beginning(folder: Path, program: str):
    with (folder / "f").open("wb") as file:
        file.write(b"needle")
        for _ in range(100):
            file.write(b"x" * 1_000_000)
    said = grep(folder, program, pattern="needle")
    assert len(said.text) < 2200
    assert "[more of a line over 64 KiB]" in said.text


@pytest.mark.parametrize("program", ["", pytest.param("rg", marks=needs_ripgrep)])
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param(
            "é" * 1700 + "needle" + "z" * 500, "é" * 1700 + "needle" + "z" * 294 + "… [206 more characters]", id="near"
        ),
        pytest.param("é" * 1900 + "needle", "é" * 1900 + "needle", id="not long"),
        pytest.param(
            "é" * 1990 + "needle" + "z" * 9, "[1790 characters] …" + "é" * 200 + "needle" + "z" * 9, id="cut through"
        ),
        pytest.param("é" * 3000 + "needle", "[2800 characters] …" + "é" * 200 + "needle", id="at the end"),
        pytest.param(
            "é" * 3000 + "needle" + "z" * 2000,
            "[2800 characters] …" + "é" * 200 + "needle" + "z" * 1794 + "… [206 more characters]",
            id="in the middle",
        ),
        pytest.param(
            "é" * 40_000 + "needle",
            "é" * 2000 + "… [more of a line over 64 KiB; the match is 80000 bytes into it]",
            id="out of reach",
        ),
    ],
)
def test_of_a_long_line_the_part_with_the_match_is_shown(folder: Path, program: str, line: str, expected: str):
    (folder / "f").write_text(line)
    assert grep(folder, program, pattern="needle").text == f"f:1:{expected}\n\n1 match(es) in 1 file(s)"


@pytest.mark.parametrize("program", ["", pytest.param("rg", marks=needs_ripgrep)])
def test_lines_that_look_like_places_are_shown_as_they_are(folder: Path, program: str):
    (folder / "f").write_text("12:34:needle")
    for pattern in ("needle", "$", "x*", "(?=n)needle"):
        assert grep(folder, program, pattern=pattern).text.startswith("f:1:12:34:needle\n")


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("$", True),
        ("a*", True),
        ("a|", True),
        ("(a?)(b{0,3})", True),
        (r"\b", True),
        ("b?$", True),
        ("a?b", False),
        ("(a|b)+", False),
    ],
)
def test_an_expression_says_whether_it_can_be_empty(pattern: str, expected: bool):
    common = portable(pattern)
    assert common is not None
    assert common.can_be_empty is expected


@pytest.mark.parametrize("program", ["", pytest.param("rg", marks=needs_ripgrep)])
def test_a_cursor_that_was_made_up_is_refused(tree: Path, program: str):
    with pytest.raises(ToolError) as caught:
        grep(tree, program, pattern="needle", cursor="page2")
    assert caught.value.kind is ToolErrorKind.INVALID_ARGUMENT


@needs_ripgrep
def test_what_is_too_large_for_ripgrep_is_searched_without(folder: Path):
    (folder / "f").write_text("a" * 100)
    assert grep(folder, "rg", pattern=r"(\w{100}){100}|a").metadata["matches"] == 1


def test_a_program_in_the_workspace_is_not_run(folder: Path, monkeypatch: pytest.MonkeyPatch):
    (folder / "rg").write_text("#!/bin/sh\necho hijacked\n")
    (folder / "rg").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    assert ripgrep.found("rg", folder) is None


def test_the_pattern_and_the_folder_cannot_become_options(folder: Path):
    command = ripgrep.command("/usr/bin/rg", Query(kind="content", root=str(folder), pattern="--pre=x"))
    assert command is not None
    assert command.argv[-4:-2] == ("-e", r"\x{2d}\x{2d}pre\x{3d}x")
    assert command.argv[-2:] == ("--", "./")


@pytest.mark.parametrize("start", [(), ("è",)])
@pytest.mark.parametrize(
    ("rule", "ignored"),
    [
        (r"\!x", {"!x"}),
        (r"\#x", {"#x"}),
        ("caf?", set()),
        ("caf??", {"café"}),
        ("voilà ", {"voilà"}),
        ("[!a]x", {"!x", "#x"}),
        ("/è/caf*", {"café"}),
    ],
)
def test_rules_for_odd_names_mean_what_git_says(folder: Path, start: tuple[str, ...], rule: str, ignored: set[str]):
    """https://git-scm.com/docs/gitignore: a backslash makes a sign plain; a character is a byte."""
    names = {"!x", "#x", "café", "voilà"}
    (folder / "è").mkdir()
    for name in names:
        (folder / "è" / name).touch()
    (folder / ".gitignore").write_text(rule)
    query = Query(kind="names", root=str(folder), start=start)
    ours = io.BytesIO()
    search_child.search(query, ours)
    found = {path.rpartition("/")[2] for path in ours.getvalue().decode().split("\0")}
    assert names - found == ignored
    if program := shutil.which("rg"):
        command = ripgrep.command(program, query)
        assert command is not None
        theirs = subprocess.run(
            command.argv, cwd=Path(folder, *start), input=command.rules, capture_output=True, check=True
        ).stdout
        assert sorted(theirs.split(b"\0")) == sorted(ours.getvalue().split(b"\0"))


RULES = st.lists(
    st.tuples(
        st.sampled_from(["", "", "!"]),
        st.sampled_from(["", "/", "**/"]),
        st.lists(st.sampled_from(["a", "b", "*", "a*", "**", "?", "[ab]", "[!a]"]), min_size=1, max_size=3).map(
            "/".join
        ),
        st.sampled_from(["", "/", "/**"]),
    ).map("".join),
    max_size=4,
)


@pytest.fixture(scope="module")
def forest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("forest")
    for place in itertools.product("ab", "abc", "abc"):
        (root / Path(*place)).mkdir(parents=True)
        for name in ("x", "a", "ab"):
            (root / Path(*place[:2]) / f"{name}.txt").touch()
            (root / Path(*place) / name).touch()
    return root


@needs_ripgrep
@settings(max_examples=100, deadline=None)
@given(outer=RULES, inner=RULES, start=st.sampled_from([(), ("a",), ("a", "b")]))
def test_rules_mean_the_same_wherever_the_search_starts(
    forest: Path, outer: list[str], inner: list[str], start: tuple[str, ...]
):
    (forest / ".gitignore").write_text("\n".join(outer))
    (forest / "a" / ".gitignore").write_text("\n".join(inner))
    command = ripgrep.command(str(shutil.which("rg")), Query(kind="names", root=str(forest), start=start))
    assert command is not None
    theirs = subprocess.run(
        command.argv, cwd=Path(forest, *start), input=command.rules, capture_output=True, check=False
    ).stdout.split(b"\0")
    ours = io.BytesIO()
    search_child.search(Query(kind="names", root=str(forest), start=start), ours)
    assert sorted(theirs) == sorted(ours.getvalue().split(b"\0"))


def test_a_page_after_100_000_matches_needs_little_memory():
    last = encoded(100_000, b"f")
    page = LinePage("", limit=1000, context=0, after=decoded(last))
    tracemalloc.start()
    assert all(page.take(Record(b"f", number, text=b"x" * 50)) for number in range(1, 101_001))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert page.lines[0] == "f:100001:" + "x" * 50
    assert peak < 1_000_000


ATOMS = [
    "a",
    "b",
    "é",
    " ",
    ".",
    r"\w",
    r"\W",
    r"\s",
    r"\S",
    r"\d",
    "[ab]",
    "[^a]",
    r"[^\W_]",
    r"[\s\S]",
    r"\.",
    "^",
    "$",
]
TIMES = ["*", "+", "?", "{1,2}", "{,2}", "*?"]
EXPRESSIONS = st.recursive(
    st.sampled_from([*ATOMS, "^", "$"]),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map("|".join),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{1,2}", "{,2}", "*?"])).map(
            lambda two: f"(?:{two[0]}){two[1]}"
        ),
    ),
    max_leaves=6,
)
LINES = st.lists(st.text("abé .1_☃\r\x1c\xa0", max_size=8).map(str.encode), max_size=6)


@needs_ripgrep
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(expression=EXPRESSIONS, lines=LINES, last=st.sampled_from([b"ab", b"a\xe9b\n", b"\xffa b"]), case=st.booleans())
def test_expressions_mean_the_same(folder: Path, expression: str, lines: list[bytes], last: bytes, case: bool):
    common = portable(expression)
    assume(common)  # else ripgrep is not asked
    assert common is not None
    (folder / "f").write_bytes(b"\n".join([*lines, last]))
    assert_same_records(
        Query(
            kind="content",
            root=str(folder),
            pattern=expression,
            ignores_case=case,
            columns=not common.can_be_empty,
        )
    )


@pytest.mark.parametrize(
    "pattern",
    [
        "(?=x)",
        r"\1",
        "^*",
        "a**",
        "a*+",
        "[z-a]",
        "(",
        ")",
        "[a",
        r"a\nb",
        r"[a-\d]",
        "{2}",
        "a{3,2}",
        r"\q",
        "a^",
        "$a",
        "(^a)*",
        r"\b*",
    ],
)
def test_what_is_not_common_to_both_is_left_to_python(pattern: str):
    assert portable(pattern) is None

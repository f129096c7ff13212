"""For any two files, the patch from one to the other gives exactly the other, and its reverse exactly the one."""

import difflib
import subprocess
from pathlib import Path

import pytest
from a3s_code_tools.edits.patch import Patch, apply, parse
from a3s_code_tools.edits.text import EditError
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

ENDINGS = st.sampled_from(["\n", "\r\n"])
TEXTS = st.one_of(
    st.sampled_from(["", " ", "}", "a", "b", "-- a", "++ b", "@@", "\\ No newline", "diff --git", "x  ", "\té", "“q”"]),
    st.text(st.characters(exclude_characters="\r\n\0\ufeff", exclude_categories=["Cs"]), max_size=6),
)
LINES = st.lists(st.tuples(TEXTS, ENDINGS), max_size=12)


@st.composite
def contents(draw: st.DrawFn, lines: list[tuple[str, str]] | None = None) -> list[str]:
    """Lines with their endings, of which the last may be missing."""
    drawn = [text + ending for text, ending in (draw(LINES) if lines is None else lines)]
    if drawn and draw(st.booleans()):
        drawn[-1] = drawn[-1].rstrip("\r\n")
    return [line for line in drawn if line]


@st.composite
def pairs(draw: st.DrawFn) -> tuple[list[str], list[str]]:
    """A file and what some edits make of it."""
    lines = draw(LINES)
    before = draw(contents(lines))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(lines)))
        end = draw(st.integers(start, len(lines)))
        lines = [*lines[:start], *draw(LINES), *lines[end:]]
    return before, draw(contents(lines))


def bom(content: list[str], is_marked: bool) -> bytes:
    return ("\ufeff" * is_marked + "".join(content)).encode()


def git_like(before: list[str], after: list[str], context: int) -> str:
    """As difflib has it, with the marks that git puts after lines without an end."""
    lines = list(difflib.unified_diff(before, after, "a/f", "b/f", n=context))
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def applied(diff: str | Patch, files: dict[str, bytes]) -> tuple[dict[str, bytes], Patch]:
    changes = apply(parse(diff) if isinstance(diff, str) else diff, files.get)
    after = files | {change.path: change.after for change in changes.files}
    return {path: content for path, content in after.items() if content is not None}, changes.reverse


@given(pairs(), st.integers(1, 4))
@settings(max_examples=400)
def test_a_diff_gives_exactly_the_other_file_and_back(pair: tuple[list[str], list[str]], context: int):
    before, after = pair
    diff = git_like(before, after, context)
    assume(diff)
    files = {"f": bom(before, False)}
    now, reverse = applied(diff, files)
    assert now == {"f": bom(after, False)}
    assert applied(reverse, now)[0] == files


@given(pairs())
@settings(max_examples=150)
def test_a_diff_without_context_gives_exactly_the_other_file(pair: tuple[list[str], list[str]]):
    before, after = ([line.replace("\r\n", "\n") for line in each] for each in pair)
    diff = git_like(before, after, 0)
    assume(diff)
    assert applied(diff, {"f": bom(before, False)})[0] == {"f": bom(after, False)}


@given(pairs(), st.booleans(), st.sampled_from(["utf-8", "utf-16"]))
@settings(max_examples=150)
def test_a_diff_of_lines_keeps_endings_mark_and_encoding(
    pair: tuple[list[str], list[str]], is_crlf: bool, encoding: str
):
    """The model sees and writes plain lines; the file has others."""
    before, after = ([line.rstrip("\r\n") + "\n" for line in each] for each in pair)
    diff = git_like(before, after, 3)
    assume(diff and before)  # an empty file has no endings to keep
    ending = "\r\n" if is_crlf else "\n"
    old, new = (("\ufeff" + "".join(each).replace("\n", ending)) for each in (before, after))
    codec = "utf-16-le" if encoding == "utf-16" else "utf-8"
    files = {"f": old.encode(codec)}
    now, reverse = applied(diff, files)
    assert now == {"f": new.encode(codec)}
    assert applied(reverse, now)[0] == files


@given(pairs(), st.lists(st.tuples(TEXTS, ENDINGS), max_size=5))
@settings(max_examples=200)
def test_wrong_counts_and_moved_lines_fit_at_the_only_place_or_nowhere(
    pair: tuple[list[str], list[str]], above: list[tuple[str, str]]
):
    before, after = ([line.rstrip("\r\n") + "\n" for line in each] for each in pair)
    diff = git_like(before, after, 3)
    assume(diff)
    head = "".join(text + "\n" for text, _ in above)
    wanted = (head + "".join(after)).encode()
    try:
        now, _ = applied(diff, {"f": (head + "".join(before)).encode()})
    except EditError:
        return
    # a block that stands at its old line by chance is not moved: then the change is somewhere else, but complete
    assert len(now["f"]) == len(wanted)


@given(pairs(), st.data())
@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
def test_a_mutated_patch_is_applied_or_refused_and_never_raises_anything_else(
    pair: tuple[list[str], list[str]], data: st.DataObject
):
    before, after = pair
    files = {"f": bom(before, False), "g": b"1\n2\n"}
    second = "diff --git a/g b/h\nrename from g\nrename to h\n--- a/g\n+++ b/h\n@@ -1,2 +1 @@\n-1\n 2\n"
    diff = git_like(before, after, 3) + second
    if data.draw(st.booleans()):
        diff = "*** Begin Patch\n*** Update File: f\n@@ 1\n-1\n+3\n*** Delete File: g\n*** End Patch\n"
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(diff)))
        end = data.draw(st.integers(start, min(start + 30, len(diff))))
        piece = st.sampled_from(
            ["", "\n", " ", "-", "+", "@@", "@@ -1 +1 @@\n", "\\ x\n", '"', "\r", "\0", "--- ", "\n+"]
        )
        diff = diff[:start] + data.draw(st.one_of(piece, st.text(max_size=4))) + diff[end:]
    kept = dict(files)
    try:
        changes = apply(parse(diff), files.get)
    except EditError:
        pass
    else:
        now = {**files, **{change.path: change.after for change in changes.files}}
        back = apply(changes.reverse, now.get)
        now |= {change.path: change.after for change in back.files}
        assert {path: content for path, content in now.items() if content is not None} == kept
    assert files == kept


@given(pairs(), pairs(), st.integers(0, 200), st.data())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_blocks_change_all_files_exactly_or_none_and_their_reverse_is_the_way_back(
    first: tuple[list[str], list[str]], second: tuple[list[str], list[str]], cut: int, data: st.DataObject
):
    files = {name: bom(before, False) for name, (before, _) in (("f", first), ("g", second)) if before}
    texts = {"f": first, "g": second, "new": ([], second[1])}
    diff = "".join(_block(name, *texts[name]) for name in data.draw(st.permutations(["f", "g", "new"])))
    if data.draw(st.booleans()):  # cut off, which must be refused or do what is left of it
        diff = diff[:cut]
    try:
        changes = apply(parse(diff), files.get)
    except EditError:
        return
    now = {**files, **{change.path: change.after for change in changes.files}}
    for name, content in now.items():
        assert content is not None
        texts_of = ("".join(each).replace("\r\n", "\n").removesuffix("\n") for each in texts[name])
        wanted = {text + ending for text in texts_of for ending in ("", "\n")}
        assert content.decode().replace("\r\n", "\n") in wanted
    back = apply(changes.reverse, now.get)
    now |= {change.path: change.after for change in back.files}
    assert {path: content for path, content in now.items() if content is not None} == files


def _block(path: str, before: list[str], after: list[str]) -> str:
    old, new = ("".join(line.rstrip("\r\n") + "\n" for line in each) for each in (before, after))
    return f"{path}\n<<<<<<< SEARCH\n{old}=======\n{new}>>>>>>> REPLACE\n"


@given(pair=pairs(), context=st.integers(0, 3))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_git_makes_of_two_files_is_applied_as_git_means_it(
    pair: tuple[list[str], list[str]], context: int, tmp_path: Path
):
    before, after = (bom(each, False) for each in pair)
    assume(before != after)
    for name, content in (("a", before), ("b", after)):
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "f").write_bytes(content)
    ended = subprocess.run(
        ["git", "diff", "--no-index", "--no-prefix", "--text", f"-U{context}", "a/f", "b/f"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    diff = ended.stdout.decode()
    if context or b"\r" not in before + after:  # without context nothing tells the endings of a pure addition
        assert applied(diff, {"f": before})[0] == {"f": after}


@pytest.mark.parametrize("size", [20_000])
def test_a_long_file_takes_no_quadratic_time(size: int):
    lines = [f"{number % 7}\n" for number in range(size)]
    lines[size // 2] = "middle\n"
    diff = (
        "--- a/f\n+++ b/f\n@@\n" + "".join(f" {line}" for line in lines[size // 2 - 3 : size // 2]) + "-middle\n+new\n"
    )
    now, _ = applied(diff, {"f": "".join(lines).encode()})
    assert now["f"].count(b"new\n") == 1

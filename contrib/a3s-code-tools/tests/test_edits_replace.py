"""A text is replaced where it stands once, exactly or nearly, and nothing else changes."""

import importlib.util
import re
from pathlib import Path

import pytest
from a3s_code_tools.edits import Edit, EditError, TextFile, replace
from hypothesis import assume, given, settings
from hypothesis import strategies as st

ROOT = Path(__file__).parents[3]
LETTERS = st.text(st.sampled_from("ab =\té“–日\u00a0"), max_size=6)
FILES = st.builds(
    lambda bom, lines, last: (bom, [*lines, (last, "")]),
    st.sampled_from([("", "utf-8"), ("\ufeff", "utf-8"), ("\ufeff", "utf-16-le"), ("\ufeff", "utf-32-be")]),
    st.lists(st.tuples(LETTERS, st.sampled_from(["\n", "\r\n", "\r"])), max_size=10),
    LETTERS,
)


def edited(before: bytes, old: str, new: str, *, replace_all: bool = False, expected: int | None = None) -> Edit:
    return replace(TextFile.decode(before), old, new, replace_all=replace_all, expected=expected)


def refusal(before: bytes, old: str, new: str, *, replace_all: bool = False, expected: int | None = None) -> EditError:
    with pytest.raises(EditError) as caught:
        edited(before, old, new, replace_all=replace_all, expected=expected)
    return caught.value


@given(file=FILES, new=st.text(st.sampled_from("xy \nü"), max_size=8), pick=st.data())
@settings(max_examples=500, deadline=None)
def test_every_byte_outside_the_edit_is_unchanged(
    file: tuple[tuple[str, str], list[tuple[str, str]]], new: str, pick: st.DataObject
):
    (bom, encoding), lines = file
    raw = "".join(line + ending for line, ending in lines)
    content = (bom + raw).encode(encoding)
    units = re.findall(r"(?s)\r\n|.", raw)
    start = pick.draw(st.integers(0, len(units)))
    end = pick.draw(st.integers(start, min(len(units), start + 12)))
    text = TextFile.decode(content).text
    old = text[start:end]
    assume(old and old != new and text.find(old) == start and text.find(old, start + 1) < 0)
    assume(not (old.endswith("\n") and text.endswith(old[:-1])))
    edit = edited(content, old, new)
    head, tail = (bom + "".join(units[:start])).encode(encoding), "".join(units[end:]).encode(encoding)
    assert (edit.tier, edit.count) == ("exact", 1)
    assert edit.after[: len(head)] == head
    assert edit.after[len(edit.after) - len(tail) :] == tail
    middle = edit.after[len(head) : len(edit.after) - len(tail)].decode(encoding)
    assert re.sub(r"\r\n|\r", "\n", middle) == new


@given(
    lines=st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["", " ", "\t "])), min_size=1, max_size=6),
    blanks=st.lists(st.sampled_from(["", " ", "  "]), min_size=6, max_size=6),
    around=st.lists(st.sampled_from(["x  ", "y", ""]), max_size=4),
    ending=st.sampled_from(["\n", "\r\n"]),
    pick=st.data(),
)
@settings(max_examples=300, deadline=None)
def test_untouched_lines_keep_their_trailing_blanks(
    lines: list[tuple[str, str]], blanks: list[str], around: list[str], ending: str, pick: st.DataObject
):
    changed = pick.draw(st.integers(0, len(lines) - 1))
    rows = [line + blank for line, blank in lines]
    sent = [line + blank for (line, _), blank in zip(lines, blanks, strict=False)]
    old = "\n".join(sent) + "\n"
    sent[changed] = "NEW"
    content = "".join(row + ending for row in [*around, *rows, *around])
    rows[changed] = "NEW"
    edit = edited(content.encode(), old, "\n".join(sent) + "\n")
    assert edit.after.decode() == "".join(row + ending for row in [*around, *rows, *around])


@given(
    levels=st.lists(st.integers(0, 3), min_size=2, max_size=6),
    shift=st.integers(0, 3),
    has_tabs=st.booleans(),
    sends_tabs=st.booleans(),
    pick=st.data(),
)
@settings(max_examples=300, deadline=None)
def test_new_lines_are_shifted_as_the_block_is(
    levels: list[int], shift: int, has_tabs: bool, sends_tabs: bool, pick: st.DataObject
):
    levels[0] = 0
    levels[1] = 1  # two levels show how wide a tab is
    file_unit, sent_unit = "\t" if has_tabs else "    ", "\t" if sends_tabs else "    "
    rows = [file_unit * (level + shift) + f"line{number}" for number, level in enumerate(levels)]
    sent = [sent_unit * level + f"line{number}" for number, level in enumerate(levels)]
    level = pick.draw(st.integers(0, 4))
    changed = pick.draw(st.integers(0, len(levels) - 1))
    old = "\n".join(sent)
    sent.insert(changed, sent_unit * level + "NEW")
    edit = edited(("{\n" + "\n".join(rows) + "\n}\n").encode(), old, "\n".join(sent))
    rows.insert(changed, file_unit * (level + shift) + "NEW")
    assert edit.after.decode() == "{\n" + "\n".join(rows) + "\n}\n"


@pytest.mark.parametrize(
    ("before", "old", "new", "after", "tier"),
    [
        pytest.param("a\n  b  \nc\n", "b\nc", "B\nc", "a\n  B\nc\n", "trailing white space", id="from within a line"),
        pytest.param("x  \ny  ", "x\ny\n", "x\nz\n", "x  \nz", "trailing white space", id="no last line end"),
        pytest.param(
            "foo \nbar\n", "foo\nb", "foo\nc", "foo \ncar\n", "trailing white space", id="up to within a line"
        ),
        pytest.param(
            "f(\n\t\ta,\n\t)\n", "    a,\n)", "    a,\n    b,\n)", "f(\n\t\ta,\n\t\tb,\n\t)\n", "indentation", id="tabs"
        ),
        pytest.param("    a\n    b", "  a\n  b\n", "  c\n", "    c", "indentation", id="shifted, no last line end"),
        pytest.param(
            "\ta\n\n\tb\n", "a\n\nb\n", "a\n\nc\n", "\ta\n\n\tc\n", "indentation", id="empty lines stay empty"
        ),
        pytest.param(
            "it’s – “a”\n", 'it\'s - "a"', 'it\'s - "b"', "it’s – “b”\n", "typography", id="quotes and a dash"
        ),
        pytest.param("a\u202fb\u3000c", "a b c", "a b d", "a\u202fb\u3000d", "typography", id="odd spaces"),
        pytest.param("a\r\nb\r\n", "a\r\nb", "a\r\nc", "a\r\nc\r\n", "exact", id="CRLF in both texts"),
        pytest.param("a\nb\n", "a\r\nb", "a\r\nc", "a\nc\n", "exact", id="CRLF in both texts, LF in the file"),
        pytest.param("a\nb\n", "b", "b\r\nc", "a\nb\r\nc\n", "exact", id="CRLF in the new text alone is meant"),
        pytest.param("a\nb", "b\n", "", "a\n", "exact", id="the last line removed"),
    ],
)
def test_tiers(before: str, old: str, new: str, after: str, tier: str):
    edit = edited(before.encode(), old, new)
    assert edit.after.decode() == after
    assert edit.tier == tier


@pytest.mark.parametrize(
    ("before", "old", "new"),
    [
        pytest.param("foobar\n", "foo  ", "x", id="trailing blanks are not the middle of a word"),
        pytest.param("bar\nfoo\n", "   \nfoo", "x\nfoo", id="a line of blanks is not the end of another"),
        pytest.param("  a\n b\n", "a\nb\n", "c\n", id="a shift that is not uniform"),
        pytest.param("a\n  b\n", "    a\n      b\n", "  a\n", id="a new line that cannot go so far to the left"),
        pytest.param("x = 1\n", "X = 1", "y", id="another case"),
        pytest.param("", "a", "b", id="an empty file"),
        pytest.param("abc", "\n", "x", id="a line end that is not there"),
    ],
)
def test_what_is_not_nearly_the_same_is_not_found(before: str, old: str, new: str):
    assert refusal(before.encode(), old, new).kind == "not_found"


@pytest.mark.parametrize(
    ("before", "old", "lines"),
    [
        pytest.param("x\ny\nx\n", "x", "(lines 1, 3)", id="exact"),
        pytest.param("aaa", "aa", "(lines 1, 1)", id="overlapping"),
        pytest.param("a \nb\na  \nb\n", "a\nb", "(lines 1, 3) apart from trailing white space", id="trailing blanks"),
        pytest.param("  a\n  b\n\ta\n\tb\n", "a\nb", "(lines 1, 3) apart from indentation", id="indentation"),
        pytest.param("“a” ‘\n”a“", '"a"', "(lines 1, 2) apart from typography", id="quotes"),
    ],
)
@pytest.mark.parametrize("replace_all", [False, True])
def test_several_places_are_refused_with_their_lines(before: str, old: str, lines: str, replace_all: bool):
    if replace_all and "apart" not in lines:
        assert edited(before.encode(), old, "z", replace_all=True).count > 0
        return
    error = refusal(before.encode(), old, "z", replace_all=replace_all)
    assert error.kind == "invalid_argument"
    assert f"occurs 2 times in the file {lines}" in str(error)


def test_typography_between_two_distant_changes_is_kept():
    lines = [f"“line {number}” – it’s" for number in range(200)]
    sent = [f'"line {number}" - it\'s' for number in range(200)]
    old = "\n".join(sent)
    for changed in (0, 199):
        lines[changed] += " NEW"
        sent[changed] += " NEW"
    before = "\n".join(line.removesuffix(" NEW") for line in lines)
    assert edited(before.encode(), old, "\n".join(sent)).after.decode() == "\n".join(lines)


def test_each_place_is_shown_with_the_line_beside_it():
    error = refusal(b"if a:\n  go()\nif b:\n  go()\n", "  go()\n", "x\n")
    assert str(error).split("\n")[1:] == ["  line 2: go()   (after: if a:)", "  line 4: go()   (after: if b:)"]


def test_the_expected_number_of_places_is_replaced():
    edit = edited(b"x x\nx", "x", "y", expected=3)
    assert (edit.after, edit.count, edit.lines) == (b"y y\ny", 3, (1, 1, 2))


@pytest.mark.parametrize("expected", [1, 2, 4])
@pytest.mark.parametrize("replace_all", [False, True])
def test_another_number_of_places_than_expected_is_refused(expected: int, replace_all: bool):
    error = refusal(b"x x\nx", "x", "y", expected=expected, replace_all=replace_all)
    assert error.kind == "invalid_argument"
    assert "occurs 3 times" in str(error)


def test_more_places_are_never_taken_from_a_later_tier():
    assert refusal(b"a \na  \n", "a\t\n", "b\n", expected=2).kind == "invalid_argument"


@pytest.mark.parametrize(("old", "new"), [("", "x"), ("a\r\n", "a\n"), ("a", "a"), ("\ud800", "x"), ("a", "\udfff")])
def test_senseless_texts_are_refused(old: str, new: str):
    assert refusal(b"a\n", old, new).kind == "invalid_argument"


def test_the_table_of_the_edit_engine_is_what_its_script_prints():
    spec = importlib.util.spec_from_file_location("bench_edits", ROOT / "bench/edits.py")
    assert spec is not None
    assert spec.loader is not None
    bench = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bench)
    assert bench.table() in (ROOT / "docs/explanation/edit-engine.md").read_text()
    results = [bench.result(case) for case in bench.CASES]
    assert len(results) == 14
    assert sum(result.startswith("done") for result in results) == 12
    assert sum(result.startswith("refused, names lines") for result in results) == 2


@pytest.mark.parametrize(
    ("old", "new", "is_shallow"),
    [
        pytest.param("  a\n", "  x\n  y\n", True, id="the second new line stands too far left"),
        pytest.param("  a\n  b", "  x", True, id="the file has a further right than b"),
        pytest.param("  a", "  x", False, id="one line by one"),
        pytest.param("a", "x\n    y", False, id="from behind the indentation"),
        pytest.param("    a\n", "    x\n    y\n", False, id="the whole indentation"),
        pytest.param(" = 1", " = 1\n    y", False, id="blanks within the line"),
    ],
)
def test_a_place_within_the_indentation_of_its_line_is_told(old: str, new: str, is_shallow: bool):
    edit = edited(b"q:\n    a\n  b = 1\n", old, new)
    assert (edit.tier, edit.is_shallow) == ("exact", is_shallow)

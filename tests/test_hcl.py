"""HCL text becomes values that know their place; every mistake is a ConfigError where it was made."""

import hashlib
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from a3s_code import hcl, hcl_grammar
from a3s_code.errors import ConfigError
from a3s_code.hcl import Body, ListValue, Scalar, Value

DATA = Path(__file__).parent / "data"
SAMPLES = [(DATA / name).read_text("utf-8") for name in ("minimal.hcl", "full.hcl")]


def plain(value: Value) -> object:
    match value:
        case Scalar(value=inner):
            return inner
        case ListValue(elements=elements):
            return [plain(each) for each in elements]
        case Body(attributes=attributes, blocks=blocks):
            inner = {name: plain(each.value) for name, each in attributes.items()}
            for block in blocks:
                inner.setdefault((block.type, *block.labels), []).append(plain(block.body))
            return inner


def parsed(text: str, **environ: str) -> object:
    return plain(hcl.parse(text, environ=environ))


def mistake(text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        hcl.parse(text, "agent.hcl", {})
    return caught.value


def place(text: str) -> tuple[int | None, int | None]:
    error = mistake(text)
    return error.line, error.column


def scalar(text: str) -> Scalar:
    value = hcl.parse(text, environ={}).attributes["a"].value
    assert isinstance(value, Scalar)
    return value


# --- values


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        pytest.param('"x"', "x", id="text"),
        pytest.param('""', "", id="empty text"),
        pytest.param("5", 5, id="int"),
        pytest.param("-5", -5, id="short negative int"),
        pytest.param("-55", -55, id="negative int"),
        pytest.param("1.5", 1.5, id="float"),
        pytest.param("-1.5", -1.5, id="negative float"),
        pytest.param("1e3", 1000.0, id="exponent"),
        pytest.param("true", True, id="true"),
        pytest.param("false", False, id="false"),
        pytest.param("null", None, id="null"),
        pytest.param('[1, "x", [true],]', [1, "x", [True]], id="list"),
        pytest.param("[\n1\n,\n2\n]", [1, 2], id="list on several lines"),
        pytest.param('{ a = 1, "X-Api-Key" : "k", in = 2 }', {"a": 1, "X-Api-Key": "k", "in": 2}, id="map"),
        pytest.param("{\n a = 1\n b: 2\n}", {"a": 1, "b": 2}, id="map on several lines"),
        pytest.param("<<E\nx\n  y\nE", "x\n  y\n", id="heredoc"),
        pytest.param("<<-END\n    x\n\n      y\n  END", "x\n\n  y\n", id="indented heredoc"),
        pytest.param("<<E\nE", "", id="empty heredoc"),
        pytest.param("<<E\ncost $${x} %%{y} \\n\nE", "cost ${x} %{y} \\n\n", id="heredoc without templates"),
        pytest.param(r'"\n\r\t\"\\\u00e9\U0001F600"', '\n\r\t"\\é😀', id="escapes"),
        pytest.param('"$${x} %%{y} $5 100% {z}"', "${x} %{y} $5 100% {z}", id="no templates"),
        pytest.param(r'"env(\"X\")"', 'env("X")', id="text that looks like env"),
        pytest.param('"env(X)"', "env(X)", id="another such text"),
    ],
)
def test_values(written: str, meant: object) -> None:
    value = parsed(f"a = {written}")["a"]
    assert value == meant
    assert type(value) is type(meant)


def test_env_is_read_wherever_a_value_stands() -> None:
    text = 'a = env("X")\nb = [env("X"), "y"]\nc = { d = env( "X" ) }\ne = env("UNSET")'
    assert parsed(text, X="secret") == {"a": "secret", "b": ["secret", "y"], "c": {"d": "secret"}, "e": None}


def test_an_unset_variable_is_null_and_remembers_its_name() -> None:
    assert (scalar('a = env("NO")').value, scalar('a = env("NO")').variable) == (None, "NO")
    assert scalar('a = "NO"').variable is None


def test_a_value_does_not_show_itself_in_a_repr() -> None:
    assert "secret" not in repr(hcl.parse('a = env("X")', environ={"X": "secret"}))


def test_blocks_have_labels_and_repeat() -> None:
    text = 'plugin "point" name {\n x = 1\n}\nb { c { d = 2 } }\nb {}\n'
    assert parsed(text) == {("plugin", "point", "name"): [{"x": 1}], ("b",): [{("c",): [{"d": 2}]}, {}]}


def test_everything_knows_its_place() -> None:
    body = hcl.parse('# c\na = 1\nblock "l" {\n  b = [1,\n    "x"]\n}')
    inner = body.blocks[0].body.attributes["b"].value
    assert isinstance(inner, ListValue)
    places = [body.attributes["a"].position, body.blocks[0].position, inner.position, inner.elements[1].position]
    assert [(each.line, each.column) for each in places] == [(2, 1), (3, 1), (4, 7), (5, 5)]


def test_positions_count_characters() -> None:
    assert place('a = "日本語" b = @') == (1, 15)


@pytest.mark.parametrize("text", ["", "\n", "# only a comment", "// another", "/* a\nthird */"])
def test_nothing_is_an_empty_body(text: str) -> None:
    assert parsed(text) == {}


def test_a_byte_order_mark_is_skipped() -> None:
    assert place("\ufeffa = @") == (1, 5)
    assert parsed("\ufeffa = 1") == {"a": 1}


def test_windows_line_ends() -> None:
    text = 'a = 1\r\nb {\r\n  c = "x"\r\n}\r\nd = <<E\r\nx\r\ny\r\nE\r\ne = [\r\n1,\r\n2\r\n]\r\n# end'
    assert parsed(text) == {"a": 1, ("b",): [{"c": "x"}], "d": "x\ny\n", "e": [1, 2]}


# --- commas between attributes


VALUES = ['"x"', "1", "1.5", "-1", "true", "null", "[1]", "{ x = 1 }", 'env("X")']


@pytest.mark.parametrize("value", VALUES)
def test_one_comma_may_stand_between_attributes_of_a_block(value: str) -> None:
    assert parsed(f"b {{ a = {value}, c = 2 }}") == parsed(f"b {{\n a = {value}\n c = 2 }}")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("b { a = 1,\n c = 2 }", id="line end"),
        pytest.param("b { a = 1, # why\n c = 2 }", id="comment"),
        pytest.param("b { a = 1 c = 2 }", id="no comma"),
        pytest.param("b { a = 1, in = 2 }".replace("in", "c"), id="plain"),
    ],
)
def test_around_the_comma(text: str) -> None:
    assert parsed(text) == {("b",): [{"a": 1, "c": 2}]}


@pytest.mark.parametrize(
    ("text", "column"),
    [
        pytest.param("a = 1, b = 2", 6, id="top level"),
        pytest.param("b { a = 1,, c = 2 }", 10, id="two"),
        pytest.param("b { a = 1, , c = 2 }", 10, id="two apart"),
        pytest.param("b { , a = 1 }", 5, id="leading"),
        pytest.param("b { a = 1, }", 10, id="trailing"),
        pytest.param("b { a = , c = 1 }", 9, id="instead of a value"),
        pytest.param("b { a = 1, c {} }", 10, id="before a block"),
        pytest.param("b { c {}, a = 1 }", 9, id="after a block"),
        pytest.param("b { , }", 5, id="alone"),
    ],
)
def test_other_commas_are_refused_at_their_place(text: str, column: int) -> None:
    assert place(text) == (1, column)


def test_a_comma_on_the_next_line_is_refused() -> None:
    assert place("b { a = 1\n , c = 2 }") == (2, 2)


# --- mistakes


@pytest.mark.parametrize(
    ("text", "at"),
    [
        pytest.param('a = "abc\nb = "d"\n', (1, 5), id="quote"),
        pytest.param('a = "abc', (1, 5), id="quote at the end"),
        pytest.param('a = "abc\\\n"', (1, 5), id="backslash at the line's end"),
        pytest.param('x = 1\na = ["x"\nb = 1', (2, 5), id="list before an attribute"),
        pytest.param("a = [1, 2", (1, 5), id="list at the end"),
        pytest.param("a = { x = 1\nb {\n}", (1, 5), id="map before a block"),
        pytest.param("b {\n a = 1\n", (1, 3), id="block"),
        pytest.param("b {\n c {\n a = 1 }\n", (1, 3), id="outer block"),
        pytest.param("a = <<E\nx\n", (1, 5), id="heredoc"),
        pytest.param("x = 1 /* y", (1, 7), id="comment"),
        pytest.param('a = env("X"\nb = 1', (1, 8), id="call"),
    ],
)
def test_what_is_not_closed_is_reported_where_it_opens(text: str, at: tuple[int, int]) -> None:
    assert place(text) == at
    assert "not closed" in mistake(text).message


@pytest.mark.parametrize(
    ("value", "word"),
    [
        pytest.param('"x ${y}"', "templates", id="interpolation"),
        pytest.param('"%{ if x }y%{ endif }"', "templates", id="directive"),
        pytest.param("<<E\n${x}\nE", "templates", id="heredoc interpolation"),
        pytest.param("1 + 2", "operators", id="operator"),
        pytest.param("!true", "operators", id="not"),
        pytest.param('-"x"', "operators", id="negative text"),
        pytest.param("-true", "operators", id="negative truth"),
        pytest.param('-env("X")', "operators", id="negative call"),
        pytest.param("true ? 1 : 2", "conditions", id="condition"),
        pytest.param("[for x in [1] : x]", "for", id="for list"),
        pytest.param("{for x in [1] : x => x}", "for", id="for map"),
        pytest.param("x.y", "references", id="attribute access"),
        pytest.param("[1][0]", "indexes", id="index"),
        pytest.param("[1][*]", "splats", id="splat"),
        pytest.param("[1].*", "splats", id="attribute splat"),
        pytest.param("(1)", "parentheses", id="parentheses"),
        pytest.param('file("x")', "file", id="function"),
        pytest.param('env::x::y("x")', "functions", id="namespaced function"),
        pytest.param("yes", "quotes", id="word"),
        pytest.param("True", "quotes", id="capital"),
        pytest.param("'x'", "straight double quotes", id="single quotes"),
        pytest.param("“x”", "straight double quotes", id="typographic quotes"),
        pytest.param(r"\"x\"", "templates", id="escaped quotes"),
        pytest.param("env()", "one environment variable", id="env of nothing"),
        pytest.param('env("A", "B")', "one environment variable", id="env of two"),
        pytest.param("env(5)", "one environment variable", id="env of a number"),
        pytest.param('env(env("A"))', "one environment variable", id="env of env"),
        pytest.param("1e999", "too large", id="infinite"),
        pytest.param("9" * 5000, "too large", id="endless number"),
        pytest.param("-5-5.3", "malformed", id="number that only hcl2 knows"),
        pytest.param("{ (x) = 1 }", "key", id="computed key"),
        pytest.param("{ 1 = 1 }", "key", id="number as key"),
        pytest.param(r'"\q"', "escape", id="unknown escape"),
        pytest.param(r'"\u12"', "escape", id="short escape"),
        pytest.param(r'"\ud800"', "escape", id="surrogate"),
        pytest.param(r'"\UFFFFFFFF"', "escape", id="beyond Unicode"),
        pytest.param('"$${x"', '"}"', id="half an escaped template"),
        pytest.param("@", "unexpected", id="strange character"),
        pytest.param("", "a value is", id="nothing"),
    ],
)
def test_what_is_not_accepted_says_so(value: str, word: str) -> None:
    error = mistake(f"a = {value}\n")
    assert word in error.message
    assert error.line in (1, 2)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        pytest.param("a: 1", "name = value", id="YAML"),
        pytest.param('"a" = 1', "without quotes", id="quoted name"),
        pytest.param("a", "name = value", id="only a name"),
        pytest.param("a = 1 }", "name = value", id="bracket too many"),
        pytest.param('a = ["x" "y"]', 'comes ","', id="no comma in a list"),
        pytest.param("a = \ud800", "Unicode", id="surrogate"),
        pytest.param("a =\u00a01", "unexpected", id="no-break space"),
    ],
)
def test_hints(text: str, word: str) -> None:
    assert word in mistake(text).message


@pytest.mark.parametrize(
    "text", ["api_key = sk-ant-123", "b { sk-ant-123 }", 'a = "x" sk-ant-123', "a = [1 sk-ant-123]"]
)
def test_a_key_without_its_quotes_is_not_repeated(text: str) -> None:
    assert "123" not in str(mistake(text))


def test_the_place_of_an_escape() -> None:
    assert place(r'a = "xy\q"') == (1, 8)


def test_the_place_of_a_template_in_a_heredoc() -> None:
    assert place("a = <<-E\n  x\n  y ${z}\nE\n") == (3, 5)


@pytest.mark.parametrize("text", ["a = 1\nb = 2\na = 3", "x {\na = 1\nb = 2\n a = 3 }", 'm = {\n a = 1\n "a" = 2 }'])
def test_a_repeated_attribute_names_the_first(text: str) -> None:
    error = mistake(text)
    assert '"a" is set twice' in error.message
    assert f"line {error.line - (1 if 'm =' in text else 2)}" in error.message


@pytest.mark.parametrize("opening", ["[", "{ a = ", "env("])
def test_deep_nesting_is_an_error(opening: str) -> None:
    assert "inside each other" in mistake("a = " + opening * 100_000).message


def test_nested_blocks_are_an_error_too() -> None:
    assert "inside each other" in mistake("a {\n" * 5000).message


def test_the_error_names_the_file() -> None:
    assert str(mistake("a = @")).startswith("agent.hcl:1:5: ")


# --- anything at all


WORDS = [
    "a",
    "=",
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    ",",
    '"',
    "\n",
    " ",
    "env",
    "<<E",
    "E",
    "${",
    "%{",
    "$${",
    "\\",
    "1",
    "-",
]
WORDS += ["#", "/*", "*/", ":", ".", "?", "for", "in", "true", "null", "é", "\r", "\t", "\ufeff", "\x00", "=>", "..."]
texts = st.one_of(st.text(max_size=200), st.lists(st.sampled_from(WORDS), max_size=40).map("".join))


@st.composite
def mutations(draw: st.DrawFn) -> str:
    text = draw(st.sampled_from(SAMPLES))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 20)))
        text = text[:start] + draw(st.one_of(st.sampled_from(["", *WORDS]), st.text(max_size=3))) + text[end:]
    return text


def check_place(text: str, error: ConfigError) -> None:
    lines = text.removeprefix("\ufeff").split("\n")
    assert error.line is not None
    assert error.column is not None
    assert 1 <= error.line <= len(lines)
    assert 1 <= error.column <= len(lines[error.line - 1]) + 1


@settings(deadline=None, max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(st.one_of(texts, mutations()))
def test_any_text_is_parsed_or_refused_at_a_place_in_it(text: str) -> None:
    try:
        hcl.parse(text, environ={})
    except ConfigError as error:
        check_place(text, error)


@settings(deadline=None, max_examples=200)
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_survives_quoting(text: str) -> None:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    escaped = escaped.replace("$", "\\u0024").replace("%", "\\u0025")
    assert parsed(f'a = "{escaped}"') == {"a": text}


# --- what it costs


def run(code: str, **environ: str) -> str:
    command = [sys.executable, "-c", code]
    env = {**os.environ, **environ}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=120).stdout


def test_the_libraries_are_imported_at_the_first_parse_only() -> None:
    code = """
import sys, a3s_code.hcl
print("lark" in sys.modules)
a3s_code.hcl.parse("a = 1")
print("lark" in sys.modules, "hcl2" in sys.modules)
"""
    assert run(code).split() == ["False", "True", "False"]


@pytest.fixture(scope="session")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder as one run leaves it."""
    home = tmp_path_factory.mktemp("cache")
    run("from a3s_code import hcl; hcl.parse('a = 1')", XDG_CACHE_HOME=str(home))
    return home / "a3s-code"


def test_the_grammar_is_kept_in_a_folder_of_our_own(table: Path) -> None:
    (file,) = table.iterdir()
    assert table.stat().st_mode & 0o777 == 0o700
    assert file.stat().st_mode & 0o777 == 0o600


def test_the_kept_grammar_is_used(table: Path) -> None:
    (file,) = table.iterdir()
    parser = hcl_grammar._cached(file)
    assert parser is not None
    assert parser.parse("a = 1\n").data == "start"


@pytest.mark.parametrize("damage", [b"", b"x" * 100, b"\x00" * 32 + b"rest"])
def test_a_damaged_table_is_not_used(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "table").write_bytes(damage)
    assert hcl_grammar._cached(tmp_path / "table") is None


def test_a_damaged_table_is_built_again(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (file,) = table.iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    monkeypatch.setenv("XDG_CACHE_HOME", str(table.parent))
    parser, _ = hcl_grammar.grammar.__wrapped__()
    assert parser.parse("a = 1\n").data == "start"
    assert hcl_grammar._cached(file) is not None
    assert [file] == list(table.iterdir())


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("evil",)


def test_a_table_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    content = pickle.dumps(Evil())
    (tmp_path / "table").write_bytes(hashlib.sha256(content).digest() + content)
    assert hcl_grammar._cached(tmp_path / "table") is None
    assert not (tmp_path / "evil").exists()


def test_a_table_that_others_can_write_is_not_used(table: Path, tmp_path: Path) -> None:
    (file,) = table.iterdir()
    copy = tmp_path / "table"
    copy.write_bytes(file.read_bytes())
    copy.chmod(0o666)
    assert hcl_grammar._cached(copy) is None


def test_a_link_is_not_followed(table: Path, tmp_path: Path) -> None:
    (file,) = table.iterdir()
    (tmp_path / "link").symlink_to(file)
    assert hcl_grammar._cached(tmp_path / "link") is None


def test_a_folder_that_others_can_write_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "a3s-code").mkdir()
    (tmp_path / "a3s-code").chmod(0o770)
    assert hcl_grammar._cache_folder({"XDG_CACHE_HOME": str(tmp_path)}) is None


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_somebody_else_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "a3s-code").mkdir(mode=0o700)
    os.chown(tmp_path / "a3s-code", 12345, -1)
    assert hcl_grammar._cache_folder({"XDG_CACHE_HOME": str(tmp_path)}) is None


def test_a_relative_cache_home_is_ignored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert hcl_grammar._cache_folder({"XDG_CACHE_HOME": "here"}) == tmp_path / ".cache" / "a3s-code"


def test_without_a_usable_folder_the_grammar_is_built_in_memory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code = "from a3s_code import hcl; print(len(hcl.parse('a = 1').attributes))"
    assert run(code, XDG_CACHE_HOME=str(tmp_path / "file")).strip() == "1"

"""A text file is written back byte by byte, and a change leaves all other bytes alone."""

import codecs
import subprocess
import sys

import pytest
from a3s_code_tools.edits import EditError, Span, TextFile, replace
from a3s_code_tools.edits.text import valid
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

ENDINGS = st.sampled_from(["\n", "\r\n", "\r"])
LETTERS = st.text(st.sampled_from("ab =\t\u00a0é“–日😀\u2028\x0c\x85я"), max_size=8)
ENCODINGS = (
    (b"", "utf-8"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (b"", "latin-1"),
    (b"", "cp1251"),
    (b"", "shift_jis"),
    (b"", "gb18030"),
)


@st.composite
def contents(draw: st.DrawFn) -> bytes:
    """The bytes of a file: any encoding, mixed endings, with or without a last line end."""
    bom, encoding = draw(st.sampled_from(ENCODINGS))
    lines = draw(st.lists(st.tuples(LETTERS, ENDINGS), max_size=12))
    text = "".join(line + ending for line, ending in lines) + draw(LETTERS)
    content = text.encode(encoding, "ignore")
    if encoding == "utf-8" and draw(st.booleans()):  # some bytes are not valid there
        place = draw(st.integers(0, len(content)))
        content = content[:place] + draw(st.sampled_from((b"\xff", b"\xc3", b"\x80\x80"))) + content[place:]
    return bom + content


def units(file: TextFile) -> list[str]:
    """For each character of the text what stands for it in the file."""
    endings = iter(file.endings)
    return [next(endings) if letter == "\n" else letter for letter in file.text]


def test_the_engine_needs_the_standard_library_and_chardet_only():
    code = (
        "import sys, a3s_code_tools.edits.blocks\n"
        "a3s_code_tools.edits.TextFile.decode(b'caf\\xe9')\n"
        "print({name.partition('.')[0] for name in sys.modules} & {'a3s_code', 'attrs', 'attr', 'pathspec'})"
    )
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert said.stdout == "set()\n"


@given(content=st.one_of(contents(), st.binary(max_size=60)))
@settings(max_examples=400, deadline=None)
def test_decoding_and_encoding_gives_the_same_bytes(content: bytes):
    try:
        file = TextFile.decode(content)
    except EditError:
        event("binary")
        assume(b"\0" not in content)
        raise
    assert file.encode(file.text) == content
    assert file.to_bytes(file.raw) == content
    valid(file.text).encode()
    assert "\r" not in file.text
    assert "\0" not in file.text
    assert len(file.endings) == file.text.count("\n")


@given(content=contents(), new=st.text(st.sampled_from("xy \n"), max_size=9), pick=st.data())
@settings(max_examples=400, deadline=None)
def test_every_byte_outside_a_span_is_unchanged(content: bytes, new: str, pick: st.DataObject):
    file = TextFile.decode(content)
    start = pick.draw(st.integers(0, len(file.text)))
    end = pick.draw(st.integers(start, len(file.text)))
    pieces = units(file)
    head = file.to_bytes("".join(pieces[:start]))
    tail = file.to_bytes("".join(pieces[end:])).removeprefix(file.bom)
    after = file.splice([Span(start, end, new)])
    assert after.startswith(head)
    assert after.endswith(tail)
    middle = after[len(head) : len(after) - len(tail)].decode(file.encoding)
    assert middle.replace("\r\n", "\n").replace("\r", "\n") == new
    # "\r" before a "\n" that stays is written "\r\n": else two line ends would become one
    assert set(TextFile.decode(middle.encode()).endings) <= {
        *(file.endings or ["\n"]),
        "\r\n" if "\r" in middle else "",
    }


@given(content=contents(), pick=st.data())
@settings(max_examples=200, deadline=None)
def test_several_spans_are_as_one_after_the_other(content: bytes, pick: st.DataObject):
    file = TextFile.decode(content)
    places = sorted(pick.draw(st.lists(st.integers(0, len(file.text)), min_size=4, max_size=4)))
    first, second = Span(places[0], places[1], "x"), Span(places[2], places[3], "y")
    assert file.changed([second]).splice([first]) == file.splice([first, second])


@given(content=contents(), pick=st.data())
@settings(max_examples=200, deadline=None)
def test_encoding_a_text_with_one_changed_line_keeps_the_other_lines(content: bytes, pick: st.DataObject):
    file = TextFile.decode(content)
    lines = file.text.split("\n")
    changed = pick.draw(st.integers(0, len(lines) - 1))
    ends = [*file.endings, ""]
    wanted = [line + end for line, end in zip(lines, ends, strict=True)]
    lines[changed] = wanted[changed] = "unique"
    wanted[changed] += ends[changed]
    assert file.encode("\n".join(lines)) == file.to_bytes("".join(wanted))


@pytest.mark.parametrize("encoding", ["cp1251", "koi8-r", "shift_jis", "gb18030", "euc_jp", "big5", "euc_kr"])
def test_common_encodings_are_detected_among_much_ascii(encoding: str):
    said = {"cp1251": "Привет, мир, как дела?", "koi8-r": "Привет мир, это проверка кодировки"}
    said |= {
        "gb18030": "你好，世界，这是一个测试",
        "big5": "你好，世界，這是一個測試",
        "euc_kr": "안녕하세요 세계 테스트입니다",
    }
    text = "x = 1\n" * 300 + f"# {said.get(encoding, '日本語のテキスト')}\n" + "y = 2\n" * 300
    assert TextFile.decode(text.encode(encoding)).text == text


@pytest.mark.parametrize("text", ["café\n", "# Größe der Fläche\n", "© 2020 Foo\n", "20 °C ± 1 µm"])
def test_a_few_western_letters_are_latin_1(text: str):
    assert TextFile.decode(text.encode("latin-1")).text == text


def test_windows_quotes_are_read_as_such():
    assert TextFile.decode(b"He said \x93hello\x94 \x96 yes\n").text == "He said “hello” – yes\n"


@pytest.mark.parametrize("content", [b"a\0b", b"\x89PNG\r\n\x1a\n\0\0", "x\n".encode("utf-16-le"), b"\xff\xfea\0\0\0"])
def test_binary_content_is_unsupported(content: bytes):
    with pytest.raises(EditError, match="binary") as caught:
        TextFile.decode(content)
    assert caught.value.kind == "unsupported"


def test_a_letter_that_the_encoding_lacks_is_named():
    file = TextFile.decode(b"caf\xe9\n")
    with pytest.raises(EditError, match=r"→.*RIGHTWARDS ARROW.*latin-1") as caught:
        file.encode("→\n")
    assert caught.value.kind == "invalid_argument"


def test_damaged_utf_8_is_read_and_changed_as_utf_8_and_keeps_its_invalid_bytes():
    content = "é ü →\n".encode() + b"a\xffb\xc3\n"
    file = TextFile.decode(content)
    assert (file.encoding, file.is_damaged) == ("utf-8", True)
    assert file.text.startswith("é ü →\n")
    assert valid(file.text) == "é ü →\na\\xffb\\xc3\n"
    assert file.encode(file.text) == content
    assert replace(file, "ü →", "ö ←").after == "é ö ←\n".encode() + b"a\xffb\xc3\n"


def test_no_further_invalid_byte_can_be_written():
    file = TextFile.decode("é ü →\n".encode() + b"\xff\n")
    assert file.splice([Span(0, 0, "\udcff")])[:1] == b"\xff"  # one that it has may move
    for new in ("\udcfe", "\ud800"):
        with pytest.raises(EditError, match="surrogate"):
            file.splice([Span(0, 0, new)])


def test_errors_are_valid_text():
    file = TextFile.decode("é ü →\n".encode() + b"same \xff\nsame \xff\n")
    for old in ("same", "é ü →\nother"):
        with pytest.raises(EditError) as caught:
            replace(file, old, "x")
        str(caught.value).encode()
        assert "\\xff" in str(caught.value)


@pytest.mark.parametrize(
    ("before", "after", "wanted"),
    [
        pytest.param(b"a\r\nb\r\n", "a\nx\nb\n", b"a\r\nx\r\nb\r\n", id="the ending of the file"),
        pytest.param(b"a", "a\nb", b"a\nb", id="no ending known"),
        pytest.param(b"a\r\nb\nc\n", "a\nb\nx\nc\n", b"a\r\nb\nx\nc\n", id="the ending of the neighbour"),
        pytest.param(b"a\nb\r\n", "b\n", b"b\r\n", id="the ending goes with its line"),
        pytest.param(b"a\r\nb", "a\r\nb\r\nc", b"a\r\nb\r\nc", id="explicit endings"),
        pytest.param(b"a\nb\n", "a\nb\nx\r\ny", b"a\nb\nx\r\ny", id="explicit endings in an LF file"),
    ],
)
def test_new_lines_end_like_their_neighbours(before: bytes, after: str, wanted: bytes):
    assert TextFile.decode(before).encode(after) == wanted


def test_the_dominant_ending():
    assert TextFile.decode(b"a\r\nb\nc\r\n").ending == "\r\n"
    assert TextFile.decode(b"a").ending == "\n"


def test_a_great_change_of_a_file_with_mixed_endings_keeps_head_and_tail():
    lines = [f"line {number}" for number in range(6000)]
    content = "".join(line + ("\r\n" if number % 2 else "\n") for number, line in enumerate(lines)).encode()
    file = TextFile.decode(content)
    after = file.encode("\n".join([*lines[:10], *["new"] * 5000, *lines[-10:]]) + "\n")
    assert after.startswith(content[:70])
    assert after.endswith(content[-90:])


@pytest.mark.parametrize(
    ("before", "span", "wanted"),
    [
        pytest.param(b"a\r\nb\n", Span(1, 1, "\nx"), b"a\r\nx\r\nb\n", id="a line is split"),
        pytest.param(b"a\nb\r\nc", Span(5, 5, "\nx"), b"a\nb\r\nc\r\nx", id="after the last line"),
        pytest.param(b"a\rb\n", Span(2, 3, ""), b"a\r\n", id="no byte around it changes"),
        pytest.param(b"a\rb\n", Span(1, 3, "\n"), b"a\r\n\n", id="CR and LF stay two line ends"),
        pytest.param(b"a\rb\nc\n", Span(2, 3, "\n"), b"a\r\r\n\nc\n", id="LF after CR stays its own"),
    ],
)
def test_endings_within_a_span(before: bytes, span: Span, wanted: bytes):
    assert TextFile.decode(before).splice([span]) == wanted

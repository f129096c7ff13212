"""Bodies of strangers: whatever they are, they become text or an answer that says what they are."""

import pytest
from a3s_code_tools.charset import decoded
from a3s_code_tools.page import PageKind, kind_of, media_type_of, refresh_of
from a3s_code_tools.reader_child import markdown_of, plain_text_of
from hypothesis import given, settings
from hypothesis import strategies as st

URL = "https://example.com/a/b"
TAGS = st.sampled_from(["<p>", "</p>", "<table>", "<tr><td>", "<ul><li>", "<!--", "-->", "<![CDATA[", "<a href=x>"])
CHARSETS = st.sampled_from(["", "utf-8", "latin1", "utf-16", "gbk", "hex", "\0", "idna", "x" * 99])
SOUP = st.lists(st.one_of(TAGS, st.text(max_size=5)), max_size=30).map("".join)


@given(st.binary(max_size=200), CHARSETS)
@settings(deadline=None)
def test_any_bytes_become_text(body: bytes, charset: str):
    decoded(body, charset).encode("utf-8")


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=200))
def test_utf8_is_text_as_it_is(text: str):
    assert decoded(text.encode(), "utf-8") == text.removeprefix("\ufeff")


@given(SOUP)
@settings(deadline=None)
def test_any_markup_becomes_text(markup: str):
    html = markup.encode("utf-8", "replace").decode()
    assert isinstance(markdown_of(html, URL), str)
    assert isinstance(plain_text_of(html, URL), str)
    refresh_of(html, URL)


@given(st.text(max_size=30), st.binary(max_size=50))
def test_any_body_has_a_kind(media_type: str, body: bytes):
    assert isinstance(kind_of(media_type, body), PageKind)


@pytest.mark.parametrize("charset", ["utf-16", "UTF-16LE", "utf-16be"])
def test_utf16_that_only_the_server_names_is_text(charset: str):
    body = "<p>héllo".encode("utf-16-be" if charset == "utf-16be" else "utf-16-le")
    assert kind_of("text/html", body, charset) is PageKind.HTML
    assert kind_of("text/html", body) is PageKind.BINARY
    assert decoded(body, charset) == "<p>héllo"


def test_what_is_nested_too_deeply_is_said_to_be_left_out():
    assert "nested too deeply" in markdown_of("<div>" * 5000 + "x" + "</div>" * 5000, URL)


def test_links_are_relative_to_the_base_of_the_page():
    assert (
        markdown_of('<base href="https://other.example/q/"><a href="z">l</a>', URL) == "[l](https://other.example/q/z)"
    )


def test_the_parts_of_a_content_type_are_found():
    assert media_type_of('Text/HTML; x=1; Charset="UTF-8"') == ("text/html", "UTF-8")
    assert media_type_of("") == ("", "")

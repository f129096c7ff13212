"""Secrets in addresses are not shown, and one page has one key."""

import pytest
from a3s_code_tools.addresses import page_key, shown_url
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:pass@example.com/a", "https://example.com/a"),
        ("https://example.com/?q=tea&access_token=abc&page=2", "https://example.com/?q=tea&access_token=***&page=2"),
        ("https://example.com/?X-Amz-Signature=ab%20c", "https://example.com/?X-Amz-Signature=***"),
        ("https://example.com/?api%5Fkey=abc;sig=1", "https://example.com/?api%5Fkey=***;sig=***"),
        ("https://example.com/#id_token=abc&state=1", "https://example.com/#id_token=***&state=1"),
        ("https://example.com/?keyboard=qwerty&q=a@b", "https://example.com/?keyboard=qwerty&q=a@b"),
        ("https://example.com/token=abc", "https://example.com/token=abc"),
    ],
)
def test_secrets_are_not_shown(url: str, shown: str):
    assert shown_url(url) == shown


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/a/",
        "https://www.example.com/a",
        "https://EXAMPLE.com:443/a#part",
        "https://example.com/a?utm_source=x&fbclid=1",
        "https://example.com./%61",
    ],
)
def test_addresses_of_one_page_have_one_key(url: str):
    assert page_key(url) == "example.com/a"


@pytest.mark.parametrize("url", ["javascript:alert(1)", "mailto:a@b.example", "", "/a", "http://[x", "http://a:99999/"])
def test_what_is_no_page_has_no_key(url: str):
    assert page_key(url) is None


def test_other_pages_have_other_keys():
    urls = ["http://a.example/a", "http://b.example/a", "http://a.example/b", "http://a.example/a?q=1"]
    assert len({page_key(url) for url in [*urls, "http://a.example:8080/a"]}) == 5


@given(st.text(max_size=60))
def test_any_text_can_be_asked_about(text: str):
    for url in (text, f"https://example.com/{text}", f"https://{text}/"):
        page_key(url)
        shown_url(url)

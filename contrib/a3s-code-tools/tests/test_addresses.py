"""Secrets in addresses are not shown, one address has one spelling for rules, and one page has one key."""

import pytest
from a3s_code_tools.addresses import host_of, one_line_url, page_key, plain_url, shown_url
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
        ("https://example.com/?a?token=abc", "https://example.com/?a?token=***"),
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


def test_a_hostile_address_is_shown_at_once():
    """When the time is quadratic in the number of question marks, this one takes minutes."""
    hostile = "https://example.com/" + "?" * 200_000
    assert shown_url(hostile) == hostile


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "HTTPS://Example.COM:443/",
        "https://example.com.:0443/#part",
        "https://example.com#/a",
        "https://example.com/a/b/../..",
        "https://example.com/a/%2E./",
        "https://example.com/./",
    ],
)
def test_rules_see_one_spelling_of_an_address(url: str):
    assert plain_url(url) == "https://example.com/"


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com:8443/A/b?Q=/../x",
        "http://example.com:443/",
        "http://[2606:4700::1111]:8080/",
        "https://example.com/?x",
        "https://example.com//a/",
        "https://example.com/a...b/",
        "ftp://Example.com",
        "http://a:b:1/",
        "",
    ],
)
def test_what_tells_addresses_apart_is_left_to_rules(url: str):
    assert plain_url(url) == url


def test_an_address_is_one_line_of_valid_text():
    assert one_line_url(" https://a.example/\n2. b\u2028\x1b\ud800é ") == "https://a.example/%0A2.%20b%E2%80%A8%1B%3Fé"


@given(st.text(st.characters(categories=None), max_size=60))
def test_any_text_can_be_asked_about(text: str):
    for url in (text, f"https://example.com/{text}", f"https://{text}/", f"https://example.com/?a={text}"):
        page_key(url)
        shown_url(url)
        assert plain_url(plain_url(url)) == plain_url(url)
        assert one_line_url(url).encode().splitlines() in ([], [one_line_url(url).encode()])


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://WWW.Site.example/a", "site.example"),
        ("http://site.example:443/", "site.example"),
        ("http://site.example.:8080/", "site.example:8080"),
        ("file:///etc/passwd", None),
    ],
)
def test_the_host_is_told_without_www_and_the_usual_ports(url: str, host: str | None):
    assert host_of(url) == host

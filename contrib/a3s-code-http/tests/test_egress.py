"""The gate refuses whatever is not provably allowed, and lets the public web pass."""

import asyncio
import contextlib
import json
from collections.abc import Sequence
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from a3s_code_http.egress import admit, follow, is_public, parse
from hypothesis import example, given
from hypothesis import strategies as st

from a3s_code.plugin import ToolError, ToolErrorKind

CORPUS = Path(__file__).parents[3] / "tests" / "corpus" / "urls.jsonl"
ROWS = [json.loads(line) for line in CORPUS.read_text("utf-8").splitlines()]
PUBLIC = "93.184.215.14"


class ScriptedResolver:
    """Gives the next answer at each look-up; the last one again and again."""

    def __init__(self, *answers: Sequence[str]):
        self.answers = list(answers)
        self.lookups = 0

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.lookups += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


async def walk(row: dict, resolver: ScriptedResolver) -> None:
    address = parse(row["url"])
    await admit(address, resolver)
    for location in row["redirects"]:
        address = follow(address, location)
        await admit(address, resolver)


@pytest.mark.parametrize(
    ("url", "is_same"),
    [
        ("https://a.example/x", True),
        ("http://www.a.example/", True),
        ("http://a.example:443/", True),
        ("https://a.example:8443/", False),
        ("https://b.a.example/", False),
        ("https://a.example.evil.example/", False),
        ("https://wwwa.example/", False),
    ],
)
def test_a_host_is_the_same_with_and_without_www_on_the_usual_ports(url: str, is_same: bool):
    assert parse(url).is_at(parse("https://a.example/")) is is_same
    assert parse("https://a.example/").is_at(parse(url)) is is_same


def answer(row: dict) -> str:
    answers = row["resolves_to"]
    resolver = ScriptedResolver(*answers) if isinstance(answers[0], list) else ScriptedResolver(answers)
    try:
        asyncio.run(walk(row, resolver))
    except ToolError as refusal:
        return "refused" if refusal.kind is ToolErrorKind.DENIED else str(refusal.kind)
    return "allowed"


@pytest.mark.parametrize("row", [pytest.param(row, id=row["id"]) for row in ROWS])
def test_the_corpus_is_answered_as_expected(row: dict):
    assert answer(row) in {row["expect"], *row["also_ok"]}, row["why"]


def admitted(url: str, *answers: str) -> tuple[str, ...]:
    return asyncio.run(admit(parse(url), ScriptedResolver(answers or (PUBLIC,))))


@pytest.mark.parametrize(
    "address",
    [
        "::ffff:10.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "2001:0:53aa:64c:0:7a3e:f5ff:fffe",
        "ff02::1",
        "1.2.3",
        "224.0.0.1",
        "255.255.255.255",
        "fe80::1%eth0",
        "::ffff:127.0.0.1%1",
        "::ffff:8.8.8.8%1",
        "4000::1",
        "::",
        "5f00::1",
        "2606:4700::5efe:10.0.0.1",
        "2606:4700::200:5efe:a00:1",
    ],
)
def test_an_address_that_is_not_public_is_known(address: str):
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2606:4700::5efe:8.8.8.8"]
)
def test_a_public_address_is_known(address: str):
    assert is_public(address)


@given(st.integers(0, 2**32 - 1))
@example(int(IPv4Address("168.63.129.16")))
def test_wrapping_never_changes_whether_an_address_is_public(number: int):
    plain = IPv4Address(number)
    wrapped = [f"::ffff:{plain}", f"64:ff9b::{number >> 16:x}:{number & 0xFFFF:x}"]
    assert {is_public(str(plain))} == {is_public(form) for form in wrapped}


ANY_TEXT = st.text(st.characters(categories=None), max_size=40)  # halves of characters, too


@given(ANY_TEXT)
@example("\ud800")
@example("http\u017f://example.com/")  # a letter that equals "s" where case does not count
@example("/" + "a" * 70_000)
def test_no_text_escapes_as_another_error(text: str):
    for url in (text, f"http://{text}/", f"https://example.com{text}"):
        try:
            address = parse(url)
        except ToolError:
            continue
        else:
            assert parse(address.url) == address


@given(ANY_TEXT)
@example("http://[")
@example("//\u2100")
def test_no_redirect_escapes_as_another_error(location: str):
    with contextlib.suppress(ToolError):
        follow(parse("https://example.com/a"), location)


@pytest.mark.parametrize("url", ["http://example\u3002com/", "http://127\uff0e0.0.1/", "http://example.com\uff61/"])
def test_what_only_some_take_for_a_dot_is_refused(url: str):
    with pytest.raises(ToolError, match="host names"):
        parse(url)


@pytest.mark.parametrize("host", ["8.8.2056", "8.525320", "134744072", "0x8.8.8.8", "010.8.8.8", "8.8.8.8.8", "a.0x08"])
def test_a_number_that_is_no_plain_address_is_refused(host: str):
    """The system would look most of them up as the public 8.8.8.8."""
    with pytest.raises(ToolError, match="four decimal numbers"):
        parse(f"http://{host}/")


@pytest.mark.parametrize("location", ["/a\tb", "/a\nb", "//exam\tple.com/", "/a b", "\\\\example.com"])
def test_a_redirect_with_forbidden_characters_is_refused(location: str):
    with pytest.raises(ToolError, match="redirect's address"):
        follow(parse("https://example.com/"), location)


@pytest.mark.parametrize("path", ["a" * 20_000, "\u00e4" * 3_000])
def test_an_address_that_is_too_long_is_refused(path: str):
    with pytest.raises(ToolError, match="longer than 16,384 characters"):
        parse(f"https://example.com/{path}")


def test_every_answer_must_be_public():
    with pytest.raises(ToolError, match=r"leads to 10\.0\.0\.1"):
        admitted("http://example.com/", PUBLIC, "10.0.0.1")


def test_no_answer_is_a_refusal():
    with pytest.raises(ToolError, match="no address"):
        asyncio.run(admit(parse("http://example.com/"), ScriptedResolver(())))


def test_a_name_is_looked_up_once():
    resolver = ScriptedResolver([PUBLIC], ["127.0.0.1"])
    assert asyncio.run(admit(parse("http://example.com/"), resolver)) == (PUBLIC,)
    assert resolver.lookups == 1


@pytest.mark.parametrize("url", ["http://localhost/", "http://router/", "http://db.internal/", "http://x.local/"])
def test_names_that_are_not_public_are_not_even_looked_up(url: str):
    resolver = ScriptedResolver([PUBLIC])
    with pytest.raises(ToolError):
        asyncio.run(admit(parse(url), resolver))
    assert resolver.lookups == 0


def test_international_names_and_paths_are_written_in_ascii():
    address = parse("HTTPS://Bücher.example/ä?q=ö%20&r=1#part")
    assert address.url == "https://xn--bcher-kva.example/%C3%A4?q=%C3%B6%20&r=1"


@pytest.mark.parametrize("url", ["http://a.example:22/", "http://a.example:6379/", "http://a.example:25/"])
def test_ports_of_other_services_are_refused(url: str):
    with pytest.raises(ToolError, match="port"):
        admitted(url)

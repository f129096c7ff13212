"""Secrets do not get out, code stays as it is, and streaming changes nothing."""

import asyncio
import json
import resource
import secrets
import subprocess
import sys
from pathlib import Path

import pytest
from a3s_code_guard.plugin import CustomPattern, SecurityConfig, default_security, no_security
from a3s_code_guard.security import DefaultSecurityProvider
from hypothesis import given, settings
from hypothesis import strategies as st

from a3s_code.plugin import PluginError, SecurityProvider

CORPUS = Path(__file__).parent / "corpus" / "redaction.py"


def corpus(seed: int) -> list[dict]:
    printed = subprocess.run([sys.executable, CORPUS, str(seed)], capture_output=True, text=True, check=True).stdout
    return [json.loads(line) for line in printed.splitlines()]


ROWS = corpus(1)
TEXTS = [row["text"] for row in ROWS]
provider = DefaultSecurityProvider()


def leaks(row: dict) -> bool:
    """Whether more than a tenth of a secret is still there."""
    cleaned = provider.sanitize_output(row["text"])
    for span in row["spans"]:
        value = span["value"]
        tenth = len(value) // 10 + 1
        pieces = (value[at : at + tenth] for at in range(0, len(value) - tenth + 1, tenth))
        if sum(piece in cleaned for piece in pieces if len(piece) > 3) > 1 or value in cleaned:
            return True
    return False


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nearly_all_secrets_of_the_corpus_are_redacted(seed: int, record_property):
    rows = [row for row in corpus(seed) if row["label"] == "positive" and not row.get("optional")]
    missed = [row["id"] for row in rows if leaks(row)]
    record_property("recall", 1 - len(missed) / len(rows))

    assert len(missed) <= 0.02 * len(rows), missed


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nothing_harmless_of_the_corpus_is_changed(seed: int):
    changed = [
        row["id"]
        for row in corpus(seed)
        if row["label"] == "negative" and provider.sanitize_output(row["text"]) != row["text"]
    ]

    assert changed == []


def test_ordinary_source_code_is_not_changed():
    for path in (
        Path(asyncio.__file__).parent / "base_events.py",
        Path(asyncio.__file__).parent / "tasks.py",
        Path(secrets.__file__),
        Path(pytest.__file__),
    ):
        source = path.read_text()

        assert provider.sanitize_output(source) == source


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        pytest.param("ssn 123-45-6789.", "ssn [REDACTED:SSN].", id="ssn"),
        pytest.param("mail jane@example.com", "mail [REDACTED:EMAIL]", id="email"),
        pytest.param("pay 4111 1111 1111 1111 now", "pay [REDACTED:CC] now", id="card"),
        pytest.param("pay 4111 1111 1111 1112 now", "pay 4111 1111 1111 1112 now", id="card-with-wrong-check-digit"),
        pytest.param("AK" + "IAFAKEFAKEFAKE2345", "[REDACTED:AWS_KEY]", id="aws"),
        pytest.param("gh" + "p_" + "a1" * 18, "[REDACTED:GITHUB_TOKEN]", id="github"),
        pytest.param("sk-" + "ant-api03-" + "a1-_" * 10, "[REDACTED:API_KEY]", id="anthropic"),
        pytest.param("postgres://u:s3cr3tpw@db/x", "postgres://u:[REDACTED:PASSWORD]@db/x", id="connection"),
        pytest.param('{"token": "Ab3dE6gH9jK2"}', '{"token": "[REDACTED:SECRET]"}', id="assigned"),
    ],
)
def test_each_kind_gets_its_label(text: str, cleaned: str):
    assert provider.sanitize_output(text) == cleaned


def test_a_private_key_cut_off_by_the_end_of_the_output_is_redacted():
    text = "-----BEGIN RSA PRIVATE KEY-----\n" + ("A" * 64 + "\n") * 3

    assert provider.sanitize_output(text) == "[REDACTED:PRIVATE_KEY]"


@settings(deadline=None)
@given(st.lists(st.sampled_from([*TEXTS, " ", "\n", "[REDACTED:SSN]"]), min_size=1, max_size=4))
def test_sanitising_twice_changes_nothing_more(texts: list[str]):
    once = provider.sanitize_output("".join(texts))

    assert provider.sanitize_output(once) == once


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from(TEXTS), min_size=1, max_size=4),
    st.sampled_from(["", " ", "\n", "\n\n"]),
    st.lists(st.integers(1, 60), min_size=1, max_size=30),
)
def test_a_stream_shows_the_same_as_the_whole_text(texts: list[str], glue: str, sizes: list[int]):
    whole = glue.join(texts)
    shown, waiting, at = "", "", 0
    while at < len(whole):
        size = sizes[at % len(sizes)]
        waiting += whole[at : at + size]
        at += size
        safe = provider.safe_length(waiting)
        shown += provider.sanitize_output(waiting[:safe])
        waiting = waiting[safe:]

    assert shown + provider.sanitize_output(waiting) == provider.sanitize_output(whole)


@settings(max_examples=300, deadline=None)
@given(
    st.text(alphabet=st.sampled_from("ab1 4-\n\"'=:@./_[]\\"), max_size=80),
    st.lists(st.sampled_from(TEXTS), max_size=2),
    st.integers(0, 400),
)
def test_a_safe_head_does_not_depend_on_what_follows(noise: str, texts: list[str], cut: int):
    whole = noise.join(["", *texts, ""])
    safe = provider.safe_length(whole[:cut])
    apart = provider.sanitize_output(whole[:safe]) + provider.sanitize_output(whole[safe:])

    assert apart == provider.sanitize_output(whole)


def test_a_key_behind_another_secret_is_held_back_with_its_line():
    whole = "private_token: FAKE95Ofu4B6dFNTHhaP3DRp-----BEGIN PRIVATE KEY-----\n" + "A" * 64
    safe = provider.safe_length(whole)

    assert provider.sanitize_output(whole[:safe]) + provider.sanitize_output(whole[safe:]) == provider.sanitize_output(
        whole
    )


def test_prose_is_streamed_word_by_word():
    assert provider.safe_length("The quick brown fo") == len("The quick brown ")


@settings(deadline=None)
@given(st.lists(st.sampled_from(TEXTS), min_size=1, max_size=3), st.integers(0, 300))
def test_custom_patterns_stream_too(texts: list[str], cut: int):
    custom = DefaultSecurityProvider([CustomPattern(name="words", regex=r"(?<=a)\w+ \w+", label="WORDS")])
    whole = " ".join(texts)
    safe = custom.safe_length(whole[:cut])

    assert custom.sanitize_output(whole[:safe]) + custom.sanitize_output(whole[safe:]) == custom.sanitize_output(whole)


ADVERSARIAL = [
    "a",
    "eyJ",
    "eyJa.",
    "-----BEGIN PRIVATE KEY-----",
    "-----BEGIN PRIVATE KEY-----\\n",
    "a@",
    "a.",
    "1 ",
    "1-",
    "4111 ",
    "password",
    "password=",
    "token='a",
    "://a:",
    "curl -u ",
    "mysql -p",
    "cookie: a=b;",
    "Aa1",
    "<a",
    "bearer ",
    " ",
    "key= ",
    "123-45-6789 ",
    "jane@example.com ",
    "[REDACTED:SSN]",
]


def test_a_megabyte_of_anything_is_a_bounded_amount_of_work():
    """Each text gets ten seconds of processor time, which quadratic work on a megabyte would exceed a hundredfold."""
    program = (
        "import sys; from a3s_code_guard.security import DefaultSecurityProvider as P; p = P(); s = sys.argv[1];"
        "t = (s * (2**20 // len(s) + 1))[: 2**20]; p.sanitize_output(t); p.safe_length(t)"
    )
    for seed in ADVERSARIAL:
        subprocess.run(
            [sys.executable, "-c", program, seed],
            check=True,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (10, 10)),
        )


def test_taint_keeps_hashes_not_values():
    tainting = DefaultSecurityProvider()
    tainting.taint_input("my ssn is 123-45-6789")

    (entry,) = tainting.tainted
    assert entry.startswith("ssn:")
    assert "123-45-6789" not in entry


def test_wipe_forgets_what_was_noted():
    tainting = DefaultSecurityProvider()
    tainting.taint_input("my ssn is 123-45-6789")
    tainting.wipe()

    assert tainting.tainted == frozenset()


def test_a_broken_custom_pattern_is_named_when_the_provider_is_opened():
    config = SecurityConfig(custom_patterns=(CustomPattern(name="badge", regex="(", label="BADGE"),))

    with pytest.raises(PluginError, match=r'"badge".*no regular expression'):
        default_security(config)


def test_the_provider_none_changes_nothing():
    open_provider = no_security()

    assert open_provider.sanitize_output("123-45-6789") == "123-45-6789"
    assert open_provider.safe_length("123") == 3


def test_both_fill_the_point():
    assert isinstance(default_security(SecurityConfig()), SecurityProvider)
    assert isinstance(no_security(), SecurityProvider)

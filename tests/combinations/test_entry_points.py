"""Each environment of the matrix sees exactly the offers of the distributions it installs."""

import os

import pytest

from a3s_code.plugins import OFFICIAL, scan

ENVIRONMENT = os.environ.get("A3S_CODE_TEST_ENV", "")

CORE = {"a3s-code-core"}
AGENT = CORE | {"a3s-code-guard", "a3s-code-hooks", "a3s-code-http", "a3s-code-storage", "a3s-code-tools"}
ALL = AGENT | {
    "a3s-code-anthropic",
    "a3s-code-context",
    "a3s-code-mcp",
    "a3s-code-openai",
    "a3s-code-planning",
    "a3s-code-skills",
    "a3s-code-terminal",
}
EXPECTED = {
    "core": CORE,
    "anthropic": AGENT | {"a3s-code-anthropic"},
    "openai": AGENT | {"a3s-code-openai"},
    "all": ALL,
    "lanes1": ALL,
    "wheel": ALL,
}


@pytest.mark.skipif(ENVIRONMENT not in EXPECTED, reason="the environment is not one of the matrix; tox sets its name")
def test_the_environment_offers_what_it_installs_and_nothing_else():
    offering = {offer.origin.distribution for offer in scan().offers}

    assert offering == EXPECTED[ENVIRONMENT]


@pytest.mark.skipif(ENVIRONMENT != "core", reason="only the environment core has no plugins")
def test_the_kernel_alone_offers_only_its_scripted_client_and_tool_command():
    assert {offer.id for offer in scan().offers} == {"llm_client:scripted", "session_command:tool"}


def test_every_offer_here_is_official():
    assert {offer.origin.distribution for offer in scan().offers} <= OFFICIAL

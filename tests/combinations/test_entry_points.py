"""Each environment of the matrix sees exactly the offers of the distributions it installs."""

import os
import tomllib
from pathlib import Path

import pytest

from a3s_code.plugins import OFFICIAL, scan

ROOT = Path(__file__).parents[2]
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


def published(distribution: str) -> set[str]:
    """The entry points that a distribution of this checkout publishes, as ids."""
    folder = ROOT if distribution == "a3s-code-core" else ROOT / "contrib" / distribution
    groups = tomllib.loads((folder / "pyproject.toml").read_text())["project"].get("entry-points", {})
    return {
        f"{group.removeprefix('a3s_code.')}:{name}"
        for group, names in groups.items()
        if group.startswith("a3s_code.")
        for name in names
    }


@pytest.mark.skipif(ENVIRONMENT not in EXPECTED, reason="the environment is not one of the matrix; tox sets its name")
def test_the_environment_sees_exactly_the_entry_points_of_what_it_installs():
    offers = scan().offers

    assert {offer.origin.distribution for offer in offers} == EXPECTED[ENVIRONMENT]
    assert {offer.id for offer in offers} == {id for name in EXPECTED[ENVIRONMENT] for id in published(name)}
    assert len(offers) == len({offer.id for offer in offers})


@pytest.mark.skipif(ENVIRONMENT != "core", reason="only the environment core has no plugins")
def test_the_kernel_alone_offers_only_its_scripted_client_and_tool_command():
    assert {offer.id for offer in scan().offers} == {"llm_client:scripted", "session_command:tool"}


def test_every_offer_here_is_official():
    assert {offer.origin.distribution for offer in scan().offers} <= OFFICIAL

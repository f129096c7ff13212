"""The kernel without plugins starts, lists, and says what to install."""

import asyncio
import subprocess
import sys

import pytest

import a3s_code
from a3s_code.errors import PluginError
from a3s_code.plugins import scan

ALONE = not any(offer.origin.distribution == "a3s-code-tools" for offer in scan().offers)
alone = pytest.mark.skipif(not ALONE, reason="needs an environment with the kernel only (tox -e core)")

CONFIG = 'default_model = "anthropic/claude-sonnet-4-20250514"\nproviders {\n  name = "anthropic"\n}\n'


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "a3s_code", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def test_it_says_its_version():
    assert run("--version").stdout.strip() == f"a3s-code {a3s_code.__version__}"


def test_it_lists_what_is_offered():
    answer = run("plugins", "list")

    assert answer.returncode == 0
    assert "session_command" in answer.stdout


@alone
def test_a_session_names_the_distribution_that_is_missing(tmp_path):
    async def send() -> None:
        async with a3s_code.AsyncAgent(CONFIG) as agent:
            await agent.session(tmp_path).send("hello")

    with pytest.raises(PluginError, match="pip install a3s-code-storage"):
        asyncio.run(send())


@alone
def test_a_name_of_a_default_plugin_says_what_to_install():
    with pytest.raises(ImportError, match="pip install a3s-code-guard"):
        from a3s_code import PermissionPolicy  # noqa: F401 # the import is the test

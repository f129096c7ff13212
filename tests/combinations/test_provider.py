"""With one provider installed a prompt runs over real HTTP; the provider that is not installed is named."""

import asyncio

import pytest

from a3s_code.plugins import scan

CLIENTS = {offer.name for offer in scan().of("llm_client")} & {"anthropic", "openai"}
HAS_AGENT = any(offer.origin.distribution == "a3s-code-tools" for offer in scan().offers)
HAS_TESTING = bool(__import__("importlib.util").util.find_spec("a3s_code_testing"))

pytestmark = pytest.mark.skipif(not (CLIENTS and HAS_AGENT and HAS_TESTING), reason="needs a provider and the tools")


def config(provider: str, url: str) -> str:
    base_url = f"{url}/v1" if provider == "openai" else url
    return f"""
default_model = "{provider}/some-model"
storage_backend = "memory"
providers {{
  name     = "{provider}"
  api_key  = "key-for-tests"
  base_url = "{base_url}"
}}
"""


@pytest.mark.parametrize("provider", sorted(CLIENTS) or ["none"])
def test_a_prompt_reads_a_file_and_answers(provider, tmp_path):
    from a3s_code_testing.loopback import Call, LoopbackServer, Say

    from a3s_code import AsyncAgent

    (tmp_path / "a.txt").write_text("forty-two\n")

    async def send(url: str) -> str:
        async with AsyncAgent(config(provider, url)) as agent:
            return (await agent.session(tmp_path).send("what does a.txt say?")).text

    with LoopbackServer([Call(("read", {"file_path": "a.txt"})), Say("It says forty-two.")]) as server:
        text = asyncio.run(send(server.url))

        assert text == "It says forty-two."
        assert b"forty-two" in server.requests[1].body


@pytest.mark.skipif(len(CLIENTS) != 1, reason="needs an environment with one provider")
def test_the_other_provider_is_named_with_what_to_install(tmp_path):
    from a3s_code import AsyncAgent
    from a3s_code.errors import PluginError

    (missing,) = {"anthropic", "openai"} - CLIENTS

    async def send() -> None:
        async with AsyncAgent(config(missing, "http://127.0.0.1:9")) as agent:
            await agent.session(tmp_path).send("hello")

    with pytest.raises(PluginError, match="llm_client"):
        asyncio.run(send())

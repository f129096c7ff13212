"""web_fetch and web_search keep the contract of tools."""

from collections.abc import Iterator
from itertools import repeat

import pytest
from a3s_code_http.client import Httpx2Client
from a3s_code_testing.contracts import ToolContract
from a3s_code_testing.loopback import LoopbackServer, Status
from a3s_code_tools.plugin import web_fetch, web_search

from a3s_code.plugin import JsonObject, SearchConfig, Tool

ANSWER = Status(
    200,
    headers={"connection": "close"},  # each test has its own event loop, and nobody closes the client
    body={"results": [{"title": "T", "url": "https://a.example/", "content": "c"}]},
)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackServer]:
    monkeypatch.setattr("a3s_code_http.egress.is_public", lambda answer: answer == "127.0.0.1")
    with LoopbackServer(repeat(ANSWER)) as server:
        yield server


class TestWebFetch(ToolContract):
    @pytest.fixture
    def tool(self) -> Tool:
        async def resolve(host: str, port: int) -> list[str]:
            return ["127.0.0.1"]

        return web_fetch(http_client=Httpx2Client(resolve=resolve))

    @pytest.fixture
    def arguments(self, server: LoopbackServer) -> JsonObject:
        return {"url": f"http://site.example:{server.url.rpartition(':')[2]}/"}

    @pytest.fixture
    def hopeless_arguments(self) -> JsonObject:
        return {"url": "http://localhost/"}


class TestWebSearch(ToolContract):
    @pytest.fixture
    def tool(self, server: LoopbackServer) -> Tool:
        return web_search(config=SearchConfig(searxng_url=server.url), http_client=Httpx2Client())

    @pytest.fixture
    def arguments(self) -> JsonObject:
        return {"query": "tea"}

    @pytest.fixture
    def hopeless_arguments(self) -> JsonObject:
        return {"query": " "}

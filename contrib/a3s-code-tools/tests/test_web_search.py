"""web_search: engines side by side, their failures told, and the real ones against servers on loopback."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest
from a3s_code_http.client import Httpx2Client
from a3s_code_testing.loopback import LoopbackServer, Reset, Status, Turn, refused_url
from a3s_code_tools import web_search
from a3s_code_tools.engines import DdgsEngine, EngineError, SearchEngine, SearxngEngine, WikipediaEngine, engine_named
from a3s_code_tools.ranking import Found
from a3s_code_tools.web_search import WebSearchTool

from a3s_code import Config
from a3s_code.config import load
from a3s_code.plugin import Effects, OtherTarget, SearchConfig, ToolError, ToolErrorKind, ToolOutput, ToolUse

Answer = Sequence[Found] | Exception | asyncio.Event


class FakeEngine:
    """Gives what it is told to give; waits for an event for ever."""

    def __init__(self, answer: Answer):
        self.answer = answer
        self.asked: list[tuple[str, int, float]] = []

    async def search(self, query: str, limit: int, *, timeout_s: float) -> Sequence[Found]:
        self.asked.append((query, limit, timeout_s))
        if isinstance(self.answer, Exception):
            raise self.answer
        if isinstance(self.answer, asyncio.Event):
            await self.answer.wait()
            return ()
        return self.answer


def page(name: str, title: str = "Title", snippet: str = "Words.") -> Found:
    return Found(title=title, url=f"https://{name}.example/", snippet=snippet)


def config(text: str = "") -> SearchConfig:
    return load(f'default_model = "a/b"\nproviders {{ name = "a" }}\nsearch {{\n{text}\n}}').config.search


class Search:
    """The tool with fake engines and a clock that stands."""

    def __init__(self, use: ToolUse, settings: str = "", **engines: Answer):
        self.now = 100.0
        self.engines = {name: FakeEngine(answer) for name, answer in engines.items()}
        self._use = use
        self.tool = WebSearchTool(Httpx2Client(), config(settings), clock=lambda: self.now, find=self._find)

    def _find(self, name: str) -> SearchEngine:
        if name not in self.engines:
            raise EngineError("there is no such engine", counts=False)
        return self.engines[name]

    def run(self, query: str = "tea", **args: object) -> ToolOutput:
        return asyncio.run(self.tool.run({"query": query, **args}, self._use))

    def refusal(self, query: str = "tea", **args: object) -> ToolError:
        with pytest.raises(ToolError) as caught:
            self.run(query, **args)
        return caught.value


def test_a_query_goes_into_the_open_world():
    spec = WebSearchTool.spec
    assert spec.effects == Effects.READ_ONLY | Effects.OPEN_WORLD
    assert spec.targets({"query": "tea"}) == (OtherTarget("tea"),)


def test_the_results_of_all_engines_are_one_list(use: ToolUse):
    search = Search(use, wikipedia=[page("a", "Tea", "Leaves")], brave=[page("b", "B"), page("a", "Tea plant")])
    assert search.run(engines="brave, wiki").text == (
        'Search results for "tea" (2 results, 0ms):\n\n'
        "1. Tea plant\n   https://a.example/\n   Leaves\n   (via brave, wikipedia)\n\n"
        "2. B\n   https://b.example/\n   Words.\n   (via brave)"
    )


def test_the_results_come_as_json(use: ToolUse):
    search = Search(use, wikipedia=[page("a", 'A "b" ü')], brave=EngineError("it is tired"))
    answer = json.loads(search.run(engines=["wikipedia", "brave"], format="json").text)
    result = {
        "title": 'A "b" ü',
        "url": "https://a.example/",
        "content": "Words.",
        "engines": ["wikipedia"],
        "score": 1.0,
    }
    assert answer == {
        "query": "tea",
        "duration_ms": 0,
        "engine_errors": {"brave": "it is tired"},
        "results": [result],
    }


def test_no_results_are_an_answer(use: ToolUse):
    search = Search(use, wikipedia=[], brave=EngineError("it is tired"))
    output = search.run(engines="wikipedia,brave")
    assert output.success
    assert output.text == 'No results for "tea" (wikipedia; 0ms)\n\nEngine errors:\n- brave: it is tired'
    assert json.loads(search.run(engines="wikipedia", format="json").text)["results"] == []


def test_that_all_engines_failed_is_an_error(use: ToolUse):
    error = Search(use, wikipedia=EngineError("HTTP 500"), brave=EngineError("it is tired")).refusal(
        engines="wiki,brave"
    )
    assert error.kind is ToolErrorKind.FAILED
    assert str(error).startswith("All search engines failed: brave: it is tired; wikipedia: HTTP 500.")


def test_engines_that_cannot_be_used_are_told_apart_from_failures(use: ToolUse):
    error = Search(use).refusal(engines=["nonsense"])
    assert error.kind is ToolErrorKind.UNSUPPORTED
    assert "No search engine can be used: nonsense: there is no such engine" in str(error)


def test_a_failing_engine_takes_nothing_from_the_others(use: ToolUse):
    text = Search(use, wikipedia=[page("a")], brave=EngineError("it is tired")).run(engines="brave,wikipedia").text
    assert "1. Title" in text
    assert text.endswith("Engine errors:\n- brave: it is tired")


def test_a_slow_engine_takes_nothing_from_the_others(use: ToolUse):
    settings = "engine { brave { timeout = 0.05 } }"
    search = Search(use, settings, wikipedia=[page("a")], brave=asyncio.Event())
    assert "- brave: no answer within 0.05 s" in search.run(engines="brave,wikipedia", timeout=60).text
    assert search.engines["wikipedia"].asked == [("tea", 10, 60)]


def test_the_deadline_of_the_call_counts(use: ToolUse):
    use.deadline_s = 0.05
    search = Search(use, wikipedia=asyncio.Event())
    assert "no answer within 0.05 s" in str(search.refusal(engines="wikipedia"))


def test_an_engine_that_fails_again_and_again_rests(use: ToolUse):
    search = Search(
        use, "health { max_failures = 2\n suspend_seconds = 60 }", wikipedia=[page("a")], brave=EngineError("tired")
    )
    for _ in range(3):
        text = search.run(engines="brave,wikipedia").text
    assert "- brave: it failed 2 times and rests for 60 s more" in text
    assert len(search.engines["brave"].asked) == 2

    search.now += 61
    search.run(engines="brave,wikipedia")
    assert len(search.engines["brave"].asked) == 3
    assert "rests" in search.run(engines="brave,wikipedia").text  # one more failure is enough

    search.now += 61
    search.engines["brave"].answer = [page("b")]
    assert "Engine errors" not in search.run(engines="brave,wikipedia").text
    search.engines["brave"].answer = EngineError("tired")
    search.run(engines="brave,wikipedia")
    assert "- brave: tired" in search.run(engines="brave,wikipedia").text  # it worked, so counting began anew


def test_what_is_missing_does_not_count_as_a_failure(use: ToolUse):
    search = Search(use, "health { max_failures = 1 }", wikipedia=[page("a")])
    for _ in range(3):
        assert "- brave: there is no such engine" in search.run(engines="brave,wikipedia").text


def test_the_engines_of_the_configuration_are_asked_with_their_weights(use: ToolUse):
    settings = "engine { google { enabled = true, weight = 3 }\n ddg { weight = 0.5 }\n bing { enabled = false } }"
    search = Search(use, settings, google=[page("g")], duckduckgo=[page("d")], bing=[page("b")])
    answer = json.loads(search.run(format="json").text)
    assert [(one["engines"], one["score"]) for one in answer["results"]] == [(["google"], 3.0), (["duckduckgo"], 0.5)]
    assert search.engines["bing"].asked == []


def test_an_engine_that_the_configuration_turns_off_stays_off(use: ToolUse):
    search = Search(use, "engine { bing { enabled = false } }", bing=[page("b")])
    assert "bing: the configuration turns it off" in str(search.refusal(engines="bing"))
    assert "none that is enabled" in str(search.refusal())


@pytest.mark.parametrize("installed", [True, False])
def test_without_a_configuration_those_are_asked_that_need_none(use: ToolUse, monkeypatch, installed: bool):
    monkeypatch.setattr(web_search, "has_ddgs", lambda: installed)
    search = Search(use, wikipedia=[page("a")], duckduckgo=[page("b")], searxng=[page("c")])
    search.run()
    assert {name for name, engine in search.engines.items() if engine.asked} == (
        {"duckduckgo", "wikipedia"} if installed else {"wikipedia"}
    )


def test_a_server_of_ones_own_is_asked_alone(use: ToolUse):
    search = Search(use, 'searxng_url = "http://localhost:1"', wikipedia=[page("a")], searxng=[page("c")])
    search.run()
    assert [name for name, engine in search.engines.items() if engine.asked] == ["searxng"]


def test_at_most_limit_results_are_shown(use: ToolUse):
    search = Search(use, wikipedia=[page(f"a{number}") for number in range(30)])
    assert search.run(limit=3, engines="wikipedia").metadata["results"] == 3
    assert search.engines["wikipedia"].asked[0][1] == 3


def test_long_results_fit_into_one_output(use: ToolUse):
    long = [
        Found(title="t" * 9999, url=f"https://a.example/{number}{'u' * 3000}", snippet="s" * 9999)
        for number in range(50)
    ]
    search = Search(use, wikipedia=long)
    assert len(search.run(limit=50, engines="wikipedia").text) < 110_000
    assert len(json.loads(search.run(limit=50, engines="wikipedia", format="json").text)["results"]) < 50


def test_one_page_with_an_endless_address_does_not_hide_the_others(use: ToolUse):
    endless = Found(title="T", url=f"https://a.example/{'u' * 200_000}", snippet="")
    assert "https://b.example/" in Search(use, wikipedia=[endless, page("b")]).run(engines="wikipedia").text


def test_a_long_reason_is_cut(use: ToolUse):
    search = Search(use, wikipedia=[page("a")], brave=EngineError("x" * 100_000))
    assert len(search.run(engines="brave,wikipedia").text) < 2000
    assert len(str(search.refusal(engines="brave"))) < 2000


def test_an_empty_query_is_refused(use: ToolUse):
    assert Search(use).refusal("  ").kind is ToolErrorKind.INVALID_ARGUMENT


def test_an_address_of_searxng_must_be_one():
    with pytest.raises(Exception, match="searxng_url"):
        config('searxng_url = "localhost:8888"')
    assert Config(default_model="a/b").search.searxng_url is None


# --- the engines themselves


@pytest.fixture
def serve() -> Iterator[Callable[..., LoopbackServer]]:
    servers: list[LoopbackServer] = []

    def opened(*turns: Turn) -> LoopbackServer:
        servers.append(LoopbackServer(turns).__enter__())
        return servers[-1]

    yield opened
    for server in servers:
        server.__exit__(None, None, None)


def asked(use: Callable[[Httpx2Client], Awaitable[Sequence[Found]]]) -> Sequence[Found]:
    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    async def main() -> Sequence[Found]:
        client = Httpx2Client(resolve=resolve)
        try:
            return await use(client)
        finally:
            await client.aclose()

    return asyncio.run(main())


def wikipedia(server: LoopbackServer) -> Sequence[Found]:
    address = f"http://wiki.example:{server.url.rpartition(':')[2]}"
    return asked(lambda client: WikipediaEngine(client.public_web(), address).search("a b", 5, timeout_s=10))


def searxng(server: LoopbackServer) -> Sequence[Found]:
    return asked(lambda client: SearxngEngine(client, f"{server.url}/searx/").search("a b", 2, timeout_s=10))


@pytest.fixture
def loopback_is_public(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("a3s_code_http.egress.is_public", lambda answer: answer == "127.0.0.1")


@pytest.mark.usefixtures("loopback_is_public")
def test_wikipedia_is_searched(serve):
    hit = {"title": "Ada (it's) 100%", "snippet": 'The <span class="searchmatch">Ada</span> &amp; more\n', "pageid": 1}
    server = serve(Status(200, body={"batchcomplete": True, "query": {"search": [hit, {"title": "B"}]}}))
    first, second = wikipedia(server)
    assert (first.title, first.snippet) == ("Ada (it's) 100%", "The Ada & more")
    assert first.url.endswith("/wiki/Ada_(it%27s)_100%25")
    assert second.snippet == ""
    request = server.requests[0]
    assert "list=search&srsearch=a+b&srlimit=5&format=json" in request.path
    assert "pypi.org/project/a3s-code-tools" in request.headers["user-agent"]


def test_wikipedia_goes_through_the_gate(serve):
    server = serve(Status(200, body={}))
    with pytest.raises(ToolError) as caught:
        wikipedia(server)
    assert caught.value.kind is ToolErrorKind.DENIED
    assert server.requests == []


@pytest.mark.usefixtures("loopback_is_public")
@pytest.mark.parametrize(
    ("turn", "text"),
    [
        (Status(429), "HTTP 429"),
        (Status(200, body="<html>"), "not JSON"),
        (Status(200, body="[" * 100_000), "not JSON"),
        (Status(200, body="[]"), "not a JSON object"),
        (Status(200, body={"error": {"info": "bad search"}}), "bad search"),
        (Status(200, body=b" " * 3_000_000), "larger than 2,097,152 bytes"),
    ],
)
def test_what_wikipedia_never_answers_is_a_failure(serve, turn: Status, text: str):
    with pytest.raises(EngineError, match=text):
        wikipedia(serve(turn))


@pytest.mark.usefixtures("loopback_is_public")
@pytest.mark.parametrize("body", ['{"query": {"search": [1, null, "x"]}}', '{"query": 5}', "{}"])
def test_an_answer_without_pages_has_no_results(serve, body: str):
    assert list(wikipedia(serve(Status(200, body=body)))) == []


def test_a_searxng_on_this_machine_is_searched(serve):
    hits = [{"title": f"T{number}", "url": f"https://a.example/{number}", "content": "<b>c</b>"} for number in range(3)]
    server = serve(Status(200, body={"results": hits, "unresponsive_engines": [["bing", "timeout"]]}))
    assert searxng(server) == [
        Found(title=f"T{number}", url=f"https://a.example/{number}", snippet="c") for number in range(2)
    ]
    assert server.requests[0].path == "/searx/search?q=a+b&format=json"


def test_a_searxng_whose_engines_are_silent_has_failed(serve):
    body = {"results": [], "unresponsive_engines": [["bing", "timeout"], ["google", "CAPTCHA"]]}
    with pytest.raises(EngineError, match="none of its engines answered: bing timeout, google CAPTCHA"):
        searxng(serve(Status(200, body=body)))
    assert list(searxng(serve(Status(200, body={"results": [], "unresponsive_engines": []})))) == []


def test_hostile_results_are_valid_text_on_their_own_lines(serve):
    body = r"""{"results": [{"title": "a\nb\ud800", "content": "c\r\n2. d",
        "url": "https://a.example/\n2. Another\n   https://b.example/\ud800"}]}"""
    (one,) = searxng(serve(Status(200, body=body)))
    assert (one.title, one.snippet) == ("a b?", "c 2. d")
    assert one.url == "https://a.example/%0A2.%20Another%0A%20%20%20https://b.example/%3F"


@pytest.mark.parametrize("address", ["http://[", "http://me:secret@localhost:8888"])
def test_a_bad_address_of_searxng_is_told_without_its_password(use: ToolUse, address: str):
    tool = WebSearchTool(Httpx2Client(), config(f'searxng_url = "{address}"'))
    with pytest.raises(ToolError, match="address of a server") as caught:
        asyncio.run(tool.run({"query": "tea"}, use))
    assert caught.value.kind is ToolErrorKind.UNSUPPORTED
    assert "secret" not in str(caught.value)


def test_a_broken_character_in_the_query_is_replaced(use: ToolUse):
    search = Search(use, wikipedia=[])
    search.run("tea\ud800", engines="wikipedia")
    assert search.engines["wikipedia"].asked[0][0] == "tea?"


def test_a_query_that_cannot_be_sent_is_not_the_failure_of_an_engine(use: ToolUse):
    tool = WebSearchTool(Httpx2Client(), config("health { max_failures = 1 }"))
    for _ in range(2):
        with pytest.raises(ToolError, match=r"No search engine can be used: wikipedia: .*longer than"):
            asyncio.run(tool.run({"query": "x" * 20_000, "engines": "wikipedia"}, use))


def test_a_searxng_without_json_says_how_to_turn_it_on(serve):
    with pytest.raises(EngineError, match=r"HTTP 403; enable JSON in its settings\.yml"):
        searxng(serve(Status(403)))


def test_the_way_from_the_configuration_to_a_result(use: ToolUse, serve):
    hit = {"title": "T", "url": "https://a.example/", "content": "c"}
    server = serve(Status(200, body={"results": [hit]}), Reset())

    async def main() -> tuple[str, str]:
        client = Httpx2Client()
        tool = WebSearchTool(client, config(f'searxng_url = "{server.url}"'))
        try:
            text = (await tool.run({"query": "tea"}, use)).text
            with pytest.raises(ToolError) as caught:
                await tool.run({"query": "tea"}, use)
            return text, str(caught.value)
        finally:
            await client.aclose()

    text, failure = asyncio.run(main())
    assert "1. T\n   https://a.example/\n   c\n   (via searxng)" in text
    assert failure.startswith("All search engines failed: searxng: The connection to 127.0.0.1:")


class FakeDdgs:
    """An engine of ddgs: made with a timeout, searched in a thread."""

    answer: Any = ()  # what ddgs gives is not typed
    timeout: int | None = None

    def __init__(self, timeout: int):
        FakeDdgs.timeout = timeout

    def search(self, query: str) -> Any:  # as above
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class TextResult:
    def __init__(self, title: str, href: str, body: str):
        self.title, self.href, self.body = title, href, body


def ddgs(monkeypatch: pytest.MonkeyPatch, answer: object, name: str = "brave") -> Sequence[Found]:
    monkeypatch.setattr(FakeDdgs, "answer", answer)
    return asyncio.run(DdgsEngine(name, lambda: {"brave": FakeDdgs}).search("tea", 1, timeout_s=2.5))


def test_an_engine_of_ddgs_is_searched(monkeypatch: pytest.MonkeyPatch):
    answer = [
        TextResult("A", "https://a.example/", "a"),
        TextResult("", "", ""),
        TextResult("B", "https://b.example/", "b"),
    ]
    assert ddgs(monkeypatch, answer) == [Found(title="A", url="https://a.example/", snippet="a")]
    assert FakeDdgs.timeout == 3
    assert list(ddgs(monkeypatch, [])) == []


@pytest.mark.parametrize(
    ("answer", "name", "text"),
    [
        (None, "brave", "it refused the request"),
        (ValueError("changed"), "brave", "ValueError: changed"),
        ([object()], "brave", "AttributeError: .* has no attribute"),
        ([], "bing", "turned it off"),
    ],
)
def test_an_engine_of_ddgs_that_fails_says_why(monkeypatch: pytest.MonkeyPatch, answer: object, name: str, text: str):
    with pytest.raises(EngineError, match=text):
        ddgs(monkeypatch, answer, name)


def test_a_ddgs_that_cannot_be_loaded_is_told():
    def load() -> Mapping[str, Any]:  # Any: classes of ddgs
        raise ImportError("cannot import name 'ENGINES'")

    with pytest.raises(EngineError, match="ImportError: cannot import name 'ENGINES'"):
        asyncio.run(DdgsEngine("brave", load).search("tea", 1, timeout_s=1))


def test_an_engine_that_is_not_installed_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("a3s_code_tools.engines.has_ddgs", lambda: False)
    with pytest.raises(EngineError, match=r'pip install "a3s-code-tools\[search\]"') as caught:
        engine_named("google", Httpx2Client(), None)
    assert not caught.value.counts


def test_the_engines_of_the_installed_ddgs_are_found():
    pytest.importorskip("ddgs")
    from a3s_code_tools.engines import _ddgs_engines  # the only place that knows where ddgs keeps them

    engines: Mapping[str, Any] = _ddgs_engines()
    assert {"brave", "duckduckgo"} <= set(engines)
    assert all(hasattr(engine, "search") for engine in engines.values())


def test_searxng_without_an_address_says_what_to_write():
    with pytest.raises(EngineError, match="searxng_url"):
        engine_named("searxng", Httpx2Client(), None)
    assert isinstance(engine_named("searxng", Httpx2Client(), refused_url()), SearxngEngine)

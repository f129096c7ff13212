"""Search engines for web_search: Wikipedia's open API, SearXNG, and those of ddgs (an extra)."""

import importlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from html import unescape
from importlib.util import find_spec
from math import ceil
from typing import Any, Protocol
from urllib.parse import quote, urlencode, urlsplit

from a3s_code.plugin import A3SCodeError, BoundHttp, ConfigError, HttpClient, HttpRequest, HttpTimeouts, in_thread
from a3s_code_tools.addresses import one_line_url
from a3s_code_tools.ranking import Found

__all__ = [
    "ALIASES",
    "DDGS_NAMES",
    "DdgsEngine",
    "EngineError",
    "SearchEngine",
    "SearxngEngine",
    "WikipediaEngine",
    "engine_named",
    "has_ddgs",
]

MAX_ANSWER_BYTES = 2 * 1024 * 1024

ALIASES: Mapping[str, str] = {"ddg": "duckduckgo", "g": "google", "wiki": "wikipedia"}
"""Short names, as people know them."""

DDGS_NAMES = ("bing", "brave", "duckduckgo", "google", "grokipedia", "mojeek", "startpage", "yahoo", "yandex")
"""Engines that ddgs has or had; it turns off those that are broken at the moment."""


class EngineError(A3SCodeError):
    """An engine cannot be asked or did not answer; the text says why and what to do."""

    def __init__(self, message: str, *, counts: bool = True):
        super().__init__(message)
        self.counts = counts
        """Whether it may be better later, so that it counts for the engine's health."""


class SearchEngine(Protocol):
    """Finds pages for a query.

    Contract: gives at most about *limit* results, best first, and an empty sequence for "nothing found"; raises
    EngineError, ModelError or ToolError when it could not search. Cancelled at its deadline.
    """

    async def search(self, query: str, limit: int, *, timeout_s: float) -> Sequence[Found]: ...


class WikipediaEngine:
    """Wikipedia's open search, https://www.mediawiki.org/wiki/API:Search.

    Args:
        web: Reaches the public web.
        address: The encyclopedia, such as "https://de.wikipedia.org".
    """

    def __init__(self, web: BoundHttp, address: str = "https://en.wikipedia.org"):
        self._web = web
        self._address = address

    async def search(self, query: str, limit: int, *, timeout_s: float) -> Sequence[Found]:
        parameters = {
            "action": "query",
            "list": "search",
            "srsearch": query,
            "srlimit": limit,
            "format": "json",
            "formatversion": 2,
        }
        answer = await _json(self._web, f"{self._address}/w/api.php?{urlencode(parameters)}", timeout_s)
        if "error" in answer:
            raise EngineError(f"it answered: {_text(_mapping(answer['error']).get('info'))}")
        return [
            _found(
                page.get("title"),
                f"{self._address}/wiki/{quote(_text(page.get('title')).replace(' ', '_'), safe='/:,()!')}",
                page.get("snippet"),
            )
            for page in _mappings(_mapping(answer.get("query")).get("search"))
        ]


class SearxngEngine:
    """A SearXNG server of the user's, https://docs.searxng.org/dev/search_api.html.

    Args:
        http_client: Gives a client that reaches only this server, on this machine too.
        address: Its address, with a path if it has one.
    """

    def __init__(self, http_client: HttpClient, address: str):
        self._address = address.rstrip("/")
        try:
            origin = "{0.scheme}://{0.netloc}".format(urlsplit(address))
        except ValueError as error:
            raise ConfigError(f"search.searxng_url is no address of a server ({error})") from error
        self._http = http_client.provider(origin)

    async def search(self, query: str, limit: int, *, timeout_s: float) -> Sequence[Found]:
        parameters = urlencode({"q": query, "format": "json"})
        hints = {403: 'enable JSON in its settings.yml: "search: formats: [html, json]"'}
        answer = await _json(self._http, f"{self._address}/search?{parameters}", timeout_s, hints)
        found = [
            _found(one.get("title"), one.get("url"), one.get("content")) for one in _mappings(answer.get("results"))
        ]
        silent = answer.get("unresponsive_engines")
        if not found and isinstance(silent, list) and silent:
            names = ", ".join(" ".join(map(str, one)) if isinstance(one, list) else str(one) for one in silent)
            raise EngineError(f"none of its engines answered: {_text(names)}")
        return found[:limit]


class DdgsEngine:
    """One of the engines of ddgs, which makes its own connections in a worker thread (see the README).

    Args:
        name: The engine's name there.
        load: Gives the engines of ddgs by name; for tests.
    """

    def __init__(self, name: str, load: "Callable[[], Mapping[str, Any]] | None" = None):  # Any: classes of ddgs
        self._name = name
        self._load = load or _ddgs_engines

    async def search(self, query: str, limit: int, *, timeout_s: float) -> Sequence[Found]:
        return (await in_thread(self._search, query, timeout_s, timeout_s=timeout_s))[:limit]

    def _search(self, query: str, timeout_s: float) -> list[Found]:
        try:
            make = self._load().get(self._name)
            if make is None:
                raise EngineError("the installed ddgs has turned it off; use another engine", counts=False)
            found = make(timeout=ceil(timeout_s)).search(query)
            if found is None:  # ddgs gives this for every status but 200
                raise EngineError("it refused the request; it may limit how often it is asked")
            return [_found(one.title, one.href, one.body) for one in found if one.href]
        except EngineError:
            raise
        except Exception as error:  # pages of search engines change, and their readers raise anything
            raise EngineError(_text(f"{type(error).__name__}: {error}")[:300]) from error


def has_ddgs() -> bool:
    return find_spec("ddgs") is not None


def _ddgs_engines() -> Mapping[str, Any]:  # Any: classes of ddgs
    # ddgs.DDGS itself cannot be used: it says "no results" for an engine that refused, and takes another for unknown
    engines: Mapping[str, Any] = importlib.import_module("ddgs.engines").ENGINES["text"]
    return engines


def engine_named(name: str, http_client: HttpClient, searxng_url: str | None) -> SearchEngine:
    """The engine of that name.

    Raises:
        EngineError: There is none, or it needs an extra or a setting; says which.
        ConfigError: The address of SearXNG is none.
    """
    if name == "wikipedia":
        return WikipediaEngine(http_client.public_web())
    if name == "searxng":
        if searxng_url is None:
            raise EngineError('its address is not set; write search { searxng_url = "https://..." }', counts=False)
        return SearxngEngine(http_client, searxng_url)
    if name not in DDGS_NAMES:
        known = ", ".join(sorted(("wikipedia", "searxng", *DDGS_NAMES)))
        raise EngineError(f"there is no such engine; there are: {known}", counts=False)
    if not has_ddgs():
        raise EngineError('it is not installed; pip install "a3s-code-tools[search]"', counts=False)
    return DdgsEngine(name)


async def _json(
    http: BoundHttp, url: str, timeout_s: float, hints: Mapping[int, str] | None = None
) -> Mapping[str, object]:
    """The object that the server answers. Raises EngineError when it answers anything else."""
    headers = (("Accept", "application/json"), ("User-Agent", "a3s-code (https://pypi.org/project/a3s-code-tools/)"))
    limits = HttpTimeouts(connect_s=timeout_s, read_s=timeout_s, total_s=timeout_s)
    body = bytearray()
    async with http.send(HttpRequest(method="GET", url=url, headers=headers, timeouts=limits)) as response:
        if response.status != 200:
            hint = (hints or {}).get(response.status)
            raise EngineError(f"HTTP {response.status}" + (f"; {hint}" if hint else ""))
        async for chunk in response.chunks():
            body += chunk
            if len(body) > MAX_ANSWER_BYTES:
                raise EngineError(f"its answer is larger than {MAX_ANSWER_BYTES:,} bytes")
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise EngineError("its answer is not JSON") from error
    if not isinstance(answer, dict):
        raise EngineError("its answer is not a JSON object")
    return answer


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _mappings(value: object) -> list[Mapping[str, object]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _found(title: object, url: object, snippet: object) -> Found:
    return Found(title=_text(title), url=one_line_url(str(url or "")), snippet=_text(snippet))


def _text(value: object) -> str:
    """Valid text without tags, on one line."""
    text = " ".join(unescape(re.sub(r"<[^<>]{0,500}>", "", str(value or ""))).split())
    return text.encode("utf-8", "replace").decode()

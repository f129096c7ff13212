"""The web_search tool: asks several search engines side by side and puts their results into one order."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence

from attrs import frozen

from a3s_code.plugin import (
    ConfigError,
    Effects,
    HttpClient,
    JsonObject,
    ModelError,
    OtherTarget,
    SearchConfig,
    Target,
    ToolError,
    ToolErrorKind,
    ToolOutput,
    ToolSpec,
    ToolUse,
)
from a3s_code_tools.engines import ALIASES, EngineError, SearchEngine, engine_named, has_ddgs
from a3s_code_tools.health import EngineHealth
from a3s_code_tools.output import fitting
from a3s_code_tools.progress import progress
from a3s_code_tools.ranking import Found, Ranked, merged

__all__ = ["WebSearchTool"]

DEFAULT_LIMIT = 10
MAX_LIMIT = 50
MAX_TIMEOUT_S = 60
MAX_SNIPPET_CHARS = 1000
MAX_URL_CHARS = 8192
"""Pages with a longer address are left out: one of them must not fill the whole output."""


def _targets(args: JsonObject) -> Sequence[Target]:
    return (OtherTarget(str(args["query"])),)


class WebSearchTool:
    """Finds pages of the web by the engines of the configuration.

    Args:
        http_client: The way out of the engines that have none of their own.
        config: The `search` block.
        clock: Gives the time in seconds; for durations and for engines that rest.
        find: Gives the engine of a name; raises EngineError.
    """

    spec = ToolSpec(
        name="web_search",
        description=(
            "Search the web. Answers with titles, addresses and snippets; read a page with web_fetch. Without engines, "
            "those of the configuration are asked."
        ),
        schema={
            "type": "object",
            "properties": {
                "query": {"type": "string", "minLength": 1, "description": "What to search for."},
                "engines": {
                    "type": ["array", "string"],
                    "items": {"type": "string"},
                    "description": 'Names of engines, as a list or separated by commas; short names: "ddg", "wiki".',
                },
                "limit": {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": MAX_LIMIT,
                    "default": DEFAULT_LIMIT,
                    "description": "Most results to show.",
                },
                "timeout": {
                    "type": "number",
                    "minimum": 1,
                    "maximum": MAX_TIMEOUT_S,
                    "description": "Seconds for the engines; default: the configuration's.",
                },
                "format": {
                    "type": "string",
                    "enum": ["text", "json"],
                    "default": "text",
                    "description": "How the results are written.",
                },
            },
            "required": ["query"],
            "additionalProperties": False,
            "examples": [
                {"query": "python asyncio taskgroup cancellation"},
                {"query": "Ada Lovelace", "engines": ["wiki"], "limit": 3, "format": "json"},
            ],
        },
        effects=Effects.READ_ONLY | Effects.OPEN_WORLD,
        targets=_targets,
    )

    def __init__(
        self,
        http_client: HttpClient,
        config: SearchConfig,
        *,
        clock: Callable[[], float] = time.monotonic,
        find: Callable[[str], SearchEngine] | None = None,
    ):
        self._config = config
        self._clock = clock
        self._find = find or (lambda name: engine_named(name, http_client, config.searxng_url))
        self._health = EngineHealth(
            max_failures=config.health.max_failures, suspend_s=config.health.suspend_seconds, clock=clock
        )

    async def run(self, args: JsonObject, use: ToolUse) -> ToolOutput:
        query = str(args["query"]).encode("utf-8", "replace").decode().strip()
        if not query:
            raise ToolError("The query is empty; say what to search for.", ToolErrorKind.INVALID_ARGUMENT)
        limit = int(_number(args.get("limit"), DEFAULT_LIMIT))
        timeout_s = min(_number(args.get("timeout"), self._config.timeout), MAX_TIMEOUT_S)
        if use.deadline_s is not None:
            timeout_s = min(timeout_s, use.deadline_s)
        started = self._clock()
        names = _named(args.get("engines")) or self._default_names()
        outcome = await self._ask_all(names, query, limit, timeout_s, use)
        duration_ms = round((self._clock() - started) * 1000)
        return _told(query, outcome, limit, duration_ms, as_json=args.get("format") == "json")

    def _default_names(self) -> tuple[str, ...]:
        """Those of the configuration; when it names none, all that need no setting."""
        configured = [_plain(name) for name, engine in self._config.engine.items() if engine.enabled]
        if self._config.searxng_url is not None and "searxng" not in map(_plain, self._config.engine):
            configured.append("searxng")
        if self._config.engine or configured:
            return tuple(dict.fromkeys(configured))
        return ("duckduckgo", "wikipedia") if has_ddgs() else ("wikipedia",)

    async def _ask_all(
        self, names: Sequence[str], query: str, limit: int, timeout_s: float, use: ToolUse
    ) -> "_Outcome":
        if not names:
            raise ToolError(
                "No search engine is turned on; the configuration's search block has none that is enabled.",
                ToolErrorKind.UNSUPPORTED,
            )
        asked: dict[str, asyncio.Task[Sequence[Found] | EngineError]] = {}

        def waited_for() -> str:
            return f"waiting for {', '.join(name for name, task in asked.items() if not task.done())}"

        with progress(use, waited_for):
            async with asyncio.TaskGroup() as group:
                asked |= {name: group.create_task(self._ask(name, query, limit, timeout_s)) for name in names}
        answers = {name: task.result() for name, task in asked.items()}
        outcome = _Outcome(
            found={name: found for name, found in answers.items() if not isinstance(found, EngineError)},
            errors={name: error for name, error in answers.items() if isinstance(error, EngineError)},
            weights={_plain(name): engine.weight for name, engine in self._config.engine.items()},
        )
        if not outcome.found:
            raise _all_failed(outcome.errors)
        return outcome

    async def _ask(self, name: str, query: str, limit: int, timeout_s: float) -> Sequence[Found] | EngineError:
        """What the engine found, or why it found nothing."""
        settings = next((one for key, one in self._config.engine.items() if _plain(key) == name), None)
        if settings is not None and not settings.enabled:
            return EngineError("the configuration turns it off", counts=False)
        if rest_s := self._health.rests_for(name):
            return EngineError(f"it failed {self._health.failures(name)} times and rests for {rest_s:.0f} s more")
        limit_s = min((settings and settings.timeout) or timeout_s, timeout_s)
        try:
            async with asyncio.timeout(limit_s):
                found = await self._find(name).search(query, limit, timeout_s=limit_s)
        except TimeoutError:
            error = EngineError(f"no answer within {limit_s:g} s")
        except EngineError as raised:
            error = raised
        except (ConfigError, ToolError) as raised:  # not the engine's fault
            error = EngineError(str(raised), counts=False)
        except ModelError as raised:
            error = EngineError(str(raised))
        else:
            self._health.worked(name)
            return found
        if error.counts:
            self._health.failed(name)
        return error


@frozen(kw_only=True)
class _Outcome:
    """What the engines answered, by name."""

    found: Mapping[str, Sequence[Found]]
    errors: Mapping[str, EngineError]
    weights: Mapping[str, float]


def _named(value: object) -> tuple[str, ...]:
    """The engines that the call names, each once."""
    names = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else []
    return tuple(dict.fromkeys(_plain(str(name)) for name in names if str(name).strip()))


def _plain(name: str) -> str:
    name = name.strip().lower()
    return ALIASES.get(name, name)


def _all_failed(errors: Mapping[str, EngineError]) -> ToolError:
    reasons = "; ".join(f"{name}: {_cut(str(error))}" for name, error in sorted(errors.items()))
    if any(error.counts for error in errors.values()):
        return ToolError(f"All search engines failed: {reasons}. Try again later, or other engines.")
    return ToolError(f"No search engine can be used: {reasons}", ToolErrorKind.UNSUPPORTED)


def _told(query: str, outcome: _Outcome, limit: int, duration_ms: int, *, as_json: bool) -> ToolOutput:
    pages = merged(outcome.found, outcome.weights)
    results = [page for page in pages if len(page.url) <= MAX_URL_CHARS][:limit]
    blocks = [_json_block(one) if as_json else _text_block(number, one) for number, one in enumerate(results, start=1)]
    kept = fitting(blocks)
    write = _as_json if as_json else _as_text
    metadata: JsonObject = {"results": kept, "engines": [*sorted(outcome.found)], "failed": [*sorted(outcome.errors)]}
    return ToolOutput(text=write(query, blocks[:kept], outcome, duration_ms), metadata=metadata)


def _as_text(query: str, blocks: Sequence[str], outcome: _Outcome, duration_ms: int) -> str:
    if blocks:
        parts = [f'Search results for "{query}" ({len(blocks)} results, {duration_ms}ms):', *blocks]
    else:
        parts = [f'No results for "{query}" ({", ".join(sorted(outcome.found))}; {duration_ms}ms)']
    if outcome.errors:
        lines = [f"- {name}: {_cut(str(outcome.errors[name]))}" for name in sorted(outcome.errors)]
        parts.append("\n".join(["Engine errors:", *lines]))
    return "\n\n".join(parts)


def _text_block(number: int, one: Ranked) -> str:
    lines = [f"{number}. {_cut(one.title) or one.url}", f"   {one.url}", f"   {_cut(one.snippet)}"]
    return "\n".join([*(line for line in lines if line.strip()), f"   (via {', '.join(one.engines)})"])


def _as_json(query: str, blocks: Sequence[str], outcome: _Outcome, duration_ms: int) -> str:
    head = {
        "query": query,
        "duration_ms": duration_ms,
        "engine_errors": {name: _cut(str(outcome.errors[name])) for name in sorted(outcome.errors)},
    }
    start = json.dumps(head, ensure_ascii=False).removesuffix("}")
    return f'{start}, "results": [\n' + ",\n".join(blocks) + "\n]}"


def _json_block(one: Ranked) -> str:
    shown = {
        "title": _cut(one.title),
        "url": one.url,
        "content": _cut(one.snippet),
        "engines": list(one.engines),
        "score": round(one.score, 4),
    }
    return json.dumps(shown, ensure_ascii=False)


def _cut(text: str) -> str:
    return text if len(text) <= MAX_SNIPPET_CHARS else f"{text[:MAX_SNIPPET_CHARS]}…"


def _number(value: object, default: float) -> float:
    return value if isinstance(value, int | float) else default

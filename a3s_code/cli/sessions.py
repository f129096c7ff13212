"""`a3s-code sessions`: the saved sessions."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from a3s_code.blocks import PluginSettings
from a3s_code.cli.arguments import ExitCode, Options
from a3s_code.cli.layout import table
from a3s_code.cli.setup import NO_CONFIG, load_if_possible
from a3s_code.config import LoadedConfig
from a3s_code.errors import SessionNotFoundError
from a3s_code.extensions import Extensions
from a3s_code.plugins import Selection, scan
from a3s_code.points.sessions import SessionInfo, SessionStore

__all__ = ["run"]

T = TypeVar("T")


def run(options: Options) -> int:
    match options.action:
        case "resume":
            from a3s_code.cli.prompts import converse, send

            options.resume = options.id
            return send(options, options.prompt) if options.prompt is not None else converse(options)
        case "delete":
            return _delete(options)
        case _:
            return _list(options)


def _list(options: Options) -> int:
    found = asyncio.run(_with_store(options, lambda store: store.list()))
    if not found:
        print("there are no sessions yet")
        return ExitCode.OK
    rows = [(info.id, _when(info.updated_at), _title(info), info.workspace, info.model) for info in found]
    print(table(("id", "last used", "title", "workspace", "model"), rows))
    return ExitCode.OK


def _delete(options: Options) -> int:
    if not asyncio.run(_with_store(options, lambda store: store.delete(options.id))):
        raise SessionNotFoundError(f"no session has the id {options.id}; `a3s-code sessions list` shows all")
    print(f"deleted {options.id}")
    return ExitCode.OK


async def _with_store(options: Options, use: Callable[[SessionStore], Awaitable[T]]) -> T:
    """What *use* makes of the session store that the configuration selects, or of the default one without any."""
    found = load_if_possible(options)
    if found.error is not None:
        raise found.error
    loaded = found.loaded or LoadedConfig(config=NO_CONFIG, folder=Path.cwd())
    selection = Selection.of(loaded.config, scan())
    extensions = Extensions(selection, PluginSettings(loaded, selection))
    try:
        return await use(await extensions.session_store.get())
    finally:
        await extensions.aclose()


def _when(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds)) if seconds else "-"


def _title(info: SessionInfo) -> str:
    title = " ".join(info.title.split())
    return title if len(title) <= 40 else title[:39] + "…"

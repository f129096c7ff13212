"""A call that takes long says how far it has come, and a quick one nothing."""

import asyncio
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from a3s_code_http.client import Httpx2Client
from a3s_code_tools.git_worktree import GitWorktreeTool
from a3s_code_tools.glob import GlobTool
from a3s_code_tools.grep import GrepTool
from a3s_code_tools.progress import progress
from a3s_code_tools.ranking import Found
from a3s_code_tools.web_fetch import WebFetchTool
from a3s_code_tools.web_search import WebSearchTool

from a3s_code.plugin import SearchConfig, ToolOutput, ToolUse
from a3s_code.testing import RecordingUse

DEADLINE_S = 20

Run = Coroutine[Any, Any, ToolOutput]


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("a3s_code_tools.progress.EVERY_S", 0.001)


class Watched(RecordingUse):
    """A running call that says when something is shown."""

    def __init__(self, folder: Path):
        super().__init__(folder)
        self.lines: asyncio.Queue[str] = asyncio.Queue()

    def emit(self, delta: str) -> None:
        self.lines.put_nowait(delta)


class Silent:
    """A search engine that never answers."""

    async def search(self, query: str, limit: int, *, timeout_s: float) -> Sequence[Found]:
        return await asyncio.Event().wait() or ()


class Quick(Silent):
    """One that has nothing to say."""

    async def search(self, query: str, limit: int, *, timeout_s: float) -> Sequence[Found]:
        return ()


def grep(use: ToolUse, folder: Path) -> Run:
    (use.workspace.root / "a").write_text("a" * 60 + "!\n")
    return GrepTool(program="").run({"pattern": "(a+)+$"}, use)


def glob(use: ToolUse, folder: Path) -> Run:
    program = folder / "rg"
    program.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && exec {shutil.which("rg") or "echo ripgrep 13.0.0"} "$@"\nexec sleep 1000\n'
    )
    program.chmod(0o755)
    return GlobTool(program=str(program)).run({"pattern": "**/*"}, use)


def web_search(use: ToolUse, folder: Path) -> Run:
    engines = {"brave": Silent(), "wikipedia": Quick()}
    tool = WebSearchTool(Httpx2Client(), SearchConfig(), find=engines.__getitem__)
    return tool.run({"query": "tea", "engines": "brave,wikipedia"}, use)


def git_worktree(use: ToolUse, folder: Path) -> Run:
    subprocess.run(["git", "init", "-q", use.workspace.root], check=True)
    git = folder / "git"
    git.write_text("#!/bin/sh\nexec sleep 1000\n")
    git.chmod(0o755)
    return GitWorktreeTool().run({"command": "status"}, use)


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize(
    ("begin", "line"),
    [
        (grep, "0 file(s) with matches so far"),
        (glob, "0 file(s) found so far"),
        (web_search, "waiting for brave"),
        (git_worktree, "git is at work"),
    ],
)
def test_a_call_that_takes_long_says_how_far_it_is(
    begin: Callable[[ToolUse, Path], Run], line: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    async def main() -> None:
        watched = Watched(folder)
        async with running(begin(watched, tmp_path)):
            assert re.fullmatch(rf"\[0 s: {re.escape(line)}\]\n", await shown(watched, line))

    asyncio.run(main())


@pytest.mark.usefixtures("soon")
def test_a_page_that_comes_slowly_is_counted(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("a3s_code_http.egress.is_public", lambda answer: answer == "127.0.0.1")

    go_on = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await go_on.wait()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 9999\r\n\r\n" + b"x" * 1234)
        await reader.read()  # until the client leaves
        writer.close()

    async def main() -> None:
        watched, client = Watched(folder), Httpx2Client()
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
            async with running(WebFetchTool(client).run({"url": url}, watched)):
                assert await shown(watched, "waiting") == "[0 s: waiting for the server]\n"
                go_on.set()
                assert await shown(watched, "bytes") == "[0 s: 1,234 bytes read]\n"
        await client.aclose()

    asyncio.run(main())


@asynccontextmanager
async def running(call: Run) -> AsyncIterator[None]:
    """The call goes on in the body, and is cancelled then."""
    task = asyncio.create_task(call)  # noqa: TID251 # awaited below
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task], timeout=DEADLINE_S)
    assert task.cancelled()


async def shown(watched: Watched, words: str) -> str:
    """The first line that holds *words*."""
    async with asyncio.timeout(DEADLINE_S):
        while words not in (line := await watched.lines.get()):
            pass
    return line


@pytest.mark.usefixtures("soon")
def test_after_the_call_nothing_more_is_said(folder: Path):
    async def main() -> int:
        watched = Watched(folder)
        with suppress(ZeroDivisionError), progress(watched, lambda: "busy"):
            await watched.lines.get()
            raise ZeroDivisionError
        later = asyncio.Event()
        asyncio.get_running_loop().call_later(0.01, later.set)
        await later.wait()
        return watched.lines.qsize()

    assert asyncio.run(main()) == 0


def test_a_quick_call_says_nothing(folder: Path):
    use = RecordingUse(folder)
    (folder / "a").write_text("x\n")
    assert asyncio.run(GrepTool().run({"pattern": "x"}, use)).text.startswith("a:1:x")
    assert use.deltas == []

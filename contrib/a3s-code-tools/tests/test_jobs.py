"""Background jobs: started, looked at, stopped, and gone with the session."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from a3s_code_tools.bash import BashTool
from a3s_code_tools.jobs import KEPT_AT_MOST, RUNNING_AT_MOST
from a3s_code_tools.sandbox import LocalBashExecutor

from a3s_code.plugin import BashCommand, BashResult, Effects, ToolError, ToolErrorKind, ToolOutput
from a3s_code.testing import RecordingSandbox

Call = Callable[..., Awaitable[ToolOutput]]


def session(use: Any, work: Callable[[Call], Awaitable[Any]], sandbox: Any = None) -> Any:
    """The result of *work* with one tool, closed afterwards."""

    async def run() -> Any:
        tool = BashTool(sandbox or LocalBashExecutor())
        try:
            return await work(lambda **args: tool.run(args, use))
        finally:
            await tool.aclose()

    return asyncio.run(run())


def opened() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_job_starts_and_its_end_can_be_waited_for(folder: Path, use: Any):
    async def work(call: Call) -> tuple[ToolOutput, ToolOutput]:
        started = await call(command="pwd; exit 3", background=True)
        return started, await call(job="b1", timeout=20_000)

    started, ended = session(use, work)
    assert started.metadata == {"job": "b1", "running": True}
    assert 'bash(job="b1", action="stop")' in started.text
    assert ended.text == f"{folder}\n[Job b1 ended with exit code 3; {len(str(folder)) + 1} bytes of output]"
    assert ended.metadata["exit_code"] == 3
    assert ended.success


def test_a_look_shows_what_is_new(use: Any, folder: Path):
    os.mkfifo(folder / "go")

    async def said(call: Call, word: str) -> str:
        text = ""
        while word not in text:
            text += (await call(job="b1", timeout=5)).text
        return text

    async def work(call: Call) -> None:
        await call(command="echo one; read x < go; echo two; sleep 60", background=True)
        first = await said(call, "one")
        assert "[Job b1 is running; 4 bytes of output]" in first
        (folder / "go").write_text("\n")
        assert "one" not in await said(call, "two")
        assert (await call(job="b1")).text == "[Job b1 is running; 8 bytes of output]"
        assert (await call(job="b1", offset=0)).text.startswith("one\ntwo\n[")
        assert (await call(job="b1", offset=-4)).text.startswith("two\n[")

    session(use, work)


def test_a_stopped_job_is_gone(use: Any, folder: Path):
    os.mkfifo(folder / "held")
    held = os.open(folder / "held", os.O_RDONLY | os.O_NONBLOCK)

    async def work(call: Call) -> str:
        await call(
            command="exec 7>held; echo ready; trap '' TERM; env -i setsid $(command -v sleep) 600", background=True
        )
        while "ready" not in (await call(job="b1", offset=0, timeout=5)).text:
            pass
        text = (await call(job="b1", action="stop")).text
        assert os.read(held, 1) == b""
        return text

    try:
        assert session(use, work) == "[Job b1 was stopped; 6 bytes of output]"
    finally:
        os.close(held)


def test_jobs_end_with_the_session(use: Any, folder: Path):
    os.mkfifo(folder / "held")
    held = os.open(folder / "held", os.O_RDONLY | os.O_NONBLOCK)

    async def work() -> None:
        tool = BashTool(LocalBashExecutor())
        for name in ("b1", "b2"):
            said = "exec 7>held; echo ready; setsid sleep 600 & sleep 600"
            await tool.run({"command": said, "background": True}, use)
            while "ready" not in (await tool.run({"job": name, "offset": 0, "timeout": 5}, use)).text:
                pass
        await tool.aclose()
        assert os.read(held, 1) == b""  # not only when the loop ends
        assert asyncio.all_tasks() == {asyncio.current_task()}

    before = opened()
    try:
        asyncio.run(work())
        assert opened() == before
    finally:
        os.close(held)


def test_a_job_has_the_timeout_it_was_given(use: Any):
    async def work(call: Call) -> str:
        await call(command="sleep 60", background=True, timeout=50)
        return (await call(job="b1", timeout=20_000)).text

    assert session(use, work) == "[Job b1 timed out after 50ms; 0 bytes of output]"


def test_a_job_that_cannot_start_says_so(use: Any):
    async def work(call: Call) -> str:
        await call(command="true", background=True)
        return (await call(job="b1", timeout=20_000)).text

    sandbox = RecordingSandbox(ToolError("no sandbox here"))
    assert session(use, work, sandbox) == "[Job b1 failed: no sandbox here; 0 bytes of output]"


class Endless(RecordingSandbox):
    async def run(self, command: BashCommand, on_output: Callable[[str], None]) -> BashResult:
        await asyncio.Event().wait()
        raise AssertionError


def test_jobs_are_limited_in_number(use: Any):
    async def work(call: Call) -> None:
        for _ in range(RUNNING_AT_MOST):
            await call(command="npm run dev", background=True)
        with pytest.raises(ToolError, match=r"8 jobs are running already: b1 \(npm run dev\)"):
            await call(command="one more", background=True)
        await call(job="b3", action="stop")
        await call(command="one more", background=True)

    session(use, work, Endless())


def test_old_jobs_are_forgotten(use: Any):
    async def work(call: Call) -> None:
        for number in range(KEPT_AT_MOST + 2):
            await call(command="true", background=True)
            await call(job=f"b{number + 1}", timeout=1000)
        with pytest.raises(
            ToolError, match=r'no job is called "b1"; there are: b3 \(ended with exit code 0\), '
        ) as caught:
            await call(job="b1")
        assert caught.value.kind is ToolErrorKind.NOT_FOUND

    session(use, work, RecordingSandbox())


def test_after_the_session_nothing_starts(use: Any):
    async def work() -> None:
        tool = BashTool(RecordingSandbox())
        await tool.aclose()
        with pytest.raises(ToolError, match="closed"):
            await tool.run({"command": "true", "background": True}, use)
        with pytest.raises(ToolError, match="closed"):
            await tool.run({"command": "true"}, use)

    asyncio.run(work())


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ({}, "either a command or a job"),
        ({"command": "ls", "job": "b1"}, "either a command or a job"),
        ({"command": "ls", "action": "stop"}, "action goes with a job only"),
        ({"command": "ls", "offset": 0}, "offset goes with a job only"),
        ({"job": "b1", "background": True}, "background goes with a command only"),
    ],
)
def test_what_does_not_go_together_is_told(use: Any, args: dict[str, object], told: str):
    with pytest.raises(ToolError, match=told) as caught:
        session(use, lambda call: call(**args), RecordingSandbox())
    assert caught.value.kind is ToolErrorKind.INVALID_ARGUMENT


def test_the_gate_sees_the_command_or_the_job():
    assert [str(target) for target in BashTool.spec.targets({"command": "npm run dev", "background": True})] == [
        "CommandTarget(command='npm run dev')"
    ]
    assert [target.text for target in BashTool.spec.targets({"job": "b1"})] == ["output b1"]
    assert [target.text for target in BashTool.spec.targets({"job": "b1", "action": "stop"})] == ["stop b1"]


NUMBERS = "".join(f"{n}\n" for n in range(1, 100_001))


def test_the_whole_of_a_long_output_can_be_read(use: Any):
    said = session(use, lambda call: call(command="seq 100000"))
    path = use.outputs() / "c1.txt"
    assert said.text.endswith(
        f"[The output has {len(NUMBERS)} bytes; it is kept in {path}: read it with offset and limit, or search it with "
        "grep]\n"
    )
    assert said.metadata["omitted_bytes"] == len(NUMBERS) - 102_400
    assert said.metadata["output_path"] == str(path)
    assert path.read_text() == NUMBERS


def test_the_whole_of_a_jobs_output_can_be_read_page_by_page_and_as_a_file(use: Any):
    async def work(call: Call) -> tuple[ToolOutput, str]:
        await call(command="seq 100000", background=True)
        last = await call(job="b1", timeout=20_000, offset=-7)
        text, offset = "", 0
        while offset < last.metadata["output_bytes"]:
            page = await call(job="b1", offset=offset)
            text += page.text[: page.text.rindex("[Job")]
            offset = page.metadata["next_offset"]
        return last, text

    last, text = session(use, work)
    assert last.text.startswith("100000\n[Job b1 ended with exit code 0; ")
    assert f"it is kept in {use.outputs() / 'b1.txt'}: " in last.text
    assert text.replace("\n", "") == NUMBERS.replace("\n", "")
    assert (use.outputs() / "b1.txt").read_text() == NUMBERS


def test_a_long_output_that_timed_out_can_be_read_too(use: Any):
    with pytest.raises(ToolError, match=r"it is kept in .*c1.txt: read it"):
        session(use, lambda call: call(command="seq 100000; sleep 60", timeout=4000))
    assert (use.outputs() / "c1.txt").read_text().endswith("\n100000\n")


@pytest.mark.parametrize("is_job", [False, True])
def test_of_a_huge_output_the_file_says_what_is_missing(use: Any, is_job: bool):
    async def work(call: Call) -> None:
        await call(command="head -c 17000000 /dev/zero | tr '\\0' x; echo end", background=is_job)
        if is_job:
            await call(job="b1", timeout=60_000)

    session(use, work)
    text = (use.outputs() / ("b1.txt" if is_job else "c1.txt")).read_text()
    assert f"\n[{17_000_004 - 16 * 1024 * 1024} bytes of the output are not kept]\n" in text
    assert text.endswith("xend\n")


def test_a_short_output_keeps_no_file(use: Any):
    async def work(call: Call) -> None:
        before = opened()
        await call(command="echo short")
        with pytest.raises(ToolError):
            await call(command="echo short; sleep 60", timeout=100)
        assert opened() == before

    session(use, work)
    assert list(use.outputs().iterdir()) == []


def test_looking_and_stopping_change_nothing_outside_and_starting_may():
    """Whoever was allowed to start a job is not asked again about looking at it."""
    for args in ({"job": "b1"}, {"job": "b1", "action": "stop"}):
        assert Effects.READ_ONLY in BashTool.spec.effects_for(args)
    for args in ({"command": "ls"}, {"command": "ls", "background": True}, {"command": "ls", "job": "b1"}):
        assert Effects.READ_ONLY not in BashTool.spec.effects_for(args)

"""The local shell leaves no process behind and keeps every byte in bounds."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from a3s_code_tools.sandbox import HeadAndTail, LocalBashExecutor
from hypothesis import given, settings
from hypothesis import strategies as st

from a3s_code.plugin import BashCommand, BashResult, BashSandbox, Isolation, ToolError

ENV = {"PATH": os.environ["PATH"]}


def command(text: str, folder: Path, **more: int) -> BashCommand:
    return BashCommand(command=text, cwd=str(folder), env=ENV, **more)


def run(text: str, folder: Path, on_output: Callable[[str], None] = lambda _: None, **more: int) -> BashResult:
    return asyncio.run(LocalBashExecutor().run(command(text, folder, **more), on_output))


def living(word: str) -> list[str]:
    """Command lines of processes that contain *word*."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            except OSError:
                continue
            if word in line and int(entry.name) != os.getpid():
                found.append(line)
    return found


def test_it_is_a_sandbox_that_confines_nothing():
    assert isinstance(LocalBashExecutor(), BashSandbox)
    assert LocalBashExecutor().isolation is Isolation.NONE


def test_output_and_errors_come_in_order_with_the_exit_code(folder: Path):
    assert run("echo out; echo err >&2; pwd; exit 3", folder) == BashResult(output=f"out\nerr\n{folder}\n", exit_code=3)


def test_a_signal_is_told_as_128_and_its_number(folder: Path):
    assert run("kill -9 $$", folder).exit_code == 137


def test_there_is_no_input(folder: Path):
    assert run("cat; read x || echo closed", folder).output == "closed\n"


def test_nothing_of_the_environment_is_inherited(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    assert "sk-secret" not in run("env", folder).output


def test_invalid_utf_8_is_replaced_and_reading_goes_on(folder: Path):
    shown: list[str] = []
    result = run(r"printf 'a\xffb\xc3'; printf '\xa9 end'", folder, shown.append)
    assert result.output == "a\ufffdbé end"
    assert "".join(shown) == result.output


def test_huge_output_is_bounded_and_counted(folder: Path):
    result = run("head -c 30000000 /dev/zero | tr '\\0' x; echo; echo end", folder, max_output_bytes=1000)
    assert len(result.output) < 1100
    assert result.output.endswith("x\nend\n")
    assert result.omitted_bytes == 30_000_005 - 1000
    assert f"[... {result.omitted_bytes} bytes omitted ...]" in result.output


ENDLESS = {
    "plain": "sleep 1{n}",
    "child": "sleep 1{n} & wait",
    "deaf": "trap '' TERM; while :; do sleep 1{n}; done",
    "other session": "setsid sleep 1{n} & wait",
    "daemon": "(setsid bash -c 'sleep 1{n} & disown' &) ; sleep 1{n}",
    "closed output": "exec >&- 2>&-; sleep 1{n}",
}


@pytest.mark.parametrize("name", ENDLESS)
def test_at_the_timeout_the_whole_tree_is_gone(folder: Path, name: str):
    word = f"1{os.getpid()}01"
    result = run("echo before; " + ENDLESS[name].replace("1{n}", word), folder, timeout_ms=1000)
    assert result.timed_out
    assert result.output.startswith("before\n")
    assert living(word) == []


@pytest.mark.parametrize("name", ENDLESS)
def test_when_cancelled_the_whole_tree_is_gone(folder: Path, name: str):
    word = f"1{os.getpid()}02"

    async def cancelled() -> None:
        started = asyncio.Event()
        text = "echo before; " + ENDLESS[name].replace("1{n}", word)
        run = asyncio.ensure_future(LocalBashExecutor().run(command(text, folder), lambda _: started.set()))  # noqa: TID251 # awaited below
        await started.wait()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run

    asyncio.run(cancelled())
    assert living(word) == []


@pytest.mark.parametrize(
    "name", ["sleep {n} &", "setsid sleep {n} &", "nohup sleep {n} >/dev/null 2>&1 &", "env -i sleep {n} &"]
)
def test_background_jobs_end_with_the_command(folder: Path, name: str):
    word = f"1{os.getpid()}03"
    result = run(f"{name.replace('{n}', word)} echo done", folder, timeout_ms=20_000)
    assert (result.output, result.exit_code, result.timed_out) == ("done\n", 0, False)
    assert living(word) == []


def test_a_timeout_of_a_few_milliseconds_counts(folder: Path):
    assert run("sleep 5", folder, timeout_ms=1).timed_out


def test_no_descriptor_stays_open(folder: Path):
    async def many() -> None:
        sandbox = LocalBashExecutor()
        await asyncio.gather(*(sandbox.run(command("echo x", folder), lambda _: None) for _ in range(20)))

    def opened() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = opened()
    asyncio.run(many())
    assert opened() == before


def test_what_cannot_be_started_is_told(folder: Path):
    with pytest.raises(ToolError, match=r"could not be started: .*/missing: No such file or directory; tell the user"):
        run("true", folder / "missing")
    with pytest.raises(ToolError, match="could not be started: it holds a NUL character; leave it out"):
        run("echo \0", folder)
    with pytest.raises(ToolError, match=r"could not be started: .*too long; write it to a file and run that"):
        run(f"true {'x' * 200_000}", folder)


@given(
    chunks=st.lists(st.text(max_size=8).map(str.encode) | st.binary(max_size=8), max_size=20),
    limit=st.integers(2, 40),
)
@settings(max_examples=500, deadline=None)
def test_head_and_tail_are_kept_and_the_rest_is_counted(chunks: list[bytes], limit: int):
    kept = HeadAndTail(limit)
    for chunk in chunks:
        kept.add(chunk)
    whole = b"".join(chunks)
    if not kept.omitted:
        assert kept.text() == whole.decode("utf-8", "replace")
        return
    note = f"\n[... {kept.omitted} bytes omitted ...]\n"
    assert kept.text().count(note) == 1
    # some cut of the whole, as long as it says, gives exactly this text
    assert any(
        whole[:start].decode("utf-8", "replace") + note + whole[start + kept.omitted :].decode("utf-8", "replace")
        == kept.text()
        for start in range(limit // 2 + 1)
    )


@given(text=st.text(alphabet="aé日😀"), size=st.integers(1, 7), limit=st.integers(8, 40))
@settings(max_examples=300, deadline=None)
def test_characters_are_never_cut(text: str, size: int, limit: int):
    kept, content = HeadAndTail(limit), text.encode()
    for start in range(0, len(content), size):
        kept.add(content[start : start + size])
    assert "\ufffd" not in kept.text()

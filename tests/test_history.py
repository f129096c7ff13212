"""File history: versions, undo and redo, what the model saw, and that nothing is lost when a process dies."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from hashlib import sha256
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from a3s_code_testing.running import run
from hypothesis import given, settings
from hypothesis import strategies as st

from a3s_code import Agent, FileSessionStore, history
from a3s_code.agent import AsyncAgent
from a3s_code.errors import SessionBusyError, SessionError, ToolError, ToolErrorKind
from a3s_code.history import Author, FileHistory, Undone, VersionedWorkspace
from a3s_code.messages import user
from a3s_code.plugin import Journal, JsonObject, SessionStore, ToolUse, in_thread
from a3s_code.records import Cleared, FileChanged, Prompted
from a3s_code.testing import DictSessionStore, FakeTool, Hold, ScriptedClient, call
from a3s_code.transcript import Transcript
from a3s_code.workspace import FolderWorkspace


class Desk:
    """A workspace with its history, without an agent around it.

    Args:
        folder: The workspace.
        journal: Where changes are recorded.
    """

    def __init__(self, folder: FolderWorkspace, journal: Journal):
        self.folder = folder
        self.transcript = Transcript(journal, "s")
        self.history = FileHistory(folder, self.transcript)
        self.turns = 0

    async def turn(self) -> None:
        """A new prompt begins."""
        self.turns += 1
        run_id = f"run{self.turns}_{self.transcript.seq}"
        await self.transcript.add(Prompted(run_id=run_id, message=user("go"), prompt="go"))

    def call(self, *, origin: str = "model", tool: str = "write") -> VersionedWorkspace:
        author = Author(call_id="call", run_id=self.transcript.run_id or "run", tool=tool, is_model=origin == "model")
        return VersionedWorkspace(self.folder, self.transcript, author)

    async def write(self, path: str, content: bytes, tool: str = "write") -> None:
        workspace = self.call(tool=tool)
        await in_thread(workspace.write_bytes, path, content)
        await workspace.finish()

    async def delete(self, path: str) -> None:
        await in_thread(self.call().delete, path)

    def text(self, path: str) -> str:
        return (self.folder.root / path).read_text()

    def put(self, path: str, text: str) -> None:
        """Somebody else writes."""
        (self.folder.root / path).write_text(text)


@asynccontextmanager
async def desk(
    folder: Path, store: SessionStore | None = None, *, resumed: bool = False, id: str = "s"
) -> AsyncIterator[Desk]:
    journal = await (store or DictSessionStore()).open(id, create=not resumed)
    made = Desk(FolderWorkspace(folder), journal)
    try:
        if resumed:
            await made.transcript.load()
        yield made
    finally:
        await made.transcript.aclose()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "ws"
    made.mkdir()
    return made


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def modes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}


# Undo and redo against a model

PATHS = st.sampled_from(("a", "b", "d/c"))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), PATHS, st.binary(max_size=3)),
        st.tuples(st.just("write"), PATHS, st.sampled_from((b"same", b"other"))),
        st.tuples(st.just("delete"), PATHS),
        st.tuples(st.just("turn")),
        st.tuples(st.just("undo"), st.integers(1, 3)),
        st.tuples(st.just("redo")),
        st.tuples(st.just("resume")),
    ),
    max_size=25,
)


class Model:
    """What must be in the folder: the states between turns, and those that an undo left."""

    def __init__(self) -> None:
        self.now: dict[str, bytes] = {}
        self.done: list[dict[str, bytes]] = []
        self.undone: list[tuple[list[dict[str, bytes]], dict[str, bytes]]] = []
        self.is_fresh = True

    def change(self, path: str, content: bytes | None) -> None:
        if self.now.get(path) == content:
            return
        if self.is_fresh:
            self.done.append(dict(self.now))
            self.undone.clear()
            self.is_fresh = False
        if content is None:
            del self.now[path]
        else:
            self.now[path] = content

    def undo(self, turns: int) -> None:
        taken = self.done[-turns:]
        if taken:
            del self.done[-turns:]
            self.undone.append((taken, self.now))
            self.now = dict(taken[0])

    def redo(self) -> None:
        if self.undone:
            taken, self.now = self.undone.pop()
            self.done += taken


@settings(deadline=None, max_examples=150)
@given(STEPS)
def test_any_sequence_of_changes_undos_and_resumes_is_like_the_model(steps: Sequence[tuple[object, ...]]) -> None:
    async def main(folder: Path) -> None:
        model, store, rest = Model(), DictSessionStore(), list(steps)
        resumed = False
        while rest or not resumed:
            async with desk(folder, store, resumed=resumed) as one:
                resumed = True
                if not one.transcript.run_id:
                    await one.turn()
                while rest and (step := rest.pop(0))[0] != "resume":
                    await follow(one, model, step)
                    assert files(folder) == model.now

    with tempfile.TemporaryDirectory() as folder:
        run(main(Path(folder)))


async def follow(one: Desk, model: Model, step: Sequence[object]) -> None:
    match step:
        case ("write", str(path), bytes(content)):
            await one.write(path, content)
            model.change(path, content)
        case ("delete", str(path)):
            with contextlib.suppress(ToolError):
                await one.delete(path)
            model.change(path, None)
        case ("undo", int(turns)):
            await one.history.undo(turns)
            model.undo(turns)
            await one.turn()
            model.is_fresh = True
        case ("redo",):
            await one.history.redo()
            model.redo()
            await one.turn()
            model.is_fresh = True
        case _:
            await one.turn()
            model.is_fresh = True


def test_undo_takes_back_a_whole_prompt_and_touches_nothing_else(folder: Path) -> None:
    async def main() -> None:
        async with desk(folder) as one:
            one.put("a", "old")
            one.put("mine", "mine")
            await one.turn()
            await one.write("a", b"first")
            await one.write("a", b"second")
            await one.write("new/file", b"new")
            one.put("mine", "changed meanwhile")
            undone = await one.history.undo()
            assert undone == Undone(restored=("a",), removed=("new/file",))
            assert undone.text == "restored a\nremoved new/file"
            assert files(folder) == {"a": b"old", "mine": b"changed meanwhile"}
            assert (await one.history.undo()).text == "There is nothing to take back."

    run(main())


def test_undos_at_once_follow_each_other(folder: Path) -> None:
    async def main() -> None:
        async with desk(folder) as one:
            for content in (b"1", b"2", b"3"):
                await one.turn()
                await one.write("a", content)
            await asyncio.gather(one.history.undo(), one.history.undo())
            assert one.text("a") == "1"
            await asyncio.gather(one.history.redo(), one.history.redo(), one.history.redo())
            assert one.text("a") == "3"

    run(main())


def test_a_restored_file_has_its_mode_again(folder: Path) -> None:
    async def main() -> None:
        async with desk(folder) as one:
            for name, mode in (("script", 0o755), ("secret", 0o600)):
                one.put(name, name)
                (folder / name).chmod(mode)
            await one.turn()
            await one.write("script", b"other")
            assert (folder / "script").stat().st_mode & 0o777 == 0o755
            (folder / "script").chmod(0o644)
            await one.delete("secret")
            await one.history.undo()
            assert [(folder / name).stat().st_mode & 0o777 for name in ("script", "secret")] == [0o755, 0o600]

    run(main())


def test_a_changed_mode_is_taken_back_and_made_again(folder: Path) -> None:
    """With the content, and where only the mode was changed; that is no version of the content."""

    async def main() -> None:
        async with desk(folder) as one:
            one.put("only", "text")
            one.put("both", "old")
            for name in ("only", "both"):
                (folder / name).chmod(0o644)
            await one.turn()
            for name, content in (("only", b"text"), ("both", b"new")):
                workspace = one.call()
                await in_thread(partial(workspace.write_bytes, name, content, mode=0o755))
                await workspace.finish()
            assert modes(folder) == {"only": 0o755, "both": 0o755}
            assert len(one.history.versions("only")) == 1
            undone = await one.history.undo()
            assert undone.restored == ("both", "only")
            assert modes(folder) == {"only": 0o644, "both": 0o644}
            assert files(folder)["both"] == b"old"
            await one.history.redo()
            assert modes(folder) == {"only": 0o755, "both": 0o755}
            assert files(folder)["both"] == b"new"

    run(main())


def test_a_file_that_was_removed_and_made_again_has_its_mode_after_an_undo(folder: Path) -> None:
    """A secret stays secret, also when its content is what it was; in one prompt and over two."""

    async def main() -> None:
        async with desk(folder) as one:
            one.put("secret", "text")
            (folder / "secret").chmod(0o600)
            for turns in (1, 2):
                await one.turn()
                await one.delete("secret")
                if turns == 2:
                    await one.turn()
                await one.write("secret", b"text")
                made = modes(folder)["secret"]
                assert made != 0o600
                await one.history.undo(turns)
                assert modes(folder) == {"secret": 0o600}
            await one.history.redo()
            assert modes(folder) == {"secret": made}

    run(main())


def test_what_a_tool_made_read_only_is_taken_back_and_made_again(folder: Path) -> None:
    async def main() -> None:
        async with desk(folder) as one:
            one.put("old", "text")
            (folder / "old").chmod(0o644)
            await one.turn()
            for name in ("old", "new"):
                workspace = one.call()
                await in_thread(partial(workspace.write_bytes, name, b"text", mode=0o444))
                await workspace.finish()
            assert await one.history.undo() == Undone(restored=("old",), removed=("new",))
            assert modes(folder) == {"old": 0o644}
            await one.history.redo()
            assert modes(folder) == {"old": 0o444, "new": 0o444}
            await one.history.undo()
            assert modes(folder) == {"old": 0o644}

    run(main())


def test_what_a_person_made_read_only_refuses_the_undo_before_anything_changes(folder: Path) -> None:
    async def main() -> None:
        async with desk(folder) as one:
            for name in ("a", "b", "c"):
                one.put(name, "old")
                await one.write(name, b"new")
            (folder / "b").chmod(0o444)
            with pytest.raises(ToolError, match="read-only: b; nothing was changed"):
                await one.history.undo()
            assert set(files(folder).values()) == {b"new"}
            (folder / "b").chmod(0o644)
            await one.history.undo()
            assert set(files(folder).values()) == {b"old"}

    run(main())


def test_a_mode_that_a_person_changed_stays_when_the_content_is_right(folder: Path) -> None:
    async def main() -> None:
        async with desk(folder) as one:
            one.put("script", "old")
            await one.turn()
            await one.write("script", b"new")
            one.put("script", "old")
            (folder / "script").chmod(0o755)
            await one.history.undo()
            assert modes(folder) == {"script": 0o755}

    run(main())


def test_a_link_stays_and_what_it_leads_to_is_changed_and_restored(folder: Path) -> None:
    async def main() -> None:
        async with desk(folder) as one:
            one.put("real", "old")
            (folder / "link").symlink_to("real")
            await one.turn()
            await one.write("link", b"new")
            assert (folder / "link").is_symlink()
            assert one.text("real") == "new"
            assert [version.path for version in one.history.versions("link")] == ["real", "real"]
            await one.history.undo()
            assert (folder / "link").is_symlink()
            assert one.text("real") == "old"

    run(main())


def test_a_file_that_became_a_link_to_the_outside_is_not_written_by_undo(folder: Path, tmp_path: Path) -> None:
    async def main() -> None:
        outside = tmp_path / "outside"
        outside.write_text("new")
        async with desk(folder) as one:
            one.put("a", "old")
            await one.turn()
            await one.write("a", b"new")
            (folder / "a").unlink()
            (folder / "a").symlink_to(outside)
            with pytest.raises(ToolError) as refused:
                await one.history.undo()
            assert refused.value.kind is ToolErrorKind.DENIED
            assert outside.read_text() == "new"

    run(main())


# Conflicts


def test_undo_refuses_what_somebody_else_changed_and_changes_nothing(folder: Path) -> None:
    async def main() -> None:
        async with desk(folder) as one:
            one.put("a", "old")
            await one.turn()
            await one.write("a", b"agent")
            await one.write("b", b"agent")
            one.put("b", "person")
            with pytest.raises(ToolError, match=r": b; nothing was changed") as refused:
                await one.history.undo()
            assert refused.value.kind is ToolErrorKind.VERSION_CONFLICT
            assert files(folder) == {"a": b"agent", "b": b"person"}

    run(main())


def test_a_forced_undo_keeps_what_it_overwrites(folder: Path) -> None:
    async def main() -> None:
        async with desk(folder) as one:
            one.put("a", "old")
            await one.turn()
            await one.write("a", b"agent")
            one.put("a", "person")
            await one.history.undo(force=True)
            assert one.text("a") == "old"
            await one.history.redo()
            assert one.text("a") == "person"

    run(main())


def test_undo_refuses_when_somebody_else_wrote_between_two_changes_of_the_prompt(folder: Path) -> None:
    async def main() -> None:
        async with desk(folder) as one:
            await one.turn()
            await one.write("a", b"1")
            one.put("a", "person")
            await one.write("a", b"2")
            with pytest.raises(ToolError, match="changed since"):
                await one.history.undo()

    run(main())


def test_a_call_does_not_overwrite_what_changed_since_it_read_the_file(folder: Path) -> None:
    async def main() -> None:
        async with desk(folder) as one:
            one.put("a", "old")
            workspace = one.call()
            await in_thread(workspace.read_bytes, "a")
            one.put("a", "person")
            with pytest.raises(ToolError, match="somebody else") as refused:
                await in_thread(workspace.write_bytes, "a", b"agent")
            assert refused.value.kind is ToolErrorKind.VERSION_CONFLICT
            assert one.text("a") == "person"

    run(main())


def test_a_call_does_not_overwrite_a_file_that_was_not_there_when_it_looked(folder: Path) -> None:
    async def main() -> None:
        async with desk(folder) as one:
            workspace = one.call()
            with pytest.raises(ToolError, match="does not exist"):
                await in_thread(workspace.read_bytes, "a")
            one.put("a", "person")
            with pytest.raises(ToolError, match="somebody else"):
                await in_thread(workspace.write_bytes, "a", b"agent")

    run(main())


def test_of_calls_in_parallel_sessions_that_read_the_same_each_change_is_kept_or_refused(folder: Path) -> None:
    """Adding one to a number, many at once: the number tells how many did not fail."""

    async def main() -> None:
        store, count = DictSessionStore(), 8
        (folder / "n").write_text("0")

        async def add(number: int) -> bool:
            async with desk(folder, store, id=f"s{number}") as one:
                workspace = one.call()

                def work() -> bool:
                    value = int(workspace.read_bytes("n"))
                    try:
                        workspace.write_bytes("n", str(value + 1).encode())
                    except ToolError as error:
                        return error.kind is not ToolErrorKind.VERSION_CONFLICT
                    return True

                return await in_thread(work)

        added = await asyncio.gather(*(add(number) for number in range(count)))
        assert any(added)
        assert (folder / "n").read_text() == str(sum(added))

    run(main())


def test_two_sessions_in_one_workspace_never_undo_each_other(folder: Path) -> None:
    async def main() -> None:
        store = DictSessionStore()
        async with desk(folder, store, id="s1") as first, desk(folder, store, id="s2") as second:
            await first.write("a", b"first")
            await second.write("b", b"second")
            await second.history.undo()
            assert files(folder) == {"a": b"first"}
            await second.turn()
            await second.write("a", b"second")
            with pytest.raises(ToolError, match="changed since"):
                await first.history.undo()
            await second.history.undo()
            await first.history.undo()
            assert files(folder) == {}

    run(main())


# A process dies, a disk fails

KILLED = """
    import asyncio, os, signal, sys
    from pathlib import Path
    from a3s_code import FileSessionStore
    from a3s_code.history import Author, VersionedWorkspace
    from a3s_code.threads import in_thread
    from a3s_code.transcript import Transcript
    from a3s_code.workspace import FolderWorkspace

    folder, sessions, moment = sys.argv[1:]

    class Killed(FolderWorkspace):
        def write_bytes(self, path, data, *, mode=None):
            if path == "b" and moment == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            written = super().write_bytes(path, data, mode=mode)
            if path == "b":
                os.kill(os.getpid(), signal.SIGKILL)
            return written

    async def main():
        journal = await FileSessionStore(sessions).open("s", create=True)
        author = Author(call_id="call", run_id="run", tool="write", is_model=True)
        workspace = VersionedWorkspace(Killed(folder), Transcript(journal, "s"), author)
        await in_thread(workspace.write_bytes, "a", b"new a")
        await in_thread(workspace.write_bytes, "b", b"new b")

    asyncio.run(main())
"""


@pytest.mark.parametrize("moment", ["before", "after"])
def test_after_a_kill_around_the_write_another_process_undoes_it(folder: Path, tmp_path: Path, moment: str) -> None:
    (folder / "a").write_text("old a")
    (folder / "b").write_text("old b")
    sessions = tmp_path / "sessions"

    died = subprocess.run(
        [sys.executable, "-c", dedent(KILLED), str(folder), str(sessions), moment], check=False, timeout=60
    )

    assert died.returncode == -signal.SIGKILL
    assert files(folder) == {"a": b"new a", "b": b"new b" if moment == "after" else b"old b"}

    async def main() -> None:
        async with desk(folder, FileSessionStore(sessions), resumed=True) as one:
            await one.history.undo()
            assert files(folder) == {"a": b"old a", "b": b"old b"}
            await one.history.redo()
            assert one.text("a") == "new a"

    run(main())


def test_nothing_is_written_when_the_history_cannot_be(folder: Path) -> None:
    async def main() -> None:
        store = DictSessionStore()
        async with desk(folder, store) as one:
            one.put("a", "old")
            store.failure = SessionError("the disk is full")
            with pytest.raises(ToolError, match=r"nothing was changed.*the disk is full"):
                await one.write("a", b"new")
            assert one.text("a") == "old"

    run(main())


def test_a_thread_that_outlives_its_session_changes_nothing(folder: Path) -> None:
    async def main() -> VersionedWorkspace:
        async with desk(folder) as one:
            return one.call()

    workspace = run(main())
    with pytest.raises(ToolError, match="the session has ended"):
        asyncio.run(in_thread(workspace.write_bytes, "a", b"new"))
    assert files(folder) == {}


def test_a_call_that_is_over_before_its_turn_changes_nothing(folder: Path) -> None:
    """It was cancelled while another call was changing the file; one that had begun goes on to its end."""

    async def main() -> None:
        async with desk(folder) as one:
            late = one.call()
            await late.finish()
            with pytest.raises(ToolError, match="the call is over"):
                await in_thread(late.write_bytes, "a", b"new")
            begun = one.call()
            await in_thread(begun.write_bytes, "b", b"1")
            await begun.finish()
            await in_thread(begun.write_bytes, "c", b"2")
            assert files(folder) == {"b": b"1", "c": b"2"}

    run(main())


def test_what_a_call_still_changed_after_the_undo_of_its_prompt_is_undone_by_the_next(folder: Path) -> None:
    async def main() -> None:
        async with desk(folder) as one:
            begun = one.call()
            await in_thread(begun.write_bytes, "a", b"1")
            await begun.finish()
            await one.history.undo()
            await in_thread(begun.write_bytes, "b", b"2")
            assert await one.history.undo() == Undone(removed=("b",))
            assert files(folder) == {}

    run(main())


def test_a_cancelled_call_is_waited_for_until_what_belongs_together_is_changed(folder: Path) -> None:
    """The first file is there when it is cancelled, the second when that is over."""

    async def main() -> None:
        async with desk(folder) as one:
            workspace, first, cancelled = one.call(), asyncio.Event(), threading.Event()
            loop = asyncio.get_running_loop()

            def change() -> None:
                with workspace.together():
                    workspace.write_bytes("a", b"1")
                    loop.call_soon_threadsafe(first.set)
                    assert cancelled.wait(10)
                    workspace.write_bytes("b", b"2")

            async def call() -> None:
                try:
                    await in_thread(change)
                finally:
                    cancelled.set()
                    await workspace.finish()

            task = asyncio.create_task(call())  # noqa: TID251 # awaited here
            await first.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert files(folder) == {"a": b"1", "b": b"2"}

    run(main())


def test_a_call_that_never_comes_to_its_end_is_not_waited_for_for_ever(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "END_DEADLINE_S", 0.01)

    async def main() -> None:
        async with desk(folder) as one:
            workspace = one.call()
            with workspace.together():
                await workspace.finish()

    run(main())


def test_a_call_that_is_over_begins_nothing_together(folder: Path) -> None:
    async def main() -> None:
        async with desk(folder) as one:
            late = one.call()
            await late.finish()
            with pytest.raises(ToolError, match="nothing was changed: the call is over"), late.together():
                raise AssertionError

    run(main())


def test_a_lost_blob_refuses_the_undo_before_anything_changes(folder: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with desk(folder, FileSessionStore(tmp_path / "sessions")) as one:
            one.put("a", "old")
            await one.write("a", b"new")
            await one.write("b", b"new")
            (tmp_path / "sessions" / "s" / "blobs" / sha256(b"old").hexdigest()).unlink()
            with pytest.raises(SessionError):
                await one.history.undo()
            assert files(folder) == {"a": b"new", "b": b"new"}

    run(main())


def test_an_undo_that_cannot_write_a_file_can_be_taken_back(folder: Path) -> None:
    """The disk refuses one of two files; redo brings the other one back."""

    class Full(FolderWorkspace):
        is_full = False

        def write_bytes(self, path: str, data: bytes, *, mode: int | None = None) -> Path:
            if self.is_full and path == "b":
                raise ToolError("no space")
            return super().write_bytes(path, data, mode=mode)

    async def main() -> None:
        workspace = Full(folder)
        one = Desk(workspace, await DictSessionStore().open("s", create=True))
        for name in ("a", "b"):
            one.put(name, "old")
            await one.write(name, b"new")
        workspace.is_full = True
        with pytest.raises(ToolError, match="no space; redo takes the rest back"):
            await one.history.undo()
        assert files(folder) == {"a": b"old", "b": b"new"}
        workspace.is_full = False
        await one.history.redo()
        assert files(folder) == {"a": b"new", "b": b"new"}

    run(main())


# Versions


def test_versions_name_every_content_that_a_file_had(folder: Path) -> None:
    async def main() -> None:
        async with desk(folder) as one:
            one.put("a", "old\n")
            await one.write("a", b"new\n")
            one.put("a", "person's\n")
            await one.write("a", b"newest\n", "edit")
            found = one.history.versions("a")
            assert [(each.version, each.tool_name, each.size) for each in found] == [
                (1, "", 4), (2, "write", 4), (3, "", 9), (4, "edit", 7),
            ]  # fmt: skip
            assert await one.history.diff("a", 1, 4) == (
                "--- a (version 1)\n+++ a (version 4)\n@@ -1 +1 @@\n-old\n+newest\n"
            )
            await one.history.restore("a", 3)
            assert one.text("a") == "person's\n"
            await one.history.undo()
            assert one.text("a") == "newest\n"

    run(main())


def test_a_version_without_a_file_removes_it(folder: Path) -> None:
    async def main() -> None:
        async with desk(folder) as one:
            await one.write("a", b"new\n")
            assert [version.digest for version in one.history.versions("a")] == [None, sha256(b"new\n").hexdigest()]
            assert (await one.history.diff("a", 1, 2)).startswith("--- /dev/null\n+++ a (version 2)\n@@ -0,0 +1 @@\n")
            await one.history.restore("a", 1)
            assert files(folder) == {}

    run(main())


@pytest.mark.parametrize("number", [-1, 0, 3])
def test_a_version_that_is_not_there_is_named_with_those_that_are(folder: Path, number: int) -> None:
    async def main() -> None:
        async with desk(folder) as one:
            await one.write("a", b"new")
            with pytest.raises(ToolError, match="there are 1 to 2"):
                await one.history.restore("a", number)
            with pytest.raises(ToolError, match="no tool of this session changed it"):
                await one.history.restore("other", number)

    run(main())


def test_of_large_files_only_the_digest_is_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "LARGEST_KEPT_BYTES", 100)

    async def main() -> None:
        async with desk(folder) as one:
            one.put("large", "x" * 101)
            await one.turn()
            await one.write("large", b"small")
            await one.write("b", b"b")
            old, new = one.history.versions("large")
            assert [old.is_kept, new.is_kept, old.size] == [False, True, 101]
            with pytest.raises(ToolError) as refused:
                await one.history.restore("large", 1)
            assert refused.value.kind is ToolErrorKind.TOO_LARGE
            undone = await one.history.undo()
            assert (undone.removed, undone.left) == (("b",), ("large",))
            assert files(folder) == {"large": b"small"}
            assert "left large" in undone.text

    run(main())


def test_equal_content_is_kept_once(folder: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with desk(folder, FileSessionStore(tmp_path / "sessions")) as one:
            for name in ("a", "b", "c"):
                await one.write(name, b"same")
                await one.write(name, b"other")
        assert len(list((tmp_path / "sessions" / "s" / "blobs").iterdir())) == 2

    run(main())


def test_writing_what_is_there_already_is_no_version(folder: Path) -> None:
    async def main() -> None:
        async with desk(folder) as one:
            one.put("a", "same")
            await one.write("a", b"same")
            assert one.history.versions("a") == ()

    run(main())


# What the model saw


def test_what_the_model_saw_is_known_in_the_next_call_and_after_a_resume(folder: Path) -> None:
    async def main() -> None:
        store = DictSessionStore()
        async with desk(folder, store) as one:
            workspace = one.call()
            assert workspace.seen("a") is None
            workspace.mark_seen("a", b"shown")
            assert workspace.seen("./a") == sha256(b"shown").hexdigest()
            await workspace.finish()
        async with desk(folder, store, resumed=True) as one:
            assert one.call().seen("a") == sha256(b"shown").hexdigest()
            await one.transcript.add(Cleared())
            assert one.call().seen("a") is None

    run(main())


def test_what_the_model_writes_counts_as_seen_and_what_the_host_does_does_not(folder: Path) -> None:
    async def main() -> None:
        async with desk(folder) as one:
            await one.write("a", b"model's")
            host = one.call(origin="host")
            await in_thread(host.write_bytes, "a", b"host's")
            host.mark_seen("a", b"host's")
            await host.finish()
            assert host.seen("a") is None
            assert one.call().seen("a") == sha256(b"model's").hexdigest()

    run(main())


def test_a_write_that_failed_leaves_what_the_model_saw(folder: Path) -> None:
    async def main() -> None:
        async with desk(folder) as one:
            (folder / "d").mkdir()
            with pytest.raises(ToolError):
                await one.write("d", b"a folder")
            assert one.call().seen("d") is None

    run(main())


# In a session


@pytest.fixture
def agent(config: str) -> AsyncAgent:
    return AsyncAgent(config, catalogue=None)


def scripted(*turns: Any) -> dict[str, Any]:  # what a script and a session take
    return {"llm_client": ScriptedClient(*turns), "permissive": True}


def on_the_loop(args: JsonObject, use: ToolUse) -> str:
    use.workspace.write_bytes(str(args["path"]), b"from the loop")
    return "written"


def test_undo_of_a_session_takes_the_last_prompt_back_and_the_next_one_goes_further(
    agent: AsyncAgent, workspace: Path
) -> None:
    async def main() -> None:
        before = files(workspace)
        client = scripted(
            call("write", file_path="a.py", content="one\n"), "done",
            call("write", file_path="a.py", content="two\n"), call("write", file_path="new.py", content="x"), "done",
        )  # fmt: skip
        async with agent:
            session = agent.session(workspace, **client)
            await session.send("first")
            await session.send("second")
            assert (await session.undo()).removed == ("new.py",)
            assert (workspace / "a.py").read_text() == "one\n"
            await session.undo()
            assert files(workspace) == before
            await session.redo()
            await session.redo()
            assert (workspace / "new.py").read_text() == "x"
            await session.undo(2)
            assert files(workspace) == before

    run(main())


def test_undo_works_in_a_resumed_session_and_in_a_fork(config: str, workspace: Path, tmp_path: Path) -> None:
    stored = config.replace('"memory"', f'"file"\nsessions_dir = "{tmp_path / "sessions"}"')

    async def main() -> None:
        before = files(workspace)
        async with AsyncAgent(stored) as first:
            session = first.session(workspace, **scripted(call("write", file_path="a.py", content="one\n"), "done"))
            await session.send("go")
        await FileSessionStore(tmp_path / "sessions").fork(session.session_id, "fork")
        async with AsyncAgent(stored) as second:
            resumed = await second.resume_session(session.session_id)
            await resumed.undo()
            assert files(workspace) == before
            await resumed.redo()
            fork = await second.resume_session("fork")
            await fork.undo()
            assert files(workspace) == before

    run(main())


def test_the_slash_commands_say_what_was_done(agent: AsyncAgent, workspace: Path) -> None:
    async def main() -> None:
        client = scripted(call("write", file_path="a.py", content="one\n"), "done")
        async with agent:
            session = agent.session(workspace, **client)
            await session.send("go")
            assert (await session.send("/undo")).text == "restored a.py"
            assert (await session.send("/redo")).text == "restored a.py"
            (workspace / "a.py").write_text("person")
            assert "/undo failed: changed since by somebody else" in (await session.send("/undo")).text
            assert (await session.send("/undo force")).text == "restored a.py"
            assert (await session.send("/undo 5")).text == "There is nothing to take back."
            assert "Usage" in (await session.send("/undo all")).text
            assert "Usage" in (await session.send("/redo all")).text

    run(main())


def test_direct_calls_are_versioned_and_undone_one_by_one(agent: AsyncAgent, workspace: Path) -> None:
    async def main() -> None:
        async with agent:
            session = agent.session(workspace, **scripted())
            await session.tool("write", {"file_path": "a.py", "content": "one\n"})
            await session.tool("write", {"file_path": "a.py", "content": "two\n"})
            assert [version.tool_name for version in await session.list_file_versions("a.py")] == ["", "write", "write"]
            await session.undo()
            assert (workspace / "a.py").read_text() == "one\n"
            await session.restore_file_version("a.py", 3)
            assert "+two\n" in await session.diff_file_versions("a.py", 2, 3)

    run(main())


def test_a_tool_that_writes_on_the_event_loop_is_versioned_too(agent: AsyncAgent, workspace: Path) -> None:
    async def main() -> None:
        old = (workspace / "a.py").read_bytes()
        client = scripted(call("direct", path="a.py"), "done")
        async with agent:
            session = agent.session(workspace, tools=[FakeTool("direct", on_the_loop)], **client)
            await session.send("go")
            assert (workspace / "a.py").read_text() == "from the loop"
            await session.undo()
            assert (workspace / "a.py").read_bytes() == old

    run(main())


def test_on_the_event_loop_a_file_that_a_thread_is_changing_is_refused_instead_of_waited_for(folder: Path) -> None:
    async def main() -> None:
        async with desk(folder) as one:
            reached, release = asyncio.Event(), asyncio.Event()
            keep, loop = one.transcript.keep, asyncio.get_running_loop()

            async def slow(content: bytes) -> str:
                loop.call_soon(reached.set)
                await release.wait()
                return await keep(content)

            one.transcript.keep = slow  # type: ignore[method-assign] # the disk is slow
            thread = asyncio.gather(in_thread(one.call().write_bytes, "a", b"thread's"))
            await reached.wait()
            with pytest.raises(ToolError, match="being changed by another call"):
                one.call().write_bytes("a", b"loop's")
            release.set()
            await thread
            assert one.text("a") == "thread's"

    run(main())


def test_undo_waits_for_no_running_prompt(agent: AsyncAgent, workspace: Path) -> None:
    async def main() -> None:
        hold = Hold(asyncio.Event(), "answer")
        async with agent:
            session = agent.session(workspace, llm_client=ScriptedClient(hold))
            stream = session.stream("go")
            await hold.reached.wait()
            for refused in (session.undo, session.redo, lambda: session.restore_file_version("a.py", 1)):
                with pytest.raises(SessionBusyError):
                    await refused()
            hold.release.set()
            await stream.result()

    run(main())


def test_the_synchronous_session_undoes_too(config: str, workspace: Path) -> None:
    before = files(workspace)
    with Agent(config) as agent:
        session = agent.session(workspace, **scripted())
        session.tool("write", {"file_path": "a.py", "content": "one\n"})
        assert len(session.list_file_versions("a.py")) == 2
        assert session.diff_file_versions("a.py", 1, 2)
        session.undo()
        assert files(workspace) == before
        session.redo()
        session.restore_file_version("a.py", 1)
        assert files(workspace) == before


def test_more_sessions_than_threads_write_at_once(config: str, workspace: Path, tmp_path: Path) -> None:
    """Tools that hold every thread of the loop wait for journals that therefore must not need one."""
    stored = config.replace('"memory"', f'"file"\nsessions_dir = "{tmp_path / "sessions"}"')
    count = 3 * (min(32, (os.cpu_count() or 1) + 4))

    def write(number: int) -> Callable[[JsonObject, ToolUse], object]:
        async def work(_args: JsonObject, use: ToolUse) -> str:
            await asyncio.to_thread(use.workspace.write_bytes, f"f{number}", b"x")
            return "written"

        return work

    async def main() -> None:
        async with AsyncAgent(stored) as agent:
            sessions = [
                agent.session(workspace, tools=[FakeTool("put", write(number))], **scripted())  # type: ignore[arg-type] # an async function
                for number in range(count)
            ]
            results = await asyncio.gather(*(session.tool("put") for session in sessions))
            assert [result.output for result in results] == ["written"] * count

    run(main())


def test_a_change_is_on_disk_before_the_file_changes(folder: Path) -> None:
    """At the moment of the write the record and both contents are durable."""
    store = DictSessionStore()
    found: list[tuple[bytes, bytes]] = []

    async def look() -> None:
        journal = await store.crashed().open("s", create=False)
        transcript = Transcript(journal)
        await transcript.load()
        (change,) = transcript.file_records
        assert isinstance(change, FileChanged)
        assert change.before is not None
        assert change.after is not None
        found.append((await transcript.kept(change.before), await transcript.kept(change.after)))

    class Watched(FolderWorkspace):
        def write_bytes(self, path: str, data: bytes, *, mode: int | None = None) -> Path:
            asyncio.run(look())
            return super().write_bytes(path, data, mode=mode)

    async def main() -> None:
        one = Desk(Watched(folder), await store.open("s", create=True))
        one.put("a", "old")
        await one.write("a", b"new")

    run(main())
    assert found == [(b"old", b"new")]

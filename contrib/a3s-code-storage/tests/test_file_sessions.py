"""FileSessionStore under crashes, full disks, several processes and forks."""

import asyncio
import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from a3s_code_storage.file_sessions import FileSessionStore
from a3s_code_storage.journal_format import HEADER, decode
from hypothesis import given, settings
from hypothesis import strategies as st

from a3s_code.plugin import SessionError, SessionInfo, SessionLockedError

DIGEST = sha256(b"image").hexdigest()


async def create(store: FileSessionStore, id: str, *records: bytes) -> None:
    journal = await store.open(id, create=True)
    await journal.append(records, durable=True)
    await journal.aclose()


async def contents(store: FileSessionStore, id: str) -> list[bytes]:
    journal = await store.open(id, create=False)
    records = [record for _, record in await journal.read()]
    await journal.aclose()
    return records


def test_folders_and_files_are_the_owners_alone(tmp_path: Path) -> None:
    async def scenario() -> None:
        store = FileSessionStore(tmp_path / "deep" / "sessions")
        journal = await store.open("a", create=True)
        await journal.put_blob(DIGEST, b"image")
        await journal.snapshot(SessionInfo(id="a"))
        await journal.aclose()

    asyncio.run(scenario())
    root = tmp_path / "deep" / "sessions"
    for path in (root, *root.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_the_default_folder_is_the_state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    asyncio.run(create(FileSessionStore(), "a"))
    assert (tmp_path / "a3s-code" / "sessions" / "a" / "journal").is_file()


def test_a_relative_state_folder_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    asyncio.run(create(FileSessionStore(), "a"))
    assert (tmp_path / ".local" / "state" / "a3s-code" / "sessions" / "a").is_dir()


def test_a_journal_cut_anywhere_opens_with_its_whole_records_and_keeps_the_rest_aside(tmp_path: Path) -> None:
    async def scenario() -> None:
        store = FileSessionStore(tmp_path)
        await create(store, "a", b"one", b"two", b"three")
        whole = (tmp_path / "a" / "journal").read_bytes()
        for cut in range(len(whole)):
            (tmp_path / "a" / "journal").write_bytes(whole[:cut])
            journal = await store.open("a", create=False)
            kept = [record for _, record in await journal.read()]
            assert kept == [b"one", b"two", b"three"][: len(kept)]
            assert await journal.append([b"next"], durable=True) == len(kept) + 1
            await journal.aclose()
            assert await contents(store, "a") == [*kept, b"next"]
            aside = b"".join(path.read_bytes() for path in (tmp_path / "a").glob("torn-*"))
            longest = whole[:cut].rpartition(b"\n")[2]
            assert aside.endswith(longest)
            for path in (tmp_path / "a").glob("torn-*"):
                path.unlink()

    asyncio.run(scenario())


def test_setting_a_torn_end_aside_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        store = FileSessionStore(tmp_path)
        await create(store, "a", b"one")
        with (tmp_path / "a" / "journal").open("ab") as file:
            file.write(b"half a rec")
        assert await contents(store, "a") == [b"one"]

    asyncio.run(scenario())
    assert "bytes=10" in caplog.text


def test_a_damaged_journal_is_refused_unchanged_and_unlocked(tmp_path: Path) -> None:
    async def scenario() -> None:
        store = FileSessionStore(tmp_path)
        await create(store, "a", b"one", b"two", b"three")
        path = tmp_path / "a" / "journal"
        damaged = path.read_bytes().replace(b"two", b"tvo")
        path.write_bytes(damaged)
        for _ in range(2):
            with pytest.raises(SessionError, match="journal is damaged at record 2"):
                await store.open("a", create=False)
        assert path.read_bytes() == damaged
        with pytest.raises(SessionError, match="damaged at record 2"):
            await store.fork("a", "b")
        assert [info.id for info in await store.list()] == ["a"]

    asyncio.run(scenario())


def test_a_damaged_blob_is_an_error(tmp_path: Path) -> None:
    async def scenario() -> None:
        journal = await FileSessionStore(tmp_path).open("a", create=True)
        await journal.put_blob(DIGEST, b"image")
        (tmp_path / "a" / "blobs" / DIGEST).write_bytes(b"imagf")
        with pytest.raises(SessionError, match="digest"):
            await journal.get_blob(DIGEST)
        with pytest.raises(SessionError, match="not a SHA-256"):
            await journal.get_blob("../../etc/passwd")
        await journal.aclose()

    asyncio.run(scenario())


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """A real failing write: the system takes what fits and then refuses (EFBIG), as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@settings(max_examples=25, deadline=None)
@given(room=st.integers(0, 120))
def test_a_failed_write_leaves_nothing_of_its_call(tmp_path_factory: pytest.TempPathFactory, room: int) -> None:
    async def scenario() -> None:
        folder = tmp_path_factory.mktemp("sessions")
        store = FileSessionStore(folder)
        journal = await store.open("a", create=True)
        await journal.append([b"one"], durable=False)
        size = (folder / "a" / "journal").stat().st_size
        with largest_file(size + room), pytest.raises(SessionError, match=r"cannot write .*journal"):
            await journal.append([b"x" * 50, b"y" * 50], durable=True)
        assert (folder / "a" / "journal").stat().st_size == size
        assert await journal.append([b"two"], durable=True) == 2
        assert [record for _, record in await journal.read()] == [b"one", b"two"]
        await journal.aclose()
        assert await contents(store, "a") == [b"one", b"two"]

    asyncio.run(scenario())


def test_a_failed_snapshot_keeps_the_old_one(tmp_path: Path) -> None:
    async def scenario() -> None:
        store = FileSessionStore(tmp_path)
        journal = await store.open("a", create=True)
        await journal.snapshot(SessionInfo(id="a", title="old"))
        with largest_file(10), pytest.raises(SessionError, match="cannot write"):
            await journal.snapshot(SessionInfo(id="a", title="new"))
        await journal.aclose()
        assert [info.title for info in await store.list()] == ["old"]
        assert not [path for path in (tmp_path / "a").iterdir() if path.name.endswith(".tmp")]

    asyncio.run(scenario())


def test_after_a_failed_sync_the_journal_takes_nothing_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(_fd: int) -> None:
        raise OSError(5, "Input/output error")

    async def scenario() -> None:
        store = FileSessionStore(tmp_path)
        journal = await store.open("a", create=True)
        await journal.append([b"durable"], durable=True)
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", failing)
            outcomes = await asyncio.gather(
                *(journal.append([b"lost"], durable=True) for _ in range(3)), return_exceptions=True
            )
        assert [type(outcome) for outcome in outcomes] == [SessionError] * 3
        with pytest.raises(SessionError, match="not written any more"):
            await journal.append([b"late"], durable=False)
        assert [record for _, record in await journal.read()] == [b"durable"]
        await journal.aclose()
        assert await contents(store, "a") == [b"durable"]

    asyncio.run(scenario())


def test_durable_appends_at_the_same_time_share_syncs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    syncs: list[int] = []
    real = os.fsync

    def counting(fd: int) -> None:
        syncs.append(fd)
        real(fd)

    async def scenario() -> None:
        journal = await FileSessionStore(tmp_path).open("a", create=True)
        monkeypatch.setattr(os, "fsync", counting)
        await asyncio.gather(*(journal.append([b"x"], durable=True) for _ in range(50)))
        assert len(syncs) <= 2
        await journal.aclose()

    asyncio.run(scenario())


def test_records_say_what_was_on_disk_before_them(tmp_path: Path) -> None:
    async def scenario() -> None:
        journal = await FileSessionStore(tmp_path).open("a", create=True)
        for durable in (False, True, False):
            await journal.append([b"x"], durable=durable)
        await journal.snapshot(SessionInfo(id="a"))
        await journal.append([b"x"], durable=False)
        await journal.aclose()

    asyncio.run(scenario())
    lines = [decode(line) for line in (tmp_path / "a" / "journal").read_bytes().splitlines(keepends=True)[1:]]
    assert [line.synced for line in lines if line is not None] == [0, 0, 2, 3]


def test_a_cancelled_append_disturbs_nobody(tmp_path: Path) -> None:
    async def scenario() -> None:
        store = FileSessionStore(tmp_path)
        journal = await store.open("a", create=True)
        for _ in range(20):
            appends = [asyncio.create_task(journal.append([b"x"], durable=True)) for _ in range(2)]  # noqa: TID251 # awaited below
            await asyncio.sleep(0)
            appends[0].cancel()
            await asyncio.gather(*appends, return_exceptions=True)
            assert appends[0].cancelled()
            assert appends[1].exception() is None
        await journal.aclose()
        assert await contents(store, "a") == [b"x"] * 40

    asyncio.run(scenario())


def test_cancelling_open_or_close_gives_up_the_lock(tmp_path: Path) -> None:
    async def cancelled(work: asyncio.Task[Any]) -> None:  # whatever it gives is thrown away
        await asyncio.sleep(0)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)

    async def scenario() -> None:
        store = FileSessionStore(tmp_path)
        journal = await store.open("a", create=True)
        await journal.append([b"one"], durable=False)
        await cancelled(asyncio.create_task(journal.aclose()))  # noqa: TID251 # awaited below
        await cancelled(asyncio.create_task(store.open("b", create=True)))  # noqa: TID251 # awaited below

    asyncio.run(scenario())  # its end waits for the worker threads
    store = FileSessionStore(tmp_path)
    assert asyncio.run(contents(store, "a")) == [b"one"]
    assert asyncio.run(contents(store, "b")) == []


def test_someone_elses_write_is_noticed_before_the_next(tmp_path: Path) -> None:
    async def scenario() -> None:
        store = FileSessionStore(tmp_path)
        journal = await store.open("a", create=True)
        with (tmp_path / "a" / "journal").open("ab") as file:
            file.write(b"stranger")
        with pytest.raises(SessionError, match="changed or removed by someone else"):
            await journal.append([b"one"], durable=True)
        await journal.aclose()
        journal = await store.open("a", create=False)
        shutil.rmtree(tmp_path / "a")
        with pytest.raises(SessionError, match="changed or removed by someone else"):
            await journal.append([b"one"], durable=True)
        await journal.aclose()

    asyncio.run(scenario())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_an_error_at_open(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(SessionError, match=r"cannot create .*configure another folder"):
        asyncio.run(create(FileSessionStore(tmp_path), "a"))


def test_a_folder_that_cannot_be_made_is_an_error_at_open(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SessionError, match="cannot create a session in"):
        asyncio.run(create(FileSessionStore(tmp_path / "file" / "sessions"), "a"))


def test_a_session_without_a_good_snapshot_is_listed_with_what_is_known(tmp_path: Path) -> None:
    async def scenario() -> None:
        store = FileSessionStore(tmp_path)
        await create(store, "a")
        for damaged in ('{"id": "a", "upda', "[]", '{"id": "a", "updated_at": "soon"}', ""):
            (tmp_path / "a" / "info.json").write_text(damaged)
            (info,) = await store.list()
            assert info.id == "a"
            assert info.updated_at > 0
        (tmp_path / "not-a-session").mkdir()
        (tmp_path / "file").write_text("")
        assert len(await store.list()) == 1

    asyncio.run(scenario())


def test_records_after_the_last_snapshot_count_as_use(tmp_path: Path) -> None:
    async def scenario() -> None:
        store = FileSessionStore(tmp_path)
        await create(store, "a", b"one")
        (tmp_path / "a" / "info.json").write_text('{"id": "a", "updated_at": 5, "title": "t"}')
        os.utime(tmp_path / "a" / "info.json", (10, 10))
        os.utime(tmp_path / "a" / "journal", (20, 20))
        assert await store.list() == (SessionInfo(id="a", updated_at=20, title="t"),)

    asyncio.run(scenario())


def test_leftovers_of_crashes_are_removed_and_never_listed(tmp_path: Path) -> None:
    async def scenario() -> None:
        store = FileSessionStore(tmp_path)
        await create(store, "a")
        for name in (".deleted-1", ".new-1", ".new-young"):
            shutil.copytree(tmp_path / "a", tmp_path / name)
        os.utime(tmp_path / ".new-1", (1, 1))
        assert [info.id for info in await store.list()] == ["a"]
        await create(store, "b")
        assert sorted(path.name for path in tmp_path.iterdir()) == [".new-young", "a", "b"]

    asyncio.run(scenario())


def test_blobs_of_a_fork_are_links(tmp_path: Path) -> None:
    async def scenario() -> None:
        store = FileSessionStore(tmp_path)
        journal = await store.open("a", create=True)
        await journal.put_blob(DIGEST, b"image")
        await store.fork("a", "b")
        await journal.aclose()

    asyncio.run(scenario())
    assert (tmp_path / "b" / "blobs" / DIGEST).samefile(tmp_path / "a" / "blobs" / DIGEST)


WRITER = """
import asyncio, sys
from a3s_code_storage.file_sessions import FileSessionStore

async def main():
    journal = await FileSessionStore(sys.argv[1]).open("a", create=sys.argv[2] == "new")
    print("ready", flush=True)
    while True:
        first = len(await journal.read())
        seq = await journal.append([b"%d " % n + b"x" * 20000 for n in range(first, first + 3)], durable=True)
        print(seq, flush=True)

asyncio.run(main())
"""


@contextmanager
def writer(folder: Path, *, new: bool) -> "Iterator[subprocess.Popen[str]]":
    command = [sys.executable, "-c", WRITER, str(folder), "new" if new else "old"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        try:
            yield child
        finally:
            child.kill()


def test_a_second_process_is_told_which_has_the_session(tmp_path: Path) -> None:
    with writer(tmp_path, new=True) as child:
        with pytest.raises(SessionLockedError, match=rf"session a is open in process {child.pid} on host .* since 20"):
            asyncio.run(contents(FileSessionStore(tmp_path), "a"))
        with pytest.raises(SessionLockedError):
            asyncio.run(FileSessionStore(tmp_path).delete("a"))
        asyncio.run(FileSessionStore(tmp_path).fork("a", "b"))
    assert asyncio.run(contents(FileSessionStore(tmp_path), "a"))


def test_a_killed_writer_loses_nothing_durable(tmp_path: Path) -> None:
    store = FileSessionStore(tmp_path)
    for round in range(6):
        with writer(tmp_path, new=round == 0) as child:
            assert child.stdout is not None
            acknowledged = [int(child.stdout.readline()) for _ in range(1 + round * 3)]
            child.send_signal(signal.SIGKILL)
            acknowledged += [int(line) for line in child.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
        records = asyncio.run(contents(store, "a"))
        assert len(records) >= max(acknowledged)
        assert [int(record.split()[0]) for record in records] == list(range(len(records)))


def test_a_forked_child_cannot_write_and_does_not_keep_the_lock(tmp_path: Path) -> None:
    script = """
import asyncio, os, sys
from a3s_code.plugin import SessionError
from a3s_code_storage.file_sessions import FileSessionStore

journal = asyncio.run(FileSessionStore(sys.argv[1]).open("a", create=True))
if os.fork():
    os._exit(0)  # the parent dies with the session open, the child lives on
try:
    asyncio.run(journal.append([b"child"], durable=True))
except SessionError as error:
    print(error, flush=True)
asyncio.run(journal.aclose())
sys.stdin.read()
"""
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdin is not None
        assert "before this process was forked" in parent.stdout.readline()
        parent.wait()
        assert asyncio.run(contents(FileSessionStore(tmp_path), "a")) == []
        parent.stdin.close()
    assert (tmp_path / "a" / "journal").read_bytes() == HEADER


def test_a_child_program_does_not_inherit_the_lock(tmp_path: Path) -> None:
    store = FileSessionStore(tmp_path)
    journal = asyncio.run(store.open("a", create=True))
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, close_fds=False) as child:
        asyncio.run(journal.aclose())
        assert asyncio.run(contents(store, "a")) == []
        assert child.stdin is not None
        child.stdin.close()


@pytest.mark.parametrize("calls", range(12))
def test_a_disk_that_is_full_from_any_write_on_leaves_what_was_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: int
) -> None:
    """Creation, appends, blob and snapshot: each write in turn is the first that fails, and all after it."""
    real, left = os.write, iter(range(calls))

    def full(fd: int, content: bytes) -> int:
        if next(left, None) is None:
            real(fd, bytes(content)[: len(content) // 2])
            raise OSError(28, "No space left on device")
        return real(fd, content)

    async def scenario() -> None:
        store, durable = FileSessionStore(tmp_path), []
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", full)
            try:
                journal = await store.open("a", create=True)
            except SessionError as error:
                assert "free some space" in str(error)  # noqa: PT017 # only some of the runs fail here
                assert list(tmp_path.iterdir()) == []
                return
            for number in range(3):
                with suppress(SessionError):
                    await journal.append([b"%d" % number, b"x" * 9000], durable=True)
                    durable += [b"%d" % number, b"x" * 9000]
                    await journal.put_blob(DIGEST, b"image")
                    await journal.snapshot(SessionInfo(id="a", title=str(number)))
        assert await journal.append([b"space again"], durable=True) == len(durable) + 1
        await journal.aclose()
        assert await contents(store, "a") == [*durable, b"space again"]
        assert [info.id for info in await store.list()] == ["a"]

    asyncio.run(scenario())

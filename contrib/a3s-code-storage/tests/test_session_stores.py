"""What both session stores promise."""

import asyncio
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from a3s_code_storage.file_sessions import FileSessionStore
from a3s_code_storage.memory_sessions import MemorySessionStore

from a3s_code.plugin import SessionError, SessionInfo, SessionLockedError, SessionNotFoundError, SessionStore

DIGEST = sha256(b"image").hexdigest()


@pytest.fixture(params=["file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> SessionStore:
    makers: dict[str, Callable[[], SessionStore]] = {
        "file": lambda: FileSessionStore(tmp_path / "sessions"),
        "memory": MemorySessionStore,
    }
    return makers[request.param]()


def test_it_is_a_session_store(store: SessionStore) -> None:
    assert isinstance(store, SessionStore)


def test_records_are_numbered_from_one_and_come_back_after_reopening(store: SessionStore) -> None:
    async def scenario() -> None:
        journal = await store.open("a", create=True)
        assert await journal.append([b"one", b"two"], durable=False) == 2
        assert await journal.append([], durable=True) == 2
        assert await journal.append([b"three"], durable=True) == 3
        await journal.aclose()
        journal = await store.open("a", create=False)
        assert list(await journal.read()) == [(1, b"one"), (2, b"two"), (3, b"three")]
        assert list(await journal.read(2)) == [(3, b"three")]
        assert list(await journal.read(3)) == []
        assert await journal.append([b"four"], durable=True) == 4
        await journal.aclose()

    asyncio.run(scenario())


def test_appends_at_the_same_time_keep_their_order(store: SessionStore) -> None:
    async def scenario() -> None:
        journal = await store.open("a", create=True)
        records = [b"%d" % number for number in range(200)]
        seqs = await asyncio.gather(*(journal.append([record], durable=True) for record in records))
        assert seqs == list(range(1, 201))
        assert [record for _, record in await journal.read()] == records
        await journal.aclose()

    asyncio.run(scenario())


def test_creating_a_session_twice_and_opening_none_are_errors(store: SessionStore) -> None:
    async def scenario() -> None:
        await (await store.open("a", create=True)).aclose()
        with pytest.raises(SessionError, match="already a session a"):
            await store.open("a", create=True)
        with pytest.raises(SessionNotFoundError, match="no session b"):
            await store.open("b", create=False)

    asyncio.run(scenario())


def test_an_open_session_can_neither_be_opened_nor_deleted(store: SessionStore) -> None:
    async def scenario() -> None:
        journal = await store.open("a", create=True)
        with pytest.raises(SessionLockedError, match="this process"):
            await store.open("a", create=False)
        with pytest.raises(SessionLockedError):
            await store.delete("a")
        await journal.aclose()
        await journal.aclose()
        await (await store.open("a", create=False)).aclose()
        assert await store.delete("a")
        assert not await store.delete("a")
        assert await store.list() == ()
        await (await store.open("a", create=True)).aclose()

    asyncio.run(scenario())


def test_a_closed_journal_refuses_everything(store: SessionStore) -> None:
    async def scenario() -> None:
        journal = await store.open("a", create=True)
        await journal.aclose()
        with pytest.raises(SessionError, match="closed"):
            await journal.append([b"x"], durable=False)
        with pytest.raises(SessionError, match="closed"):
            await journal.read()
        with pytest.raises(SessionError, match="closed"):
            await journal.put_blob(DIGEST, b"image")
        with pytest.raises(SessionError, match="closed"):
            await journal.snapshot(SessionInfo(id="a"))

    asyncio.run(scenario())


def test_blobs_are_kept_by_digest(store: SessionStore) -> None:
    async def scenario() -> None:
        journal = await store.open("a", create=True)
        await journal.put_blob(DIGEST, b"image")
        await journal.put_blob(DIGEST, b"image")
        assert await journal.get_blob(DIGEST) == b"image"
        with pytest.raises(SessionError):
            await journal.get_blob("0" * 64)
        with pytest.raises(SessionError, match="digest"):
            await journal.put_blob("0" * 64, b"image")
        await journal.aclose()

    asyncio.run(scenario())


def test_a_fork_of_an_open_session_goes_its_own_way(store: SessionStore) -> None:
    async def scenario() -> None:
        journal = await store.open("a", create=True)
        await journal.append([b"one"], durable=False)
        await journal.put_blob(DIGEST, b"image")
        await journal.snapshot(SessionInfo(id="a", title="hello"))
        await store.fork("a", "b")
        fork = await store.open("b", create=False)
        await fork.append([b"fork"], durable=True)
        await journal.append([b"original"], durable=True)
        assert [record for _, record in await journal.read()] == [b"one", b"original"]
        assert [record for _, record in await fork.read()] == [b"one", b"fork"]
        await journal.aclose()
        await store.delete("a")
        assert await fork.get_blob(DIGEST) == b"image"
        await fork.aclose()
        (info,) = await store.list()
        assert (info.id, info.title) == ("b", "hello")
        with pytest.raises(SessionNotFoundError):
            await store.fork("a", "c")
        with pytest.raises(SessionError, match="already"):
            await store.fork("b", "b")

    asyncio.run(scenario())


def test_sessions_are_listed_last_used_first(store: SessionStore) -> None:
    async def scenario() -> None:
        for id, updated_at in (("old", 1.0), ("new", 3.0), ("middle", 2.0)):
            journal = await store.open(id, create=True)
            await journal.snapshot(SessionInfo(id=id, updated_at=updated_at, workspace="/w", records=7))
            await journal.aclose()
        infos = await store.list()
        assert [info.id for info in infos] == ["new", "middle", "old"]
        assert infos[0] == SessionInfo(id="new", updated_at=3.0, workspace="/w", records=7)

    asyncio.run(scenario())


@pytest.mark.parametrize("id", ["", ".", "..", ".hidden", "a/b", "a\n", "ü", "a" * 129, "a\0"])
def test_ids_that_are_no_names_are_refused(store: SessionStore, id: str) -> None:
    async def scenario() -> None:
        for attempt in (store.open(id, create=True), store.delete(id), store.fork("a", id)):
            with pytest.raises(SessionError, match="cannot be the id"):
                await attempt

    asyncio.run(scenario())


@pytest.mark.parametrize("id", ["a", "-", "A.b_c-9", "a" * 128])
def test_ids_that_are_names_are_taken(store: SessionStore, id: str) -> None:
    async def scenario() -> None:
        await (await store.open(id, create=True)).aclose()
        assert [info.id for info in await store.list()] == [id]

    asyncio.run(scenario())


def test_a_line_end_in_a_record_is_refused_and_nothing_is_written(store: SessionStore) -> None:
    async def scenario() -> None:
        journal = await store.open("a", create=True)
        with pytest.raises(ValueError, match="line end"):
            await journal.append([b"fine", b"a\nb"], durable=True)
        assert list(await journal.read()) == []
        await journal.aclose()

    asyncio.run(scenario())

"""What both session stores do beyond the contract of the point."""

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


def test_appends_at_the_same_time_keep_their_order(store: SessionStore) -> None:
    async def scenario() -> None:
        journal = await store.open("a", create=True)
        records = [b"%d" % number for number in range(200)]
        seqs = await asyncio.gather(*(journal.append([record], durable=True) for record in records))
        assert seqs == list(range(1, 201))
        assert [record for _, record in await journal.read()] == records
        await journal.aclose()

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


def test_a_line_end_in_a_record_is_refused_and_nothing_is_written(store: SessionStore) -> None:
    async def scenario() -> None:
        journal = await store.open("a", create=True)
        with pytest.raises(ValueError, match="line end"):
            await journal.append([b"fine", b"a\nb"], durable=True)
        assert list(await journal.read()) == []
        await journal.aclose()

    asyncio.run(scenario())

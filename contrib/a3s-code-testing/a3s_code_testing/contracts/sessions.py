"""What every SessionStore promises, and its Journals."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import sha256
from typing import TypeVar

import pytest

from a3s_code.plugin import (
    Journal,
    SessionError,
    SessionInfo,
    SessionLockedError,
    SessionNotFoundError,
    SessionStore,
)
from a3s_code_testing.running import run, start

__all__ = ["SessionStoreContract"]

T = TypeVar("T")

IMAGE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 100
DIGEST = sha256(IMAGE).hexdigest()
OPAQUE = (b"{}", b"", b"\x00\xff\xfe not text", "ü 😀".encode(), b"x" * 300_000)
WRONG_IDS = ("", ".", "..", ".hidden", "a/b", "a\\b", "a b", "ä", "a\n", "a\x00", "a" * 129)


class SessionStoreContract:
    """Inherit it and give `session_store`: an empty store."""

    @pytest.fixture
    def session_store(self) -> SessionStore:
        raise NotImplementedError("give a fixture session_store")

    def test_records_count_from_1_without_gaps(self, session_store: SessionStore) -> None:
        """Record numbers (seq) count from 1 without gaps; `append` gives the seq of the last."""

        async def append(journal: Journal) -> list[int]:
            return [
                await journal.append([b"a"], durable=True),
                await journal.append([b"b", b"c"], durable=False),
                await journal.append([b"d"], durable=True),
            ]

        assert _in_new(session_store, append) == [1, 3, 4]

    def test_what_was_appended_is_read_in_order(self, session_store: SessionStore) -> None:
        """`read` gives the records with their seq."""

        async def append_and_read(journal: Journal) -> Sequence[tuple[int, bytes]]:
            await journal.append([b"a", b"b"], durable=False)
            return await journal.read()

        assert list(_in_new(session_store, append_and_read)) == [(1, b"a"), (2, b"b")]

    def test_reading_begins_after_the_given_seq(self, session_store: SessionStore) -> None:
        """`read(after_seq)` gives the records after it, and nothing after the last."""

        async def append_and_read(journal: Journal) -> list[Sequence[tuple[int, bytes]]]:
            await journal.append([b"a", b"b", b"c"], durable=True)
            return [list(await journal.read(after)) for after in (1, 3)]

        assert _in_new(session_store, append_and_read) == [[(2, b"b"), (3, b"c")], []]

    def test_a_new_journal_is_empty(self, session_store: SessionStore) -> None:
        """A session that was just created has no records."""

        async def read(journal: Journal) -> Sequence[tuple[int, bytes]]:
            return await journal.read()

        assert list(_in_new(session_store, read)) == []

    def test_records_are_opaque(self, session_store: SessionStore) -> None:
        """Records are opaque bytes without line ends and come back as they were, also after reopening."""

        async def append(journal: Journal) -> None:
            await journal.append(OPAQUE, durable=True)

        _in_new(session_store, append)
        assert _records(session_store) == list(OPAQUE)

    def test_a_reopened_journal_goes_on_counting(self, session_store: SessionStore) -> None:
        """Numbers go on where the journal ended."""

        async def append(journal: Journal) -> int:
            return await journal.append([b"x"], durable=True)

        _in_new(session_store, append)
        assert _in(session_store, append, create=False) == 2

    def test_an_image_comes_back(self, session_store: SessionStore) -> None:
        """Bytes are kept by their SHA-256, durable when `put_blob` returns; writing one twice costs nothing."""

        async def put_twice(journal: Journal) -> None:
            await journal.put_blob(DIGEST, IMAGE)
            await journal.put_blob(DIGEST, IMAGE)

        async def get(journal: Journal) -> bytes:
            return await journal.get_blob(DIGEST)

        _in_new(session_store, put_twice)
        assert _in(session_store, get, create=False) == IMAGE

    def test_a_missing_image_is_an_error(self, session_store: SessionStore) -> None:
        """`get_blob` raises SessionError when it is missing."""

        async def get(journal: Journal) -> bytes:
            return await journal.get_blob(DIGEST)

        with pytest.raises(SessionError):
            _in_new(session_store, get)

    def test_it_writes_while_all_threads_of_the_loop_wait_for_it(self, session_store: SessionStore) -> None:
        """Tools wait for the journal in threads, so it must not need one of the loop's own."""

        async def write(journal: Journal) -> bytes:
            asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
            is_written = threading.Event()
            waiting = start(asyncio.to_thread(is_written.wait, 10))
            await journal.append([b"a"], durable=True)
            await journal.put_blob(DIGEST, IMAGE)
            is_written.set()
            assert await waiting, "it was not written while the thread waited"
            return await journal.get_blob(DIGEST)

        assert _in_new(session_store, write) == IMAGE

    def test_closing_twice_does_nothing(self, session_store: SessionStore) -> None:
        """A second `aclose` does nothing, not even to whoever holds the session by then."""

        async def scenario() -> None:
            first = await session_store.open("s", create=True)
            await first.aclose()
            second = await session_store.open("s", create=False)
            await first.aclose()
            try:
                with pytest.raises(SessionLockedError):
                    await session_store.open("s", create=False)
            finally:
                await second.aclose()

        run(scenario())

    def test_an_open_session_is_locked(self, session_store: SessionStore) -> None:
        """SessionLockedError: another process (or this one) has it open."""

        async def open_again(journal: Journal) -> None:
            with pytest.raises(SessionLockedError):
                await session_store.open("s", create=False)

        _in_new(session_store, open_again)

    def test_a_session_that_is_not_there_is_not_found(self, session_store: SessionStore) -> None:
        """SessionNotFoundError: create is False and there is none; and none is made by asking."""
        with pytest.raises(SessionNotFoundError):
            run(session_store.open("s", create=False))
        assert run(session_store.list()) == ()

    def test_a_session_is_created_once(self, session_store: SessionStore) -> None:
        """SessionError: create is True and there is one already."""
        _in_new(session_store, _nothing)
        with pytest.raises(SessionError):
            run(session_store.open("s", create=True))

    @pytest.mark.parametrize("id", WRONG_IDS, ids=ascii)
    def test_a_wrong_id_is_refused(self, session_store: SessionStore, id: str) -> None:
        """Ids are 1 to 128 letters, digits, "-", "_" or "." not beginning with "."; all else raises SessionError."""
        _in_new(session_store, _nothing)
        for attempt in (
            lambda: session_store.open(id, create=True),
            lambda: session_store.delete(id),
            lambda: session_store.fork("s", id),
        ):
            with pytest.raises(SessionError):
                run(attempt())

    @pytest.mark.parametrize("id", ["a", "A.b-c_9", "-", "_.", "x" * 128], ids=ascii)
    def test_a_right_id_is_taken(self, session_store: SessionStore, id: str) -> None:
        """Ids are 1 to 128 letters, digits, "-", "_" or "." not beginning with "."."""
        _in(session_store, _nothing, id=id, create=True)
        assert [info.id for info in run(session_store.list())] == [id]

    def test_a_snapshot_is_listed(self, session_store: SessionStore) -> None:
        """`snapshot` keeps the info for `list`."""
        info = SessionInfo(
            id="s", workspace="/ws", created_at=1.5, updated_at=2.5, title="fix ü", model="p/m", records=3
        )

        async def snapshot(journal: Journal) -> None:
            await journal.snapshot(info)

        _in_new(session_store, snapshot)
        assert run(session_store.list()) == (info,)

    def test_a_snapshot_keeps_the_records(self, session_store: SessionStore) -> None:
        """`snapshot` makes everything durable and changes no record."""

        async def append_around_a_snapshot(journal: Journal) -> None:
            await journal.append([b"a"], durable=False)
            await journal.snapshot(SessionInfo(id="s"))
            await journal.append([b"b"], durable=True)

        _in_new(session_store, append_around_a_snapshot)
        assert _records(session_store) == [b"a", b"b"]

    def test_the_list_begins_with_the_last_used(self, session_store: SessionStore) -> None:
        """All sessions, last used first."""
        for number, id in enumerate(("a", "b", "c", "a"), 1):
            info = SessionInfo(id=id, updated_at=number)
            _in(session_store, partial(_snapshot, info=info), id=id, create=number < 4)
        assert [info.id for info in run(session_store.list())] == ["a", "c", "b"]

    def test_a_deleted_session_is_gone(self, session_store: SessionStore) -> None:
        """`delete` removes a session; False when there was none."""
        _in_new(session_store, _nothing)
        assert [run(session_store.delete("s")) for _ in range(2)] == [True, False]
        assert run(session_store.list()) == ()

    def test_a_deleted_session_takes_its_images_along(self, session_store: SessionStore) -> None:
        """`delete` removes a session with its blobs."""

        async def put(journal: Journal) -> None:
            await journal.put_blob(DIGEST, IMAGE)

        async def get(journal: Journal) -> bytes:
            return await journal.get_blob(DIGEST)

        _in_new(session_store, put)
        run(session_store.delete("s"))
        with pytest.raises(SessionError):
            _in_new(session_store, get)

    def test_an_open_session_is_not_deleted(self, session_store: SessionStore) -> None:
        """SessionLockedError when it is open, and nothing is removed."""

        async def delete(journal: Journal) -> Sequence[tuple[int, bytes]]:
            await journal.append([b"a"], durable=True)
            with pytest.raises(SessionLockedError):
                await session_store.delete("s")
            return await journal.read()

        assert list(_in_new(session_store, delete)) == [(1, b"a")]

    def test_a_fork_has_the_records_and_images(self, session_store: SessionStore) -> None:
        """`fork` copies a session's records and blobs under a new id."""

        async def fill(journal: Journal) -> None:
            await journal.append([b"a", b"b"], durable=True)
            await journal.put_blob(DIGEST, IMAGE)

        async def get(journal: Journal) -> bytes:
            return await journal.get_blob(DIGEST)

        _in_new(session_store, fill)
        run(session_store.fork("s", "copy"))
        assert _records(session_store, "copy") == [b"a", b"b"]
        assert _in(session_store, get, id="copy", create=False) == IMAGE

    def test_a_fork_goes_its_own_way(self, session_store: SessionStore) -> None:
        """What happens in the copy is not seen in the original."""

        async def append(journal: Journal) -> None:
            await journal.append([b"more"], durable=True)

        _in_new(session_store, append)
        run(session_store.fork("s", "copy"))
        _in(session_store, append, id="copy", create=False)
        assert (_records(session_store), _records(session_store, "copy")) == ([b"more"], [b"more", b"more"])

    def test_nothing_can_be_forked_from_nothing(self, session_store: SessionStore) -> None:
        """A session that is not there is not found."""
        with pytest.raises(SessionError):
            run(session_store.fork("s", "copy"))

    def test_a_fork_never_overwrites(self, session_store: SessionStore) -> None:
        """An id that is taken already is refused, like creating it twice."""
        _in(session_store, _nothing, id="a", create=True)
        _in(session_store, _nothing, id="b", create=True)
        with pytest.raises(SessionError):
            run(session_store.fork("a", "b"))


async def _nothing(journal: Journal) -> None:
    """Opens and closes."""


async def _snapshot(journal: Journal, info: SessionInfo) -> None:
    await journal.append([b"x"], durable=True)
    await journal.snapshot(info)


def _in(store: SessionStore, work: Callable[[Journal], Awaitable[T]], *, create: bool, id: str = "s") -> T:
    async def use() -> T:
        journal = await store.open(id, create=create)
        try:
            return await work(journal)
        finally:
            await journal.aclose()

    return run(use())


def _in_new(store: SessionStore, work: Callable[[Journal], Awaitable[T]]) -> T:
    return _in(store, work, create=True)


def _records(store: SessionStore, id: str = "s") -> list[bytes]:
    async def read(journal: Journal) -> list[bytes]:
        return [record for _, record in await journal.read()]

    return _in(store, read, create=False, id=id)

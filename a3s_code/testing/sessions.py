"""A session store for tests: journals in a dict, with a crash at will."""

import asyncio
import re
from collections.abc import Sequence
from hashlib import sha256

from attrs import define, evolve, field

from a3s_code.plugin import Journal, SessionError, SessionInfo, SessionLockedError, SessionNotFoundError, SessionStore

__all__ = ["DictSessionStore"]


@define
class _Kept:
    """What the store has of one session; *durable* records survive a crash."""

    info: SessionInfo
    used: int
    records: list[bytes] = field(factory=list)
    durable: int = 0
    blobs: dict[str, bytes] = field(factory=dict)
    locked: bool = False


class DictSessionStore(SessionStore):
    """Keeps journals in memory.

    Attributes:
        failure: While set, every append raises it and writes nothing: the disk is full.
    """

    def __init__(self) -> None:
        self.failure: SessionError | None = None
        self._kept: dict[str, _Kept] = {}
        self._uses = 0

    async def open(self, id: str, *, create: bool) -> Journal:
        kept = self._kept.get(_checked(id))
        if kept is not None and kept.locked:
            raise SessionLockedError(f"session {id} is open in this process; close it first")
        if create and kept is not None:
            raise SessionError(f"there is a session {id} already; resume it or take another id")
        if not create and kept is None:
            raise SessionNotFoundError(f"there is no session {id}")
        kept = self._kept.setdefault(id, kept or _Kept(SessionInfo(id=id), 0))
        kept.locked = True
        self._touch(kept)
        return _DictJournal(self, kept)

    async def list(self) -> tuple[SessionInfo, ...]:
        return tuple(kept.info for kept in sorted(self._kept.values(), key=lambda kept: -kept.used))

    async def delete(self, id: str) -> bool:
        kept = self._kept.get(_checked(id))
        if kept is not None and kept.locked:
            raise SessionLockedError(f"session {id} is open in this process; close it before deleting it")
        return self._kept.pop(id, None) is not None

    async def fork(self, id: str, new_id: str) -> None:
        kept = self._kept.get(_checked(id))
        if kept is None:
            raise SessionNotFoundError(f"there is no session {id}")
        if _checked(new_id) in self._kept:
            raise SessionError(f"there is a session {new_id} already; take another id for the copy")
        copy = _Kept(evolve(kept.info, id=new_id), 0, list(kept.records), len(kept.records), dict(kept.blobs))
        self._kept[new_id] = copy
        self._touch(copy)

    def crashed(self) -> "DictSessionStore":
        """What another process finds after a crash now: durable records only, and no lock."""
        store = DictSessionStore()
        store._uses = self._uses
        store._kept = {
            id: evolve(kept, records=kept.records[: kept.durable], blobs=dict(kept.blobs), locked=False)
            for id, kept in self._kept.items()
        }
        return store

    def _touch(self, kept: _Kept) -> None:
        self._uses += 1
        kept.used = self._uses


class _DictJournal(Journal):
    def __init__(self, store: DictSessionStore, kept: _Kept):
        self._store = store
        self._kept = kept
        self._closed = False

    async def append(self, records: Sequence[bytes], *, durable: bool) -> int:
        await self._checkpoint()
        if self._store.failure is not None:
            raise self._store.failure
        self._kept.records.extend(records)
        if durable:
            self._kept.durable = len(self._kept.records)
        self._store._touch(self._kept)
        return len(self._kept.records)

    async def read(self, after_seq: int = 0) -> Sequence[tuple[int, bytes]]:
        await self._checkpoint()
        return list(enumerate(self._kept.records, 1))[after_seq:]

    async def put_blob(self, digest: str, data: bytes) -> None:
        await self._checkpoint()
        self._kept.blobs[digest] = data

    async def get_blob(self, digest: str) -> bytes:
        await self._checkpoint()
        data = self._kept.blobs.get(digest)
        if data is None or sha256(data).hexdigest() != digest:
            raise SessionError(f"blob {digest} of session {self._kept.info.id} is missing or damaged")
        return data

    async def snapshot(self, info: SessionInfo) -> None:
        await self._checkpoint()
        self._kept.durable = len(self._kept.records)
        self._kept.info = info
        self._store._touch(self._kept)

    async def aclose(self) -> None:
        if not self._closed:
            self._closed = True
            self._kept.durable = len(self._kept.records)
            self._kept.locked = False

    async def _checkpoint(self) -> None:
        if self._closed:
            raise SessionError(f"the journal of session {self._kept.info.id} is closed")
        await asyncio.sleep(0)  # a real journal lets others run while it writes


def _checked(id: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}", id):
        raise SessionError(f'{id!r} is no session id; use 1 to 128 letters, digits, "-", "_" or ".", not "." first')
    return id

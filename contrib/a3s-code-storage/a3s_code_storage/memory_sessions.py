"""MemorySessionStore: sessions of this process, gone with it."""

import builtins
from collections.abc import Sequence
from hashlib import sha256
from time import time

from attrs import define, evolve, field

from a3s_code.plugin import Journal, SessionError, SessionInfo, SessionLockedError, SessionNotFoundError, SessionStore
from a3s_code_storage.session_ids import check_id
from a3s_code_storage.session_info import list_order

__all__ = ["MemorySessionStore"]


@define
class _Session:
    info: SessionInfo
    records: list[bytes] = field(factory=list)
    blobs: dict[str, bytes] = field(factory=dict)
    is_open: bool = False


class MemorySessionStore(SessionStore):
    """Keeps sessions in memory; durable means appended."""

    def __init__(self) -> None:
        self._sessions: dict[str, _Session] = {}

    async def open(self, id: str, *, create: bool) -> Journal:
        """See `SessionStore.open`."""
        check_id(id)
        if create:
            self._add(id, _Session(SessionInfo(id=id, created_at=time(), updated_at=time())))
        session = self._existing(id)
        _check_not_open(id, session)
        session.is_open = True
        return _MemoryJournal(session)

    def _add(self, id: str, session: _Session) -> None:
        if id in self._sessions:
            raise SessionError(f"there is already a session {id}; open it or use another id")
        self._sessions[id] = session

    def _existing(self, id: str) -> _Session:
        session = self._sessions.get(id)
        if session is None:
            raise SessionNotFoundError(f"there is no session {id} in this process's memory")
        return session

    async def list(self) -> tuple[SessionInfo, ...]:
        """See `SessionStore.list`."""
        return tuple(sorted((session.info for session in self._sessions.values()), key=list_order))

    async def delete(self, id: str) -> bool:
        """See `SessionStore.delete`."""
        check_id(id)
        session = self._sessions.get(id)
        if session is None:
            return False
        _check_not_open(id, session)
        del self._sessions[id]
        return True

    async def fork(self, id: str, new_id: str) -> None:
        """See `SessionStore.fork`."""
        check_id(id)
        check_id(new_id)
        session = self._existing(id)
        copied = evolve(session, info=evolve(session.info, id=new_id), records=session.records.copy(), is_open=False)
        copied.blobs = session.blobs.copy()
        self._add(new_id, copied)


def _check_not_open(id: str, session: _Session) -> None:
    if session.is_open:
        raise SessionLockedError(f"session {id} is open in this process; close it, or fork it and open the fork")


class _MemoryJournal(Journal):
    def __init__(self, session: _Session):
        self._session = session
        self._closed = False

    def _check_open(self) -> None:
        if self._closed:
            raise SessionError("the session's journal is closed; open the session again")

    async def append(self, records: Sequence[bytes], *, durable: bool) -> int:
        self._check_open()
        if any(b"\n" in record for record in records):
            raise ValueError("a record of the journal must not hold a line end")
        if records:
            self._session.records.extend(records)
            self._session.info = evolve(self._session.info, updated_at=time())
        return len(self._session.records)

    async def read(self, after_seq: int = 0) -> Sequence[tuple[int, bytes]]:
        self._check_open()
        return builtins.list(enumerate(self._session.records, 1))[max(0, after_seq) :]

    async def put_blob(self, digest: str, data: bytes) -> None:
        self._check_open()
        if sha256(data).hexdigest() != digest:
            raise SessionError(f"these {len(data)} bytes do not have the digest {digest}")
        self._session.blobs[digest] = bytes(data)

    async def get_blob(self, digest: str) -> bytes:
        self._check_open()
        try:
            return self._session.blobs[digest]
        except KeyError:
            raise SessionError(f"the session has no bytes with the digest {digest}") from None

    async def snapshot(self, info: SessionInfo) -> None:
        self._check_open()
        self._session.info = evolve(info, id=self._session.info.id)

    async def aclose(self) -> None:
        if not self._closed:
            self._closed = True
            self._session.is_open = False

"""SessionStore: where journals are kept."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from attrs import frozen

__all__ = ["Journal", "SessionInfo", "SessionStore"]


@frozen(kw_only=True)
class SessionInfo:
    """What a list of sessions shows.

    Args:
        id: The session's id.
        workspace: Absolute path.
        created_at: Seconds since the epoch.
        updated_at: Seconds since the epoch.
        title: The beginning of the first prompt, "" before it.
        model: "provider/model".
        records: Number of records at the last snapshot.
    """

    id: str
    workspace: str = ""
    created_at: float = 0.0
    updated_at: float = 0.0
    title: str = ""
    model: str = ""
    records: int = 0


class Journal(Protocol):
    """One session's append-only list of records, held by one process at a time.

    Contract: one writer; record numbers (seq) count from 1 without gaps; after a crash at any moment the journal holds
    a prefix of what was appended that includes everything appended with durable=True. Tools wait for it in threads, so
    its own work in threads uses `in_thread`: `asyncio.to_thread` may have none left.
    """

    async def append(self, records: Sequence[bytes], *, durable: bool) -> int:
        """Appends records and returns the seq of the last.

        Args:
            records: Opaque bytes without line ends.
            durable: Return only when they and all before are on disk.

        Raises:
            SessionError: They could not be written (disk full); nothing of this call counts as written.
        """
        ...

    async def read(self, after_seq: int = 0) -> Sequence[tuple[int, bytes]]:
        """The records after *after_seq* with their seq.

        Raises:
            SessionError: A record before the end is damaged; a torn last one is dropped silently.
        """
        ...

    async def put_blob(self, digest: str, data: bytes) -> None:
        """Keeps bytes by their SHA-256 in hexadecimal; durable when it returns; writing one twice costs nothing."""
        ...

    async def get_blob(self, digest: str) -> bytes:
        """Raises SessionError when it is missing or its bytes no longer have this digest."""
        ...

    @property
    def folder(self) -> Path | None:
        """A folder that goes with the session, in which others may be made; None when the store has none.

        Tools keep long output in its folder `outputs`.
        """
        return None

    async def snapshot(self, info: SessionInfo) -> None:
        """Makes everything durable and keeps *info* for `SessionStore.list`."""
        ...

    async def aclose(self) -> None:
        """Syncs and gives up the lock; a second call does nothing."""
        ...


@runtime_checkable
class SessionStore(Protocol):
    """Keeps journals by session id.

    Contract: ids are 1 to 128 letters, digits, "-", "_" or "." not beginning with "."; anything else raises
    SessionError.
    """

    async def open(self, id: str, *, create: bool) -> Journal:
        """The journal with its lock held.

        Raises:
            SessionNotFoundError: create is False and there is none.
            SessionLockedError: Another process (or this one) has it open; the text says which.
            SessionError: create is True and there is one already, or it cannot be read.
        """
        ...

    async def list(self) -> tuple[SessionInfo, ...]:
        """All sessions, last used first; a damaged one is listed with what is known of it."""
        ...

    async def delete(self, id: str) -> bool:
        """Removes a session with its blobs; False when there was none; SessionLockedError when it is open."""
        ...

    async def fork(self, id: str, new_id: str) -> None:
        """Copies a session's records and blobs under a new id.

        Where journals have folders, the files of `outputs` go to `outputs/<id>` of the copy, and those of its folders
        to folders of the same names.
        """
        ...

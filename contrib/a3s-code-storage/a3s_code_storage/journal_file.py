"""FileJournal: a session's journal in a folder."""

import asyncio
import os
from array import array
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from re import fullmatch

from a3s_code.plugin import Journal, Log, SessionError, SessionInfo, started_in_thread
from a3s_code_storage.durable_files import replace_file, reported, write_all
from a3s_code_storage.journal_format import HEADER, Layout, decode, encode, scan
from a3s_code_storage.session_info import write_info
from a3s_code_storage.session_lock import SessionLock

__all__ = ["FileJournal", "open_journal"]


def open_journal(folder: Path, lock: SessionLock, log: Log) -> "FileJournal":
    """The journal in *folder*, made whole: a torn end is moved to a file of its own.

    Raises:
        SessionError: It is damaged or cannot be read or written.
    """
    path = folder / "journal"
    with reported("open", path):
        fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        try:
            with path.open("rb") as file:
                layout = scan(file, path)
            if layout.end < layout.size or not layout.end:
                layout = _cut_torn_end(fd, path, layout, log)
            os.fsync(fd)  # a process that died may have left records that are not on disk yet
        except BaseException:
            os.close(fd)
            raise
    return FileJournal(folder, fd, lock, layout)


def _cut_torn_end(fd: int, path: Path, layout: Layout, log: Log) -> Layout:
    torn = os.pread(fd, layout.size - layout.end, layout.end)
    aside = path.with_name(f"torn-{layout.end}-{sha256(torn).hexdigest()[:8]}")
    if torn and not aside.exists():
        replace_file(aside, torn)
        log.warning("the end of a journal was torn by a crash and set aside", file=str(aside), bytes=len(torn))
    os.ftruncate(fd, layout.end)
    if not layout.end:
        write_all(fd, HEADER)
    end = layout.end or len(HEADER)
    return Layout(starts=layout.starts, end=end, size=end)


class FileJournal(Journal):
    """One session's journal; made by `open_journal`, used from one event loop.

    Records are written at once by the caller, so their order is the order of the calls; syncs run in a worker thread
    and are shared: whoever waits while one runs is served together by the next.
    """

    def __init__(self, folder: Path, fd: int, lock: SessionLock, layout: Layout):
        self._folder = folder
        self._path = folder / "journal"
        self._fd = fd
        self._lock = lock
        self._starts = array("Q", layout.starts)
        self._end = layout.end
        self._synced = len(self._starts)
        self._synced_end = layout.end
        self._syncing: asyncio.Future[None] | None = None
        self._failure: OSError | None = None
        self._closing = False

    @property
    def folder(self) -> Path:
        return self._folder

    async def append(self, records: Sequence[bytes], *, durable: bool) -> int:
        """See `Journal.append`. Cancelling a durable append leaves its records written, maybe not yet on disk."""
        self._check_usable()
        if records:
            self._write(records)
        last = len(self._starts)
        if durable:
            await self._sync(last)
        return last

    def _write(self, records: Sequence[bytes]) -> None:
        first = len(self._starts) + 1
        lines = [encode(payload, seq, self._synced) for seq, payload in enumerate(records, first)]
        self._check_alone()
        try:
            with reported("write", self._path):
                write_all(self._fd, b"".join(lines))
        except BaseException:
            self._cut(self._end)
            raise
        for line in lines:
            self._starts.append(self._end)
            self._end += len(line)

    def _check_usable(self) -> None:
        if self._closing:
            raise SessionError("the session's journal is closed; open the session again")
        if self._lock.is_inherited:
            raise SessionError("the session was opened before this process was forked; open or fork it in each process")
        if self._failure is not None:
            raise SessionError(
                f"{self._path} is not written any more since the disk failed ({self._failure.strerror}); "
                "check the disk and open the session again: it then holds what was durable"
            ) from self._failure

    def _check_alone(self) -> None:
        with reported("write", self._path):
            status = os.fstat(self._fd)
        if status.st_size != self._end or not status.st_nlink:
            raise SessionError(
                f"{self._path} was changed or removed by someone else while this session was open; "
                "nothing was written. Close the session and open it again"
            )

    def _cut(self, end: int) -> None:
        try:
            os.ftruncate(self._fd, end)
        except OSError as error:
            self._failure = error

    async def _sync(self, seq: int) -> None:
        while self._synced < seq:
            if self._failure is not None or self._fd < 0:
                raise SessionError(
                    f"cannot bring {self._path} to the disk: {self._failure or 'it was closed'}; "
                    "the last records are lost. Check the disk and open the session again"
                ) from self._failure
            if self._syncing is None:
                self._start_sync()
            assert self._syncing is not None
            await asyncio.wait([self._syncing])  # not cancelled with us: others wait for it

    def _start_sync(self) -> None:
        covered, covered_end = len(self._starts), self._end

        def settle(done: asyncio.Future[None]) -> None:
            self._syncing = None
            error = None if done.cancelled() else done.exception()
            if isinstance(error, OSError):
                # the system forgets which pages it failed to write, so a second fsync would report a false success
                self._failure = error
                self._cut(self._synced_end)
                del self._starts[self._synced :]
                self._end = self._synced_end
            elif not done.cancelled():
                self._synced, self._synced_end = covered, covered_end

        self._syncing = started_in_thread(os.fsync, self._fd)
        self._syncing.add_done_callback(settle)

    async def read(self, after_seq: int = 0) -> Sequence[tuple[int, bytes]]:
        """See `Journal.read`."""
        if self._fd < 0:
            self._check_usable()
        if after_seq >= len(self._starts):
            return ()
        start, end = self._starts[max(0, after_seq)], self._end
        return await started_in_thread(self._read, start, end)

    def _read(self, start: int, end: int) -> list[tuple[int, bytes]]:
        records: list[tuple[int, bytes]] = []
        with reported("read", self._path), self._path.open("rb") as file:
            file.seek(start)
            while start < end:
                line = file.readline()
                record = decode(line)
                if record is None:
                    raise SessionError(f"{self._path} was damaged at byte {start} while the session was open")
                records.append((record.seq, record.payload))
                start += len(line)
        return records

    async def put_blob(self, digest: str, data: bytes) -> None:
        """See `Journal.put_blob`."""
        self._check_usable()
        await started_in_thread(_put_blob, self._blob_path(digest), data)

    async def get_blob(self, digest: str) -> bytes:
        """See `Journal.get_blob`."""
        return await started_in_thread(_get_blob, self._blob_path(digest))

    def _blob_path(self, digest: str) -> Path:
        if not fullmatch("[0-9a-f]{64}", digest):
            raise SessionError(f"{digest!r} is not a SHA-256 in hexadecimal")
        return self._folder / "blobs" / digest

    async def snapshot(self, info: SessionInfo) -> None:
        """See `Journal.snapshot`."""
        self._check_usable()
        await self._sync(len(self._starts))
        await started_in_thread(write_info, self._folder, info)

    async def aclose(self) -> None:
        """See `Journal.aclose`."""
        if self._closing:
            return
        self._closing = True
        if self._lock.is_inherited:
            return
        try:
            if self._failure is None:
                await self._sync(len(self._starts))
        finally:
            if self._syncing is None:
                self.close_files()
            else:  # we were cancelled while a sync runs
                self._syncing.add_done_callback(lambda _: self.close_files())

    def close_files(self) -> None:
        """Gives up the file and the lock without syncing."""
        self._closing = True
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)
        self._lock.release()


def _put_blob(path: Path, data: bytes) -> None:
    if sha256(data).hexdigest() != path.name:
        raise SessionError(f"these {len(data)} bytes do not have the digest {path.name}")
    with reported("write", path):
        if path.is_file() and path.stat().st_size == len(data):
            return
        replace_file(path, data)


def _get_blob(path: Path) -> bytes:
    with reported("read", path):
        data = path.read_bytes()
    if sha256(data).hexdigest() != path.name:
        raise SessionError(f"{path} is damaged: its bytes no longer have the digest of its name; restore it")
    return data

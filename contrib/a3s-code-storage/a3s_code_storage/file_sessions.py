"""FileSessionStore: sessions in a folder.

    <dir>/<id>/journal         the records (see `journal_format`)
    <dir>/<id>/blobs/<digest>  bytes by their SHA-256
    <dir>/<id>/info.json       what the list of sessions shows
    <dir>/<id>/lock            held by the process that has the session open
    <dir>/<id>/torn-*          ends of the journal that crashes cut off
    <dir>/<id>/outputs/        what tools kept; a fork has what its original kept in outputs/<id of the original>/

A session is built under a hidden name and renamed when it is whole; a deleted one is renamed first and then removed.
"""

import asyncio
import builtins
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from attrs import evolve

from a3s_code.plugin import Journal, Log, SessionError, SessionInfo, SessionNotFoundError, SessionStore, get_log
from a3s_code_storage.durable_files import make_folder, replace_file, reported, state_dir, sync_folder, write_new
from a3s_code_storage.journal_file import FileJournal, open_journal
from a3s_code_storage.journal_format import HEADER, scan
from a3s_code_storage.session_ids import check_id
from a3s_code_storage.session_info import list_order, read_info, write_info
from a3s_code_storage.session_lock import SessionLock

__all__ = ["FileSessionStore"]

_LEFTOVER_AGE_S = 3600.0


class FileSessionStore(SessionStore):
    """Keeps sessions in a folder that only its owner can read.

    Args:
        dir: The folder; default `$XDG_STATE_HOME/a3s-code/sessions`, `~/.local/state` without that variable.
        log: Where cut-off ends of journals are reported.
    """

    def __init__(self, dir: str | os.PathLike[str] | None = None, *, log: Log | None = None):
        self._dir = Path(dir).expanduser().absolute() if dir else state_dir("sessions")
        self._log = log or get_log("a3s_code.storage")

    async def open(self, id: str, *, create: bool) -> Journal:
        """See `SessionStore.open`."""
        check_id(id)
        opening = asyncio.get_running_loop().run_in_executor(None, self._create if create else self._open, id)
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(_abandon)
            raise

    def _open(self, id: str) -> FileJournal:
        folder = self._existing(id)
        with self._lock(folder) as lock:
            return open_journal(folder, lock, self._log)

    def _create(self, id: str) -> FileJournal:
        with reported("create a session in", self._dir), self._building(id) as (folder, lock):
            write_new(folder / "journal", HEADER)
        try:
            return open_journal(self._dir / id, lock, self._log)
        except BaseException:
            lock.release()
            raise

    def _existing(self, id: str) -> Path:
        folder = self._dir / id
        with reported("read", folder):
            try:
                (folder / "journal").stat()
            except (FileNotFoundError, NotADirectoryError):
                raise SessionNotFoundError(f"there is no session {id} in {self._dir}") from None
        return folder

    @contextmanager
    def _lock(self, folder: Path) -> Iterator[SessionLock]:
        """The lock, kept when the block succeeds, given up when it fails."""
        try:
            with reported("lock", folder / "lock"):
                lock = SessionLock(folder, folder.name)
        except SessionError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                raise SessionNotFoundError(f"session {folder.name} was just deleted") from error
            raise
        try:
            yield lock
        except BaseException:
            lock.release()
            raise

    @contextmanager
    def _building(self, id: str) -> Iterator[tuple[Path, SessionLock]]:
        """A hidden folder that becomes the session *id*, with its lock held, when the block succeeds."""
        make_folder(self._dir)
        self._remove_leftovers()
        folder = self._dir / f".new-{uuid4().hex}"
        folder.mkdir(mode=0o700)
        lock = SessionLock(folder, id)
        try:
            (folder / "blobs").mkdir(mode=0o700)
            yield folder, lock
            sync_folder(folder / "blobs")
            sync_folder(folder)
            self._publish(folder, id)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            lock.release()
            raise

    def _publish(self, folder: Path, id: str) -> None:
        try:
            folder.rename(self._dir / id)  # fails on a folder that is not empty, so one of two creators wins
        except OSError as error:
            if (self._dir / id).exists():
                raise SessionError(
                    f"there is already a session {id} in {self._dir}; open it or use another id"
                ) from error
            raise
        sync_folder(self._dir)

    def _remove_leftovers(self) -> None:
        """Removes what crashes left of sessions that were never whole or were already deleted."""
        for folder in self._dir.glob(".deleted-*"):
            shutil.rmtree(folder, ignore_errors=True)
        for folder in self._dir.glob(".new-*"):
            with suppress(OSError, SessionError):
                if time.time() - folder.stat().st_mtime > _LEFTOVER_AGE_S:
                    with self._lock(folder) as lock:
                        shutil.rmtree(folder, ignore_errors=True)
                    lock.release()

    async def list(self) -> tuple[SessionInfo, ...]:
        """See `SessionStore.list`."""
        return await asyncio.to_thread(self._list)

    def _list(self) -> tuple[SessionInfo, ...]:
        if not self._dir.exists():
            return ()
        infos: builtins.list[SessionInfo] = []
        with reported("list the sessions in", self._dir), os.scandir(self._dir) as entries:
            for entry in entries:
                if not entry.name.startswith("."):
                    with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
                        infos.append(read_info(Path(entry.path)))
        return tuple(sorted(infos, key=list_order))

    async def delete(self, id: str) -> bool:
        """See `SessionStore.delete`."""
        check_id(id)
        return await asyncio.to_thread(self._delete, id)

    def _delete(self, id: str) -> bool:
        try:
            folder = self._existing(id)
            with self._lock(folder) as lock, reported("delete", folder):
                hidden = folder.rename(self._dir / f".deleted-{uuid4().hex}")
                sync_folder(self._dir)
                shutil.rmtree(hidden, ignore_errors=True)
        except SessionNotFoundError:
            return False
        lock.release()
        return True

    async def fork(self, id: str, new_id: str) -> None:
        """See `SessionStore.fork`. Works on a session that is open: the copy holds the records written so far."""
        check_id(id)
        check_id(new_id)
        await asyncio.to_thread(self._fork, id, new_id)

    def _fork(self, id: str, new_id: str) -> None:
        source = self._existing(id)
        with reported(f"copy session {id} in", self._dir), self._building(new_id) as (folder, lock):
            _copy_records(source / "journal", folder / "journal")
            for blob in (source / "blobs").iterdir():
                if not blob.name.startswith("."):
                    _link_or_copy(blob, folder / "blobs" / blob.name)
            _copy_outputs(source / "outputs", folder / "outputs", id)
            write_info(folder, evolve(read_info(source), id=new_id))
        lock.release()


def _copy_records(source: Path, target: Path) -> None:
    with source.open("rb") as file:
        layout = scan(file, source)
        file.seek(len(HEADER))
        write_new(target, HEADER + file.read(max(0, layout.end - len(HEADER))))


def _copy_outputs(source: Path, target: Path, id: str) -> None:
    """What session *id* kept goes under its id, what it has of its originals stays under theirs; links are left out."""
    for folder in (source, *_entries(source, Path.is_dir)):
        files = _entries(folder, Path.is_file)
        if not files:
            continue
        kept = target / (id if folder == source else folder.name)
        make_folder(kept)
        for path in files:
            with suppress(FileNotFoundError):  # the session is open and made room for newer ones
                _link_or_copy(path, kept / path.name)
        sync_folder(kept)


def _entries(folder: Path, is_wanted: Callable[[Path], bool]) -> list[Path]:
    return [path for path in folder.iterdir() if not path.is_symlink() and is_wanted(path)] if folder.is_dir() else []


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)  # blobs never change
    except OSError:
        replace_file(target, source.read_bytes())


def _abandon(opening: "asyncio.Future[FileJournal]") -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close_files()

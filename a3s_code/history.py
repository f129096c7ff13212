"""File history: what tools change is kept before it changes, so that it can be compared, brought back and undone."""

import asyncio
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager, suppress
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from uuid import uuid4
from weakref import WeakValueDictionary

from attrs import evolve, field, frozen

from a3s_code.errors import SessionError, ToolError, ToolErrorKind
from a3s_code.points.tools import Workspace
from a3s_code.records import FileChanged, FilesSeen, FilesUndone
from a3s_code.text_diff import unified_diff
from a3s_code.threads import in_thread
from a3s_code.transcript import Transcript
from a3s_code.workspace import FileState, FolderWorkspace

__all__ = ["LARGEST_KEPT_BYTES", "Author", "FileHistory", "FileVersion", "Undone", "VersionedWorkspace"]

LARGEST_KEPT_BYTES = 20 * 1024 * 1024
"""Of larger files only the digest is kept: they have no undo."""
DEADLINE_S = 60.0
"""Seconds that a tool waits until the old content is on the disk, or another call is done with the file."""
END_DEADLINE_S = 5.0
"""Seconds that a cancelled call is waited for while it changes files; less than a session takes to close."""


@frozen(kw_only=True)
class FileVersion:
    """One content that a file had.

    Args:
        version: Counts from 1, the oldest.
        path: Relative to the workspace.
        timestamp: Seconds since the epoch at which this session met it.
        tool_name: The tool that made it; "" when it was there before or came from somebody else.
        size: Bytes.
        digest: SHA-256 in hexadecimal; None when there was no file.
    """

    version: int
    path: str
    timestamp: float
    tool_name: str
    size: int
    digest: str | None

    @property
    def is_kept(self) -> bool:
        """Whether it can be brought back; a content of more than 20 MiB cannot."""
        return self.digest is None or self.size <= LARGEST_KEPT_BYTES


@frozen(kw_only=True)
class Undone:
    """What an undo or a redo did; paths are relative to the workspace.

    Args:
        restored: Files whose content was brought back.
        removed: Files that were removed because there had been none.
        left: Files left as they are, because their old content was too large to be kept.
        has_found: There was something to take back.
    """

    restored: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    has_found: bool = True

    @property
    def text(self) -> str:
        """For the person, a line for each file."""
        lines = [f"restored {path}" for path in self.restored]
        lines += [f"removed {path}" for path in self.removed]
        lines += [f"left {path}: its old content has more than 20 MiB and was not kept" for path in self.left]
        nothing = "No file had to be changed." if self.has_found else "There is nothing to take back."
        return "\n".join(lines) or nothing


@frozen(kw_only=True)
class Author:
    """Who changes files.

    Args:
        call_id: The call; "" for a person.
        run_id: What its changes are undone together with.
        tool: The tool's name.
        is_model: Whether the model sees what it does.
        is_read_only: It promised to change nothing.
    """

    call_id: str
    run_id: str
    tool: str
    is_model: bool = False
    is_read_only: bool = False


class VersionedWorkspace(Workspace):
    """The workspace of one call: before a file changes, its content and what is about to happen are on the disk.

    A file that this call read and that somebody changed since is not written. Made on the session's event loop; its
    methods may be called from any thread. Called on the loop itself, where waiting for the disk would wait for ever,
    a change is recorded right after it was made instead of before. A call that was cancelled while it waited changes
    nothing any more; one that has begun may bring its files to their end, and what it is changing is waited for.

    Args:
        folder: The real workspace.
        transcript: Where changes are recorded.
        author: Who changes files.
    """

    def __init__(self, folder: FolderWorkspace, transcript: Transcript, author: Author):
        self._folder = folder
        self._transcript = transcript
        self._author = author
        self._pen = _Pen(transcript)
        self._read: dict[str, str | None] = {}
        self._seen: dict[str, str] = {}
        self._own = threading.Lock()
        self._has_begun = False
        self._is_over = False
        self._changes = 0  # that are being made now
        self._quiet = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    @property
    def root(self) -> Path:
        return self._folder.root

    def resolve(self, path: str, *, write: bool = False) -> Path:
        return self._folder.resolve(path, write=write)

    def root_of(self, path: Path) -> Path:
        return self._folder.root_of(path)

    def relative(self, path: Path) -> str:
        return self._folder.relative(path)

    def read_bytes(self, path: str, *, max_bytes: int | None = None) -> bytes:
        if self._author.is_read_only:
            return self._folder.read_bytes(path, max_bytes=max_bytes)
        name = self._name(path)
        try:
            content = self._folder.read_bytes(path, max_bytes=max_bytes)
        except ToolError as error:
            if error.kind is ToolErrorKind.NOT_FOUND:
                self._read[name] = None
            raise
        self._read[name] = _digest(content)
        return content

    def write_bytes(self, path: str, data: bytes, *, mode: int | None = None) -> Path:
        with self._changing(path, data, mode):
            return self._folder.write_bytes(path, data, mode=mode)

    def delete(self, path: str) -> Path:
        with self._changing(path, None):
            return self._folder.delete(path)

    @contextmanager
    def together(self) -> Iterator[None]:
        with self._own:
            if self._is_over and not self._has_begun:
                raise ToolError("nothing was changed: the call is over", ToolErrorKind.INTERRUPTED)
            self._has_begun = True
            self._changes += 1
        try:
            yield
        finally:
            with self._own:
                self._changes -= 1
                is_quiet = not self._changes
            if is_quiet:
                with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                    self._loop.call_soon_threadsafe(self._quiet.set)

    def seen(self, path: str) -> str | None:
        if not self._author.is_model:
            return None
        name = self._name(path)
        return self._seen.get(name) or self._transcript.files_seen.get(name)

    def mark_seen(self, path: str, data: bytes) -> None:
        self._mark(self._name(path), _digest(data))

    async def finish(self) -> None:
        """The call is over: waits for the changes that it is making, and records what is not recorded yet."""
        with self._own:
            self._is_over = True
        with suppress(TimeoutError):
            async with asyncio.timeout(END_DEADLINE_S):
                while self._changes:
                    self._quiet.clear()
                    await self._quiet.wait()
        await self._pen.finish()
        if self._seen:
            seen, self._seen = self._seen, {}
            await self._transcript.add(FilesSeen(seen=seen), durable=False)

    @contextmanager
    def _changing(self, path: str, data: bytes | None, mode: int | None = None) -> Iterator[None]:
        """Around the change of a file to *data*, None removes it."""
        target = self._folder.resolve(path, write=True)
        name, after = self._folder.relative(target), None if data is None else _digest(data)
        with _locked(target, path, waits=not self._pen.is_on_loop()), self.together():
            state = self._folder.look(path, max_bytes=LARGEST_KEPT_BYTES)
            if self._read.get(name, state.digest) != state.digest:
                raise ToolError(
                    f"{path} was changed by somebody else while this call was at work; nothing was written. "
                    "Read it again and repeat the change.",
                    ToolErrorKind.VERSION_CONFLICT,
                )
            if after != state.digest or mode not in (None, state.mode):
                change = _change(self._author, name, state, after, 0 if data is None else len(data), mode)
                self._pen.write([change], [content for content in (state.content, data) if content is not None])
            yield
            self._read[name] = after
            if after is not None:
                self._mark(name, after)

    def _mark(self, name: str, digest: str) -> None:
        if self._author.is_model:
            self._seen[name] = digest

    def _name(self, path: str) -> str:
        return self._folder.relative(self._folder.resolve(path))


@frozen
class _Goal:
    """What a file is to become: *content* None when it is to be removed.

    Args:
        content: The bytes.
        mode: Permission bits of a file that is written, None leaves them.
        sets_mode: A tool changed them, so that they are brought back even when the content is right.
        given: Those that tools gave the file; when these make it read-only, it is written all the same.
        replaces: Digests that the file may have now; None when any.
    """

    content: bytes | None
    mode: int | None
    sets_mode: bool = False
    given: frozenset[int | None] = frozenset()
    replaces: frozenset[str | None] | None = None

    @property
    def digest(self) -> str | None:
        return None if self.content is None else _digest(self.content)

    def is_reached(self, state: FileState) -> bool:
        return self.digest == state.digest and not (self.sets_mode and self.mode not in (None, state.mode))

    def refuses(self, state: FileState) -> bool:
        return self.replaces is not None and state.digest not in {self.digest, *self.replaces}


class FileHistory:
    """The versions of the files that tools changed in this session, and the way back.

    Only paths that a tool changed are ever touched. Whatever is overwritten is kept first, here too.

    Args:
        folder: The workspace.
        transcript: Where the changes are recorded.
    """

    def __init__(self, folder: FolderWorkspace, transcript: Transcript):
        self._folder = folder
        self._transcript = transcript
        self._going_back = asyncio.Lock()

    def versions(self, path: str) -> tuple[FileVersion, ...]:
        """The contents that a file had, oldest first; none when no tool changed it.

        Raises:
            ToolError: DENIED, it is outside the workspace.
        """
        name = self._folder.relative(self._folder.resolve(path))
        found: list[FileVersion] = []
        for change in self._transcript.file_records:
            if not isinstance(change, FileChanged) or change.path != name:
                continue
            for digest, size, tool in (
                (change.before, change.size_before, ""),
                (change.after, change.size_after, change.tool),
            ):
                if not found or found[-1].digest != digest:
                    number = len(found) + 1
                    found.append(FileVersion(
                        version=number, path=name, timestamp=change.at, tool_name=tool, size=size, digest=digest
                    ))  # fmt: skip
        return tuple(found)

    async def diff(self, path: str, a: int, b: int) -> str:
        """What changed from version *a* to version *b*, as a unified diff; "" when they are equal.

        Raises:
            ToolError: NOT_FOUND, there is no such version; TOO_LARGE, its content was not kept.
        """
        old, new = self._version(path, a), self._version(path, b)
        before, after = await self._content(old), await self._content(new)
        labels = [f"{one.path} (version {one.version})" if one.digest else "/dev/null" for one in (old, new)]
        return await in_thread(unified_diff, before or b"", after or b"", *labels)

    async def restore(self, path: str, version: int) -> None:
        """Gives a file the content of a version; it is removed when there was no file then.

        Raises:
            ToolError: NOT_FOUND, there is no such version; TOO_LARGE, its content was not kept; FAILED.
        """
        wanted = self._version(path, version)
        author = Author(call_id="", run_id=f"restore_{uuid4().hex}", tool="restore_file_version")
        await self._reach({wanted.path: _Goal(await self._content(wanted), None)}, author, ())

    async def undo(self, turns: int = 1, *, force: bool = False) -> Undone:
        """Takes back what the last *turns* did to files; see `AsyncAgentSession.undo`."""
        async with self._going_back:
            done, _ = _steps(self._transcript.file_records)
            return await self._take_back("undo", done[-turns:] if turns > 0 else (), force=force)

    async def redo(self, *, force: bool = False) -> Undone:
        """Takes the last undo back; see `AsyncAgentSession.redo`."""
        async with self._going_back:
            _, undone = _steps(self._transcript.file_records)
            return await self._take_back("redo", [undo.run_id for undo in undone[-1:]], force=force)

    async def _take_back(self, tool: str, run_ids: Sequence[str], *, force: bool) -> Undone:
        if not run_ids:
            return Undone(has_found=False)
        author = Author(call_id="", run_id=f"{tool}_{uuid4().hex}", tool=tool)
        record = FilesUndone(run_id=author.run_id, run_ids=tuple(run_ids), is_redo=tool == "redo")
        goals: dict[str, _Goal] = {}
        left: list[str] = []
        for path, changes in _by_path(self._transcript.file_records, run_ids).items():
            first = changes[0]
            if first.size_before > LARGEST_KEPT_BYTES:
                left.append(path)
                continue
            content = None if first.before is None else await self._transcript.kept(first.before)
            goals[path] = _Goal(
                content,
                first.mode,
                # what was removed and made again has the mode of a new file
                sets_mode=any(change.mode_after is not None or change.after is None for change in changes),
                given=frozenset(change.mode_after for change in changes),
                replaces=None if force else _expected(changes),
            )
        undone = await self._reach(goals, author, (record,))
        return evolve(undone, left=tuple(left))

    async def _reach(self, goals: Mapping[str, _Goal], author: Author, records: Sequence[FilesUndone]) -> Undone:
        """Brings all files to their goals, or none."""
        pen = _Pen(self._transcript)
        return await in_thread(self._reach_now, goals, author, records, pen)

    def _reach_now(
        self, goals: Mapping[str, _Goal], author: Author, records: Sequence[FilesUndone], pen: "_Pen"
    ) -> Undone:
        with ExitStack() as locks:
            for path in sorted(goals):  # in one order, so that two undos never wait for each other
                locks.enter_context(_locked(self._folder.resolve(path, write=True), path))
            states = {path: self._folder.look(path, max_bytes=LARGEST_KEPT_BYTES) for path in sorted(goals)}
            if refused := [path for path, state in states.items() if goals[path].refuses(state)]:
                raise ToolError(
                    f"changed since by somebody else, or by a command: {', '.join(refused)}; nothing was changed. "
                    f"With force ({author.tool}(force=True), or /{author.tool} force) it is overwritten, and kept as a "
                    "version.",
                    ToolErrorKind.VERSION_CONFLICT,
                )
            wrong = {path: state for path, state in states.items() if not goals[path].is_reached(state)}
            self._require_writable(wrong, goals)
            changes = [
                _change(author, path, state, goals[path].digest, len(goals[path].content or b""), goals[path].mode)
                for path, state in wrong.items()
            ]
            pen.write([*records, *changes], [state.content for state in wrong.values() if state.content is not None])
            try:
                for path in wrong:
                    self._bring(path, goals[path])
            except ToolError as error:
                back = {"undo": "; redo takes the rest back", "redo": "; undo takes the rest back"}
                raise ToolError(f"{error}{back.get(author.tool, '')}", error.kind) from error
        return Undone(
            restored=tuple(path for path in wrong if goals[path].content is not None),
            removed=tuple(path for path in wrong if goals[path].content is None),
        )

    def _require_writable(self, wrong: Mapping[str, FileState], goals: Mapping[str, _Goal]) -> None:
        """Refuses files that somebody made read-only, before any is changed."""
        refused = [
            path
            for path, state in wrong.items()
            if self._folder.is_read_only(path) and state.mode not in goals[path].given
        ]
        if refused:
            raise ToolError(f"read-only: {', '.join(refused)}; nothing was changed")

    def _bring(self, path: str, goal: _Goal) -> None:
        if self._folder.is_read_only(path):
            self._folder.make_writable(path)
        if goal.content is None:
            self._folder.delete(path)
        else:
            self._folder.write_bytes(path, goal.content, mode=goal.mode)

    def _version(self, path: str, number: int) -> FileVersion:
        versions = self.versions(path)
        if not 0 < number <= len(versions):
            there = f"there are 1 to {len(versions)}" if versions else "no tool of this session changed it"
            raise ToolError(f"{path} has no version {number}; {there}", ToolErrorKind.NOT_FOUND)
        return versions[number - 1]

    async def _content(self, version: FileVersion) -> bytes | None:
        if version.digest is None:
            return None
        if not version.is_kept:
            raise ToolError(
                f"version {version.version} of {version.path} has {version.size:,} bytes; of files over 20 MiB only "
                "the digest is kept",
                ToolErrorKind.TOO_LARGE,
            )
        return await self._transcript.kept(version.digest)


def _steps(records: Sequence[FileChanged | FilesUndone]) -> tuple[list[str], list[FilesUndone]]:
    """The run ids that can be undone, and the undos that can be taken back, each with the last one at the end."""
    done: dict[str, None] = {}
    undone: list[FilesUndone] = []
    ways_back: set[str] = set()
    for record in records:
        match record:
            case FilesUndone(run_id=run_id, run_ids=taken_back, is_redo=True):
                done.update({id: None for undo in undone if undo.run_id in taken_back for id in undo.run_ids})
                undone = [undo for undo in undone if undo.run_id not in taken_back]
                ways_back.add(run_id)
            case FilesUndone(run_id=run_id, run_ids=run_ids):
                for id in run_ids:
                    done.pop(id, None)
                undone.append(record)
                ways_back.add(run_id)
            case FileChanged(run_id=run_id):  # known and not there: a cancelled call brought its files to their end
                if run_id not in done and run_id not in ways_back:
                    done[run_id] = None
                    undone.clear()
    return list(done), undone


def _by_path(records: Sequence[FileChanged | FilesUndone], run_ids: Sequence[str]) -> dict[str, list[FileChanged]]:
    """The changes of some runs for each file, in order."""
    wanted = frozenset(run_ids)
    changes: dict[str, list[FileChanged]] = {}
    for record in records:
        if isinstance(record, FileChanged) and record.run_id in wanted:
            changes.setdefault(record.path, []).append(record)
    return changes


def _expected(changes: Sequence[FileChanged]) -> frozenset[str | None]:
    """The digests that a file has when only these changes were made; a process may have died before the last one.

    Nothing is expected when somebody else changed the file in between, since going back would lose what he did.
    """
    for one, following in pairwise(changes):
        if following.before not in (one.after, one.before):
            return frozenset()
    return frozenset((changes[-1].after, changes[-1].before))


def _change(author: Author, path: str, state: FileState, after: str | None, size: int, mode: int | None) -> FileChanged:
    return FileChanged(
        call_id=author.call_id,
        run_id=author.run_id,
        path=path,
        before=state.digest,
        after=after,
        mode=state.mode,
        tool=author.tool,
        at=time.time(),
        size_before=state.size,
        size_after=size,
        mode_after=None if mode == state.mode else mode,
    )


def _digest(content: bytes) -> str:
    return sha256(content).hexdigest()


@frozen
class _Pen:
    """Writes records with their blobs, from any thread; made on the event loop."""

    _transcript: Transcript
    _loop: asyncio.AbstractEventLoop = field(factory=asyncio.get_running_loop, init=False)
    _thread: int = field(factory=threading.get_ident, init=False)
    _unfinished: list["asyncio.Task[None]"] = field(factory=list, init=False)

    def is_on_loop(self) -> bool:
        return threading.get_ident() == self._thread

    def write(self, records: Sequence[FileChanged | FilesUndone], contents: Sequence[bytes]) -> None:
        """Returns when all is on the disk; on the loop at once, and `finish` waits for it.

        Raises:
            ToolError: It could not be written.
        """
        writing = self._write(records, contents)
        if self.is_on_loop():
            self._unfinished.append(asyncio.ensure_future(writing))  # noqa: TID251 # `finish` awaits it
            return
        try:
            future = asyncio.run_coroutine_threadsafe(writing, self._loop)
        except RuntimeError as error:
            writing.close()
            raise ToolError("nothing was changed: the session has ended") from error
        try:
            future.result(DEADLINE_S)
        except TimeoutError as error:
            future.cancel()
            text = f"nothing was changed: the file history was not written within {DEADLINE_S:g} s"
            raise ToolError(text, ToolErrorKind.TIMEOUT) from error
        except (SessionError, CancelledError) as error:
            raise ToolError(f"nothing was changed: the file history cannot be written ({error})") from error

    async def finish(self) -> None:
        """Waits for what was written on the loop."""
        while self._unfinished:
            await self._unfinished.pop()

    async def _write(self, records: Sequence[FileChanged | FilesUndone], contents: Sequence[bytes]) -> None:
        for content in contents:
            if len(content) <= LARGEST_KEPT_BYTES:
                await self._transcript.keep(content)
        await self._transcript.add(*records)


class _Locks:
    """One lock for each file that is being changed in this process."""

    def __init__(self) -> None:
        self._own = threading.Lock()
        self._locks: WeakValueDictionary[Path, _FileLock] = WeakValueDictionary()
        os.register_at_fork(after_in_child=self._forget)

    def of(self, path: Path) -> "_FileLock":
        with self._own:
            return self._locks.setdefault(path, _FileLock())

    def _forget(self) -> None:
        """Whoever held a lock is not in the child."""
        self._own = threading.Lock()
        self._locks.clear()


class _FileLock:
    def __init__(self) -> None:
        self.lock = threading.Lock()


_locks = _Locks()


@contextmanager
def _locked(target: Path, path: str, *, waits: bool = True) -> Iterator[None]:
    """While one call changes a file no other does; the loop must not wait for a thread that waits for the loop."""
    one = _locks.of(target)
    if not one.lock.acquire(timeout=DEADLINE_S if waits else 0):
        raise ToolError(f"{path} is being changed by another call; try again", ToolErrorKind.VERSION_CONFLICT)
    try:
        yield
    finally:
        one.lock.release()

"""The folder a session works in: nothing outside it is read or written."""

import errno
import os
import re
import secrets
import stat
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from urllib.parse import unquote

from attrs import frozen

from a3s_code.errors import SessionError, ToolError, ToolErrorKind
from a3s_code.points.tools import Workspace

__all__ = ["PROTECTED", "FileState", "FolderWorkspace"]

PROTECTED = (
    ".a3s",
    ".bash_login",
    ".bash_logout",
    ".bash_profile",
    ".bashrc",
    ".envrc",
    ".git",
    ".gitconfig",
    ".gitmodules",
    ".hg",
    ".husky",
    ".idea",
    ".mcp.json",
    ".profile",
    ".svn",
    ".vscode",
    ".zlogin",
    ".zlogout",
    ".zprofile",
    ".zshenv",
    ".zshrc",
    "agent.hcl",
    "git~1",
)
"""Names whose content other programs run or obey: version control, editors, shells and a3s-code itself."""

_PIECE_BYTES = 1024 * 1024
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_ADDRESS = re.compile(r"[A-Za-z]:[\\/]|[A-Za-z][A-Za-z0-9+.-]*://|\\\\")
_SHORTHAND = re.compile(r"(~|~[A-Za-z_][\w-]*(?=/)|\$\w+|\$\{\w+\}|%\w+%)(/|\\|$)")


@frozen(kw_only=True)
class FileState:
    """A file at one moment; all is None or 0 when there is none.

    Args:
        digest: SHA-256 in hexadecimal.
        mode: Permission bits.
        size: Bytes.
        content: The bytes, None when they were more than was asked for.
    """

    digest: str | None = None
    mode: int | None = None
    size: int = 0
    content: bytes | None = None


class FolderWorkspace(Workspace):
    """A workspace that is a folder of this machine, and what `also_read` adds.

    What decides is the real location: links, "..", absolute paths and siblings with the same prefix are all judged by
    where they lead. Files are opened component by component from the root, following no link, so that a link swapped
    in after the check is refused. Sockets, pipes and devices lead outside by nature and are refused too.

    Args:
        root: An existing folder; a link to one is fine.
        protected: Names of files and folders that are never written, in any folder and in any case.

    Raises:
        SessionError: *root* is not an existing folder.
    """

    def __init__(self, root: str | Path, *, protected: Sequence[str] = PROTECTED):
        try:
            self._root = Path(root).resolve(strict=True)
        except (OSError, RuntimeError, ValueError) as error:
            raise SessionError(f"the workspace {root} cannot be used: {error}; name an existing folder") from error
        if not self._root.is_dir():
            raise SessionError(f"the workspace {root} is not a folder; name an existing folder")
        self._protected = frozenset(_folded(name) for name in protected)
        self._roots = [self._root]
        self._kept: list[Path] = []

    def also_read(self, folder: Path) -> None:
        """From now on files of a session's folder for output may be read, and nothing of the session be written.

        Both hold also where the session is kept inside the workspace, such as a home folder.

        Args:
            folder: Its canonical absolute path, which is directly in the session's folder; it need not exist.
        """
        self._roots.append(folder)
        self._kept.append(folder if self._root.is_relative_to(folder.parent) else folder.parent)

    @property
    def root(self) -> Path:
        """The canonical absolute path of the workspace."""
        return self._root

    def resolve(self, path: str, *, write: bool = False) -> Path:
        """The canonical path of *path* ("" or "." is the root); the file need not exist.

        Args:
            path: Absolute or relative to the root; "~" and variables are not expanded.
            write: Whether it is to be changed; protected names and the root itself are refused then.

        Raises:
            ToolError: DENIED, the real location is outside or cannot be told, or it is protected.
        """
        if "\0" in path or not _encodable(path):
            raise _denied(path, "it has characters that no file name can have")
        if escape := _disguised_escape(path):
            raise _denied(path, escape)
        try:
            target = Path(os.path.realpath(self._root / path))
        except OSError as error:  # a link that went away between two looks at it
            raise _swapped(path) from error
        if not target.is_relative_to(self._root if write else self.root_of(target)):
            copy = None if write else self._copy_of(target)
            if copy is None:
                raise _denied(path, f"it is outside the workspace {self._root}")
            target = copy
        exists = _judge_existing(path, target)
        if not exists and _SHORTHAND.match(path):
            raise _denied(path, '"~" and variables are not expanded; write the path relative to the workspace')
        if write:
            self._judge_write(path, target)
        return target

    def root_of(self, path: Path) -> Path:
        """The folder above a resolved path: the workspace, or one that `also_read` added."""
        return next((root for root in self._roots if path.is_relative_to(root)), self._root)

    def _copy_of(self, output: Path) -> Path | None:
        """Where this session has what its history knows as *output*: of the one it was forked from, or before a move.

        A fork has `<session>/outputs/<name>` of an original as `outputs/<session>/<name>` in its own folder.
        """
        session = output.parent.parent.name
        for folder in self._roots[1:]:
            copy = folder / output.name if session == folder.parent.name else folder / session / output.name
            with suppress(OSError):  # a link that went away between two looks at it
                if output.parent.name == folder.name and session and Path(os.path.realpath(copy)) == copy:
                    return copy if copy.is_file() else None
        return None

    def relative(self, path: Path) -> str:
        """How *path* is shown: relative to the root with "/" as separator; absolute when it is outside."""
        return path.relative_to(self._root).as_posix() if path.is_relative_to(self._root) else path.as_posix()

    def read_bytes(self, path: str, *, max_bytes: int | None = None) -> bytes:
        """The content of a regular file.

        Args:
            path: As for `resolve`.
            max_bytes: Most bytes it may have; None is no limit.

        Raises:
            ToolError: NOT_FOUND, DENIED, UNSUPPORTED (not a regular file) or TOO_LARGE (over max_bytes).
        """
        with self._opened_file(path) as descriptor:
            return _content(descriptor, max_bytes, path)

    def look(self, path: str, *, max_bytes: int) -> FileState:
        """What stands at *path*, with its content when it has no more than *max_bytes*.

        Raises:
            ToolError: DENIED or UNSUPPORTED (not a regular file).
        """
        try:
            with self._opened_file(path) as descriptor:
                return _state(descriptor, max_bytes, path)
        except ToolError as error:
            if error.kind is ToolErrorKind.NOT_FOUND:
                return FileState()
            raise

    def is_read_only(self, path: str) -> bool:
        """Whether a file is there that is neither replaced nor removed, because its mode or its owner forbids it."""
        target = self.resolve(path, write=True)
        try:
            return not _is_writable(target.lstat(), target)
        except (FileNotFoundError, NotADirectoryError):
            return False

    def make_writable(self, path: str) -> None:
        """Lets the owner write a file that is read-only by its mode.

        Raises:
            ToolError: NOT_FOUND, DENIED, UNSUPPORTED (not a regular file) or FAILED (it is somebody else's).
        """
        self.resolve(path, write=True)
        with self._opened_file(path) as descriptor:
            facts = os.fstat(descriptor)
            if not stat.S_ISREG(facts.st_mode):
                raise _not_regular(path)
            os.fchmod(descriptor, facts.st_mode & 0o777 | 0o200)

    def write_bytes(self, path: str, data: bytes, *, mode: int | None = None) -> Path:
        """Replaces or creates a regular file atomically (temporary file beside it, fsync, rename).

        Missing parent folders are made. Returns the canonical path.

        Args:
            path: As for `resolve`.
            data: The whole content.
            mode: Permission bits it gets; default: those it has, of a new file what the umask leaves of 0o666.

        Raises:
            ToolError: DENIED, UNSUPPORTED (a folder) or FAILED (read-only, disk full); the old content is untouched.
        """
        target = self.resolve(path, write=True)
        with _told(path), self._opened_folder(target.parent, path, make=True) as folder:
            _replace(folder, target.name, data, path, mode)
        return target

    def delete(self, path: str) -> Path:
        """Removes a regular file; through a link, the file that it leads to. Returns the canonical path.

        Raises:
            ToolError: NOT_FOUND, DENIED, UNSUPPORTED (a folder) or FAILED (read-only).
        """
        target = self.resolve(path, write=True)
        with _told(path), self._opened_folder(target.parent, path) as folder:
            if _replaceable(folder, target.name, path) is None:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
            os.unlink(target.name, dir_fd=folder)
            os.fsync(folder)
        return target

    def _judge_write(self, path: str, target: Path) -> None:
        if target == self._root:
            raise _denied(path, "it is the workspace itself; name a file in it")
        if any(target.is_relative_to(folder) for folder in self._kept):
            raise _denied(path, "the session is kept there; nothing else may write it")
        for part in target.relative_to(self._root).parts:
            if _folded(part) in self._protected:
                raise _denied(path, f'"{part}" is protected because other programs obey it; a person must change it')

    @contextmanager
    def _opened_file(self, path: str) -> Iterator[int]:
        """A descriptor for reading the file."""
        target = self.resolve(path)
        if target in self._roots:
            raise _not_regular(path)
        with _told(path), self._opened_folder(target.parent, path) as folder:
            if _is_link(target.name, folder):
                raise _swapped(path)
            # O_NONBLOCK: opening a pipe that was swapped in must not wait for its other end
            descriptor = os.open(target.name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
            try:
                yield descriptor
            finally:
                os.close(descriptor)

    @contextmanager
    def _opened_folder(self, folder: Path, path: str, *, make: bool = False) -> Iterator[int]:
        """A descriptor of *folder*, reached from the root without following any link."""
        start = self.root_of(folder)
        root = descriptor = os.open(start, _FOLDER)
        opened = [root]
        try:
            for name in folder.relative_to(start).parts:
                if make:
                    _make_folder(name, descriptor)
                if _is_link(name, descriptor):
                    raise _swapped(path)
                descriptor = os.open(name, _FOLDER, dir_fd=descriptor)
                opened.append(descriptor)
            if not _still_below(descriptor, root):
                raise _swapped(path)
            yield descriptor
        finally:
            for each in opened:
                os.close(each)


def _content(descriptor: int, max_bytes: int | None, path: str) -> bytes:
    facts = os.fstat(descriptor)
    if not stat.S_ISREG(facts.st_mode):
        raise _not_regular(path)
    with open(descriptor, "rb", closefd=False) as file:
        if max_bytes is None:
            return file.read()
        content = b"" if facts.st_size > max_bytes else file.read(max_bytes + 1)
    if facts.st_size > max_bytes or len(content) > max_bytes:
        raise ToolError(
            f"{path} has {facts.st_size:,} bytes; the limit is {max_bytes:,}. Look at a part of it, with grep for "
            "example.",
            ToolErrorKind.TOO_LARGE,
        )
    return content


def _state(descriptor: int, max_bytes: int, path: str) -> FileState:
    facts = os.fstat(descriptor)
    if not stat.S_ISREG(facts.st_mode):
        raise _not_regular(path)
    digest, size, pieces = sha256(), 0, []
    with open(descriptor, "rb", closefd=False) as file:
        while piece := file.read(_PIECE_BYTES):
            digest.update(piece)
            size += len(piece)
            if size <= max_bytes:
                pieces.append(piece)
            else:
                pieces.clear()
    content = b"".join(pieces) if size <= max_bytes else None
    return FileState(digest=digest.hexdigest(), mode=facts.st_mode & 0o777, size=size, content=content)


def _replaceable(folder: int, name: str, path: str) -> os.stat_result | None:
    """The facts of a file that may be replaced or removed, None when there is none."""
    old = _facts(name, folder)
    if old is not None and stat.S_ISLNK(old.st_mode):
        raise _swapped(path)
    if old is not None and not stat.S_ISREG(old.st_mode):
        raise _not_regular(path)
    if old is not None and not _is_writable(old, name, folder):
        raise ToolError(f"{path} is read-only; it was not changed")
    return old


def _is_writable(facts: os.stat_result, path: str | Path, folder: int | None = None) -> bool:
    """Whether a file may be written, by its mode too where the system asks root for nothing."""
    return bool(facts.st_mode & 0o222) and os.access(path, os.W_OK, dir_fd=folder)


def _replace(folder: int, name: str, content: bytes, path: str, mode: int | None) -> None:
    """Puts a new file in the place of *name* in the opened *folder*."""
    old = _replaceable(folder, name, path)
    temporary = f".a3s-{secrets.token_hex(8)}.tmp"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    # 0o666: the system takes the umask off; a replaced file gets its old mode before any content
    descriptor = os.open(temporary, flags, 0o666 if old is None else 0o600, dir_fd=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if old is not None:
                with suppress(OSError):  # only root may give a file to somebody else
                    os.fchown(descriptor, old.st_uid, old.st_gid)
                os.fchmod(descriptor, old.st_mode & 0o777)
            if mode is not None:
                os.fchmod(descriptor, mode)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=folder)
        raise
    os.fsync(folder)


def _make_folder(name: str, parent: int) -> None:
    try:
        os.mkdir(name, dir_fd=parent)
    except FileExistsError:
        return
    os.fsync(parent)


def _still_below(descriptor: int, root: int) -> bool:
    """Whether an opened folder was not moved out of the root meanwhile; true where the system cannot tell."""
    try:
        place, start = (Path(f"/proc/self/fd/{number}").readlink() for number in (descriptor, root))
    except OSError:
        return True
    return place.is_relative_to(start)


def _facts(name: str, folder: int) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _is_link(name: str, folder: int) -> bool:
    facts = _facts(name, folder)
    return facts is not None and stat.S_ISLNK(facts.st_mode)


def _judge_existing(path: str, target: Path) -> bool:
    """Whether *target* exists; refuses what cannot be looked at or is not a file or folder."""
    try:
        mode = target.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise _denied(path, f"it cannot be looked at: {error.strerror}") from error
    if stat.S_ISLNK(mode):
        raise _denied(path, "its links lead in a circle")
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise _denied(path, "it is a socket, pipe or device, and these lead outside the workspace")
    return True


def _disguised_escape(path: str) -> str | None:
    """Why *path* would lead outside where it is decoded or has another separator, or None."""
    if _ADDRESS.match(path):
        return "it is an address or a path of another system"
    plain = path
    for _ in range(3):  # encoded twice is seen in the wild, more is not
        plain = unicodedata.normalize("NFKC", unquote(plain))
    if plain == path and "\\" not in path:
        return None
    depth = -1 if plain[:1] in ("/", "\\") and not path.startswith("/") else 0
    for part in re.split(r"[/\\]", plain):
        if depth < 0:
            break
        depth += -1 if part == ".." else part not in ("", ".")
    if depth < 0:
        return "read as an encoded path or with the other separator it leads outside the workspace"
    return None


def _folded(name: str) -> str:
    """The name as the most lenient file systems see it: no case, no invisible characters, no trailing dots."""
    seen = "".join(letter for letter in unicodedata.normalize("NFKC", name) if unicodedata.category(letter) != "Cf")
    return seen.split(":")[0].rstrip(" .").casefold()


def _encodable(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return True


def _denied(path: str, why: str) -> ToolError:
    shown = path if len(path) <= 200 else f"{path[:200]}… ({len(path):,} characters)"
    shown = shown.encode("utf-8", "backslashreplace").decode()
    return ToolError(f"Workspace boundary violation: {shown!r}: {why}", ToolErrorKind.DENIED)


def _swapped(path: str) -> ToolError:
    return _denied(path, "a folder or link on the way was changed while it was opened")


def _not_regular(path: str) -> ToolError:
    return ToolError(f"{path or '.'} is a folder or no regular file; name a file", ToolErrorKind.UNSUPPORTED)


@contextmanager
def _told(path: str) -> Iterator[None]:
    """Turns what the system says into an error that the model can read."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            raise ToolError(f"{path} does not exist", ToolErrorKind.NOT_FOUND) from error
        if error.errno == errno.ELOOP:
            raise _swapped(path) from error
        if error.errno == errno.ENXIO:
            raise _not_regular(path) from error
        raise ToolError(f"{path}: {error.strerror or error}") from error

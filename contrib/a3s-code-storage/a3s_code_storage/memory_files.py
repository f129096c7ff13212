"""MemoryFolder: one JSON file per memory, followed as other processes change them."""

import json
import os
from hashlib import sha256
from math import isfinite
from pathlib import Path
from re import fullmatch
from time import time_ns

from attrs import asdict

from a3s_code.plugin import Log, MemoryItem
from a3s_code_storage.durable_files import make_folder, replace_file

__all__ = ["MemoryFolder"]

_SETTLED_NS = 100_000_000
"""A folder whose time is younger may change again without its time changing: clocks of file systems are coarse."""


class MemoryFolder:
    """The memories in a folder; not safe for several threads at once, safe for several processes.

    Args:
        folder: Holds `<name>.json` for each memory; made at the first write.
        log: Where damaged files are reported, once for each change of them.
    """

    def __init__(self, folder: Path, log: Log):
        self._folder = folder
        self._log = log
        self._known: dict[str, tuple[_Stamp, MemoryItem | None]] = {}
        self._scanned_at = -1

    def memories(self) -> dict[str, MemoryItem]:
        """All that can be read, by id."""
        self._scan()
        return {memory.id: memory for _, memory in self._known.values() if memory is not None}

    def put(self, memory: MemoryItem) -> None:
        """Keeps *memory*, durable when it returns."""
        make_folder(self._folder)
        content = asdict(memory) | {"memory_type": memory.memory_type.value}
        replace_file(self._folder / _file_name(memory.id), json.dumps(content).encode())

    def remove(self, id: str) -> bool:
        """Removes the memory's file; False when there was none."""
        try:
            (self._folder / _file_name(id)).unlink()
        except FileNotFoundError:
            return False
        return True

    def _scan(self) -> None:
        try:
            changed_at = self._folder.stat().st_mtime_ns
        except FileNotFoundError:
            self._known = {}
            return
        if changed_at == self._scanned_at:
            return
        with os.scandir(self._folder) as entries:
            self._known = {entry.name: self._read(entry) for entry in entries if _is_memory(entry)}
        self._scanned_at = changed_at if time_ns() - changed_at > _SETTLED_NS else -1

    def _read(self, entry: "os.DirEntry[str]") -> "tuple[_Stamp, MemoryItem | None]":
        known = self._known.get(entry.name)
        stamp = (0, 0, 0)
        try:
            status = entry.stat(follow_symlinks=False)
            stamp = (status.st_ino, status.st_mtime_ns, status.st_size)
            if known is not None and known[0] == stamp:
                return known
            return stamp, _parse(Path(entry.path).read_bytes(), entry.name)
        except FileNotFoundError:  # another process has just removed it
            return stamp, None
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            self._log.warning("a damaged memory was left out", file=entry.path, error=repr(error))
            return stamp, None


_Stamp = tuple[int, int, int]


def _is_memory(entry: "os.DirEntry[str]") -> bool:
    return entry.name.endswith(".json") and not entry.name.startswith(".") and entry.is_file(follow_symlinks=False)


def _parse(content: bytes, file_name: str) -> MemoryItem:
    import cattrs

    memory = cattrs.Converter(detailed_validation=False).structure(json.loads(content), MemoryItem)
    if not (isfinite(memory.timestamp) and isfinite(memory.importance)):
        raise ValueError("its time or importance is not a number")
    if _file_name(memory.id) != file_name:
        raise ValueError(f"it holds the memory {memory.id!r}, which belongs into {_file_name(memory.id)}")
    return memory


def _file_name(id: str) -> str:
    """One name for each id: the id where every file system takes it, else its SHA-256 behind a "="."""
    if fullmatch("[a-z0-9_-]{1,100}", id):
        return f"{id}.json"
    return f"={sha256(id.encode('utf-8', 'surrogatepass')).hexdigest()}.json"

"""What is kept beside a journal for the list of sessions: `info.json`."""

import json
from pathlib import Path

from attrs import asdict, evolve

from a3s_code.plugin import SessionInfo
from a3s_code_storage.durable_files import replace_file, reported

__all__ = ["list_order", "read_info", "write_info"]


def write_info(folder: Path, info: SessionInfo) -> None:
    """Keeps *info* in *folder*; after a crash the old or the new is there."""
    path = folder / "info.json"
    with reported("write", path):
        replace_file(path, json.dumps(asdict(info)).encode())


def read_info(folder: Path) -> SessionInfo:
    """What is known of the session in *folder*; records newer than the last snapshot count as use."""
    written = (folder / "journal").stat().st_mtime
    info = _stored(folder / "info.json")
    if info is None:
        return SessionInfo(id=folder.name, created_at=written, updated_at=written)
    if written > (folder / "info.json").stat().st_mtime:
        info = evolve(info, updated_at=max(info.updated_at, written))
    return evolve(info, id=folder.name)


def _stored(path: Path) -> SessionInfo | None:
    import cattrs

    try:
        return cattrs.Converter(detailed_validation=False).structure(json.loads(path.read_bytes()), SessionInfo)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def list_order(info: SessionInfo) -> tuple[float, str]:
    """Sort key: last used first, ties by id."""
    return (-info.updated_at, info.id)

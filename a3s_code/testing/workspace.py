"""A workspace for testing tools: a real folder, usually pytest's tmp_path."""

from pathlib import Path

from a3s_code.plugin import ToolError, ToolErrorKind, Workspace

__all__ = ["PlainWorkspace"]


class PlainWorkspace(Workspace):
    """Reads and writes inside one folder; it checks before the open, not again at it as a session's workspace does."""

    def __init__(self, root: Path):
        self._root = root.resolve()

    @property
    def root(self) -> Path:
        return self._root

    def resolve(self, path: str, *, write: bool = False) -> Path:
        found = (self._root / path).resolve()
        if not found.is_relative_to(self._root):
            raise ToolError(f"{path} lies outside the workspace", ToolErrorKind.DENIED)
        return found

    def relative(self, path: Path) -> str:
        return path.relative_to(self._root).as_posix()

    def read_bytes(self, path: str, *, max_bytes: int | None = None) -> bytes:
        found = self.resolve(path)
        if not found.exists():
            raise ToolError(f"there is no {path}", ToolErrorKind.NOT_FOUND)
        if not found.is_file():
            raise ToolError(f"{path} is not a file", ToolErrorKind.UNSUPPORTED)
        if max_bytes is not None and found.stat().st_size > max_bytes:
            raise ToolError(f"{path} is larger than {max_bytes} bytes", ToolErrorKind.TOO_LARGE)
        return found.read_bytes()

    def write_bytes(self, path: str, data: bytes, *, mode: int | None = None) -> Path:
        found = self.resolve(path, write=True)
        found.parent.mkdir(parents=True, exist_ok=True)
        beside = found.with_name(f".{found.name}.new")
        beside.write_bytes(data)
        if mode is not None or found.exists():
            beside.chmod(found.stat().st_mode if mode is None else mode)
        return beside.replace(found)

    def delete(self, path: str) -> Path:
        self.read_bytes(path)
        found = self.resolve(path, write=True)
        found.unlink()
        return found

"""hcl2's grammar as a ready parser, kept in the user's cache folder because building it takes a second."""

import contextlib
import functools
import hashlib
import os
import pickle
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from io import BytesIO
from pathlib import Path
from typing import TypeAlias

import lark
from lark import Lark, Token

from a3s_code.errors import ConfigError

__all__ = ["grammar"]

TokenStream: TypeAlias = Iterator[Token]


@functools.cache
def grammar() -> tuple[Lark, Callable[[TokenStream], TokenStream]]:
    """hcl2's parser and the pass that belongs between its lexer and its parser.

    Both are taken from hcl2's files: importing the package runs some forty modules that we do not use, and its own
    `parser()` keeps its cache beside the code.
    """
    package = _hcl2_folder()
    text = (package / "hcl2.lark").read_text("utf-8")
    key = hashlib.sha256(repr((text, lark.__version__, sys.version_info[:2])).encode()).hexdigest()
    folder = _cache_folder(os.environ)
    file = folder / f"hcl-{key}.lark" if folder else None
    parser = _cached(file) if file else None
    if parser is None:
        parser = lark.Lark(text, parser="lalr", propagate_positions=True)
        if file:
            _keep(parser, file)
    return parser, _post_lexer(package / "postlexer.py")


def _hcl2_folder() -> Path:
    spec = find_spec("hcl2")
    if spec is None or spec.origin is None:
        raise ConfigError('python-hcl2 is missing; install it: pip install "python-hcl2>=8.1,<9"')
    return Path(spec.origin).parent


def _post_lexer(file: Path) -> Callable[[TokenStream], TokenStream]:
    spec = spec_from_file_location("a3s_code_hcl2_postlexer", file)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    process: Callable[[TokenStream], TokenStream] = module.PostLexer().process
    return process


def _cache_folder(environ: Mapping[str, str]) -> Path | None:
    """A folder that nobody else can write to, or None."""
    given = Path(environ.get("XDG_CACHE_HOME") or "")
    try:
        folder = (given if given.is_absolute() else Path.home() / ".cache") / "a3s-code"
        existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
        if not _is_ours(existing.stat()):  # a folder made by root in a user's home would be of no use to the user
            return None
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder if _is_ours(folder.stat()) and not folder.stat().st_mode & 0o022 else None
    except (OSError, RuntimeError):  # RuntimeError: there is no home
        return None


def _is_ours(status: os.stat_result) -> bool:
    return sys.platform == "win32" or status.st_uid == os.getuid()


class _PlainUnpickler(pickle.Unpickler):
    """Numbers, texts and their containers only: lark's tables need no more, and nothing can be run."""

    def find_class(self, module: str, name: str) -> object:
        raise pickle.UnpicklingError(f"{module}.{name} in a table")


def _cached(file: Path) -> Lark | None:
    try:
        descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(descriptor, "rb") as stream:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or not _is_ours(status) or status.st_mode & 0o022:
                return None
            digest, content = stream.read(32), stream.read()
        if hashlib.sha256(content).digest() != digest:
            return None
        return Lark.load(_PlainUnpickler(BytesIO(content)).load())
    except Exception:  # noqa: BLE001 # missing or damaged in whatever way: it is built again
        return None


def _keep(parser: Lark, file: Path) -> None:
    content = BytesIO()
    parser.save(content)
    temporary = None
    try:
        with tempfile.NamedTemporaryFile(dir=file.parent, prefix=".hcl-", delete=False) as stream:
            temporary = Path(stream.name)
            stream.write(hashlib.sha256(content.getvalue()).digest() + content.getvalue())
        temporary.replace(file)
    except OSError:  # a full or read-only disk costs a second per start, no more
        if temporary:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)

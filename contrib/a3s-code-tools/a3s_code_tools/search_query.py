"""What is searched for, and where: the same for ripgrep and for our own program."""

from typing import Literal, TypeAlias

from attrs import frozen

__all__ = ["MAX_DEPTH", "MAX_LINE_BYTES", "SKIPPED", "Kind", "Query"]

MAX_DEPTH = 200
"""Folders below each other that are walked."""

MAX_LINE_BYTES = 65_536
"""Bytes of a line that a search program writes; of a longer one only the beginning comes."""

SKIPPED = (".git", ".hg", ".svn")

Kind: TypeAlias = Literal["names", "content", "files_with_matches", "count"]


@frozen(kw_only=True)
class Query:
    """A search.

    Args:
        kind: Names of files, or what of the files whose lines match.
        root: The workspace; .gitignore files count from here on.
        start: Parts of the folder to search, below the root.
        only: The one file of *start* that is wanted, ignored or not.
        wildcard: Pattern of the wanted paths, below *start*; None is every file.
        pattern: Regular expression for lines.
        ignores_case: Whether letters match whatever their case.
        context: Lines to show before and after a match.
        columns: Whether the place of the first match in its line is wanted; not where a match may be empty, because
            ripgrep leaves it out then.
    """

    kind: Kind
    root: str
    start: tuple[str, ...] = ()
    only: str | None = None
    wildcard: str | None = None
    pattern: str = ""
    ignores_case: bool = False
    context: int = 0
    columns: bool = False

"""Which ids of sessions are accepted."""

from re import fullmatch

from a3s_code.plugin import SessionError

__all__ = ["check_id"]


def check_id(id: str) -> None:
    """Raises SessionError when *id* could not be a folder's name everywhere."""
    if not fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}", id):
        raise SessionError(
            f'{id[:140]!r} cannot be the id of a session: use 1 to 128 of a-z, A-Z, 0-9, "-", "_", ".", not "." first'
        )

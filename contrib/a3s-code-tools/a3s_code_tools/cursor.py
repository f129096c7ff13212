"""Cursors: where a page of results ended, as a word that the model hands back unread."""

import base64
import binascii

from a3s_code.plugin import ToolError, ToolErrorKind

__all__ = ["decoded", "encoded"]


def encoded(number: int, path: bytes) -> str:
    """The word for a place: a number (line or time) and a path."""
    return base64.urlsafe_b64encode(b"%d:%s" % (number, path)).rstrip(b"=").decode()


def decoded(word: str) -> tuple[int, bytes]:
    """The place that `encoded` made the word of.

    Raises:
        ToolError: INVALID_ARGUMENT, it was not made here.
    """
    try:
        place = base64.b64decode(word.encode() + b"=" * (-len(word) % 4), altchars=b"-_", validate=True)
        number, colon, path = place.partition(b":")
        if not (colon and path):
            raise ValueError(word)
        return int(number), path
    except (ValueError, binascii.Error) as error:
        raise ToolError(
            "cursor must be the one that the page before it ended with, unchanged; leave it out for the first page",
            ToolErrorKind.INVALID_ARGUMENT,
        ) from error

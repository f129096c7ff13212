"""Decodes the content codings of HTTP in pieces of bounded size: a small body cannot become a large one at once.

Only what the client asks for is decoded: gzip and deflate, one coding for a body. A server that answers in another, or
in several on top of each other (the way to make a few bytes into terabytes), is refused.
"""

import zlib
from collections.abc import Iterator

__all__ = ["PIECE_BYTES", "Decoder"]

PIECE_BYTES = 65_536
"""Most decoded bytes that are in memory at a time."""

_GZIP = zlib.MAX_WBITS | 16
_RAW = -zlib.MAX_WBITS


class Decoder:
    """Turns the bytes of one body into decoded pieces.

    Args:
        coding: The Content-Encoding header; "" for none.

    Raises:
        ValueError: Another coding, or several; says which.
    """

    def __init__(self, coding: str):
        self._coding = coding.strip().lower().removeprefix("x-")
        if self._coding not in ("", "identity", "gzip", "deflate"):
            raise ValueError(coding)
        self._is_plain = self._coding in ("", "identity")
        self._first = b""
        # stays None until it is known what comes: "deflate" is sent with and without the header of zlib
        self._inflate = zlib.decompressobj(_GZIP) if self._coding == "gzip" else None

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The pieces that *chunk* completes, none of them empty; what follows the end of the coded body is dropped.

        Raises:
            zlib.error: The bytes are not in the coding that was announced.
        """
        if self._is_plain:
            yield from (chunk[start : start + PIECE_BYTES] for start in range(0, len(chunk), PIECE_BYTES))
            return
        if self._inflate is None:
            chunk, self._first = self._first + chunk, b""
            if len(chunk) < 2:
                self._first = chunk
                return
            self._inflate = zlib.decompressobj(zlib.MAX_WBITS if _has_zlib_header(chunk) else _RAW)
        while not self._inflate.eof and (piece := self._inflate.decompress(chunk, PIECE_BYTES)):
            yield piece
            chunk = self._inflate.unconsumed_tail  # when it is empty, output may still be held back


def _has_zlib_header(start: bytes) -> bool:
    """RFC 1950, 2.2: method 8, and the first two bytes are a multiple of 31."""
    return start[0] & 0x0F == 8 and int.from_bytes(start[:2], "big") % 31 == 0

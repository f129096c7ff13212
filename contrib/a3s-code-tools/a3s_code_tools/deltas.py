"""Output shown while it comes, at a bounded rate."""

import asyncio
from collections.abc import Callable

__all__ = ["Deltas"]

INTERVAL_S = 0.1
PIECE_AT_MOST = 16_384
"""Characters shown at once; of more than that in one interval only the last are shown."""


class Deltas:
    """Gathers pieces and shows them together, the first at once and then at most ten times a second.

    Args:
        show: Gets the text.
    """

    def __init__(self, show: Callable[[str], None]):
        self._show = show
        self._loop = asyncio.get_running_loop()
        self._pending: list[str] = []
        self._size = 0
        self._left_out = 0
        self._timer: asyncio.TimerHandle | None = None

    def add(self, piece: str) -> None:
        self._pending.append(piece)
        self._size += len(piece)
        if self._size > 2 * PIECE_AT_MOST:
            self._shorten()
        if self._timer is None:
            self._flush()
            self._timer = self._loop.call_later(INTERVAL_S, self._next)

    def _shorten(self) -> None:
        text = "".join(self._pending)
        self._left_out += len(text) - PIECE_AT_MOST
        self._pending, self._size = [text[-PIECE_AT_MOST:]], PIECE_AT_MOST

    def _next(self) -> None:
        self._timer = self._loop.call_later(INTERVAL_S, self._next) if self._pending else None
        self._flush()

    def _flush(self) -> None:
        if self._size > PIECE_AT_MOST:
            self._shorten()
        note = f"\n[... {self._left_out} characters not shown ...]\n" if self._left_out else ""
        text = note + "".join(self._pending)
        self._pending, self._size, self._left_out = [], 0, 0
        if text:
            self._show(text)

    def close(self) -> None:
        """Shows the rest."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._flush()

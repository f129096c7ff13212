"""Runs a coroutine in a plain test function, with a deadline."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["DEADLINE_S", "run"]

T = TypeVar("T")

DEADLINE_S = 20.0
"""Seconds after which an implementation that hangs fails its test."""


def run(work: Coroutine[Any, Any, T], deadline_s: float = DEADLINE_S) -> T:  # as asyncio.run: what is sent is unused
    """What *work* returns; raises TimeoutError when it takes longer than *deadline_s*."""

    async def with_deadline() -> T:
        async with asyncio.timeout(deadline_s):
            return await work

    return asyncio.run(with_deadline())

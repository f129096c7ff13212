"""Runs coroutines in plain test functions, with a deadline."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["DEADLINE_S", "run", "start"]

T = TypeVar("T")

DEADLINE_S = 20.0
"""Seconds after which an implementation that hangs fails its test."""


def run(work: Coroutine[Any, Any, T], deadline_s: float = DEADLINE_S) -> T:  # as asyncio.run: what is sent is unused
    """What *work* returns; raises TimeoutError when it takes longer than *deadline_s*."""

    async def with_deadline() -> T:
        async with asyncio.timeout(deadline_s):
            return await work

    return asyncio.run(with_deadline())


def start(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:  # as asyncio.create_task
    """*work* as a task that the calling test awaits or cancels."""
    return asyncio.create_task(work)  # noqa: TID251 # the calling test owns it, and `run` ends it with its loop

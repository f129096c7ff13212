"""Running functions of strangers: plain ones beside the event loop under a deadline, and telling who cancelled.

The threads are daemons: a function that never returns is abandoned at its deadline and cannot keep the process alive.
"""

import asyncio
import contextvars
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import TypeVar

__all__ = ["in_thread", "is_being_cancelled", "started_in_thread"]

T = TypeVar("T")

_IDLE_AT_MOST = 16


class _Worker:
    idle: list["_Worker"] = []  # noqa: RUF012 # shared on purpose; list operations are atomic

    def __init__(self) -> None:
        self.jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        threading.Thread(target=self._serve, name="a3s-code-worker", daemon=True).start()

    def _serve(self) -> None:
        while (job := self.jobs.get()) is not None:
            job()
            if len(_Worker.idle) >= _IDLE_AT_MOST:
                return
            _Worker.idle.append(self)


def is_being_cancelled() -> bool:
    """Whether somebody cancelled this task, as opposed to a CancelledError that a stranger's code raised by itself."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


os.register_at_fork(after_in_child=_Worker.idle.clear)


async def in_thread(function: Callable[..., T], *args: object, timeout_s: float | None = None) -> T:
    """The result of a plain function that ran in a worker thread.

    Args:
        function: The function; it sees a copy of the caller's context variables.
        args: Its arguments.
        timeout_s: Seconds to wait; None waits as long as the caller does.

    Raises:
        TimeoutError: It did not return in time; it is left running and its result is dropped.
    """
    async with asyncio.timeout(timeout_s):
        return await started_in_thread(function, *args)


def started_in_thread(function: Callable[..., T], *args: object) -> "asyncio.Future[T]":
    """The result to come of a plain function that runs in a worker thread, however many run already.

    `asyncio.to_thread` may wait for a free thread; what tools wait for must not, since they may hold them all.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    context = contextvars.copy_context()

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type] # there is a result when there is no error

    def job() -> None:
        result: T | None = None
        error: BaseException | None = None
        try:
            result = context.run(function, *args)
        except StopIteration as stop:  # a future cannot carry it
            error = RuntimeError(f"the function raised StopIteration: {stop}")
        except Exception as raised:  # noqa: BLE001 # handed to the awaiting caller
            error = raised
        except BaseException as raised:  # noqa: BLE001 # a stranger's SystemExit ends neither thread nor process
            error = RuntimeError(f"the function raised {type(raised).__name__}: {raised}")
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, result, error)

    try:
        worker = _Worker.idle.pop()
    except IndexError:
        worker = _Worker()
    worker.jobs.put(job)
    return future

"""Whether anything is left of commands that were cut off, and what a supervisor costs.

Usage: python bench/processes.py [TREES] [SEED]

Starts TREES (200) process trees that try to escape, ends half of them at a timeout and half by cancelling, eight at a
time, and counts the processes that are left. Then the CPU milliseconds of one command, with and without a supervisor.
"""

import asyncio
import os
import random
import resource
import secrets
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from a3s_code_tools.child import run_child
from a3s_code_tools.sandbox import LocalBashExecutor
from a3s_code_tools.supervised import run_supervised

from a3s_code.plugin import BashCommand

AT_ONCE = 8
COMMANDS = 30
TREES = {
    "setsid": "setsid sleep {n} & wait",
    "deaf": "trap '' TERM INT HUP; while :; do sleep {n}; done",
    "deaf setsid": "setsid bash -c \"trap '' TERM; sleep {n}; sleep {n}\" & sleep {n}",
    "env -i setsid": "env -i setsid $(command -v sleep) {n} & wait",
    "nohup": "nohup sleep {n} >/dev/null 2>&1 & sleep {n}",
    "two forks": "(setsid bash -c 'env -i setsid $(command -v sleep) {n} & disown' &) ; sleep {n}",
    "respawning": "trap '' TERM; while :; do env -i setsid $(command -v sleep) {n} & sleep 0.05; done",
    "wide": "for i in 1 2 3 4 5 6 7 8; do setsid sleep {n} & done; trap '' TERM; sleep {n}",
}
ENV = {"PATH": os.environ["PATH"]}


def living(word: str) -> list[str]:
    """Command lines of other processes that contain *word*."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            except OSError:
                continue
            if word in line:
                found.append(line)
    return found


async def cut_off(text: str, folder: str, *, by_timeout: bool) -> bool:
    """Runs one tree to its cut; whether it was cut off as meant."""
    ready = asyncio.Event()
    command = BashCommand(command=f"echo ready; {text}", cwd=folder, env=ENV, timeout_ms=300 if by_timeout else 60_000)
    run = asyncio.ensure_future(LocalBashExecutor().run(command, lambda _: ready.set()))  # noqa: TID251 # awaited below
    await asyncio.wait({run, asyncio.ensure_future(ready.wait())}, return_when=asyncio.FIRST_COMPLETED)  # noqa: TID251 # ends with it
    if by_timeout:
        return (await run).timed_out
    await asyncio.sleep(random.random() / 5)
    run.cancel()
    return isinstance((await asyncio.gather(run, return_exceptions=True))[0], asyncio.CancelledError)


async def trees(count: int, folder: str, word: str) -> Counter[tuple[str, bool]]:
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> tuple[str, bool]:
        name = random.choice(sorted(TREES))
        async with gate:
            return name, await cut_off(TREES[name].replace("{n}", word), folder, by_timeout=number % 2 == 0)

    return Counter(await asyncio.gather(*(one(number) for number in range(count))))


def cpu_ms() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used) * 1000


async def cost(folder: str) -> None:
    for name, run in (("run_child", run_child), ("run_supervised", run_supervised)):
        before, began = cpu_ms(), time.perf_counter()
        for _ in range(COMMANDS):
            await run(["bash", "-c", "true"], cwd=folder, env=ENV, timeout_s=10, on_bytes=lambda _: None)
        wall = (time.perf_counter() - began) * 1000 / COMMANDS
        print(f"{name:20}{(cpu_ms() - before) / COMMANDS:8.1f} ms CPU{wall:8.1f} ms")


def main(count: int, seed: int) -> None:
    random.seed(seed)
    word = f"{86_400 + secrets.randbelow(10**6)}.{os.getpid()}"
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        ended = asyncio.run(trees(count, folder, word))
        took = time.perf_counter() - began
        left = living(word)
        for (name, was_cut), number in sorted(ended.items()):
            print(f"{name:20}{number:6}{'' if was_cut else '  ended by itself'}")
        print(f"{sum(ended.values())} trees in {took:.1f} s, seed {seed}: {len(left)} processes left")
        more = len(list(Path("/proc/self/fd").iterdir())) - descriptors
        print(f"descriptors: {more} more than before")
        for line in left:
            print("   ", line)
        asyncio.run(cost(folder))
    sys.exit(bool(left))


if __name__ == "__main__":
    arguments = [int(argument) for argument in sys.argv[1:]]
    main(*(arguments + [200, 1][len(arguments) :]))

"""Output is shown soon, often enough, and never too much of it."""

import asyncio

from a3s_code_tools.deltas import PIECE_AT_MOST, Deltas


def shown(*pieces: str) -> list[str]:
    """What is shown of pieces that come in one interval."""

    async def show() -> list[str]:
        got: list[str] = []
        deltas = Deltas(got.append)
        for piece in pieces:
            deltas.add(piece)
        deltas.close()
        return got

    return asyncio.run(show())


def test_the_first_piece_is_shown_at_once_and_the_others_together():
    assert shown("a", "b", "c") == ["a", "bc"]


def test_nothing_is_nothing():
    assert shown() == []


def test_of_a_flood_the_last_part_is_shown_and_the_rest_counted():
    text = "x" * 10_000
    first, rest = shown("start\n", *[text] * 1000, "end")
    assert first == "start\n"
    assert rest.startswith(f"\n[... {10_000 * 1000 + 3 - PIECE_AT_MOST} characters not shown ...]\n")
    assert rest.endswith("xend")
    assert len(rest) < PIECE_AT_MOST + 100


def test_what_waits_is_shown_without_a_further_piece():
    async def show() -> list[str]:
        got: list[str] = []
        done = asyncio.Event()

        def take(text: str) -> None:
            got.append(text)
            if len(got) == 2:
                done.set()

        deltas = Deltas(take)
        deltas.add("a")
        deltas.add("b")
        await asyncio.wait_for(done.wait(), 10)
        deltas.close()
        return got

    assert asyncio.run(show()) == ["a", "b"]

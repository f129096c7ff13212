"""What both memory stores promise, and what the file store adds."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from a3s_code_storage.file_memory import FileMemoryStore
from a3s_code_storage.in_memory import InMemoryStore
from hypothesis import given, settings
from hypothesis import strategies as st

from a3s_code.plugin import MemoryConfig, MemoryItem, MemoryStore, MemoryType, SessionError

DAY = 86_400.0
NOW = 100 * DAY


def memory(
    id: str, content: str = "text", *, age_days: float = 0.0, importance: float = 0.5, tags: str = ""
) -> MemoryItem:
    return MemoryItem(
        id=id, content=content, timestamp=NOW - age_days * DAY, importance=importance, tags=tuple(tags.split())
    )


@pytest.fixture(params=["file", "in-memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> MemoryStore:
    makers: dict[str, Callable[[], MemoryStore]] = {
        "file": lambda: FileMemoryStore(tmp_path, clock=lambda: NOW),
        "in-memory": lambda: InMemoryStore(clock=lambda: NOW),
    }
    return makers[request.param]()


def ids(memories: tuple[MemoryItem, ...]) -> str:
    return " ".join(memory.id for memory in memories)


def test_it_is_a_memory_store(store: MemoryStore) -> None:
    assert isinstance(store, MemoryStore)


def test_what_is_stored_is_retrieved_and_replaced_by_id(store: MemoryStore) -> None:
    whole = MemoryItem(
        id="A/../b\n\ud800",
        content="naïve \ud83d text",
        timestamp=1.5,
        importance=0.25,
        tags=("x", "y"),
        memory_type=MemoryType.PROCEDURAL,
        metadata={"k": "v"},
    )

    async def scenario() -> None:
        assert await store.retrieve(whole.id) is None
        await store.store(memory(whole.id))
        await store.store(whole)
        assert await store.retrieve(whole.id) == whole
        assert await store.count() == 1

    asyncio.run(scenario())


def test_search_finds_substrings_in_any_case_best_score_first(store: MemoryStore) -> None:
    async def scenario() -> None:
        await store.store(memory("old", "Use PYTEST here", age_days=90))
        await store.store(memory("b", "pytest"))
        await store.store(memory("a", "pytest"))
        await store.store(memory("important", "run pytest -q", importance=0.9))
        await store.store(memory("other", "tox"))
        assert ids(await store.search("PyTest", 10)) == "important a b old"
        assert ids(await store.search("PyTest", 2)) == "important a"
        assert await store.search("pytest", 0) == ()
        assert await store.search("pytest", -1) == ()

    asyncio.run(scenario())


def test_search_by_tags_takes_any_of_them(store: MemoryStore) -> None:
    async def scenario() -> None:
        await store.store(memory("a", tags="x y"))
        await store.store(memory("b", tags="z", importance=0.9))
        await store.store(memory("c", tags="X"))
        assert ids(await store.search_by_tags(("x", "z"), 10)) == "b a"
        assert await store.search_by_tags((), 10) == ()

    asyncio.run(scenario())


def test_recent_and_important(store: MemoryStore) -> None:
    async def scenario() -> None:
        await store.store(memory("new", importance=0.1))
        await store.store(memory("older", age_days=1, importance=0.8))
        await store.store(memory("oldest", age_days=2, importance=0.9))
        assert ids(await store.get_recent(2)) == "new older"
        assert ids(await store.get_important(0.8, 10)) == "oldest older"

    asyncio.run(scenario())


def test_delete_and_clear_say_what_was_there(store: MemoryStore) -> None:
    async def scenario() -> None:
        assert not await store.delete("a")
        assert await store.clear() == 0
        for id in "abc":
            await store.store(memory(id))
        assert await store.delete("a")
        assert await store.clear() == 2
        assert await store.count() == 0

    asyncio.run(scenario())


def test_the_weights_of_the_configuration_count() -> None:
    config = MemoryConfig()
    recency_only = type(config.relevance)(importance_weight=0.0, recency_weight=1.0)
    store = InMemoryStore(MemoryConfig(relevance=recency_only), clock=lambda: NOW)

    async def scenario() -> None:
        await store.store(memory("important", importance=1.0, age_days=9))
        await store.store(memory("new", importance=0.0))
        assert ids(await store.search("text", 10)) == "new important"

    asyncio.run(scenario())


memories = st.builds(
    MemoryItem,
    id=st.text(max_size=8),
    content=st.text(max_size=20),
    timestamp=st.floats(allow_nan=False, allow_infinity=False),
    importance=st.floats(0, 1),
    tags=st.lists(st.text(max_size=5), max_size=3).map(tuple),
    memory_type=st.sampled_from(MemoryType),
    metadata=st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2),
)


@settings(max_examples=30, deadline=None)
@given(st.lists(memories, max_size=8))
def test_files_hold_exactly_what_was_stored(tmp_path_factory: pytest.TempPathFactory, stored: list[MemoryItem]) -> None:
    folder = tmp_path_factory.mktemp("memories")

    async def scenario() -> None:
        for item in stored:
            await FileMemoryStore(folder).store(item)
        reopened = FileMemoryStore(folder)
        expected = {item.id: item for item in stored}
        assert {item.id: item for item in await reopened.get_recent(100)} == expected

    asyncio.run(scenario())


def test_damaged_files_are_left_out_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        store = FileMemoryStore(tmp_path)
        await store.store(memory("good"))
        good = json.loads((tmp_path / "items" / "good.json").read_text())
        damages = ["", "{", "[]", "null", "\udcff", '{"id": 1}']
        damages += [json.dumps(good | change) for change in ({"timestamp": "x"}, {"memory_type": "?"}, {"id": "other"})]
        damages.append(json.dumps(good | {"id": "d9", "timestamp": float("nan")}))
        for number, text in enumerate(damages):
            (tmp_path / "items" / f"d{number}.json").write_text(text, errors="surrogateescape")
        assert ids(await store.get_recent(10)) == "good"
        assert await store.count() == 1

    asyncio.run(scenario())
    assert caplog.text.count("a damaged memory was left out") >= 10


def test_links_are_not_followed(tmp_path: Path) -> None:
    async def scenario() -> None:
        await FileMemoryStore(tmp_path / "a").store(memory("x"))
        (tmp_path / "b" / "items").mkdir(parents=True)
        (tmp_path / "b" / "items" / "x.json").symlink_to(tmp_path / "a" / "items" / "x.json")
        assert await FileMemoryStore(tmp_path / "b").count() == 0

    asyncio.run(scenario())


def test_stores_side_by_side_see_each_other(tmp_path: Path) -> None:
    async def scenario() -> None:
        one, two = FileMemoryStore(tmp_path), FileMemoryStore(tmp_path)
        for number in range(30):
            await one.store(memory(f"one-{number}"))
            assert await two.retrieve(f"one-{number}") is not None
            assert await one.count() == 1
            await two.store(memory(f"one-{number}", "replaced"))
            found = await one.retrieve(f"one-{number}")
            assert found is not None
            assert found.content == "replaced"
            assert await two.delete(f"one-{number}")
            assert await one.count() == 0

    asyncio.run(scenario())


def test_a_change_within_one_tick_of_the_clock_is_seen(tmp_path: Path) -> None:
    async def scenario() -> None:
        one, two = FileMemoryStore(tmp_path), FileMemoryStore(tmp_path)
        for number in range(2):
            await two.store(memory(f"m{number}"))
            os.utime(tmp_path / "items", (4e9, 4e9))  # the folder's time stands still
            assert await one.count() == number + 1

    asyncio.run(scenario())


def test_processes_side_by_side_lose_nothing(tmp_path: Path) -> None:
    script = """
import asyncio, sys
from a3s_code.plugin import MemoryItem
from a3s_code_storage.file_memory import FileMemoryStore

async def main():
    store = FileMemoryStore(sys.argv[1])
    for number in range(20):
        await store.store(MemoryItem(id=f"{sys.argv[2]}-{number}", content="x", timestamp=1.0))
        assert await store.count() > number

asyncio.run(main())
"""
    children = [subprocess.Popen([sys.executable, "-c", script, str(tmp_path), name]) for name in ("A", "B")]
    assert [child.wait() for child in children] == [0, 0]
    assert asyncio.run(FileMemoryStore(tmp_path).count()) == 40


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SessionError, match="cannot read or write the memories in"):
        asyncio.run(FileMemoryStore(tmp_path / "file").store(memory("a")))

"""InMemoryVectorStore and LocalEmbedder."""

import asyncio
import subprocess
import sys
from collections.abc import Coroutine
from math import inf, nan, sqrt
from typing import TypeVar

import pytest
from a3s_code_context.in_memory_vectors import InMemoryVectorStore
from a3s_code_context.local_embedder import LocalEmbedder
from hypothesis import given
from hypothesis import strategies as st

from a3s_code.plugin import EmbeddingProvider, VectorEntry, VectorStore

T = TypeVar("T")


def run(work: Coroutine[object, object, T]) -> T:
    return asyncio.run(work)


def entry(id: str, *embedding: float) -> VectorEntry:
    return VectorEntry(id=id, embedding=embedding, content=id)


def filled(*entries: VectorEntry) -> InMemoryVectorStore:
    store = InMemoryVectorStore()
    run(store.insert_batch(entries))
    return store


def test_they_fill_their_points() -> None:
    assert isinstance(InMemoryVectorStore(), VectorStore)
    assert isinstance(LocalEmbedder(), EmbeddingProvider)


def test_the_nearest_come_first_and_ties_by_id() -> None:
    store = filled(entry("far", -1, 0), entry("b", 2, 0), entry("a", 5, 0), entry("near", 1, 0.1))
    hits = run(store.search([1, 0], 10))
    assert [(hit.entry.id, round(hit.score, 2)) for hit in hits] == [("a", 1), ("b", 1), ("near", 1), ("far", -1)]
    assert [hit.entry.id for hit in run(store.search([1, 0], 2))] == ["a", "b"]
    assert run(store.search([1, 0], 0)) == ()


def test_an_entry_replaces_the_one_of_its_id() -> None:
    store = filled(entry("a", 1, 0), entry("a", 0, 1))
    run(store.insert_batch([VectorEntry(id="a", embedding=(0, 1), content="new")]))
    assert run(store.count()) == 1
    assert run(store.search([0, 1], 1))[0].entry.content == "new"


def test_delete_and_clear() -> None:
    store = filled(entry("a", 1, 0), entry("b", 0, 1))
    assert run(store.delete(["a", "x"])) == 1
    assert run(store.count()) == 1
    run(store.clear())
    assert run(store.search([1, 2, 3], 5)) == ()
    run(store.insert_batch([entry("c", 1, 2, 3)]))
    assert run(store.count()) == 1


@pytest.mark.parametrize("wrong", [(1.0,), (1.0, 2.0, 3.0), (), (nan, 1.0), (inf, 1.0)])
def test_a_wrong_vector_is_refused_and_nothing_of_its_batch_is_kept(wrong: tuple[float, ...]) -> None:
    store = filled(entry("a", 1, 0))
    with pytest.raises(ValueError, match="vector"):
        run(store.insert_batch([entry("b", 0, 1), entry("c", *wrong)]))
    with pytest.raises(ValueError, match="vector"):
        run(store.search(wrong, 1))
    assert run(store.count()) == 1


def test_zeros_are_similar_to_nothing() -> None:
    (hit,) = run(filled(entry("zero", 0, 0)).search([1, 1], 1))
    assert hit.score == 0


@given(st.lists(st.lists(st.floats(-1e300, 1e300), min_size=3, max_size=3), min_size=1, max_size=8))
def test_scores_are_cosines(vectors: list[list[float]]) -> None:
    store = filled(*(entry(str(number), *vector) for number, vector in enumerate(vectors)))
    hits = run(store.search(vectors[0], 99))
    scores = [hit.score for hit in hits]
    assert all(-1 <= score <= 1 for score in scores)
    assert scores == sorted(scores, reverse=True)
    if any(vectors[0]):
        assert scores[0] == pytest.approx(1)


def cosine(one: str, other: str, embedder: LocalEmbedder) -> float:
    first, second = run(embedder.embed_batch([one, other]))
    return sum(a * b for a, b in zip(first, second, strict=True))


def test_texts_that_share_words_or_parts_of_words_are_similar() -> None:
    embedder = LocalEmbedder()
    same = cosine("parse the config file", "config file parse", embedder)
    related = cosine("parse the config file", "parser of configuration files", embedder)
    other = cosine("parse the config file", "zebra jumps quickly", embedder)
    assert same > related > other + 0.1


@given(st.text(), st.integers(1, 64))
def test_vectors_have_the_dimension_and_length_one(text: str, dimension: int) -> None:
    vector = run(LocalEmbedder(dimension).embed(text))
    length = sqrt(sum(number * number for number in vector))
    assert len(vector) == dimension
    assert length == pytest.approx(1) or not any(vector)


def test_the_same_text_gives_the_same_vector_in_every_process() -> None:
    script = (
        "import asyncio; from a3s_code_context.local_embedder import LocalEmbedder; "
        "print(asyncio.run(LocalEmbedder(8).embed('same text')))"
    )
    answers = {
        subprocess.run(
            [sys.executable, "-c", script], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert answers == {f"{run(LocalEmbedder(8).embed('same text'))}\n"}


def test_a_dimension_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="dimension is 0"):
        LocalEmbedder(0)

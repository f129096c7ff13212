"""Vectors from an embeddings endpoint, against a server on loopback."""

import asyncio

import pytest
from a3s_code_openai.embedding import OpenAiEmbeddingProvider
from a3s_code_testing.loopback import LoopbackServer, Status, Vectors

from a3s_code.plugin import EmbeddingProvider, ModelError, ModelErrorKind


def embedded(turns, texts, **options):
    async def ask(url):
        settings = {"api_key": None, "model": "e", "dimension": 2} | options
        provider = OpenAiEmbeddingProvider(
            settings["api_key"], settings["model"], settings["dimension"], base_url=f"{url}/v1"
        )
        try:
            return await provider.embed_batch(texts)
        finally:
            await provider.aclose()

    with LoopbackServer(turns) as server:
        return asyncio.run(ask(server.url)), server


def answer(*entries):
    return Status(200, body={"data": [{"index": index, "embedding": vector} for index, vector in entries]})


def test_one_vector_for_each_text():
    vectors, server = embedded([Vectors(((1.0, 2.0), (3.0, 4.0)))], ["a", "b"])
    assert vectors == ([1.0, 2.0], [3.0, 4.0])
    assert server.requests[0].json == {"model": "e", "input": ["a", "b"], "encoding_format": "float"}


def test_the_order_is_that_of_the_texts():
    vectors, _ = embedded([answer((1, [3, 4]), (0, [1, 2]))], ["a", "b"])
    assert vectors == ([1.0, 2.0], [3.0, 4.0])


def test_at_most_256_texts_are_asked_for_at_once():
    turns = [Vectors(((1.0, 2.0),) * 256), Vectors(((3.0, 4.0),) * 44)]
    vectors, server = embedded(turns, [str(n) for n in range(300)])
    assert len(vectors) == 300
    assert [len(request.json["input"]) for request in server.requests] == [256, 44]


def test_no_texts_ask_nothing():
    assert embedded([], [])[0] == ()


def test_models_that_can_shorten_their_vectors_are_told_the_length():
    _, server = embedded([Vectors(((1.0, 2.0),))], ["a"], model="text-embedding-3-small")
    assert server.requests[0].json["dimensions"] == 2


@pytest.mark.parametrize(
    ("turn", "said"),
    [
        pytest.param(Vectors(((1.0, 2.0, 3.0),)), "set dimension = 3 in plugin", id="wrong dimension"),
        pytest.param(Vectors(((1.0, 2.0),) * 2), "2 vectors for 1 texts", id="wrong count"),
        pytest.param(Status(200, body="<html>"), "check base_url", id="no JSON"),
        pytest.param(Status(200, body={"data": [{"embedding": "AAAA"}]}), "check base_url", id="no numbers"),
        pytest.param(Status(200, body="[]"), "check base_url", id="no object"),
    ],
)
def test_nonsense_is_a_protocol_error(turn, said):
    with pytest.raises(ModelError, match=said) as caught:
        embedded([turn], ["a"])
    assert caught.value.kind is ModelErrorKind.PROTOCOL


def test_a_refusal_has_its_kind():
    with pytest.raises(ModelError) as caught:
        embedded([Status(429, {"retry-after": "2"})], ["a"])
    assert (caught.value.kind, caught.value.retry_after_s) == (ModelErrorKind.RATE_LIMITED, 2.0)


def test_the_readme_s_constructor():
    provider = OpenAiEmbeddingProvider("sk-secret", "text-embedding-3-small", 1536)
    assert isinstance(provider, EmbeddingProvider)
    assert provider.dimension == 1536


def test_without_key_openai_is_not_asked():
    with pytest.raises(ModelError, match="api_key is missing") as caught:
        asyncio.run(OpenAiEmbeddingProvider(None).embed("a"))
    assert caught.value.kind is ModelErrorKind.AUTHENTICATION

"""OpenAiEmbeddingProvider: vectors from OpenAI and every server with the same embeddings endpoint."""

from collections.abc import Mapping, Sequence

import orjson

from a3s_code.plugin import EmbeddingProvider, HttpClient, ModelError, ModelErrorKind, Secret, Vector
from a3s_code_openai.endpoint import Endpoint
from a3s_code_openai.failures import Source, refusal

__all__ = ["OpenAiEmbeddingProvider"]

BATCH = 256
"""Texts of one request: OpenAI takes 2048 but only 300,000 tokens in all, and servers of one's own take less."""

_ANSWER_S = 120.0

_SETTING = 'plugin "embedding_provider" "openai"'


class OpenAiEmbeddingProvider(EmbeddingProvider):
    """Asks one model for vectors.

    Args:
        api_key: The key; None for a server of one's own that has none.
        model: The model.
        dimension: Length of its vectors.
        base_url: The address with /v1; None is OpenAI's.
        headers: Additional HTTP headers.
        http_client: The way out to the network, closed by the caller; None makes one that `aclose` closes.
    """

    def __init__(
        self,
        api_key: Secret | str | None,
        model: str = "text-embedding-3-small",
        dimension: int = 1536,
        *,
        base_url: str | None = None,
        headers: Mapping[str, str] | None = None,
        http_client: HttpClient | None = None,
    ):
        self._model = model
        self._dimension = dimension
        self._own_http_client = None
        if http_client is None:
            from a3s_code_http.client import Httpx2Client

            http_client = self._own_http_client = Httpx2Client()
        self._endpoint = Endpoint(
            provider="embedding_provider:openai",
            setting=_SETTING,
            api_key=Secret(api_key) if isinstance(api_key, str) else api_key,
            base_url=base_url,
            headers=headers or {},
            http_client=http_client,
            stall_s=_ANSWER_S,
        )

    @property
    def name(self) -> str:
        """Says which vectors may be compared with each other."""
        return f"openai:{self._model}"

    @property
    def dimension(self) -> int:
        return self._dimension

    async def embed_batch(self, texts: Sequence[str]) -> tuple[Vector, ...]:
        """One vector for each text, in order; asks for 256 texts at a time. Raises ModelError."""
        vectors: list[Vector] = []
        for start in range(0, len(texts), BATCH):
            vectors += await self._ask(texts[start : start + BATCH])
        return tuple(vectors)

    async def aclose(self) -> None:
        """Closes what the provider opened; a second call does nothing."""
        await self._endpoint.aclose()
        if self._own_http_client is not None:
            await self._own_http_client.aclose()

    async def _ask(self, texts: Sequence[str]) -> list[Vector]:
        question: dict[str, object] = {"model": self._model, "input": list(texts), "encoding_format": "float"}
        if self._model.startswith("text-embedding-3"):
            question["dimensions"] = self._dimension  # these models shorten their vectors on request; others refuse it
        source = self._endpoint.source(self._model)
        answer = await self._endpoint.post("/embeddings", orjson.dumps(question), source, answer_s=_ANSWER_S)
        vectors = _vectors(answer, source)
        if len(vectors) != len(texts):
            raise _nonsense(source, f"gave {len(vectors)} vectors for {len(texts)} texts")
        for vector in vectors:
            if len(vector) != self._dimension:
                raise _nonsense(
                    source,
                    f"gave a vector of {len(vector)} numbers where {self._dimension} were expected; "
                    f"set dimension = {len(vector)} in {_SETTING}",
                )
        return vectors


def _vectors(answer: bytes, source: Source) -> list[Vector]:
    """The vectors in the order of the texts; servers may answer in any order."""
    try:
        parsed = orjson.loads(answer)
        if "data" not in parsed and "error" in parsed:
            raise refusal(source, parsed["error"])
        entries = sorted(parsed["data"], key=lambda entry: entry.get("index", 0))
        return [[float(number) for number in entry["embedding"]] for entry in entries]
    except (ValueError, TypeError, KeyError, AttributeError) as exc:
        raise _nonsense(source, f"sent something else than embeddings ({exc}); check base_url in {_SETTING}") from exc


def _nonsense(source: Source, what: str) -> ModelError:
    return ModelError(f"{source} {what}.", kind=ModelErrorKind.PROTOCOL)

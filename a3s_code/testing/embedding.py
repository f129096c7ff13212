"""An embedding provider for tests: the same text gives the same vector, shared words make vectors alike."""

from collections.abc import Sequence
from hashlib import sha256
from math import sqrt

from a3s_code.plugin import EmbeddingProvider, Vector

__all__ = ["HashEmbedding"]


class HashEmbedding(EmbeddingProvider):
    """Counts hashed words and brings the vector to length 1; text without words gives the first unit vector.

    Attributes:
        batches: The texts of every call.
    """

    def __init__(self, dimension: int = 64):
        self._dimension = dimension
        self.batches: list[tuple[str, ...]] = []

    @property
    def name(self) -> str:
        return "hash"

    @property
    def dimension(self) -> int:
        return self._dimension

    async def embed_batch(self, texts: Sequence[str]) -> tuple[Vector, ...]:
        self.batches.append(tuple(texts))
        return tuple(self._vector(text) for text in texts)

    def _vector(self, text: str) -> tuple[float, ...]:
        counts = [0.0] * self._dimension
        for word in text.lower().split():
            counts[int.from_bytes(sha256(word.encode()).digest()[:4]) % self._dimension] += 1.0
        if not any(counts):
            counts[0] = 1.0
        length = sqrt(sum(count * count for count in counts))
        return tuple(count / length for count in counts)

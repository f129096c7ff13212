"""LocalEmbedder: vectors from words and letter trigrams, without network or model."""

import asyncio
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from math import log, sqrt
from zlib import crc32

from a3s_code.plugin import EmbeddingProvider, Vector

__all__ = ["LocalEmbedder"]

_WORD = re.compile(r"\w+")
_TRIGRAM_WEIGHT = 0.4


class LocalEmbedder(EmbeddingProvider):
    """Texts that share words, or parts of words, get similar vectors; meaning is not understood.

    The same text gives the same vector in every process (feature hashing: Weinberger et al., 2009, with CRC-32).
    Vectors have length 1; a text without letters and digits gives zeros.

    Args:
        dimension: Length of the vectors.
    """

    def __init__(self, dimension: int = 256):
        if dimension < 1:
            raise ValueError(f"dimension is {dimension}; it must be at least 1")
        self._dimension = dimension

    @property
    def name(self) -> str:
        return "local"

    @property
    def dimension(self) -> int:
        return self._dimension

    async def embed_batch(self, texts: Sequence[str]) -> tuple[Vector, ...]:
        """One vector per text in the same order."""
        return await asyncio.to_thread(lambda: tuple(_embed(text, self._dimension) for text in texts))


def _embed(text: str, dimension: int) -> tuple[float, ...]:
    vector = [0.0] * dimension
    for feature, occurrences in Counter(_features(text.lower())).items():
        digest = crc32(feature.encode("utf-8", "surrogatepass"))
        weight = (1 + log(occurrences)) * (_TRIGRAM_WEIGHT if feature[0] == "3" else 1.0)
        vector[(digest >> 1) % dimension] += weight if digest & 1 else -weight
    length = sqrt(sum(number * number for number in vector))
    return tuple(number / length for number in vector) if length else tuple(vector)


def _features(text: str) -> Iterator[str]:
    """Words as "w:word" and trigrams of words with their borders as "3:abc"."""
    for word in _WORD.findall(text):
        yield f"w:{word}"
        bordered = f"^{word}$"
        yield from (f"3:{bordered[at : at + 3]}" for at in range(len(bordered) - 2))

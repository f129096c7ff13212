"""EmbeddingProvider: turns texts into vectors."""

from collections.abc import Sequence
from typing import Protocol, TypeAlias, runtime_checkable

__all__ = ["EmbeddingProvider", "Vector"]

Vector: TypeAlias = Sequence[float]


@runtime_checkable
class EmbeddingProvider(Protocol):
    """Turns texts into vectors of one length.

    Contract: one vector per text in the same order; may be called several times at once; raises `ModelError`.
    """

    @property
    def name(self) -> str: ...

    @property
    def dimension(self) -> int: ...

    async def embed_batch(self, texts: Sequence[str]) -> tuple[Vector, ...]: ...

    async def embed(self, text: str) -> Vector:
        """The vector of one text."""
        return (await self.embed_batch([text]))[0]

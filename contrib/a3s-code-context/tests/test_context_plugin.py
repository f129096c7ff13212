"""The factories fill their points."""

from importlib.metadata import distribution
from pathlib import Path

from a3s_code_context import plugin

from a3s_code.plugin import ContextProvider, EmbeddingProvider, VectorStore
from a3s_code.testing.workspace import PlainWorkspace


def test_every_entry_point_loads() -> None:
    names = {entry.name for entry in distribution("a3s-code-context").entry_points if entry.load()}
    assert names >= {"filesystem", "in-memory", "local", "FileSystemContextProvider", "InMemoryVectorStore"}


def test_the_factories_make_what_their_points_want(tmp_path: Path) -> None:
    config = plugin.FileSystemContextConfig(include=("*.md",))
    assert isinstance(plugin.filesystem_context(config=config, workspace=PlainWorkspace(tmp_path)), ContextProvider)
    assert isinstance(plugin.in_memory_vectors(), VectorStore)
    embedder = plugin.local_embedder(config=plugin.LocalEmbedderConfig(dimension=7))
    assert isinstance(embedder, EmbeddingProvider)
    assert embedder.dimension == 7

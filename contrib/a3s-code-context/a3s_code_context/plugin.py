"""The factories of this distribution and their settings."""

from attrs import frozen

from a3s_code.plugin import ContextProvider, EmbeddingProvider, VectorStore, Workspace, hookimpl, setting

__all__ = [
    "FileSystemContextConfig",
    "LocalEmbedderConfig",
    "filesystem_context",
    "in_memory_vectors",
    "local_embedder",
]


@frozen(kw_only=True)
class FileSystemContextConfig:
    """`plugin "context_provider" "filesystem" { }`"""

    include: tuple[str, ...] = setting((), "Files that are searched, written as in .gitignore; empty means all.")
    exclude: tuple[str, ...] = setting((), "Files that are not, written as in .gitignore.")


@frozen(kw_only=True)
class LocalEmbedderConfig:
    """`plugin "embedding_provider" "local" { }`"""

    dimension: int = setting(256, "Length of the vectors.")


@hookimpl
def filesystem_context(config: FileSystemContextConfig, workspace: Workspace) -> ContextProvider:
    from a3s_code_context.filesystem import FileSystemContextProvider

    return FileSystemContextProvider(workspace.root, include=config.include, exclude=config.exclude)


@hookimpl
def in_memory_vectors() -> VectorStore:
    from a3s_code_context.in_memory_vectors import InMemoryVectorStore

    return InMemoryVectorStore()


@hookimpl
def local_embedder(config: LocalEmbedderConfig) -> EmbeddingProvider:
    from a3s_code_context.local_embedder import LocalEmbedder

    return LocalEmbedder(config.dimension)

"""The factories of this distribution."""

from a3s_code.plugin import Log, MemoryConfig, MemoryStore, SessionStore, StorageConfig, hookimpl

__all__ = ["file_memory_store", "file_session_store", "in_memory_store", "memory_session_store"]


@hookimpl
def file_session_store(config: StorageConfig, log: Log) -> SessionStore:
    from a3s_code_storage.file_sessions import FileSessionStore

    return FileSessionStore(config.dir, log=log)


@hookimpl
def memory_session_store() -> SessionStore:
    from a3s_code_storage.memory_sessions import MemorySessionStore

    return MemorySessionStore()


@hookimpl
def in_memory_store(config: MemoryConfig) -> MemoryStore:
    from a3s_code_storage.in_memory import InMemoryStore

    return InMemoryStore(config)


@hookimpl
def file_memory_store(config: MemoryConfig, log: Log) -> MemoryStore:
    from a3s_code_storage.file_memory import FileMemoryStore

    return FileMemoryStore(config.dir, config, log=log)

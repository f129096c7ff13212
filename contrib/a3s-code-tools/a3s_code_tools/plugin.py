"""The factories of the built-in tools and of the local shell."""

from attrs import frozen

from a3s_code.plugin import BashSandbox, HttpClient, SearchConfig, Tool, hookimpl, setting

__all__ = [
    "BashConfig",
    "GlobConfig",
    "GrepConfig",
    "bash",
    "batch",
    "edit",
    "git_worktree",
    "glob",
    "grep",
    "local",
    "ls",
    "patch",
    "read",
    "web_fetch",
    "web_search",
    "write",
]


@frozen(kw_only=True)
class BashConfig:
    """Settings of the bash tool."""

    timeout_ms: int = setting(120_000, "Milliseconds of a command that names no timeout; at most 600000.")
    env: tuple[str, ...] = setting((), 'Additional environment variables to pass on; "*" at the end stands for any.')


@frozen(kw_only=True)
class GrepConfig:
    """Settings of the grep tool."""

    timeout_ms: int = setting(30_000, "Milliseconds until a search is given up.")
    program: str = setting("rg", 'ripgrep, where it is installed; "" searches without it, which is slower.')


@frozen(kw_only=True)
class GlobConfig:
    """Settings of the glob tool."""

    timeout_ms: int = setting(30_000, "Milliseconds until a search is given up.")
    program: str = setting("rg", 'ripgrep, where it is installed; "" searches without it, which is slower.')


@hookimpl
def read() -> Tool:
    from a3s_code_tools.read import ReadTool

    return ReadTool()


@hookimpl
def write() -> Tool:
    from a3s_code_tools.write import WriteTool

    return WriteTool()


@hookimpl
def edit() -> Tool:
    from a3s_code_tools.edit import EditTool

    return EditTool()


@hookimpl
def patch() -> Tool:
    from a3s_code_tools.patch import PatchTool

    return PatchTool()


@hookimpl
def ls() -> Tool:
    from a3s_code_tools.ls import LsTool

    return LsTool()


@hookimpl
def glob(config: GlobConfig) -> Tool:
    from a3s_code_tools.glob import GlobTool

    return GlobTool(timeout_s=config.timeout_ms / 1000, program=config.program)


@hookimpl
def grep(config: GrepConfig) -> Tool:
    from a3s_code_tools.grep import GrepTool

    return GrepTool(timeout_s=config.timeout_ms / 1000, program=config.program)


@hookimpl
def bash(config: BashConfig, bash_sandbox: BashSandbox) -> Tool:
    from a3s_code_tools.bash import BashTool

    return BashTool(bash_sandbox, timeout_ms=config.timeout_ms, env_names=config.env)


@hookimpl
def batch() -> Tool:
    from a3s_code_tools.batch import BatchTool

    return BatchTool()


@hookimpl
def git_worktree() -> Tool:
    from a3s_code_tools.git_worktree import GitWorktreeTool

    return GitWorktreeTool()


@hookimpl
def web_fetch(http_client: HttpClient) -> Tool:
    from a3s_code_tools.web_fetch import WebFetchTool

    return WebFetchTool(http_client)


@hookimpl
def web_search(config: SearchConfig, http_client: HttpClient) -> Tool:
    from a3s_code_tools.web_search import WebSearchTool

    return WebSearchTool(http_client, config)


@hookimpl
def local() -> BashSandbox:
    from a3s_code_tools.sandbox import LocalBashExecutor

    return LocalBashExecutor()

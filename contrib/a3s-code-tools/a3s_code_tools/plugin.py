"""The factories of the built-in tools and of the local shell."""

from attrs import frozen

from a3s_code.plugin import BashSandbox, Tool, hookimpl, setting

__all__ = ["BashConfig", "GrepConfig", "bash", "edit", "git_worktree", "glob", "grep", "local", "ls", "read", "write"]


@frozen(kw_only=True)
class BashConfig:
    """Settings of the bash tool."""

    timeout_ms: int = setting(120_000, "Milliseconds of a command that names no timeout; at most 600000.")
    env: tuple[str, ...] = setting((), 'Additional environment variables to pass on; "*" at the end stands for any.')


@frozen(kw_only=True)
class GrepConfig:
    """Settings of the grep tool."""

    timeout_ms: int = setting(30_000, "Milliseconds until a search is given up.")


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
def ls() -> Tool:
    from a3s_code_tools.ls import LsTool

    return LsTool()


@hookimpl
def glob() -> Tool:
    from a3s_code_tools.glob import GlobTool

    return GlobTool()


@hookimpl
def grep(config: GrepConfig) -> Tool:
    from a3s_code_tools.grep import GrepTool

    return GrepTool(timeout_s=config.timeout_ms / 1000)


@hookimpl
def bash(config: BashConfig, bash_sandbox: BashSandbox) -> Tool:
    from a3s_code_tools.bash import BashTool

    return BashTool(bash_sandbox, timeout_ms=config.timeout_ms, env_names=config.env)


@hookimpl
def git_worktree() -> Tool:
    from a3s_code_tools.git_worktree import GitWorktreeTool

    return GitWorktreeTool()


@hookimpl
def local() -> BashSandbox:
    from a3s_code_tools.sandbox import LocalBashExecutor

    return LocalBashExecutor()

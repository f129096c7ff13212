"""The entry points: the engine and the command hooks."""

from attrs import frozen

from a3s_code.plugin import Hook, HookEventType, HookExecutor, Log, Workspace, hookimpl, setting

__all__ = ["CommandHook", "CommandHooksConfig", "a3s_code_hook_executor", "a3s_code_hook_handler"]


@frozen(kw_only=True)
class CommandHook:
    """A `hook` block."""

    id: str = setting("", "Name in messages; unique.")
    event: HookEventType | None = setting(None, 'The event it sees, such as "pre_tool_use".')
    command: str = setting("", "Shell command; runs in the workspace with the event as JSON on stdin.")
    tool: str | None = setting(None, "Glob over the tool's name.")
    path: str | None = setting(None, "Glob over the path argument.")
    matches: str | None = setting(None, "Regular expression searched in the command argument.")
    priority: int = setting(100, "Smaller runs first.")
    timeout_ms: int = setting(30_000, "Milliseconds until it counts as failed and is killed.")


@frozen(kw_only=True)
class CommandHooksConfig:
    """`plugin "hook_handler" "command"`"""

    hook: tuple[CommandHook, ...] = setting((), "The hooks.")


@hookimpl
def a3s_code_hook_executor(log: Log) -> HookExecutor:
    from a3s_code_hooks.engine import HookEngine

    return HookEngine(log=log)


@hookimpl
def a3s_code_hook_handler(config: CommandHooksConfig, workspace: Workspace) -> tuple[Hook, ...]:
    from a3s_code_hooks.command import command_hook

    return tuple(command_hook(hook, workspace.root) for hook in config.hook)

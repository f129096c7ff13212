"""Which events a hook sees."""

import re
from fnmatch import fnmatchcase
from posixpath import normpath

from a3s_code.plugin import Hook, HookEvent, HookMatcher, Json, PluginError

__all__ = ["check_matcher", "matches"]

_PATHS = ("path", "file_path")
_COMMANDS = ("command", "cmd")


def check_matcher(hook: Hook) -> None:
    """Raises `PluginError` when the matcher's regular expression is none."""
    pattern = hook.matcher.command if hook.matcher else None
    if pattern is None:
        return
    try:
        re.compile(pattern)
    except re.error as exc:
        raise PluginError(f'hook "{hook.id}": its `command` pattern is no regular expression: {exc}') from exc


def matches(matcher: HookMatcher | None, event: HookEvent) -> bool:
    """Whether everything that the matcher gives holds for the event; what the event lacks does not match."""
    if matcher is None:
        return True
    return (
        (matcher.session_id is None or matcher.session_id == event.session_id)
        and (matcher.tool is None or _tool(event, matcher.tool))
        and (matcher.path is None or any(_path(path, matcher.path) for path in _arguments(event, _PATHS)))
        and (matcher.command is None or any(re.search(matcher.command, text) for text in _arguments(event, _COMMANDS)))
    )


def _tool(event: HookEvent, pattern: str) -> bool:
    name = event.payload.get("tool")
    return isinstance(name, str) and fnmatchcase(name.lower(), pattern.lower())


def _path(path: str, pattern: str) -> bool:
    """Matched as written and in its shortest form, so that "./x" is no way around a pattern "x"."""
    return fnmatchcase(path, pattern) or fnmatchcase(normpath(path), pattern)


def _arguments(event: HookEvent, names: tuple[str, ...]) -> list[str]:
    args: Json = event.payload.get("args")
    if not isinstance(args, dict):
        return []
    return [value for name in names if isinstance(value := args.get(name), str)]

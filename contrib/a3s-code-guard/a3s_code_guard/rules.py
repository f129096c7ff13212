"""PermissionRule: `Tool` or `Tool(pattern)`, and what its pattern matches."""

import json
import re
from functools import lru_cache
from pathlib import PurePosixPath
from posixpath import normpath

from attrs import frozen

from a3s_code.plugin import (
    CommandTarget,
    ConfigError,
    JsonObject,
    OtherTarget,
    PathTarget,
    PermissionRequest,
    Target,
    UrlTarget,
)
from a3s_code_guard import shell

__all__ = ["PermissionRule", "covers_command", "covers_target", "names_command", "relative", "targets_of"]

_RULE = re.compile(r"(?P<tool>[^()\s]+)(?:\((?P<pattern>.*)\))?", re.DOTALL)


@frozen
class PermissionRule:
    """One rule.

    Args:
        tool: The tool's name in any case; "mcp__server" means all tools of the server, "*" any characters.
        pattern: What the call's target must look like; "*" is everything.
    """

    tool: str
    pattern: str = "*"

    @classmethod
    def parse(cls, text: str) -> "PermissionRule":
        """The rule written as `Tool` or `Tool(pattern)`.

        Raises:
            ConfigError: It is neither.
        """
        match = _RULE.fullmatch(text.strip())
        if match is None:
            raise ConfigError(
                f'permission rule "{text}" is neither "tool" nor "tool(pattern)", such as "bash(git diff *)"'
            )
        pattern = (match["pattern"] or "").strip()
        return cls(match["tool"], pattern or "*")

    def __str__(self) -> str:
        return f"{self.tool}({self.pattern})"

    def names(self, tool: str) -> bool:
        """Whether the rule is about this tool."""
        wanted, name = self.tool.lower(), tool.lower()
        if "*" in wanted:
            return _glob(wanted, "any").fullmatch(name) is not None
        if wanted == name:
            return True
        return wanted.startswith("mcp__") and wanted.count("__") == 1 and name.startswith(wanted + "__")

    @property
    def is_literal(self) -> bool:
        return "*" not in self.pattern


def targets_of(request: PermissionRequest) -> tuple[Target, ...]:
    """What the call touches; a tool that declares nothing is judged by its arguments as compact JSON."""
    return request.targets or (OtherTarget(_compact(request.arguments)),)


def _compact(arguments: JsonObject) -> str:
    return json.dumps(arguments, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=dict)


def covers_target(rule: PermissionRule, target: Target, workspace: str, *, broad: bool) -> bool:
    """Whether the pattern matches a target that is no command.

    Args:
        rule: The rule; its tool is not looked at.
        target: What the call touches.
        workspace: Canonical absolute path.
        broad: For deny and ask: a pattern for a folder's entries also matches what lies deeper, and one for a host
            also matches where the host's name stands further behind.
    """
    if rule.pattern == "*":
        return True
    match target:
        case PathTarget(path=path):
            return _covers_path(rule.pattern, path, workspace, broad=broad)
        case UrlTarget(url=text) if not broad:
            return _url(rule.pattern).fullmatch(text) is not None
        case UrlTarget(url=text) | OtherTarget(text=text):
            return _glob(rule.pattern, "any").fullmatch(text) is not None
        case CommandTarget(command=command):
            return command == rule.pattern


@lru_cache(maxsize=1024)
def _url(pattern: str) -> re.Pattern[str]:
    """An allow rule's address: a host alone is the whole site, and "*" in it stays in it.

    Else `https://*.python.org/*` would allow https://evil.example/a.python.org/.
    """
    scheme, is_whole, rest = pattern.rpartition("://")
    host, slash, path = rest.partition("/")
    in_host = "[^/?#@]*".join(re.escape(part) for part in re.split(r"\*+", host))
    in_scheme = "[a-z]+".join(re.escape(part) for part in scheme.split("*")) if is_whole else "https?"
    below = slash + _sequence(path, "") if slash else "(?:[/?].*)?"
    return re.compile(f"{in_scheme}://{in_host}{below}", re.DOTALL)


def _covers_path(pattern: str, path: str, workspace: str, *, broad: bool) -> bool:
    workspace = workspace or "/"
    text = _absolute(path, workspace) if pattern.startswith("/") else relative(path, workspace)
    if text is None:
        return False
    pattern = pattern.removeprefix("./")
    if broad and pattern.endswith("/*"):
        pattern += "*"
    return _glob(pattern, "path").fullmatch(text) is not None


def relative(path: str, workspace: str) -> str | None:
    """*path* relative to the workspace with "/"; None when it lies outside."""
    try:
        return str(PurePosixPath(_absolute(path, workspace)).relative_to(workspace))
    except ValueError:
        return None


def _absolute(path: str, workspace: str) -> str:
    return normpath(str(PurePosixPath(workspace, path)))


def covers_command(rule: PermissionRule, words: tuple[str, ...]) -> bool:
    """Whether an allow rule covers a command of these words: literals end where words end."""
    if rule.pattern == "*":
        return True
    return _command(rule.pattern, exact=True).fullmatch(shell.joined(words)) is not None


def names_command(rule: PermissionRule, words: tuple[str, ...]) -> bool:
    """Whether a deny or ask rule means a command of these words, also by a path to its program."""
    if rule.pattern == "*":
        return True
    regex = _command(rule.pattern, exact=False)
    by_name = (words[0].rpartition("/")[2], *words[1:])
    return any(regex.fullmatch(shell.joined(form)) for form in {words, by_name})


@lru_cache(maxsize=1024)
def _command(pattern: str, *, exact: bool) -> re.Pattern[str]:
    """The regular expression of a command pattern; the command's words are joined by single blanks."""
    pattern = " ".join(pattern.split())
    if pattern.endswith((":*", " *")):
        return re.compile(_sequence(pattern[:-2], "(?: .*)?"), re.DOTALL)
    if exact and re.search(r"\w\*$", pattern):
        return re.compile(_sequence(pattern[:-1], "(?: .*)?"), re.DOTALL)
    return re.compile(_sequence(pattern, ""), re.DOTALL)


def _sequence(pattern: str, tail: str) -> str:
    """The literals between the stars in their order; atomic groups keep the work linear in the text."""
    first, *others = (re.escape(part) for part in re.split(r"\*+", pattern))
    if not others:
        return first + tail
    *middle, last = others
    between = "".join(f"(?>.*?{part})" for part in middle)
    return f"{first}{between}(?>.*?{last}(?= |\\Z)){tail}" if tail else f"{first}{between}.*{last}"


@lru_cache(maxsize=1024)
def _glob(pattern: str, kind: str) -> re.Pattern[str]:
    """A glob as a regular expression; in a "path" only `**` crosses "/"."""
    if kind == "any":
        return re.compile(_sequence(pattern, ""), re.DOTALL)
    pieces = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    regex = "".join(pieces.get(part, re.escape(part)) for part in re.split(r"(\*\*/|\*\*|\*|\?)", pattern))
    return re.compile(regex, re.DOTALL)

"""`plugins use POINT NAME`: writes one choice into the configuration and leaves every other byte as it is."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

from a3s_code.cli.arguments import ExitCode, Options, UsageError
from a3s_code.cli.setup import config_path
from a3s_code.cli.states import MEMBER_GROUPS
from a3s_code.config import LoadedConfig, load
from a3s_code.errors import ConfigError
from a3s_code.hookspecs import POINTS, REGISTRIES, Arity
from a3s_code.plugins import scan

__all__ = ["chosen_text", "use"]

_BY_PROVIDER = 'an llm_client is chosen by a provider: write providers {{ name = "...", client = "{name}" }}'


def use(options: Options) -> int:
    """Writes the choice, once the result was read back and means it.

    Raises:
        UsageError: There is no such point, or it is not chosen in the plugins block.
        PluginError: Nobody offers the plugin.
        ConfigError: The configuration is missing or wrong, or cannot be changed by a program.
    """
    point, name = options.point, options.name
    is_member = _is_member(point, name)
    scan().need(point, name)
    path = config_path(options)
    if _is_chosen(load(path), point, name):
        print(f"{path} uses {point}:{name} already")
        return ExitCode.OK
    target = path.resolve()  # a link stays a link
    text = target.read_bytes().decode()  # bytes: line ends stay as they are
    word = f"{point}:{name}" if is_member and _is_ambiguous(name) else name
    changed = chosen_text(text, "use" if is_member else point, word, is_list=is_member)
    _replace(target, changed, point, name)
    print(f"{path} uses {point}:{name} now")
    return ExitCode.OK


def _is_member(point: str, name: str) -> bool:
    """Whether the point has any number of members, which `plugins { use = [...] }` names."""
    if f"a3s_code.{point}" in REGISTRIES:
        if point == "lane_backend":
            raise UsageError(f'a lane_backend is chosen by the queue: write queue {{ backend = "{name}" }}')
        return True
    if point not in POINTS:
        raise UsageError(f'there is no extension point "{point}"; there are: {", ".join(sorted(POINTS))}')
    if point == "llm_client":
        raise UsageError(_BY_PROVIDER.format(name=name))
    if point == "mcp_transport":
        raise UsageError(f'an mcp_transport is chosen by a server: write mcp_servers {{ transport = "{name}" }}')
    return POINTS[point].arity is Arity.MANY


def _is_ambiguous(name: str) -> bool:
    groups = {offer.group for offer in scan().offers if offer.name == name and offer.group in MEMBER_GROUPS}
    return len(groups) > 1


def _is_chosen(loaded: LoadedConfig, point: str, name: str) -> bool:
    plugins = loaded.config.plugins
    return plugins.select.get(point) == name or f"{point}:{name}" in plugins.use or name in plugins.use


def _replace(path: Path, text: str, point: str, name: str) -> None:
    """Puts *text* in the place of the file in one step, if it is a configuration that uses the plugin."""
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".hcl", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(text.encode())
            stream.flush()
            os.fsync(stream.fileno())
        shutil.copymode(path, temporary)
        if not _is_chosen(load(Path(temporary)), point, name):
            raise ConfigError("the plugins block could not be changed; write the choice by hand", path=str(path))
        os.replace(temporary, path)  # noqa: PTH105 # a path on both sides
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


# Where to write: only strings, comments and brackets are understood, which is enough to find a block


@frozen
class _Token:
    kind: str
    text: str
    start: int
    end: int
    depth: int


_TOKENS = re.compile(
    r"""(?P<comment>\#[^\n]*|//[^\n]*|/\*.*?\*/)
      |(?P<heredoc><<-?[ \t]*(?P<tag>[^\s<]+)[^\n]*\n.*?^[ \t]*(?P=tag)[ \t]*$)
      |(?P<string>"(?:\\.|[^"\\\n])*")
      |(?P<open>[{\[(])|(?P<close>[}\])])
      |(?P<name>[^\W\d][\w-]*)
      |(?P<sign>[=,])""",
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)


def chosen_text(text: str, key: str, name: str, *, is_list: bool) -> str:
    """*text* with `key = "name"`, or with "name" in the list *key*, in its plugins block, which is made if missing.

    Args:
        text: A valid configuration.
        key: An attribute of the plugins block.
        name: The plugin.
        is_list: Whether the attribute is a list to add to.
    """
    end = "\r\n" if "\r\n" in text else "\n"
    value = f'["{name}"]' if is_list else f'"{name}"'
    tokens = [token for token in _tokens(text) if token.kind != "comment"]
    block = _block(tokens)
    if block is None:
        between = "" if not text or text.endswith("\n") else end
        return f"{text}{between}{end if text else ''}plugins {{{end}  {key} = {value}{end}}}{end}"
    inside = tokens[block[0] + 1 : block[1]]
    for at, token in enumerate(inside):
        if token.kind == "name" and _snake(token.text) == key and token.depth == 1 and inside[at + 1].text == "=":
            return _with_value(text, inside[at + 2 :], name, is_list=is_list)
    opening, closing = tokens[block[0]], tokens[block[1]]
    if "\n" not in text[opening.end : closing.start]:
        comma = "," if inside and inside[-1].text != "," else ""
        rest = text[opening.end : closing.start].rstrip()
        return f"{text[: opening.end]}{rest}{comma} {key} = {value} {text[closing.start :]}"
    return f"{text[: opening.end]}{end}  {key} = {value}{text[opening.end :]}"


def _with_value(text: str, value: list[_Token], name: str, *, is_list: bool) -> str:
    first = value[0]
    if not is_list:
        return f'{text[: first.start]}"{name}"{text[first.end :]}'
    if first.text != "[":
        raise ConfigError("plugins.use is no list of names; write the choice by hand")
    at = next(number for number, token in enumerate(value) if token.text == "]" and token.depth == first.depth)
    elements, closing = value[1:at], value[at]
    if not elements:
        return f'{text[: closing.start]}"{name}"{text[closing.start :]}'
    last = elements[-1]
    return f'{text[: last.end]}{"" if last.text == "," else ","} "{name}"{text[last.end :]}'


def _block(tokens: list[_Token]) -> tuple[int, int] | None:
    """The places of the brackets of the plugins block."""
    for at, token in enumerate(tokens[:-1]):
        if token.text == "plugins" and token.kind == "name" and token.depth == 0 and tokens[at + 1].text == "{":
            return at + 1, next(
                n for n in range(at + 2, len(tokens)) if tokens[n].kind == "close" and not tokens[n].depth
            )
    return None


def _tokens(text: str) -> Iterator[_Token]:
    """Tokens with their depth: a bracket has the depth of what is outside it."""
    depth = 0
    for match in _TOKENS.finditer(text):
        kind = match.lastgroup if match.lastgroup != "tag" else "heredoc"
        assert kind is not None
        depth -= kind == "close"
        yield _Token(kind, match[0], match.start(), match.end(), depth)
        depth += kind == "open"


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()

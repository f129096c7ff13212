"""The file format of skills: Markdown with YAML frontmatter between two lines of `---`."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import cast

from a3s_code.plugin import ConfigError, Skill, SkillKind

__all__ = ["load_skill", "parse_skill", "tool_rules"]

MAX_FILE_BYTES = 256 * 1024
"""More than any acceptable skill; keeps a mistaken path from filling the memory."""

_KINDS = {"instruction": SkillKind.INSTRUCTION, "persona": SkillKind.PERSONA, "tool": SkillKind.INSTRUCTION}


def load_skill(path: Path) -> Skill:
    """The skill in the file *path*; without a `name` it is called after the file, a SKILL.md after its folder.

    Raises:
        ConfigError: The file cannot be read, or is no skill.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"cannot read the skill: {error.strerror or error}", path=str(path)) from error
    if len(content) > MAX_FILE_BYTES:
        raise ConfigError(f"a skill has at most {MAX_FILE_BYTES:,} bytes; shorten it", path=str(path))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"a skill is UTF-8 text; byte {error.start} is not: convert it", path=str(path)) from error
    return parse_skill(text, str(path))


def parse_skill(text: str, source: str | None = None) -> Skill:
    """The skill that *text* describes.

    Only a line that is exactly `---` delimits the frontmatter, so values may contain dashes.

    Args:
        text: The whole file.
        source: Path of the file for messages and the default name, or None.

    Raises:
        ConfigError: No frontmatter, invalid YAML, or a value of the wrong kind; says the line where it knows it.
    """
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    first = next((number for number, line in enumerate(lines) if line.strip()), 0)
    marks = [number for number, line in enumerate(lines) if line.rstrip() == "---"]
    if len(marks) < 2 or marks[0] != first:
        message = 'a skill begins with a line "---", then name and description as YAML, then another line "---"'
        raise ConfigError(message, path=source, line=first + 1)
    values = _yaml("\n".join(lines[first + 1 : marks[1]]), source, first + 1)
    try:
        return _skill(values, "\n".join(lines[marks[1] + 1 :]).strip(), source)
    except ValueError as error:
        raise ConfigError(str(error), path=source) from error


def tool_rules(text: str) -> tuple[str, ...]:
    """The permission rules in *text*, separated by commas or blanks; a bare name means the tool with any arguments.

    Raises:
        ValueError: A parenthesis is not closed or was not opened.
    """
    rules: list[str] = []
    rule, depth = "", 0
    for place, character in enumerate(text):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth < 0:
            break
        if depth == 0 and (character == "," or (character.isspace() and not _opens_next(text, place))):
            rules.append(rule)
            rule = ""
        elif depth > 0 or not character.isspace():
            rule += character
    if depth != 0:
        raise ValueError(f"the parentheses of allowed-tools do not match in {text!r}")
    return tuple(rule if "(" in rule else f"{rule}(*)" for rule in (*rules, rule) if rule)


def _opens_next(text: str, place: int) -> bool:
    """Whether the next character that is not blank is "(", as in "Bash (git *)"."""
    return text[place:].lstrip().startswith("(")


def _yaml(text: str, source: str | None, first_line: int) -> Mapping[str, object]:
    import yaml

    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = None if mark is None else first_line + mark.line + 1
        problem = getattr(error, "problem", None) or "unreadable"
        raise ConfigError(f"the frontmatter is not valid YAML: {problem}", path=source, line=line) from error
    except (ValueError, RecursionError) as error:  # impossible dates, thousands of nested brackets
        raise ConfigError(f"the frontmatter is not valid YAML: {error}", path=source, line=first_line) from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError("the frontmatter is not a list of `key: value` lines", path=source, line=first_line + 1)
    return {str(key).replace("_", "-"): value for key, value in values.items()}


def _skill(values: Mapping[str, object], content: str, source: str | None) -> Skill:
    kind = _text(values, "kind") or "instruction"
    if kind.lower() not in _KINDS:
        raise ValueError(f'kind is "{kind}"; kinds are: instruction, persona')
    hidden = values.get("disable-model-invocation") or False
    if not isinstance(hidden, bool):
        raise ValueError(f"disable-model-invocation is {hidden!r}; write true or false")
    name = _text(values, "name") or _default_name(source)
    if not name:
        raise ValueError("the skill has no name; write `name: my-skill`")
    return Skill(
        name=name,
        description=_text(values, "description"),
        content=content,
        allowed_tools=tuple(rule for text in _texts(values, "allowed-tools") for rule in tool_rules(text)),
        kind=_KINDS[kind.lower()],
        tags=tuple(tag.strip() for text in _texts(values, "tags") for tag in text.split(",") if tag.strip()),
        version=_text(values, "version") or None,
        source=source,
        disable_model_invocation=hidden,
    )


def _default_name(source: str | None) -> str:
    if source is None:
        return ""
    path = Path(source)
    return path.parent.name if path.name.lower() == "skill.md" else path.stem


def _text(values: Mapping[str, object], key: str) -> str:
    value = values.get(key)
    if isinstance(value, list | dict):
        raise ValueError(f"{key} is a {type(value).__name__}; write one text")
    return "" if value is None else str(value).strip()  # YAML makes numbers and dates of `1.0` and `2025-01-01`


def _texts(values: Mapping[str, object], key: str) -> Iterable[str]:
    value = values.get(key)
    if value is None:
        return ()
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list) and not any(isinstance(part, list | dict) for part in value):
        return tuple(str(part) for part in cast(list[object], value))  # checked in the line above
    raise ValueError(f"{key} is neither a text nor a list of texts")

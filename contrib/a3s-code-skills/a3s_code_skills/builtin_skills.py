"""The seven built-in skills, kept as Markdown files beside this module."""

from functools import cache
from pathlib import Path

from a3s_code.plugin import Skill
from a3s_code_skills.skill_file import parse_skill

__all__ = ["builtin_skills"]


@cache
def builtin_skills() -> tuple[Skill, ...]:
    """The built-in skills, sorted by name; read from disk at the first call."""
    paths = sorted(Path(__file__).with_name("builtin").glob("*.md"))
    return tuple(parse_skill(path.read_text(encoding="utf-8")) for path in paths)

"""The default rules of what may be a skill."""

import re
import unicodedata
from collections.abc import Sequence
from fnmatch import fnmatchcase

from a3s_code.plugin import Skill, SkillFault, SkillValidationError, SkillValidator
from a3s_code_skills.skill_file import tool_rules

__all__ = ["RESERVED_NAMES", "DefaultSkillValidator"]

MAX_NAME_CHARS = 64
MAX_DESCRIPTION_CHARS = 1024
MAX_CONTENT_BYTES = 10_240

RESERVED_NAMES = (
    "builtin-tools",
    "code-review",
    "code-search",
    "delegate-task",
    "explain-code",
    "find-bugs",
    "find-skills",
)
"""The built-in skills; a file that takes such a name would pass for one."""

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_DANGEROUS_TOOLS = ("bash", "write", "edit", "patch")
_INJECTIONS = (
    "ignore previous",
    "ignore above",
    "disregard previous",
    "forget previous",
    "override system",
    "new system prompt",
    "you are now",
    "act as root",
    "sudo mode",
)
_FILLERS = re.compile(r" (all|any|of|my|our|that|the|these|this|those|your)(?= )")
_SYSTEM_TAG = re.compile(r"<\s*/?\s*system\b[^>]*>")


class DefaultSkillValidator(SkillValidator):
    """Accepts a skill with a proper name, a bounded size, no blanket permission to change things, and no injection.

    Case, blanks, invisible characters, full-width letters and filler words make no difference.
    """

    def validate(self, skill: Skill) -> Sequence[SkillValidationError]:
        return [
            SkillValidationError(fault, message)
            for fault, message in (
                (SkillFault.INVALID_NAME, _name_fault(skill.name)),
                (SkillFault.RESERVED_NAME, _reserved_fault(skill.name)),
                (SkillFault.CONTENT_TOO_LARGE, _size_fault(skill)),
                (SkillFault.DANGEROUS_TOOLS, _tools_fault(skill.allowed_tools)),
                (SkillFault.PROMPT_INJECTION, _injection_fault(skill)),
            )
            if message
        ]


def _name_fault(name: str) -> str:
    if len(name) <= MAX_NAME_CHARS and _NAME.fullmatch(name):
        return ""
    return f"{name[:80]!r} is no name: write 1 to {MAX_NAME_CHARS} letters a-z, digits and single hyphens"


def _reserved_fault(name: str) -> str:
    return f'"{name}" is the name of a built-in skill; choose another' if name in RESERVED_NAMES else ""


def _size_fault(skill: Skill) -> str:
    size = len(skill.content.encode(errors="surrogatepass"))
    if size > MAX_CONTENT_BYTES:
        return f"the text has {size:,} bytes; the limit is {MAX_CONTENT_BYTES:,}: move parts to files it refers to"
    if len(skill.description) > MAX_DESCRIPTION_CHARS:
        return f"the description has {len(skill.description):,} characters; the limit is {MAX_DESCRIPTION_CHARS:,}"
    return ""


def _tools_fault(allowed_tools: Sequence[str]) -> str:
    dangerous = [rule for rule in allowed_tools if _is_dangerous(rule)]
    if not dangerous:
        return ""
    return f"allowed-tools permits too much with {', '.join(dangerous)}; name what it needs, such as bash(git status)"


def _is_dangerous(text: str) -> bool:
    """Whether a rule in *text* lets a tool that changes things do anything at all."""
    try:
        rules = tool_rules(_plain(text))
    except ValueError:
        return True  # what cannot be read may mean anything
    for rule in rules:
        tool, _, pattern = rule.partition("(")
        is_blanket = not pattern.strip(" \t\r\n*?./:()")  # nothing is left that an argument would have to contain
        if is_blanket and any(fnmatchcase(name, tool) for name in _DANGEROUS_TOOLS):
            return True
    return False


def _injection_fault(skill: Skill) -> str:
    text = _plain(f"{skill.description}\n{skill.content}")
    if found := _SYSTEM_TAG.search(text):
        return f"the text contains {found.group()}, which pretends to be a system prompt; remove it"
    words = _FILLERS.sub("", " " + re.sub(r"[\W_]+", " ", text) + " ")
    for phrase in _INJECTIONS:
        if f" {phrase} " in words:
            return f'the text says "{phrase}", which is how a prompt injection begins; say it in other words'
    return ""


def _plain(text: str) -> str:
    """*text* in lower case, with compatibility letters made plain and invisible characters removed."""
    return "".join(
        character
        for character in unicodedata.normalize("NFKC", text).casefold()
        if unicodedata.category(character) != "Cf"
    )

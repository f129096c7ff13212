"""The registry of skills, and the part of the system prompt that shows them."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from a3s_code.plugin import ConfigError, Skill, SkillKind, SkillValidationError, SkillValidator
from a3s_code_skills.skill_file import load_skill
from a3s_code_skills.validator import DefaultSkillValidator

__all__ = ["SkillRegistry", "skills_prompt"]


class SkillRegistry:
    """Skills by name; the last one registered under a name wins.

    Args:
        validator: Who decides what is acceptable; default: `DefaultSkillValidator`.
    """

    def __init__(self, validator: SkillValidator | None = None) -> None:
        self._validator = validator or DefaultSkillValidator()
        self._skills: dict[str, Skill] = {}

    def register(self, skill: Skill) -> tuple[SkillValidationError, ...]:
        """Adds a skill that the validator accepts; what is wrong with one that it does not, which is left out."""
        faults = tuple(self._validator.validate(skill))
        if not faults:
            self.register_unchecked(skill)
        return faults

    def register_unchecked(self, skill: Skill) -> None:
        """Adds a skill without asking the validator."""
        self._skills[skill.name] = skill

    def get(self, name: str) -> Skill | None:
        return self._skills.get(name)

    def list(self) -> tuple[str, ...]:
        """The names, sorted."""
        return tuple(sorted(self._skills))

    def all(self) -> tuple[Skill, ...]:
        """The skills, sorted by name."""
        return tuple(self._skills[name] for name in self.list())

    def by_kind(self, kind: SkillKind) -> tuple[Skill, ...]:
        return tuple(skill for skill in self.all() if skill.kind is kind)

    def by_tag(self, tag: str) -> tuple[Skill, ...]:
        return tuple(skill for skill in self.all() if tag in skill.tags)

    def personas(self) -> tuple[Skill, ...]:
        return self.by_kind(SkillKind.PERSONA)

    def remove(self, name: str) -> Skill | None:
        """Takes a skill out and returns it; None when there is none of this name."""
        return self._skills.pop(name, None)

    def clear(self) -> None:
        self._skills.clear()

    def __len__(self) -> int:
        return len(self._skills)

    def __contains__(self, name: object) -> bool:
        return name in self._skills

    def __iter__(self) -> Iterator[Skill]:
        return iter(self.all())

    def load_from_dir(self, folder: str | Path) -> tuple[str, ...]:
        """Registers the skills of a folder: its `*.md` files and its `<name>/SKILL.md`.

        Returns:
            One warning for each file that is left out. A folder that does not exist has no skills.

        Raises:
            ConfigError: *folder* is not a folder, or cannot be read.
        """
        folder = Path(folder)
        if not folder.exists():
            return ()
        if not folder.is_dir():
            raise ConfigError("this is a file, not a folder of skills; name the folder it lies in", path=str(folder))
        try:
            paths = sorted(path for path in (*folder.glob("*.md"), *folder.glob("*/SKILL.md")) if path.is_file())
        except OSError as error:
            raise ConfigError(f"cannot read the folder of skills: {error.strerror}", path=str(folder)) from error
        return tuple(warning for path in paths if (warning := self._fault_of(path)))

    def load_from_file(self, path: str | Path) -> Skill:
        """Registers the skill of one file.

        Raises:
            ConfigError: The file cannot be read, is no skill, or is not accepted; names every fault.
        """
        skill = load_skill(Path(path))
        if faults := self.register(skill):
            reasons = "; ".join(fault.message for fault in faults)
            raise ConfigError(f"the skill is not accepted: {reasons}", path=str(path))
        return skill

    def _fault_of(self, path: Path) -> str:
        try:
            self.load_from_file(path)
        except ConfigError as error:
            return f"skill left out: {error}"
        return ""


def skills_prompt(skills: Iterable[Skill]) -> str:
    """The part of the system prompt that shows *skills*; "" when there is none to show.

    Always the same text for the same skills, so that the provider's cache holds. Personas are not in it, nor skills
    that only the person may invoke.
    """
    shown = [skill for skill in skills if skill.kind is SkillKind.INSTRUCTION and not skill.disable_model_invocation]
    parts = [
        "\n\n".join(part for part in (f"## {skill.name}", skill.description, skill.content) if part)
        for skill in sorted(shown, key=lambda skill: skill.name)
    ]
    return "\n\n---\n\n".join(("# Available Skills", *parts)) if parts else ""

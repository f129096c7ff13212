"""How a class declares a setting: keys, checks, warnings and the reference page are all read from its attrs fields."""

import re
import typing
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, TypeVar, cast

import attrs
from attrs import field

from a3s_code.errors import ConfigError

__all__ = [
    "Check",
    "Secret",
    "at_least",
    "key_of",
    "more_than",
    "nearest",
    "needed",
    "one_of",
    "setting",
    "settings_class",
]

T = TypeVar("T")
Check: TypeAlias = Callable[[Any], str | None]  # each check knows what it is given
"""Says what a value must be, as "must be at least 1", or None when it is fine."""


def setting(default: T, about: str, *, later: str = "", check: Check | None = None, path: bool = False) -> T:
    """An attrs field with its one sentence for the reference page.

    Args:
        default: The default; a dict is copied for each instance.
        about: One sentence for users.
        later: The issue that gives the setting its effect, when it has none yet; setting it warns.
        check: What a value must be, beyond its type; None values are not checked.
        path: The text (or each text of a list) is a path, relative to the configuration's folder.
    """
    metadata = {"about": about, "later": later, "check": check, "path": path}
    validator = _validator(check)
    if isinstance(default, dict):
        return cast(T, field(factory=default.copy, metadata=metadata, validator=validator))  # attrs types a field
    return field(default=default, metadata=metadata, validator=validator)  # as its value


def needed(about: str, *, check: Check | None = None) -> Any:  # a field without a default takes its annotation's type
    """A required setting."""
    metadata = {"about": about, "later": "", "check": check, "path": False}
    return field(metadata=metadata, validator=_validator(check))


def _validator(check: Check | None) -> "Callable[[object, attrs.Attribute[Any], Any], None] | None":
    if check is None:
        return None

    def validate(instance: object, attribute: "attrs.Attribute[Any]", value: object) -> None:
        if value is not None and (complaint := check(value)):
            raise ConfigError(f"{type(instance).__name__}.{attribute.name} {complaint}")

    return validate


def at_least(least: float) -> Check:
    return lambda value: None if value >= least else f"must be at least {least}"


def more_than(limit: float) -> Check:
    return lambda value: None if value > limit else f"must be more than {limit}"


def one_of(*words: str) -> Check:
    *most, last = (f'"{word}"' for word in words)
    return lambda value: None if value in words else f"must be {', '.join(most)} or {last}"


class Secret:
    """A string that neither prints nor logs itself; `reveal()` gives it."""

    __slots__ = ("_value",)

    def __init__(self, value: str):
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret('***')"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


def key_of(key: str, names: Sequence[str]) -> str | None:
    """The name that *key* means: itself, or its snake_case for a camelCase key."""
    snake = re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", key).lower()
    return next((name for name in (key, snake) if name in names), None)


def nearest(word: str, names: Sequence[str]) -> str:
    """The end of an error about an unknown *word*: the name that was meant, or all names."""
    from difflib import get_close_matches

    snake = re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", word).lower().replace("-", "_")
    close = get_close_matches(snake, names, n=1)
    return f'did you mean "{close[0]}"?' if close else f"there are: {', '.join(sorted(names)) or 'none'}"


def settings_class(annotation: object) -> type | None:
    """The attrs class in an annotation such as `X`, `X | None`, `tuple[X, ...]` or `Mapping[str, X]`."""
    if isinstance(annotation, type) and attrs.has(annotation):
        return annotation
    return next((found for part in typing.get_args(annotation) if (found := settings_class(part))), None)

"""Checking a call's arguments: quickly when they are right, with all faults and their paths when they are not."""

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from a3s_code.messages import Json, JsonObject

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator, ValidationError

__all__ = ["Schema"]

FAULTS_AT_MOST = 8

_QUICK_KEYS = frozenset(
    {"type", "properties", "required", "additionalProperties", "items", "enum", "description", "default", "examples",
     "title", "minimum", "maximum", "minItems", "maxItems", "minLength", "maxLength"}
)  # fmt: skip
_TYPES: dict[str, Callable[[Json], bool]] = {
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "object": lambda value: isinstance(value, Mapping),
    "array": lambda value: isinstance(value, list),
    "null": lambda value: value is None,
}


class Schema:
    """A tool's JSON Schema, compiled once.

    The quick check understands the plain part of JSON Schema and only ever says "certainly right"; whatever it does not
    understand or does not like is judged by jsonschema, which costs 70 ms to import and finds all faults.
    """

    def __init__(self, schema: JsonObject):
        self._schema = schema
        self._quick = _compile(schema)
        self._validator: Draft202012Validator | None = None

    def is_certainly_valid(self, arguments: JsonObject) -> bool:
        """Whether the quick check accepts the arguments; False says nothing, `faults` decides."""
        return self._quick is not None and self._quick(dict(arguments))

    def faults(self, arguments: JsonObject) -> list[str]:
        """What is wrong with the arguments, in sentences for the model; empty when nothing is."""
        from jsonschema import Draft202012Validator
        from jsonschema.exceptions import SchemaError
        from referencing import Registry
        from referencing.exceptions import Unresolvable

        try:
            if self._validator is None:
                schema = dict(self._schema)
                Draft202012Validator.check_schema(schema)
                # an empty registry: without one, a $ref to an address would be fetched from it
                self._validator = Draft202012Validator(schema, registry=Registry())
            found = list(self._validator.iter_errors(dict(arguments)))
        except (SchemaError, Unresolvable, RecursionError) as error:
            return [f"the tool's own schema cannot be used ({str(error)[:200]}); it cannot be called"]
        found.sort(key=lambda fault: [str(part) for part in fault.path])
        return [_sentence(fault) for fault in found][:FAULTS_AT_MOST]


def _sentence(fault: "ValidationError") -> str:
    path = ".".join(str(part) for part in fault.absolute_path)
    where = f"{path}: " if path else ""
    value: Any = fault.instance
    rule: Any = fault.validator_value
    if fault.validator == "required":
        missing = [name for name in rule if name not in value]
        return f"{where}{', '.join(missing)} parameter is required"
    if fault.validator == "additionalProperties":
        known = list(fault.schema.get("properties", {})) if isinstance(fault.schema, Mapping) else []
        unknown = [name for name in value if name not in known]
        near = [match[0] for name in unknown if (match := get_close_matches(name, known, 1))]
        hint = f"; did you mean {', '.join(near)}?" if near else f"; there are: {', '.join(known) or 'none'}"
        return f"{where}unknown parameter {', '.join(unknown)}{hint}"
    return f"{where}{fault.message[:300]}"


_Check = Callable[[Json], bool]


def _compile(schema: object) -> _Check | None:
    """A check that is True only for values that are certainly valid; None when the schema is beyond it."""
    if not isinstance(schema, Mapping) or not _QUICK_KEYS.issuperset(schema):
        return None
    kind = schema.get("type")
    if isinstance(kind, str) and kind in _TYPES:
        is_kind = _TYPES[kind]
    elif kind is None and "enum" in schema:
        is_kind = _anything
    else:
        return None
    checks: list[_Check] = [is_kind]
    if "enum" in schema:
        allowed = schema["enum"]
        if not isinstance(allowed, list) or not all(isinstance(one, str) for one in allowed):
            return None
        checks.append(lambda value: isinstance(value, str) and value in allowed)
    for part in (_compile_object(schema), _compile_array(schema), _compile_limits(schema)):
        if part is None:
            return None
        checks.extend(part)
    return lambda value: all(check(value) for check in checks)


def _anything(_value: Json) -> bool:
    return True


def _compile_object(schema: Mapping[str, object]) -> list[_Check] | None:
    if schema.get("type") != "object":
        return []
    properties = schema.get("properties", {})
    required = schema.get("required", [])
    additional = schema.get("additionalProperties", True)
    if not isinstance(properties, Mapping) or not isinstance(required, list):
        return None
    compiled = {name: _compile(one) for name, one in properties.items()}
    rest = _anything if additional is True else None if additional is False else _compile(additional)
    if None in compiled.values() or (rest is None and additional is not False):
        return None

    def check(value: Json) -> bool:
        assert isinstance(value, Mapping)
        if any(name not in value for name in required):
            return False
        for name, one in value.items():
            inner = compiled.get(name) or rest
            if inner is None or not inner(one):
                return False
        return True

    return [check]


def _compile_array(schema: Mapping[str, object]) -> list[_Check] | None:
    if schema.get("type") != "array" or "items" not in schema:
        return []
    inner = _compile(schema["items"])
    if inner is None:
        return None
    return [lambda value: isinstance(value, list) and all(inner(one) for one in value)]


def _compile_limits(schema: Mapping[str, object]) -> list[_Check] | None:
    checks: list[_Check] = []
    for key, check in (
        ("minimum", lambda value, limit: value >= limit),
        ("maximum", lambda value, limit: value <= limit),
        ("minItems", lambda value, limit: len(value) >= limit),
        ("maxItems", lambda value, limit: len(value) <= limit),
        ("minLength", lambda value, limit: len(value) >= limit),
        ("maxLength", lambda value, limit: len(value) <= limit),
    ):
        if key in schema:
            limit = schema[key]
            if not isinstance(limit, int | float):
                return None
            checks.append(_limited(check, limit))
    return checks


def _limited(check: Callable[[Json, float], bool], limit: float) -> _Check:
    def limited(value: Json) -> bool:
        try:
            return check(value, limit)
        except TypeError:  # a limit that does not fit the type says nothing
            return False

    return limited

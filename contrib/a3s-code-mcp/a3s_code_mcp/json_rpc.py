"""JSON-RPC 2.0 messages, one to a line; what comes in is made safe to keep."""

import json
from collections.abc import Mapping
from math import isfinite
from typing import cast

from a3s_code.plugin import Json, JsonObject

__all__ = ["decode", "encode"]

METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602

_LARGEST = 2**63


def encode(message: JsonObject) -> bytes:
    """*message* as one line of ASCII."""
    return json.dumps({"jsonrpc": "2.0", **message}, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> Mapping[str, Json] | None:
    """The message in *line*, or None when it is none, such as a log line of a careless server."""
    try:
        message = _clean(json.loads(line))
    except (ValueError, RecursionError):
        return None
    return cast(Mapping[str, Json], message) if isinstance(message, dict) else None  # json gives Json


def _clean(value: object) -> object:
    """*value* without what JSON lets through and a journal cannot keep: lone surrogates, huge and infinite numbers."""
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, dict):
        return {_clean(key): _clean(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_clean(one) for one in value]
    if isinstance(value, int) and not -_LARGEST <= value < _LARGEST:
        return str(value)
    if isinstance(value, float) and not isfinite(value):
        return None
    return value

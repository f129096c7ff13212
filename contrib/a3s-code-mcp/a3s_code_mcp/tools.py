"""Tools of an MCP server as tools of the session."""

import base64
import binascii
import json
import re
from collections import Counter
from collections.abc import Sequence
from hashlib import sha256

from a3s_code.plugin import (
    Effects,
    Image,
    Json,
    JsonObject,
    McpTransport,
    OtherTarget,
    Tool,
    ToolOutput,
    ToolSpec,
    ToolUse,
    image_type,
)

__all__ = ["McpTool", "tool_names"]

MAX_NAME_CHARS = 64
MAX_DESCRIPTION_CHARS = 8000
MAX_OUTPUT_CHARS = 100 * 1024

_INVALID = re.compile(r"[^A-Za-z0-9_-]")


def tool_names(server: str, names: Sequence[str]) -> list[str]:
    """The session's names for a server's tools: valid for every provider, unique, and the same whatever their order.

    A name that is too long, or that only differs from another in characters providers refuse, ends in a hash.
    """
    full = [f"mcp__{server}__{name}" for name in names]
    valid = [_INVALID.sub("_", name) for name in full]
    uses = Counter(valid)
    return [
        _hashed(name, original) if len(name) > MAX_NAME_CHARS or (uses[name] > 1 and name != original) else name
        for name, original in zip(valid, full, strict=True)
    ]


def _hashed(name: str, original: str) -> str:
    digest = sha256(original.encode()).hexdigest()[:8]
    return f"{name[: MAX_NAME_CHARS - 9]}_{digest}"


class McpTool(Tool):
    """One tool of a server.

    Args:
        transport: The connected server.
        name: The session's name for it.
        described: What tools/list says of it.
        timeout_s: Seconds for one call.
    """

    def __init__(self, transport: McpTransport, *, name: str, described: JsonObject, timeout_s: float) -> None:
        self._transport = transport
        self._name = str(described["name"])
        self._timeout_s = timeout_s
        self._spec = ToolSpec(
            name=name,
            description=str(described.get("description") or described.get("title") or "")[:MAX_DESCRIPTION_CHARS],
            schema=_schema(described.get("inputSchema")),
            effects=Effects.OPEN_WORLD,  # its annotations are a stranger's claims: readOnlyHint opens no door
            targets=_targets,
        )

    @property
    def spec(self) -> ToolSpec:
        return self._spec

    async def run(self, args: JsonObject, use: ToolUse) -> ToolOutput:
        timeout_s = self._timeout_s if use.deadline_s is None else min(self._timeout_s, use.deadline_s)
        result = await self._transport.request(
            "tools/call", {"name": self._name, "arguments": dict(args)}, timeout_s=timeout_s
        )
        return _output(result)


def _schema(schema: Json) -> JsonObject:
    """The arguments' schema; open to any argument where the server's own cannot be used."""
    usable = schema if isinstance(schema, dict) and _is_self_contained(schema) else {}
    return {"properties": {}, **usable, "type": "object"}


def _is_self_contained(schema: Json) -> bool:
    """Whether no reference leads out: whoever checks arguments would fetch a stranger's address."""
    if isinstance(schema, list):
        return all(_is_self_contained(one) for one in schema)
    if not isinstance(schema, dict):
        return True
    references = (schema.get("$ref", "#"), schema.get("$dynamicRef", "#"))
    leads_out = any(isinstance(one, str) and not one.startswith("#") for one in references)
    return not leads_out and all(_is_self_contained(one) for one in schema.values())


def _targets(args: JsonObject) -> tuple[OtherTarget]:
    """What permission patterns are matched against: the arguments as compact JSON."""
    return (OtherTarget(json.dumps(dict(args), separators=(",", ":"), ensure_ascii=False)),)


def _output(result: JsonObject) -> ToolOutput:
    content = result.get("content")
    structured = result.get("structuredContent")
    texts: list[str] = []
    images: list[Image] = []
    for block in content if isinstance(content, list) else []:
        shown = _shown(block) if isinstance(block, dict) else ""
        if isinstance(shown, Image):
            images.append(shown)
        elif shown:
            texts.append(shown)
    if structured is not None and not texts:
        texts.append(json.dumps(structured, ensure_ascii=False))
    if not texts and not images:
        texts.append("(no output)")
    return ToolOutput(
        text=_bounded("\n".join(texts)),
        success=result.get("isError") is not True,
        metadata={} if structured is None else {"structured_content": structured},
        images=tuple(images),
    )


def _bounded(text: str) -> str:
    left_out = len(text) - MAX_OUTPUT_CHARS
    return (
        text if left_out <= 0 else f"{text[:MAX_OUTPUT_CHARS]}\n[{left_out:,} more characters left out; ask for less]"
    )


def _shown(block: dict[str, Json]) -> str | Image:
    """A content block as text or image for the model; what it cannot take is named, not dropped."""
    match block:
        case {"type": "text", "text": str(text)}:
            return text
        case {"type": "image", "data": str(encoded)}:
            return _image(encoded) or "[an image that cannot be shown: not PNG, JPEG, GIF or WebP]"
        case {"type": "resource", "resource": {"uri": str(uri), "text": str(text)}}:
            return f"[{uri}]\n{text}"
        case {"type": "resource", "resource": {"uri": str(uri)}}:
            return f"[{uri}: binary content that cannot be shown]"
        case {"type": "resource_link", "uri": str(uri)}:
            return f"[a link to {uri}]"
        case _:
            return f"[content of type {block.get('type')} that cannot be shown]"


def _image(encoded: str) -> Image | None:
    try:
        content = base64.b64decode(encoded)
    except (binascii.Error, ValueError):
        return None
    media_type = image_type(content)
    return None if media_type is None else Image(media_type, content)

"""The handshake and the tools of a server, against a real child process and against a scripted transport."""

import asyncio
import json
import re
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from a3s_code_mcp.connection import McpConnection, connect
from a3s_code_mcp.stdio import StdioTransport
from a3s_code_mcp.tools import MAX_NAME_CHARS, tool_names
from hypothesis import given
from hypothesis import strategies as st

from a3s_code.plugin import (
    Effects,
    JsonObject,
    McpServer,
    OtherTarget,
    Tool,
    ToolError,
    ToolErrorKind,
    ToolOutput,
)
from a3s_code.testing.mcp import LoopTransport
from a3s_code.testing.tools import RecordingUse

SCRIPT = str(Path(__file__).with_name("tiny_server.py"))
HELLO: JsonObject = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}}


def with_connection(use: Callable[[McpConnection], Awaitable[None]], *flags: str) -> None:
    async def main() -> None:
        server = McpServer(name="tiny", command=sys.executable, args=(SCRIPT, *flags), timeout_s=20)
        connection = await connect(StdioTransport(server, cwd="."), server)
        try:
            await use(connection)
        finally:
            await connection.aclose()

    asyncio.run(main())


def named(connection: McpConnection, name: str) -> Tool:
    (found,) = (tool for tool in connection.tools() if tool.spec.name == f"mcp__tiny__{name}")
    return found


async def call(connection: McpConnection, name: str, deadline_s: float | None = None, **args: str) -> ToolOutput:
    return await named(connection, name).run(args, RecordingUse(Path(), deadline_s=deadline_s))


def test_all_pages_of_tools_are_listed_under_valid_names():
    async def use(connection: McpConnection) -> None:
        names = [tool.spec.name for tool in connection.tools()]
        assert names[:3] == ["mcp__tiny__echo", "mcp__tiny__slow", "mcp__tiny__never"]
        assert len(names) == len(set(names)) == 16
        assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name) for name in names)
        assert (connection.name, connection.is_connected) == ("tiny", True)

    with_connection(use)


def test_a_tool_is_described_and_side_effecting_whatever_it_claims():
    async def use(connection: McpConnection) -> None:
        spec = named(connection, "echo").spec
        assert spec.description == "does echo"
        assert spec.schema["properties"] == {"text": {"type": "string"}}
        assert spec.effects == Effects.OPEN_WORLD  # although it is annotated with readOnlyHint
        assert spec.targets({"text": "ü"}) == (OtherTarget('{"text":"ü"}'),)

    with_connection(use)


def test_tools_are_called_by_the_names_the_server_knows():
    async def use(connection: McpConnection) -> None:
        outputs = [
            (await tool.run({"text": "hi"}, RecordingUse(Path()))).text
            for tool in connection.tools()
            if "say_this" in tool.spec.name
        ]
        assert outputs == ["say.this: hi", "say this: hi"]

    with_connection(use)


def test_text_images_structure_and_failure_come_through():
    async def use(connection: McpConnection) -> None:
        assert await call(connection, "echo", text="hi") == ToolOutput.ok("echo: hi")
        image = await call(connection, "image")
        assert (image.text, [one.media_type for one in image.images]) == ("seen", ["image/png"])
        structured = await call(connection, "structured")
        assert json.loads(structured.text) == {"answer": 42}
        assert structured.metadata == {"structured_content": {"answer": 42}}
        assert await call(connection, "refuse") == ToolOutput.error("that went wrong")

    with_connection(use)


def test_what_cannot_be_shown_is_named():
    async def use(connection: McpConnection) -> None:
        assert (await call(connection, "odd")).text.splitlines() == [
            "[content of type audio that cannot be shown]",
            "[an image that cannot be shown: not PNG, JPEG, GIF or WebP]",
            "[file:///a]",
            "inside",
            "[file:///b: binary content that cannot be shown]",
            "[a link to file:///c]",
        ]

    with_connection(use)


def test_a_long_output_is_cut_and_says_so():
    async def use(connection: McpConnection) -> None:
        text = (await call(connection, "long")).text
        assert len(text) < 103_000
        assert text.endswith("[397,600 more characters left out; ask for less]")

    with_connection(use)


def test_the_deadline_of_the_call_wins_over_a_longer_limit_of_the_server():
    async def use(connection: McpConnection) -> None:
        with pytest.raises(ToolError, match=r"within 0\.05 s") as caught:
            await call(connection, "never", deadline_s=0.05)
        assert caught.value.kind is ToolErrorKind.TIMEOUT

    with_connection(use)


def test_a_server_without_tools_has_none():
    async def use(connection: McpConnection) -> None:
        assert connection.tools() == ()

    with_connection(use, "toolless")


@pytest.mark.parametrize(
    ("flag", "message"),
    [("old", "speaks protocol 1999-01-01"), ("endless", "more than 100 pages"), ("fail", "cannot find my files")],
)
def test_a_server_that_cannot_be_used_is_an_error_that_says_why(flag: str, message: str):
    async def use(connection: McpConnection) -> None:
        raise AssertionError("never connected")

    with pytest.raises(ToolError, match=f'"tiny".*{message}'):
        with_connection(use, flag)


def scripted(**answers: JsonObject) -> LoopTransport:
    return LoopTransport(
        {"initialize": HELLO, **{method.replace("_", "/"): value for method, value in answers.items()}}
    )


def test_the_handshake_says_who_we_are_and_that_it_is_done():
    async def main() -> None:
        transport = scripted(tools_list={"tools": []})
        await connect(transport, McpServer(name="tiny"))
        method, params = transport.requests[0]
        assert method == "initialize"
        assert params["protocolVersion"] == "2025-06-18"
        assert transport.notified == [("notifications/initialized", {})]

    asyncio.run(main())


def test_a_failed_handshake_closes_the_transport():
    async def main() -> None:
        transport = LoopTransport({"initialize": ToolError("no")})
        with pytest.raises(ToolError, match="no"):
            await connect(transport, McpServer(name="tiny"))
        assert not transport.is_connected

    asyncio.run(main())


def test_tools_can_be_listed_anew():
    async def main() -> None:
        lists: list[JsonObject] = [{"tools": [{"name": "a"}]}, {"tools": [{"name": "a"}, {"name": "b"}]}]
        transport = LoopTransport({"initialize": HELLO, "tools/list": lambda params: lists.pop(0)})
        connection = await connect(transport, McpServer(name="tiny"))
        assert len(connection.tools()) == 1
        assert await connection.refresh() == connection.tools()
        assert [tool.spec.name for tool in connection.tools()] == ["mcp__tiny__a", "mcp__tiny__b"]

    asyncio.run(main())


LEADS_OUT = {"properties": {"a": {"items": [{"$ref": "http://169.254.169.254/"}]}}}


@pytest.mark.parametrize("schema", [None, [], {}, {"type": "string"}, {"$ref": "#/x"}, LEADS_OUT])
def test_any_schema_becomes_that_of_an_object(schema: object):
    async def main() -> None:
        listed = {"tools": [{"name": "a", "inputSchema": schema}]}
        connection = await connect(scripted(tools_list=listed), McpServer(name="tiny"))  # type: ignore[arg-type]
        assert connection.tools()[0].spec.schema["type"] == "object"
        assert connection.tools()[0].spec.schema["properties"] == {}

    asyncio.run(main())


@given(
    server=st.text(min_size=1, max_size=20), names=st.lists(st.text(min_size=1, max_size=90), unique=True, max_size=12)
)
def test_names_are_valid_unique_and_independent_of_their_order(server: str, names: list[str]):
    made = tool_names(server, names)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+", name) and len(name) <= MAX_NAME_CHARS for name in made)
    assert len(set(made)) == len(names)
    assert dict(zip(names, made, strict=True)) == dict(
        zip(reversed(names), tool_names(server, names[::-1]), strict=True)
    )


def test_a_good_name_is_kept_as_it_is():
    assert tool_names("files", ["read_file", "get-info"]) == ["mcp__files__read_file", "mcp__files__get-info"]

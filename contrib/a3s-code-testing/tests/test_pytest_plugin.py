"""The pytest plugin: its fixtures, and that loading it costs nothing."""

import asyncio
import json
import subprocess
import sys
from urllib.request import Request, urlopen

import pytest
from a3s_code_testing.loopback import Say
from a3s_code_testing.running import run

from a3s_code.plugin import ModelRequest, user
from a3s_code.testing import FakeClock, call


def test_scripted_makes_a_model(scripted):
    client = scripted(call("ls"), "two files")
    request = ModelRequest(model="m", messages=(user("hi"),))
    assert [one.name for one in run(client.complete(request)).message.tool_calls] == ["ls"]
    assert run(client.complete(request)).text == "two files"


def test_fake_clock_stands_still(fake_clock):
    assert isinstance(fake_clock, FakeClock)
    before = fake_clock.now()
    fake_clock.advance(1.5)
    assert fake_clock.now() - before == 1.5


def test_loopback_starts_a_model_server(loopback):
    server = loopback(Say("hello"))
    body = json.dumps({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}).encode()
    with urlopen(Request(f"{server.url}/v1/messages", body, {"content-type": "application/json"})) as answer:
        assert b"hello" in answer.read()
    assert len(server.requests) == 1


def test_a_hanging_coroutine_fails():
    async def hang() -> None:
        await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        run(hang(), deadline_s=0.01)


def test_loading_the_plugin_imports_nothing_heavy():
    code = (
        "import sys, a3s_code_testing.pytest_plugin\n"
        "heavy = ('a3s_code.testing', 'a3s_code.plugin', 'a3s_code_testing.contracts', 'anthropic', 'httpx2')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.strip() == "[]"

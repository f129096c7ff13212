"""Fixtures for tests of plugins and of programs that embed the agent; loaded by pytest by itself."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from a3s_code.testing import FakeClock, Script, ScriptedClient
    from a3s_code_testing.loopback import LoopbackServer
    from a3s_code_testing.loopback import Turn as LoopbackTurn

__all__ = ["fake_clock", "loopback", "scripted"]

pytest.register_assert_rewrite("a3s_code_testing.contracts")


@pytest.fixture
def scripted() -> "Callable[..., ScriptedClient]":
    """Makes a scripted model: `scripted(call("ls"), "two files")`."""
    from a3s_code.testing import ScriptedClient

    def make(*turns: "Script") -> "ScriptedClient":
        return ScriptedClient(*turns)

    return make


@pytest.fixture
def fake_clock() -> "FakeClock":
    """A clock that stands still until the test advances it."""
    from a3s_code.testing import FakeClock

    return FakeClock()


@pytest.fixture
def loopback() -> "Iterator[Callable[..., LoopbackServer]]":
    """Starts model servers on 127.0.0.1: `loopback(Say("hello")).url`; they stop with the test."""
    from a3s_code_testing.loopback import LoopbackServer

    with ExitStack() as servers:

        def start(*turns: "LoopbackTurn") -> "LoopbackServer":
            return servers.enter_context(LoopbackServer(list(turns)))

        yield start

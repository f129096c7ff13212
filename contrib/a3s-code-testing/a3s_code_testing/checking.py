"""Runs the contract suite of a point on what somebody's plugin offers, without a test file."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import pytest

__all__ = ["CHECKED", "check"]

CHECKED = {
    "bash_sandbox": ("sandbox", "BashSandboxContract", "bash_sandbox"),
    "hook_executor": ("hooks", "HookExecutorContract", "hook_executor"),
    "http_client": ("http", "HttpClientContract", "http_client"),
    "security_provider": ("security", "SecurityProviderContract", "security_provider"),
    "session_command": ("session_command", "SessionCommandContract", "session_command_maker"),
    "session_store": ("sessions", "SessionStoreContract", "session_store"),
}
"""The points whose suite needs nothing but the object: module and name of the suite, name of its fixture."""

_MODULE = "from a3s_code_testing.checking import suite_under_check\n\nTestContract = suite_under_check()\n"
_WITHOUT = ("-p", "no:terminal", "-p", "no:cacheprovider")
_under_check: list[type] = []


def check(point: str, load: Callable[[], object]) -> list[str]:
    """The broken promises of what *load* gives, one text each; empty when it keeps the contract.

    Call it outside of a running event loop.

    Args:
        point: One of CHECKED.
        load: Gives a fresh object for each test; a session store must be empty each time.

    Raises:
        ValueError: The suite of this point needs more than one object: inherit it in a test instead.
    """
    if point not in CHECKED:
        raise ValueError(f"{point} cannot be checked from outside, inherit its suite; can be: {', '.join(CHECKED)}")
    faults = _Faults()
    with _suite(point, load), tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"test_{Path(folder).name}.py"  # a fresh name: a module is imported once
        file.write_text(_MODULE)
        quiet = ["-c", os.devnull, "--rootdir", folder, "--import-mode=importlib", *_WITHOUT]
        code = pytest.main([*quiet, str(file)], plugins=[faults])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        faults.texts.append(f"the suite of {point} did not run to its end: {pytest.ExitCode(code).name}")
    return faults.texts


def suite_under_check() -> type:
    """The suite that `check` runs just now; for the module that it writes."""
    return _under_check[-1]


@contextmanager
def _suite(point: str, load: Callable[[], object]) -> Iterator[None]:
    module, name, fixture = CHECKED[point]
    suite = getattr(import_module(f"a3s_code_testing.contracts.{module}"), name)

    def loaded(self: object) -> object:
        return load()

    _under_check.append(type("TestContract", (suite,), {fixture: pytest.fixture(name=fixture)(loaded)}))
    try:
        yield
    finally:
        _under_check.pop()


class _Faults:
    """A pytest plugin that turns each failure into a sentence: the promise, and what happened."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def pytest_exception_interact(self, node: pytest.Item, call: "pytest.CallInfo[object]") -> None:
        promise = " ".join((getattr(getattr(node, "function", None), "__doc__", None) or node.name).split())
        error = call.excinfo.value if call.excinfo else None
        first_line = next(iter(str(error).splitlines()), "")
        self.texts.append(f"{promise} ({node.name}: {type(error).__name__}: {first_line})")

"""check: a contract suite on one object, without a test file."""

import pytest
from a3s_code_testing import check
from a3s_code_testing.__main__ import main

from a3s_code.testing import DictSessionStore, ListHookExecutor, PlainSecurityProvider, WordSecurityProvider


def test_what_keeps_the_contract_has_no_faults():
    assert check("security_provider", lambda: WordSecurityProvider("219-09-9999")) == []


def test_each_test_gets_a_fresh_object():
    assert check("session_store", DictSessionStore) == []
    assert check("hook_executor", ListHookExecutor) == []


def test_a_fault_is_told_with_its_promise():
    (fault,) = check("security_provider", PlainSecurityProvider)
    assert fault.startswith("The text comes back with everything sensitive replaced by a label. (test_the_secret")


def test_an_object_that_cannot_be_made_fails_every_test():
    def load():
        raise RuntimeError("no daemon")

    faults = check("security_provider", load)
    assert len(faults) > 5
    assert all("RuntimeError: no daemon" in fault for fault in faults)


def test_a_point_whose_suite_needs_more_says_so():
    with pytest.raises(ValueError, match="inherit its suite"):
        check("llm_client", object)


def test_the_command_line_checks_what_is_installed(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))  # so that the test leaves the variable as it was
    assert main(["session_command", "tool"]) == 0
    assert "session_command:tool: 0 broken promises" in capsys.readouterr().out


def test_the_command_line_says_why_a_plugin_cannot_be_opened(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert main(["session_command", "no-such-name"]) == 1
    assert "PluginError" in capsys.readouterr().out

"""The suites are good for something: good implementations pass, and a twin with one wrong line fails one test."""

import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import defaultdict
from pathlib import Path

import pytest

pytest.importorskip("a3s_code_tools", reason="a3s-code-tools is not installed")

TWINS = Path(__file__).with_name("twins.py")

FAULTS = {
    "LlmClient": "test_a_stream_that_ends_early_raises",
    "Tool": "test_a_read_only_tool_changes_nothing",
    "PermissionChecker": "test_ask_beats_allow",
    "ConfirmationProvider": "test_a_person_who_does_not_answer_is_a_timeout",
    "SecurityProvider": "test_a_safe_head_can_be_shown_whatever_follows",
    "SessionStore": "test_a_fork_has_the_records_and_images",
    "HookExecutor": "test_smaller_priorities_go_first",
    "BashSandbox": "test_nothing_of_the_environment_is_inherited",
    "SessionCommand": "test_a_failed_tool_is_not_run_again",
    "HttpClient": "test_a_body_that_breaks_off_raises",
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """By class: the tests that passed and those that did not."""
    report = tmp_path_factory.mktemp("twins") / "report.xml"
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", str(TWINS)],
        capture_output=True,
        timeout=120,
        check=False,  # the twins fail
    )
    found = defaultdict(lambda: {"passed": [], "other": []})
    for case in ET.parse(report).iter("testcase"):
        outcome = "other" if len(case) else "passed"
        found[case.get("classname").rpartition(".")[2]][outcome].append(case.get("name"))
    return found


@pytest.mark.parametrize("suite", FAULTS)
def test_a_good_implementation_passes_every_test(outcomes, suite):
    assert outcomes[f"TestGood{suite}"]["other"] == []
    assert FAULTS[suite] in outcomes[f"TestGood{suite}"]["passed"]


@pytest.mark.parametrize(("suite", "test"), FAULTS.items())
def test_its_twin_fails_exactly_the_test_of_the_broken_promise(outcomes, suite, test):
    assert outcomes[f"TestTwin{suite}"]["other"] == [test]

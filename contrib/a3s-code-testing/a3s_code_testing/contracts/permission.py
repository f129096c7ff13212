"""What every PermissionChecker promises."""

from collections.abc import Callable
from typing import TypeAlias

import pytest

from a3s_code.plugin import (
    CommandTarget,
    Decision,
    Effects,
    OtherTarget,
    PathTarget,
    PermissionChecker,
    PermissionRequest,
    UrlTarget,
    Verdict,
)

__all__ = ["MakeChecker", "PermissionCheckerContract"]

MakeChecker: TypeAlias = Callable[..., PermissionChecker]

ODD_REQUESTS = (
    PermissionRequest(tool=""),
    PermissionRequest(
        tool="bash", arguments={"command": "rm -rf / \x00 '"}, targets=(CommandTarget("rm -rf / \x00 '"),)
    ),
    PermissionRequest(tool="write", targets=(PathTarget("/ws/é\udcff", write=True),), workspace="/ws"),
    PermissionRequest(tool="read", targets=(PathTarget("/etc/passwd"),), effects=Effects.READ_ONLY, workspace="/ws"),
    PermissionRequest(tool="web_fetch", targets=(UrlTarget("http://[::1"),), effects=Effects.OPEN_WORLD),
    PermissionRequest(tool="mcp__server__tool", arguments={"deep": [{"a": [None]}]}, targets=(OtherTarget("x" * 999),)),
)


class PermissionCheckerContract:
    """Inherit it and give `make_checker(allow=[...], ask=[...], deny=[...])`, each a list of tool names."""

    @pytest.fixture
    def make_checker(self) -> MakeChecker:
        raise NotImplementedError("give a fixture make_checker(*, allow, ask, deny) -> PermissionChecker")

    def test_an_allowed_tool_may_run(self, make_checker: MakeChecker) -> None:
        """A call that only an allow rule covers is allowed."""
        assert _judge(make_checker(allow=["look"], ask=[], deny=[]), "look") is Decision.ALLOW

    def test_ask_beats_allow(self, make_checker: MakeChecker) -> None:
        """Deny beats ask beats allow."""
        assert _judge(make_checker(allow=["look"], ask=["look"], deny=[]), "look") is Decision.ASK

    def test_deny_beats_ask_and_allow(self, make_checker: MakeChecker) -> None:
        """Deny beats ask beats allow."""
        assert _judge(make_checker(allow=["look"], ask=["look"], deny=["look"]), "look") is Decision.DENY

    def test_a_side_effect_that_no_rule_names_is_not_allowed(self, make_checker: MakeChecker) -> None:
        """Undeclared means side-effecting, and that asks: silence of the rules is no permission."""
        assert _judge(make_checker(allow=["look"], ask=[], deny=[]), "burn") is not Decision.ALLOW

    @pytest.mark.parametrize("request_", ODD_REQUESTS, ids=lambda request: request.tool or "no name")
    def test_every_request_gets_a_verdict(self, make_checker: MakeChecker, request_: PermissionRequest) -> None:
        """Raising or answering anything but a `Verdict` counts as deny: neither happens."""
        assert isinstance(make_checker(allow=["bash"], ask=["write"], deny=["read"]).check(request_), Verdict)

    def test_judging_has_no_side_effects(self, make_checker: MakeChecker) -> None:
        """Quick and without side effects: judging twice gives the same verdict under the same version."""
        checker = make_checker(allow=["bash"], ask=[], deny=[])
        version = checker.version
        first = [checker.check(request) for request in ODD_REQUESTS]
        assert [checker.check(request) for request in ODD_REQUESTS] == first
        assert checker.version == version

    def test_another_policy_has_another_version(self, make_checker: MakeChecker) -> None:
        """`version` changes whenever the same request could be answered differently than before."""
        versions = {
            make_checker(allow=["look"], ask=[], deny=[]).version,
            make_checker(allow=[], ask=["look"], deny=[]).version,
            make_checker(allow=[], ask=[], deny=["look"]).version,
        }
        assert len(versions) == 3

    def test_the_same_policy_has_the_same_version(self, make_checker: MakeChecker) -> None:
        """A version that changed without reason would void every permit."""
        checker = make_checker(allow=["look"], ask=[], deny=[])
        assert checker.version == checker.version


def _judge(checker: PermissionChecker, tool: str) -> Decision:
    return checker.check(PermissionRequest(tool=tool, arguments={"text": "x"}, targets=(OtherTarget("x"),))).decision

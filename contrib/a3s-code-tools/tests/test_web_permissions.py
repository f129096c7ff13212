"""What leaves for the open world is asked about, by the guard's own default and rules."""

import pytest
from a3s_code_guard.permission import PermissionPolicy
from a3s_code_tools.web_fetch import WebFetchTool
from a3s_code_tools.web_search import WebSearchTool

from a3s_code.plugin import Decision, JsonObject, PermissionRequest, ToolSpec

FETCH, SEARCH = WebFetchTool.spec, WebSearchTool.spec


def decision(policy: PermissionPolicy, spec: ToolSpec, args: JsonObject) -> Decision:
    request = PermissionRequest(
        tool=spec.name, arguments=args, targets=spec.targets(args), effects=spec.effects, workspace="/ws"
    )
    return policy.check(request).decision


@pytest.mark.parametrize(("spec", "args"), [(FETCH, {"url": "https://example.com/"}), (SEARCH, {"query": "tea"})])
def test_by_default_a_person_is_asked(spec: ToolSpec, args: JsonObject):
    assert decision(PermissionPolicy(), spec, args) is Decision.ASK


def test_a_rule_may_allow_a_site():
    policy = PermissionPolicy().allow("web_fetch(https://docs.python.org/*)")
    assert decision(policy, FETCH, {"url": "https://docs.python.org/3/"}) is Decision.ALLOW
    assert decision(policy, FETCH, {"url": "https://elsewhere.example/"}) is Decision.ASK
    assert decision(policy, FETCH, {"url": "https://docs.python.org.evil.example/"}) is Decision.ASK


@pytest.mark.parametrize("url", ["HTTPS://EVIL.example/", "https://evil.example:443/a", "https://evil.example.?a"])
def test_another_spelling_of_a_denied_site_is_denied(url: str):
    policy = PermissionPolicy().allow("web_fetch").deny("web_fetch(https://evil.example/*)")
    assert decision(policy, FETCH, {"url": url}) is Decision.DENY


def test_a_rule_for_a_folder_is_not_left_by_dots():
    policy = PermissionPolicy().allow("web_fetch(https://example.com/mine/*)")
    assert decision(policy, FETCH, {"url": "https://example.com/mine/../theirs"}) is Decision.ASK

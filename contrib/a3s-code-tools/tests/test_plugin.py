"""Every entry point is a factory whose object keeps its Protocol, with a schema that its own examples satisfy."""

from importlib.metadata import entry_points

import jsonschema
import pytest
from a3s_code_http.client import Httpx2Client
from a3s_code_tools import plugin
from a3s_code_tools.sandbox import LocalBashExecutor

from a3s_code.plugin import BashSandbox, Effects, SearchConfig, Tool

TOOLS: dict[str, Tool] = {
    "read": plugin.read(),
    "write": plugin.write(),
    "edit": plugin.edit(),
    "patch": plugin.patch(),
    "ls": plugin.ls(),
    "glob": plugin.glob(config=plugin.GlobConfig()),
    "grep": plugin.grep(config=plugin.GrepConfig()),
    "bash": plugin.bash(config=plugin.BashConfig(), bash_sandbox=plugin.local()),
    "batch": plugin.batch(),
    "git_worktree": plugin.git_worktree(),
    "web_fetch": plugin.web_fetch(http_client=Httpx2Client()),
    "web_search": plugin.web_search(config=SearchConfig(), http_client=Httpx2Client()),
}
LOOKING = {"read", "ls", "glob", "grep", "batch", "web_fetch", "web_search"}


def test_the_entry_points_are_the_tools():
    found = {
        each.name: each.load() for each in entry_points(group="a3s_code.tool") if each.dist.name == "a3s-code-tools"
    }
    assert found == {name: getattr(plugin, name) for name in TOOLS}


def test_the_local_shell_is_a_sandbox():
    assert isinstance(plugin.local(), BashSandbox)
    (export,) = (each for each in entry_points(group="a3s_code.exports") if each.name == "LocalBashExecutor")
    assert export.load() is LocalBashExecutor


@pytest.mark.parametrize("name", TOOLS)
def test_a_tool_has_its_name_and_closed_schema(name: str):
    tool = TOOLS[name]
    assert isinstance(tool, Tool)
    assert tool.spec.name == name
    assert tool.spec.schema["additionalProperties"] is False
    jsonschema.Draft202012Validator.check_schema(tool.spec.schema)
    assert all("description" in part for part in tool.spec.schema["properties"].values())


@pytest.mark.parametrize("name", TOOLS)
def test_the_examples_satisfy_the_schema_and_have_targets(name: str):
    spec = TOOLS[name].spec
    assert spec.schema["examples"]
    for example in spec.schema["examples"]:
        jsonschema.validate(example, spec.schema)
        assert spec.targets(example)


def test_only_looking_is_read_only():
    assert {name for name, tool in TOOLS.items() if Effects.READ_ONLY in tool.spec.effects} == LOOKING

"""What the model is told of the tools."""

from collections.abc import Callable
from pathlib import Path

import pytest
from a3s_code_testing.running import run
from attrs import evolve

from a3s_code.agent import AsyncAgent
from a3s_code.plugin import ModelRequest
from a3s_code.testing import FakeTool, ScriptedClient

CONFIG = """
default_model   = "one/plain-1"
storage_backend = "memory"

providers {
  name   = "one"
  client = "scripted"
  models {
    id     = "alias"
    family = "GPT-5"
  }
}
"""


class Describing(FakeTool):
    """A tool that speaks to each family in its own words."""

    def __init__(self, describe: Callable[[str], str]):
        super().__init__("change")
        self._spec = evolve(self.spec, describe=describe)


def told(request: ModelRequest) -> str:
    return next(tool.description for tool in request.tools if tool.name == "change")


def requests(workspace: Path, describe: Callable[[str], str], *prompts: str) -> list[ModelRequest]:
    llm = ScriptedClient(*("done" for _ in prompts))

    async def main() -> None:
        async with AsyncAgent(CONFIG) as agent:
            session = agent.session(workspace, llm_client=llm, tools=[Describing(describe)])
            for prompt in prompts:
                await session.send(prompt)

    run(main())
    return llm.requests


def test_a_tool_describes_itself_to_the_family_of_the_model_in_lower_case(workspace: Path) -> None:
    """The configured family, else the id; and anew when another model is asked."""
    first, second = requests(workspace, lambda family: f"for {family}", "go", "/model one/alias", "on")
    assert (told(first), told(second)) == ("for plain-1", "for gpt-5")


def test_the_definitions_stay_the_same_objects_while_the_model_does(workspace: Path) -> None:
    first, second = requests(workspace, lambda family: f"for {family}", "go", "on")
    assert first.tools is second.tools


def leave(*_: object) -> str:
    raise SystemExit(3)


@pytest.mark.parametrize("describe", [lambda family: 1 / 0, lambda family: None, leave])
def test_a_tool_that_cannot_describe_itself_says_what_it_says_to_all(
    workspace: Path, describe: Callable[[str], str]
) -> None:
    (request,) = requests(workspace, describe, "go")
    assert told(request) == "The tool change of a test."

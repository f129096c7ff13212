"""The one-file plugins of the folder plugins/ that are not tested elsewhere."""

import runpy
from pathlib import Path

import pytest

from a3s_code.plugin import CommandContext, SlashCommand, Usage
from a3s_code.plugins import from_file

FOLDER = Path(__file__).parents[1] / "plugins"


def standup(cost_usd: float | None) -> str:
    (command,) = runpy.run_path(str(FOLDER / "standup.py"))["slash_commands"]
    assert isinstance(command, SlashCommand)
    context = CommandContext(
        session_id="s1",
        workspace="/ws",
        model="provider/model",
        history_len=4,
        usage=Usage(input_tokens=1200, output_tokens=34),
        cost_usd=cost_usd,
        tool_names=("read",),
    )
    return command.execute("", context).text


def test_standup_tells_messages_tokens_and_cost():
    said = standup(0.125)
    assert [fact for fact in ("s1", "/ws", "4 messages", "1,234 tokens", "$0.12") if fact not in said] == []


def test_standup_says_when_the_cost_is_unknown():
    assert "cost unknown" in standup(None)


@pytest.mark.parametrize(("file", "offers"), [("standup.py", ["slash_command:standup"])])
def test_each_file_offers_what_it_is_for(file, offers):
    assert [offer.id for offer in from_file(FOLDER / file)] == offers


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.py")), ids=lambda file: file.stem)
def test_the_readme_tells_what_each_file_does(file):
    assert f"`{file.name}`" in (FOLDER / "README.md").read_text()

"""Models that were trained on the patch envelope are offered it first, all others exact replacement."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from a3s_code_tools.dialects import edit_for, is_patch_family, patch_for
from a3s_code_tools.edit import EditTool
from a3s_code_tools.patch import PatchTool


@pytest.mark.parametrize(
    "family",
    [
        "gpt",
        "gpt-4.1",
        "gpt4o",
        "gpt5-mini",
        "team_gpt-4o",
        "gpt-5-codex",
        "openai/gpt-5",
        "openai.gpt-oss-120b-1:0",
        "ft:gpt-4o:team",
        "chatgpt-4o-latest",
        "codex-mini-latest",
        "o1",
        "o3-mini",
        "openrouter/openai/o4-mini",
        "o3:free",
    ],
)
def test_families_that_know_the_envelope(family: str):
    assert is_patch_family(family)


@pytest.mark.parametrize(
    "family",
    ["", "claude-opus-4", "anthropic/claude", "gemini-2.5-pro", "qwen3-coder", "marco-o1", "gpt4all-falcon", "olmo-2",
     "o1mega", "deepseek-v3", "kimi-k2", "unknown"],
)  # fmt: skip
def test_all_others_are_offered_exact_replacement(family: str):
    assert not is_patch_family(family)


def test_the_tools_are_described_by_family():
    for tool, described in ((EditTool, edit_for), (PatchTool, patch_for)):
        assert tool.spec.describe is described
        assert tool.spec.description == described("claude") == described("")
        assert tool.spec.description != described("gpt-5")
    assert "preferred" in edit_for("claude")
    assert "preferred" not in patch_for("claude")
    assert "preferred" in patch_for("gpt-5")
    assert "preferred" not in edit_for("gpt-5")


def test_the_worked_example_of_the_description_applies(folder: Path, use: Any):
    (folder / "src").mkdir()
    (folder / "src/app.py").write_text("class App:\n    def run(self):\n        start()\n")
    (folder / "old.txt").write_text("x\n")
    example = re.search(r"\*\*\* Begin Patch\n.*\*\*\* End Patch", patch_for("gpt-5"), re.DOTALL)
    assert example is not None
    asyncio.run(PatchTool().run({"diff": example[0]}, use))
    assert {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()} == {
        "src/app.py": "class App:\n    def run(self):\n        return start()\n",
        "notes.md": "first line\n",
    }

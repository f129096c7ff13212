"""The documentation says what the code does: generated pages are current, lists are complete, links lead somewhere."""

import importlib.util
import inspect
import re
from enum import Enum
from pathlib import Path

import pytest

import a3s_code
from a3s_code import Agent, AgentSession, HookEventType, SessionOptions, errors, events
from a3s_code.errors import A3SCodeError, ModelError, ModelErrorKind, ToolErrorKind
from a3s_code.hookspecs import POINTS, Specs
from a3s_code.testing import ScriptedClient, call

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = (ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md")))

RUST_AGENT = ("Agent::new", "Agent::from_config", "agent.session", "agent.resume_session")
RUST_SESSION = (
    "send",
    "stream",
    "send_with_attachments",
    "stream_with_attachments",
    "save",
    "session_id",
    "register_command",
    "command_registry",
    "remember_success",
    "recall_similar",
    "read_file",
    "bash",
    "glob",
    "grep",
    "tool",
    "set_lane_handler",
    "pending_external_tasks",
    "complete_external_task",
    "queue_stats",
    "queue_metrics",
    "dead_letters",
)
RUST_OPTIONS = (
    "with_default_security",
    "with_security_provider",
    "with_builtin_skills",
    "with_skills_from_dir",
    "with_planning",
    "with_goal_tracking",
    "with_fs_context",
    "with_context_provider",
    "with_file_memory",
    "with_file_session_store",
    "with_auto_compact",
    "with_auto_compact_threshold",
    "with_parse_retries",
    "with_tool_timeout",
    "with_circuit_breaker",
    "with_queue_config",
    "with_prompt_slots",
    "with_permission_checker",
    "with_confirmation_manager",
    "with_skill_registry",
    "with_hook_engine",
    "with_sandbox",
)
PYTHON = (
    "Agent",
    "SessionOptions",
    "builtin_skills",
    "opts.model",
    "opts.builtin_skills",
    "opts.role",
    "opts.guidelines",
    "opts.response_style",
    "opts.extra",
    "event.event_type",
    "event.text",
    "send",
    "stream",
    "read_file",
    "bash",
    "glob",
    "grep",
    'session.tool("git_worktree", {"command": "list"})',
    "remember_success",
    "recall_similar",
    "register_hook",
    "queue_stats",
    "dead_letters",
    "save",
    "agent.resume_session",
    "session_id",
)
"""The names in the README's sections "API Reference" and "Python SDK"."""


# Generated pages


@pytest.mark.parametrize("name", ["cli", "configuration", "extension_points", "events", "options", "tools"])
def test_a_generated_page_is_current(name):
    spec = importlib.util.spec_from_file_location(f"generate_{name}", DOCS / f"generate_{name}.py")
    assert spec is not None
    assert spec.loader is not None
    generator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generator)
    is_current = generator.PAGE.read_text("utf-8") == generator.render()
    assert is_current, f"run: python docs/generate_{name}.py"


@pytest.mark.parametrize("point", POINTS.values(), ids=POINTS)
def test_each_extension_point_has_its_heading_and_exact_signature(point):
    parameters = ", ".join(list(inspect.signature(getattr(Specs, point.spec_name)).parameters)[1:])
    section = _section(DOCS / "reference" / "extension-points.md", f"## {point.protocol}")
    assert f"\n{point.spec_name}({parameters})\n" in section


# Errors


def _public_errors() -> list[type]:
    return [kind for name in errors.__all__ if issubclass(kind := getattr(errors, name), A3SCodeError)]


@pytest.mark.parametrize("kind", _public_errors(), ids=lambda kind: kind.__name__)
def test_each_error_has_a_heading(kind):
    assert _section(DOCS / "reference" / "errors.md", f"## {kind.__name__}").strip()


@pytest.mark.parametrize(("error", "kinds"), [(ModelError, ModelErrorKind), (errors.ToolError, ToolErrorKind)])
def test_each_kind_of_an_error_is_told(error: type, kinds: type[Enum]):
    section = _section(DOCS / "reference" / "errors.md", f"## {error.__name__}")
    assert re.findall(r"^\| `(\w+)`", section, re.MULTILINE) == [kind.value for kind in kinds]


# Hooks


@pytest.fixture(scope="module")
def fired(tmp_path_factory) -> dict[str, dict[str, object]]:
    """The payload of each event that a session fires that runs a call, fails once and is closed."""
    workspace = tmp_path_factory.mktemp("workspace")
    model = ScriptedClient(call("ls"), "It is empty.", ModelError("no", kind=errors.ModelErrorKind.INVALID_REQUEST))
    seen: dict[str, dict[str, object]] = {}

    def note(event: dict[str, object]) -> None:
        seen[str(event["event_type"])] = event["payload"]

    hcl = 'default_model = "anthropic/none"\nstorage_backend = "memory"\nproviders { name = "anthropic" }\n'
    with Agent(hcl) as agent, agent.session(workspace, llm_client=model, builtin_skills=True) as session:
        for event_type in HookEventType:
            session.register_hook(event_type.value, event_type.value, note)
        session.send("What is here?")
        with pytest.raises(ModelError):
            session.send("And now?")
    return seen


@pytest.mark.parametrize("event_type", HookEventType, ids=lambda event_type: event_type.value)
def test_each_hook_event_is_told_with_the_payload_it_has(event_type, fired):
    section = _section(DOCS / "reference" / "hooks.md", f"### `{event_type.value}`")
    assert sorted(re.findall(r"^\| `(\w+)`", section, re.MULTILINE)) == sorted(fired[event_type.value])
    assert ("Gating." in section) == event_type.is_gating


# The README's API


def _rows() -> dict[str, str]:
    """What each name of the README is here, from the tables of the page."""
    text = (DOCS / "reference" / "readme-map.md").read_text("utf-8")
    return dict(re.findall(r"^\| (.+?) \| (.+?) \|", text, re.MULTILINE))


@pytest.mark.parametrize("name", sorted({*RUST_AGENT, *RUST_SESSION, *RUST_OPTIONS, *PYTHON}))
def test_each_name_of_the_readme_has_a_row(name):
    assert any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", row) for row in _rows())


@pytest.mark.parametrize("name", sorted({*RUST_SESSION, *RUST_OPTIONS}))
def test_each_method_of_the_readme_has_a_row_of_its_own(name):
    assert f"`{name}`" in _rows()


def test_what_the_readme_map_names_exists():
    homes = {
        "Agent": Agent,
        "AgentSession": AgentSession,
        "SessionOptions": SessionOptions,
        "a3s_code": a3s_code,
        "TextDelta": events.TextDelta,
    }
    named = {form for forms in _rows().values() for form in re.findall(r"`(\w+)\.(\w+)`", forms)}
    assert len(named) > 50
    assert [f"{home}.{name}" for home, name in sorted(named) if not hasattr(homes[home], name)] == []


def test_what_the_readme_map_calls_planned_is_not_there():
    planned = [name.strip("`") for name, here in _rows().items() if here == "planned"]
    assert len(planned) > 8
    assert [name for name in planned if hasattr(AgentSession, name)] == []


def test_a_planned_option_warns_or_does_not_exist():
    """Nothing planned is accepted in silence."""
    assert SessionOptions(goal_tracking=True).without_effect() == ("goal_tracking",)
    assert not hasattr(SessionOptions(), "sandbox")


# The pages themselves


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_link_leads_to_a_file(page):
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text("utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_architecture_names_every_file_of_the_kernel():
    text = (DOCS / "explanation" / "architecture.md").read_text("utf-8")
    package = Path(a3s_code.__file__).parent
    files = {file.name for file in package.glob("*.py")} - {"__init__.py", "__main__.py"}
    folders = {f"{file.parent.name}/" for file in package.glob("*/__init__.py")}
    assert sorted(name for name in files | folders if f"`{name}`" not in text) == []


def test_a_plugin_of_the_readme_has_under_twenty_lines():
    text = (ROOT / "README.md").read_text("utf-8")
    shown = re.findall(r"<!-- file: .* -->\n```\w+\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert 0 < sum(bool(line.strip()) for block in shown for line in block.splitlines()) < 20


def test_each_feature_of_the_readme_is_somewhere_or_planned():
    table = _section(ROOT / "README.md", "## What is here")
    rows = re.findall(r"^\| (?!feature|---)(.+?) \| (.+?) \|$", table, re.MULTILINE)
    assert len(rows) > 25
    places = re.compile(r"planned|kernel: `|a3s-code-\w+")
    assert [feature for feature, where in rows if not places.search(where)] == []


def _section(page: Path, heading: str) -> str:
    """What stands under a heading, up to the next one of the same level or above."""
    level = len(heading.split(" ", 1)[0])
    text = page.read_text("utf-8")
    found = re.search(rf"^{re.escape(heading)}$\n(.*?)(?=^#{{1,{level}}} |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found is not None, f"{page.relative_to(ROOT)} has no heading {heading!r}"
    return found[1]

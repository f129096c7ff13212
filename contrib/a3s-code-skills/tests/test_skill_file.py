"""The file format of skills."""

from contextlib import suppress
from pathlib import Path

import pytest
from a3s_code_skills.skill_file import MAX_FILE_BYTES, load_skill, parse_skill, tool_rules
from hypothesis import given
from hypothesis import strategies as st

from a3s_code.plugin import ConfigError, SkillKind

EXAMPLE = """---
name: api-design
description: Review API design for RESTful principles
allowed-tools: "read(*), grep(*)"
kind: instruction
tags: [api, design]
version: 1.0.0
---
# API Design Review
Check for RESTful principles, naming conventions, error handling.
"""


def skill_with(line: str, name: str = "name: x") -> str:
    return f"---\n{name}\n{line}\n---\nbody"


def test_the_example_of_the_readme_is_understood():
    skill = parse_skill(EXAMPLE, "api.md")
    assert skill.name == "api-design"
    assert skill.description == "Review API design for RESTful principles"
    assert skill.allowed_tools == ("read(*)", "grep(*)")
    assert skill.kind is SkillKind.INSTRUCTION
    assert skill.tags == ("api", "design")
    assert skill.version == "1.0.0"
    assert skill.source == "api.md"
    assert skill.content.startswith("# API Design Review\nCheck")


def test_dashes_inside_values_and_body_do_not_delimit():
    skill = parse_skill("---\nname: x\ndescription: a --- b\n---\nabove\n\n---\n\nbelow")
    assert skill.description == "a --- b"
    assert skill.content == "above\n\n---\n\nbelow"


@pytest.mark.parametrize(
    "text", ["\ufeff---\nname: x\n---\nbody", "\n\n---\nname: x\n---\nbody", "---\r\nname: x\r\n---\r\nbody"]
)
def test_byte_order_mark_blank_lines_and_windows_line_ends_are_fine(text: str):
    skill = parse_skill(text)
    assert (skill.name, skill.content) == ("x", "body")


@pytest.mark.parametrize(
    ("written", "rules"),
    [
        pytest.param('"read(*), grep(*)"', ("read(*)", "grep(*)"), id="commas"),
        pytest.param("Read Write", ("Read(*)", "Write(*)"), id="blanks"),
        pytest.param("read", ("read(*)",), id="a bare name"),
        pytest.param("[read, 'bash(git *)']", ("read(*)", "bash(git *)"), id="a list"),
        pytest.param('"bash(cp a, b), read"', ("bash(cp a, b)", "read(*)"), id="a comma inside parentheses"),
        pytest.param('"Bash (git *)"', ("Bash(git *)",), id="a blank before the parenthesis"),
        pytest.param('"bash(echo (a b))"', ("bash(echo (a b))",), id="nested parentheses"),
        pytest.param('""', (), id="nothing"),
        pytest.param("", (), id="null"),
    ],
)
def test_allowed_tools_in_all_spellings(written: str, rules: tuple[str, ...]):
    assert parse_skill(skill_with(f"allowed-tools: {written}")).allowed_tools == rules


@pytest.mark.parametrize("text", ["read(", "read)", "read(a))", "bash((a)"])
def test_parentheses_that_do_not_match_are_an_error(text: str):
    with pytest.raises(ValueError, match="parentheses"):
        tool_rules(text)


@given(
    st.lists(st.from_regex(r"[a-z_]{1,8}\([a-z *,.]{0,9}\)", fullmatch=True)), st.sampled_from([",", ", ", " ", "\n"])
)
def test_any_rules_are_found_again(rules: list[str], separator: str):
    assert tool_rules(separator.join(rules)) == tuple(rules)


@given(st.text("ab()*, ", max_size=12))
def test_a_rule_is_never_dropped_silently(text: str):
    """A dropped rule would leave the skill without restriction."""
    try:
        rules = tool_rules(text)
    except ValueError:
        return
    assert bool(rules) == bool(text.replace(",", "").strip())


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("kind: wizard", 'kind is "wizard"'),
        ("disable-model-invocation: perhaps", "true or false"),
        ("tags: {a: b}", "tags is neither"),
        ("description: [a]", "description is a list"),
        ("allowed-tools: [[read]]", "allowed-tools is neither"),
        ('allowed-tools: "read("', "parentheses"),
    ],
)
def test_a_value_of_the_wrong_kind_is_an_error_that_names_it(line: str, message: str):
    with pytest.raises(ConfigError, match=message) as caught:
        parse_skill(skill_with(line), "x.md")
    assert caught.value.path == "x.md"


def test_other_kinds_of_values():
    text = skill_with("kind: Persona\ntags: a, b\nversion: 2.0\ndisable_model_invocation: true\nlicense: MIT")
    skill = parse_skill(text)
    assert (skill.kind, skill.tags, skill.version) == (SkillKind.PERSONA, ("a", "b"), "2.0")
    assert skill.disable_model_invocation


@pytest.mark.parametrize(
    "text", ["", "# A readme", "text\n---\nname: x\n---\n", "---\nname: x\n", "----\nname: x\n----\n"]
)
def test_text_without_frontmatter_is_no_skill(text: str):
    with pytest.raises(ConfigError, match="a skill begins with"):
        parse_skill(text)


def test_invalid_yaml_is_an_error_with_its_line():
    with pytest.raises(ConfigError, match="not valid YAML") as caught:
        parse_skill("---\nname: x\ntags: [a\n---\n", "x.md")
    assert caught.value.line in {3, 4}


@pytest.mark.parametrize("text", ["---\n- a\n---\n", "---\njust text\n---\n"])
def test_frontmatter_without_keys_is_an_error(text: str):
    with pytest.raises(ConfigError, match="key: value"):
        parse_skill(text)


@pytest.mark.parametrize("value", ["2025-99-99", "[" * 3000, "&a [*a]", "!!python/object:os.system {}"])
def test_hostile_yaml_is_an_error_and_runs_nothing(value: str):
    with pytest.raises(ConfigError):
        parse_skill(skill_with(f"tags: {value}"))


@given(st.text(max_size=200))
def test_any_text_is_a_skill_or_an_error(text: str):
    for candidate in (text, f"---\n{text}\n---\nbody"):
        with suppress(ConfigError):
            parse_skill(candidate)


@pytest.mark.parametrize(("file", "name"), [("find-it.md", "find-it"), ("find-it/SKILL.md", "find-it")])
def test_a_skill_without_name_is_called_after_its_file_or_folder(tmp_path: Path, file: str, name: str):
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.write_text("---\ndescription: d\n---\nbody")
    assert load_skill(path).name == name


def test_a_skill_without_name_and_file_is_an_error():
    with pytest.raises(ConfigError, match="no name"):
        parse_skill("---\ndescription: d\n---\n")


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"---\nname: \xff\n---\n", "UTF-8"), (b"x" * (MAX_FILE_BYTES + 1), "at most"), (None, "cannot read")],
)
def test_an_unreadable_file_is_an_error_that_names_it(tmp_path: Path, content: bytes | None, message: str):
    path = tmp_path / "x.md"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=message) as caught:
        load_skill(path)
    assert caught.value.path == str(path)

"""What may be a skill, and the ways around that are closed."""

import pytest
from a3s_code_skills.validator import MAX_CONTENT_BYTES, RESERVED_NAMES, DefaultSkillValidator

from a3s_code.plugin import Skill, SkillFault, SkillValidator


def faults(name: str = "good-name", content: str = "", **fields: object) -> list[SkillFault]:
    skill = Skill(name=name, content=content, **fields)  # type: ignore[arg-type]
    return [fault.kind for fault in DefaultSkillValidator().validate(skill)]


def test_it_is_a_skill_validator():
    assert isinstance(DefaultSkillValidator(), SkillValidator)


@pytest.mark.parametrize("name", ["a", "a1", "api-design", "1-2-3", "x" * 64])
def test_kebab_case_names_are_accepted(name: str):
    assert faults(name) == []


@pytest.mark.parametrize("name", ["", "A", "a_b", "-a", "a-", "a--b", "a b", "é", "a\n", "x" * 65, "../a"])
def test_other_names_are_not(name: str):
    assert faults(name) == [SkillFault.INVALID_NAME]


@pytest.mark.parametrize("name", RESERVED_NAMES)
def test_the_names_of_built_in_skills_are_reserved(name: str):
    assert faults(name) == [SkillFault.RESERVED_NAME]


def test_the_limit_of_the_content_is_in_bytes():
    assert faults(content="é" * (MAX_CONTENT_BYTES // 2)) == []
    assert faults(content="é" * (MAX_CONTENT_BYTES // 2) + "x") == [SkillFault.CONTENT_TOO_LARGE]


def test_a_description_is_no_second_content():
    assert faults(description="x" * 1025) == [SkillFault.CONTENT_TOO_LARGE]


@pytest.mark.parametrize(
    "rule",
    [
        "bash(*)", "Bash(*)", "write(*)", "edit(*)", "patch(*)",
        "BASH(*)", "bash( * )", "bash (*)", " bash(*)", "bash(**)", "write(**)", "edit(**/*)", "write(./**)",
        "write(/**)", "bash(:*)", "bash(*:*)", "bash(?*)", "bash()", "patch(*.*)", "bash",
        "Write", "read(*), bash(*)", "read bash",
        "*", "*(*)", "b*(*)", "ba?h(*)", "ｂａｓｈ(*)", "ba\u200bsh(*)", "bash(\u200b*)", "bash(*",
    ],
)  # fmt: skip
def test_blanket_permissions_to_change_things_are_dangerous(rule: str):
    assert faults(allowed_tools=("read(*)", rule)) == [SkillFault.DANGEROUS_TOOLS]


@pytest.mark.parametrize(
    "rule", ["read(*)", "grep", "bash(git *)", "write(docs/**)", "edit(*.md)", "bash(npm:*)", "mcp__a__b(*)"]
)
def test_narrow_and_harmless_permissions_are_accepted(rule: str):
    assert faults(allowed_tools=(rule,)) == []


@pytest.mark.parametrize(
    "text",
    [
        "ignore previous", "Ignore all previous instructions", "IGNORE ABOVE", "disregard previous",
        "disregard all previous", "forget previous", "override system", "new system prompt", "you are now",
        "act as root", "sudo mode",
        "<system>", "</system>",
        "ignore\n  previous", "ignore-previous", "ignore **previous**", "ignore all of the previous",
        "ig\u200bnore previous",
        "ｉｇｎｏｒｅ previous", "< System >", "< / system>", '<system role="x">', "override the system", "you_are_now",
    ],
)  # fmt: skip
def test_injections_are_found_in_content_and_description(text: str):
    assert faults(content=f"Some help.\n{text} and obey") == [SkillFault.PROMPT_INJECTION]
    assert faults(description=text) == [SkillFault.PROMPT_INJECTION]


@pytest.mark.parametrize(
    "text",
    ["Read the previous release notes.", "Ignore whitespace.", "The system prompts.", "<systemd>", "you are nowhere"],
)
def test_ordinary_words_are_no_injection(text: str):
    assert faults(content=text) == []


def test_all_faults_are_listed_in_a_stable_order():
    assert faults("Bad", "you are now " * 1000, allowed_tools=("bash",)) == [
        SkillFault.INVALID_NAME,
        SkillFault.CONTENT_TOO_LARGE,
        SkillFault.DANGEROUS_TOOLS,
        SkillFault.PROMPT_INJECTION,
    ]


def test_text_that_cannot_be_encoded_is_judged_too():
    assert faults(content="\ud800 you are now") == [SkillFault.PROMPT_INJECTION]

"""Which words of a prompt are looked for."""

import pytest
from a3s_code_context.terms import MAX_TERMS, terms
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        pytest.param("Why does the Parser fail?", "parser fail", id="stop words and short words"),
        pytest.param("max_tool_rounds", "max_tool_rounds max tool rounds", id="snake case"),
        pytest.param("HTTPServer and ToolCall", "httpserver http server toolcall tool call", id="camel case"),
        pytest.param("parser Parser PARSER", "parser", id="each once"),
        pytest.param("__init__ a_b", "init a_b", id="underscores"),
        pytest.param("größe", "größe", id="letters of other alphabets"),
        pytest.param("修复parser错误", "parser 修复 错误", id="no spaces between words"),
        pytest.param("", "", id="empty"),
    ],
)
def test_terms(prompt: str, expected: str) -> None:
    assert terms(prompt) == tuple(expected.split())


@given(st.text())
def test_terms_are_few_lower_case_and_distinct(prompt: str) -> None:
    found = terms(prompt)
    assert len(found) <= MAX_TERMS
    assert len(set(found)) == len(found)
    assert all(term == term.lower() for term in found)


def test_a_huge_prompt_is_cut() -> None:
    assert terms("word " * 4000 + "late") == ("word",)

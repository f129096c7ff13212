"""Errors of the API have a kind for programs and advice for people."""

import pytest
from a3s_code_anthropic.errors import key_variable, status_error, stream_error

from a3s_code.plugin import ModelErrorKind

NOW = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT


def error(status: int, word: str = "", text: str = "said so", **headers: str):
    body = {"type": "error", "error": {"type": word, "message": text}} if word else text
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return status_error(status, names, body, provider="anthropic", model="m", now=NOW)


@pytest.mark.parametrize(
    ("status", "word", "kind"),
    [
        (400, "invalid_request_error", ModelErrorKind.INVALID_REQUEST),
        (401, "authentication_error", ModelErrorKind.AUTHENTICATION),
        (402, "billing_error", ModelErrorKind.INVALID_REQUEST),
        (403, "permission_error", ModelErrorKind.AUTHENTICATION),
        (404, "not_found_error", ModelErrorKind.NOT_FOUND),
        (413, "request_too_large", ModelErrorKind.CONTEXT_LENGTH),
        (429, "rate_limit_error", ModelErrorKind.RATE_LIMITED),
        (500, "api_error", ModelErrorKind.SERVER),
        (502, "", ModelErrorKind.SERVER),
        (503, "overloaded_error", ModelErrorKind.OVERLOADED),
        (529, "overloaded_error", ModelErrorKind.OVERLOADED),
        (302, "", ModelErrorKind.INVALID_REQUEST),
    ],
)
def test_each_status_has_its_kind(status: int, word: str, kind: ModelErrorKind):
    assert error(status, word).kind is kind


def test_a_prompt_that_is_too_long_is_known_by_its_words():
    text = "prompt is too long: 210000 tokens > 200000 maximum"
    assert error(400, "invalid_request_error", text).kind is ModelErrorKind.CONTEXT_LENGTH


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"retry_after": "7"}, 7.0),
        ({"retry_after": "1.5"}, 1.5),
        ({"retry_after_ms": "250", "retry_after": "9"}, 0.25),
        ({"retry_after": "Tue, 14 Nov 2023 22:13:50 GMT"}, 30.0),
        ({"retry_after": "Tue, 14 Nov 2023 22:00:00 GMT"}, 0.0),
        ({"retry_after": "soon"}, None),
        ({"retry_after_ms": "nan"}, None),
        ({}, None),
    ],
)
def test_the_wait_is_read_in_all_its_forms(headers: dict[str, str], wait_s: float | None):
    assert error(429, "rate_limit_error", **headers).retry_after_s == wait_s


def test_a_message_names_what_was_said_and_the_request():
    message = str(error(404, "not_found_error", "model: m", request_id="req_1"))
    assert message.startswith("anthropic answered 404: model: m.")
    assert "base_url" in message
    assert "req_1" in message


def test_an_unknown_error_in_a_stream_may_be_tried_again():
    assert stream_error({"type": "new_error", "message": "x"}, "anthropic").is_transient


def test_the_variable_is_made_of_the_providers_name():
    assert key_variable("my-proxy.eu") == "MY_PROXY_EU_API_KEY"

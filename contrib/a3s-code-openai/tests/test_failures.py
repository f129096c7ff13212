"""What refusals mean."""

from datetime import UTC, datetime

import pytest
from a3s_code_openai.failures import Source, refusal, retry_after

from a3s_code.plugin import ModelErrorKind

SOURCE = Source(provider="local", base_url="http://localhost:8000/v1", model="m", setting="the block", key="sk-secret")
NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (400, {"message": "bad"}, ModelErrorKind.INVALID_REQUEST),
        (400, {"message": "long", "code": "context_length_exceeded"}, ModelErrorKind.CONTEXT_LENGTH),
        (400, {"message": "This model's maximum context length is 8192 tokens."}, ModelErrorKind.CONTEXT_LENGTH),
        (400, {"message": "no", "type": "exceed_context_size_error", "code": 400}, ModelErrorKind.CONTEXT_LENGTH),
        (401, {"message": "no"}, ModelErrorKind.AUTHENTICATION),
        (402, "pay", ModelErrorKind.AUTHENTICATION),
        (403, None, ModelErrorKind.AUTHENTICATION),
        (404, {"message": "no model", "code": "model_not_found"}, ModelErrorKind.NOT_FOUND),
        (408, "", ModelErrorKind.SERVER),
        (413, "", ModelErrorKind.INVALID_REQUEST),
        (422, {"detail": [{"msg": "field required"}]}, ModelErrorKind.INVALID_REQUEST),
        (429, {"message": "slow down", "type": "tokens"}, ModelErrorKind.RATE_LIMITED),
        (429, {"message": "no money", "code": "insufficient_quota"}, ModelErrorKind.AUTHENTICATION),
        (500, "<html>", ModelErrorKind.SERVER),
        (503, "", ModelErrorKind.OVERLOADED),
        (529, "", ModelErrorKind.OVERLOADED),
        (308, "", ModelErrorKind.PROTOCOL),
        (None, {"message": "x", "code": 503}, ModelErrorKind.OVERLOADED),
        (None, {"message": "x", "type": "BadRequestError"}, ModelErrorKind.INVALID_REQUEST),
        (None, "x", ModelErrorKind.SERVER),
    ],
)
def test_kind(status, error, kind):
    assert refusal(SOURCE, error, status=status).kind is kind


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "2.5"}, 2.5),
        ({"retry-after": "-1"}, 0.0),
        ({"retry-after-ms": "250", "retry-after": "3"}, 0.25),
        ({"retry-after": "Thu, 01 Jan 2026 12:00:30 GMT"}, 30.0),
        ({"retry-after": "Thu, 01 Jan 2026 11:00:00 GMT"}, 0.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_retry_after(headers, seconds):
    assert retry_after(headers, NOW) == seconds


def test_text_has_the_provider_s_words_the_request_and_the_cure():
    error = refusal(SOURCE, {"message": "bad key"}, status=401, headers={"x-request-id": "req_1"})
    assert str(error) == (
        "local (m at http://localhost:8000/v1) answered 401: bad key (request id req_1) "
        "Check api_key in the block, and whether the account may use this model and has credit."
    )


def test_the_key_is_never_repeated():
    assert "sk-secret" not in str(refusal(SOURCE, {"message": "wrong key sk-secret"}, status=401))


def test_the_key_is_not_in_the_repr():
    assert "sk-secret" not in repr(SOURCE)


def test_a_page_of_html_is_cut():
    assert len(str(refusal(SOURCE, "x" * 100_000, status=502))) < 2200

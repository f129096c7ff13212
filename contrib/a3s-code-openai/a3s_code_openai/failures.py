"""What a provider's refusal means, and what the user can do about it. Pure: no I/O, no clock."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isfinite

from attrs import field, frozen

from a3s_code.plugin import ModelError, ModelErrorKind

__all__ = ["Source", "refusal", "retry_after"]

_KIND_OF_STATUS = {
    401: ModelErrorKind.AUTHENTICATION,
    402: ModelErrorKind.AUTHENTICATION,
    403: ModelErrorKind.AUTHENTICATION,
    404: ModelErrorKind.NOT_FOUND,
    408: ModelErrorKind.SERVER,  # the server gave up waiting: the same request may succeed
    409: ModelErrorKind.SERVER,
    413: ModelErrorKind.INVALID_REQUEST,
    429: ModelErrorKind.RATE_LIMITED,
    503: ModelErrorKind.OVERLOADED,
    529: ModelErrorKind.OVERLOADED,
}

_KIND_OF_CODE = {
    "context_length_exceeded": ModelErrorKind.CONTEXT_LENGTH,
    "exceed_context_size_error": ModelErrorKind.CONTEXT_LENGTH,  # llama.cpp
    "insufficient_quota": ModelErrorKind.AUTHENTICATION,  # comes as 429, yet waiting does not help
    "invalid_api_key": ModelErrorKind.AUTHENTICATION,
    "model_not_found": ModelErrorKind.NOT_FOUND,
    "rate_limit_exceeded": ModelErrorKind.RATE_LIMITED,
    "overloaded_error": ModelErrorKind.OVERLOADED,
    "server_error": ModelErrorKind.SERVER,
    "invalid_request_error": ModelErrorKind.INVALID_REQUEST,
    "BadRequestError": ModelErrorKind.INVALID_REQUEST,  # vLLM
}
"""The words of an error object's `code` and `type`; a code comes before a type and both before the status."""

_CONTEXT_WORDS = ("maximum context length", "context window", "context size", "context length", "prompt is too long")
"""What compatible servers without codes write when the prompt does not fit."""

_LONGEST_TEXT = 2000
"""Characters of the provider's own words that are repeated."""


@frozen(kw_only=True)
class Source:
    """Whom we asked, for the text of errors.

    Args:
        provider: The provider's name in the configuration.
        base_url: The address.
        model: The model, "" when none is meant.
        setting: Where the address and the key stand, as the user writes it.
        key: The key that must not appear in any text, "" for none.
    """

    provider: str
    base_url: str
    model: str = ""
    setting: str = "the provider's block"
    key: str = field(default="", repr=False)

    def __str__(self) -> str:
        return (
            f"{self.provider} ({self.model} at {self.base_url})" if self.model else f"{self.provider} ({self.base_url})"
        )

    def clean(self, text: str) -> str:
        """*text* without the key and not longer than a page."""
        cleaned = text.replace(self.key, "***") if self.key else text
        return cleaned if len(cleaned) <= _LONGEST_TEXT else cleaned[:_LONGEST_TEXT] + " …"


def refusal(
    source: Source,
    error: object,
    *,
    status: int | None = None,
    headers: Mapping[str, str] | None = None,
    now: datetime | None = None,
) -> ModelError:
    """The error for what the provider said.

    Args:
        source: Whom we asked.
        error: The error object of the answer (`{"message", "type", "code"}`), or its text.
        status: HTTP status; None when the error came inside a stream.
        headers: Headers of the answer, names in lower case.
        now: Only needed for a Retry-After that is a date.
    """
    headers = headers or {}
    said = _text_of(error)
    kind = _kind(error, said, status)
    words = [
        f"{source} {'answered ' + str(status) if status else 'broke off'}: {source.clean(said) or 'no reason given'}"
    ]
    if request_id := headers.get("x-request-id"):
        words.append(f"(request id {request_id})")
    if advice := _advice(source, kind, status):
        words.append(advice)
    return ModelError(" ".join(words), kind=kind, status=status, retry_after_s=retry_after(headers, now))


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds that the provider asks us to wait, or None.

    Formats: `retry-after-ms` of OpenAI (milliseconds), `retry-after` of RFC 9110 section 10.2.3 (seconds or a date).
    """
    for name, unit_s in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name, "")
        try:
            seconds = float(value) * unit_s
        except ValueError:
            continue
        if isfinite(seconds):
            return max(0.0, seconds)
    return _seconds_until(headers.get("retry-after", ""), now or datetime.now(UTC))


def _seconds_until(date: str, now: datetime) -> float | None:
    try:
        moment = parsedate_to_datetime(date)
    except ValueError:
        return None
    return max(0.0, ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now).total_seconds())


def _text_of(error: object) -> str:
    if not isinstance(error, dict):
        return str(error or "").strip()
    said = error.get("message") or error.get("detail") or error
    return str(said).strip()


def _kind(error: object, said: str, status: int | None) -> ModelErrorKind:
    """The narrowest kind that code, type, text and status agree on."""
    codes = [error.get("code"), error.get("type")] if isinstance(error, dict) else []
    words = [code for code in codes if isinstance(code, str)]
    if status in (None, 400, 413, 422, 500) and any(phrase in said.lower() for phrase in _CONTEXT_WORDS):
        return ModelErrorKind.CONTEXT_LENGTH
    by_code = next((_KIND_OF_CODE[word] for word in words if word in _KIND_OF_CODE), None)
    if by_code is not None and by_code is not ModelErrorKind.INVALID_REQUEST:
        return by_code
    # vLLM and llama.cpp put the HTTP status into the error object, also inside a stream
    status = status or next((code for code in codes if isinstance(code, int) and not isinstance(code, bool)), None)
    if status in _KIND_OF_STATUS:
        return _KIND_OF_STATUS[status]
    if status is None:
        return by_code or ModelErrorKind.SERVER
    if status < 400:
        return ModelErrorKind.PROTOCOL
    return ModelErrorKind.INVALID_REQUEST if status < 500 else ModelErrorKind.SERVER


def _advice(source: Source, kind: ModelErrorKind, status: int | None) -> str:
    if status is not None and 300 <= status < 400:
        return f"It redirects, which is not followed: set base_url in {source.setting} to the final address."
    match kind:
        case ModelErrorKind.AUTHENTICATION:
            return f"Check api_key in {source.setting}, and whether the account may use this model and has credit."
        case ModelErrorKind.NOT_FOUND:
            return (
                f"Check that the model {source.model!r} exists there (a local server must have it loaded or pulled) "
                f"and that base_url in {source.setting} is complete; most end in /v1."
            )
        case ModelErrorKind.CONTEXT_LENGTH:
            return "The conversation is longer than the model takes: compact it or use a model with a larger context."
        case _:
            return ""

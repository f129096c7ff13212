"""What the Anthropic API refuses or fails with, as ModelError. Pure.

Source: https://docs.anthropic.com/en/api/errors.
"""

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from math import isfinite

from a3s_code.plugin import ModelError, ModelErrorKind

__all__ = ["key_variable", "status_error", "stream_error"]

_KINDS = {
    "authentication_error": ModelErrorKind.AUTHENTICATION,
    "permission_error": ModelErrorKind.AUTHENTICATION,
    "billing_error": ModelErrorKind.INVALID_REQUEST,
    "invalid_request_error": ModelErrorKind.INVALID_REQUEST,
    "request_too_large": ModelErrorKind.CONTEXT_LENGTH,
    "not_found_error": ModelErrorKind.NOT_FOUND,
    "rate_limit_error": ModelErrorKind.RATE_LIMITED,
    "overloaded_error": ModelErrorKind.OVERLOADED,
    "timeout_error": ModelErrorKind.SERVER,
    "api_error": ModelErrorKind.SERVER,
}
_STATUSES = {
    401: ModelErrorKind.AUTHENTICATION,
    403: ModelErrorKind.AUTHENTICATION,
    404: ModelErrorKind.NOT_FOUND,
    408: ModelErrorKind.SERVER,
    409: ModelErrorKind.SERVER,
    413: ModelErrorKind.CONTEXT_LENGTH,
    429: ModelErrorKind.RATE_LIMITED,
    529: ModelErrorKind.OVERLOADED,
}
_TOO_LONG = ("prompt is too long", "exceed context limit", "context window")


def key_variable(provider: str) -> str:
    """The environment variable with the provider's key: "anthropic" has ANTHROPIC_API_KEY."""
    return "".join(sign if sign.isalnum() else "_" for sign in provider).upper() + "_API_KEY"


def status_error(
    status: int, headers: Mapping[str, str], body: object, *, provider: str, model: str, now: float
) -> ModelError:
    """The error for an answer with an error status.

    Args:
        status: The HTTP status.
        headers: Names in lower case.
        body: The parsed body, or its text.
        provider: Name of the provider's block.
        model: The model that was asked.
        now: Seconds since the epoch, for a retry-after that is a date.
    """
    word, text = _word_and_text(body)
    kind = _STATUSES.get(status) or _KINDS.get(word)
    if kind is None or (status >= 500 and kind is not ModelErrorKind.OVERLOADED):
        kind = ModelErrorKind.SERVER if status >= 500 else ModelErrorKind.INVALID_REQUEST
    kind = _narrowed(kind, text)
    request_id = headers.get("request-id")
    said = f"{provider} answered {status}: {text or word or 'nothing more'}"
    advice = _advice(kind, provider, model)
    message = ". ".join(part.rstrip(".") for part in (said, advice, request_id and f"Request id: {request_id}") if part)
    return ModelError(message, kind=kind, status=status, retry_after_s=_retry_after_s(headers, now))


def stream_error(error: Mapping[str, object], provider: str) -> ModelError:
    """The error for an `error` event in a stream that began well."""
    word, text = _word_and_text({"error": error})
    kind = _narrowed(_KINDS.get(word, ModelErrorKind.SERVER), text)
    return ModelError(f"{provider} broke off its reply: {text or word}", kind=kind)


def _word_and_text(body: object) -> tuple[str, str]:
    """Type and message of the error; a body of another form is cut to a readable length."""
    match body:
        case {"error": {"type": str(word), "message": str(text)}}:
            return word, text
        case str():
            return "", body[:500]
        case None:
            return "", ""
        case _:
            return "", str(body)[:500]


def _narrowed(kind: ModelErrorKind, text: str) -> ModelErrorKind:
    too_long = kind is ModelErrorKind.INVALID_REQUEST and any(words in text.lower() for words in _TOO_LONG)
    return ModelErrorKind.CONTEXT_LENGTH if too_long else kind


def _advice(kind: ModelErrorKind, provider: str, model: str) -> str:
    match kind:
        case ModelErrorKind.AUTHENTICATION:
            return f'Check api_key in providers "{provider}" or the variable {key_variable(provider)}'
        case ModelErrorKind.NOT_FOUND:
            return f'Check the model "{model}" and the base_url of providers "{provider}" (without /v1)'
        case ModelErrorKind.CONTEXT_LENGTH:
            return "Compact the session or send less"
        case _:
            return ""


def _retry_after_s(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds to wait; the provider says milliseconds, seconds or a date."""
    written = headers.get("retry-after", "")
    try:
        if (milliseconds := headers.get("retry-after-ms")) is not None:
            wait_s = float(milliseconds) / 1000
        elif written.replace(".", "", 1).isdigit():
            wait_s = float(written)
        else:
            wait_s = parsedate_to_datetime(written).timestamp() - now
    except (ValueError, TypeError, OverflowError):
        return None
    return max(wait_s, 0.0) if isfinite(wait_s) else None

"""Addresses of web pages: how they are shown without secrets, and when two of them mean the same page."""

import re
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

__all__ = ["page_key", "shown_url"]

_USER = re.compile(r"^([a-z][a-z0-9+.-]*://)[^/?#@]*@", re.IGNORECASE)
_PARAMETER = re.compile(r"(?<=[?&;#])([^=&;#]+)=([^&;#]*)")
_SECRET = re.compile(
    r"token|apikey|accesskey|secret|passw|pwd|signature|credential|auth|session|^(?:key|sig|sid|jwt|pass|hmac|otp|pin)$"
)
_TRACKING = re.compile(r"utm_|(?:fbclid|gclid|dclid|msclkid|mc_cid|mc_eid|igshid|ref_src)$", re.IGNORECASE)


def shown_url(url: str) -> str:
    """*url* without user name and password, and "***" for the values of parameters that sound like secrets."""
    return _PARAMETER.sub(_shown_parameter, _USER.sub(r"\1", url))


def _shown_parameter(match: re.Match[str]) -> str:
    name, value = match.groups()
    plain = re.sub(r"[^a-z0-9]", "", unquote(name).lower())
    return f"{name}=***" if value and _SECRET.search(plain) else f"{name}={value}"


def page_key(url: str) -> str | None:
    """The same text for all addresses of one page, or None when *url* is not one of the web.

    Scheme, "www.", default port, fragment, final slash and parameters of advertisers do not tell pages apart.
    """
    try:
        parts = urlsplit(url.strip())
        host, port = (parts.hostname or "").removeprefix("www.").removesuffix("."), parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not host:
        return None
    named = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if not _TRACKING.match(pair[0])]
    place = f"{host}:{port}" if port not in (None, 80, 443) else host
    query = f"?{urlencode(named)}" if named else ""
    return f"{place}{unquote(parts.path).rstrip('/')}{query}"

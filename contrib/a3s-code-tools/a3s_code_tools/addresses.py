"""Addresses of web pages: how they are shown, how rules see them, and when two of them mean the same page."""

import re
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

__all__ = ["host_of", "one_line_url", "page_key", "plain_url", "shown_url"]

_USER = re.compile(r"^([a-z][a-z0-9+.-]*://)[^/?#@]*@", re.IGNORECASE)
_PARAMETER = re.compile(r"(?<=[?&;#])([^?=&;#]+)=([^&;#]*)")
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


_WEB = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[^]/?#]*\]|[^/?#:[]*)(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>/[^?#]*)?(?P<query>\?[^#]*)?(?:#.*)?",
    re.IGNORECASE | re.ASCII | re.DOTALL,
)
_PORTS = {"http": 80, "https": 443}


def plain_url(url: str) -> str:
    """*url* in the one spelling that permission rules are matched against; what is no web address stays as it is.

    Scheme and host are in lower case, a final dot, the scheme's own port and the fragment are left out, the path is
    there and its dots are resolved.
    """
    parts = _WEB.fullmatch(url)
    if parts is None:
        return url
    scheme, port = parts["scheme"].lower(), int(parts["port"] or 0)
    place = parts["host"].lower().rstrip(".") + (f":{port}" if port not in (0, _PORTS[scheme]) else "")
    return f"{scheme}://{place}{_without_dots(parts['path'] or '/')}{parts['query'] or ''}"


def host_of(url: str) -> str | None:
    """The host with a port that is not a usual one, without "www."; None when *url* is no web address."""
    parts = _WEB.fullmatch(url)
    if parts is None:
        return None
    port = "" if int(parts["port"] or 0) in (0, *_PORTS.values()) else f":{parts['port']}"
    return parts["host"].lower().rstrip(".").removeprefix("www.") + port


def _without_dots(path: str) -> str:
    kept: list[str] = []
    for part in path.split("/")[1:]:
        dots = part.replace("%2e", ".").replace("%2E", ".")
        if dots == "..":
            del kept[-1:]
        elif dots != ".":
            kept.append(part)
    return "/" + "/".join(kept) + ("/" if kept and dots in (".", "..") else "")


def one_line_url(url: str) -> str:
    """*url* with blanks, line ends, control characters and broken characters percent-encoded."""
    return _NOT_IN_LINE.sub(lambda match: quote(match[0], errors="replace"), url.strip())


_NOT_IN_LINE = re.compile(r"[\s\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def page_key(url: str) -> str | None:
    """The same text for all addresses of one page, or None when *url* is not one of the web.

    Scheme, "www.", default port, fragment, final slash and parameters of advertisers do not tell pages apart.
    """
    try:
        parts = urlsplit(url.strip())
        host, port = (parts.hostname or "").removeprefix("www.").removesuffix("."), parts.port
        named = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if not _TRACKING.match(pair[0])]
        query = f"?{urlencode(named)}" if named else ""
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not host:
        return None
    place = f"{host}:{port}" if port not in (None, 80, 443) else host
    return f"{place}{unquote(parts.path).rstrip('/')}{query}"

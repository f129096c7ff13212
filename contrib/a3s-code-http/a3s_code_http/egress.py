"""The egress gate: which address a request may go to, decided before anything is connected. No I/O of its own.

Whatever is not provably allowed is refused. Two questions are answered here: is this address one of exactly that origin
(providers, MCP servers), and is it on the public web (whatever a model may ask for).
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import quote, urljoin

import idna
from attrs import frozen

from a3s_code.plugin import ToolError, ToolErrorKind

__all__ = ["Address", "Resolver", "admit", "follow", "is_public", "parse", "public_addresses"]

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""Addresses of a host and port as the system gives them, in order; raises OSError when there are none."""

_URL = re.compile(r"(?P<scheme>https?)://(?P<authority>[^/?#]+)(?P<target>[^#]*)(?:#.*)?", re.IGNORECASE | re.ASCII)
_AUTHORITY = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\[\]:]+)(?::(?P<port>[0-9]{1,5}))?")
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f\\\ud800-\udfff]")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_MAX_TARGET_CHARS = 16_384
_SAFE_IN_TARGET = "".join(chr(code) for code in range(0x21, 0x7F))


@frozen
class Address:
    """Where a request goes, taken apart once and never parsed again.

    Args:
        scheme: "http" or "https".
        host: In lower case and ASCII, without brackets and final dot.
        port: The port, also when it is the scheme's own.
        target: Path and query as sent.
    """

    scheme: str
    host: str
    port: int
    target: str

    @property
    def origin(self) -> tuple[str, str, int]:
        return self.scheme, self.host, self.port

    @property
    def netloc(self) -> str:
        """Host and port as the Host header has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.netloc}{self.target}"

    def is_at(self, other: "Address") -> bool:
        """Whether it is on the host of *other*: "www." and a change between the usual ports make no difference."""
        ports = {self.port, other.port}
        return self.host.removeprefix("www.") == other.host.removeprefix("www.") and (
            len(ports) == 1 or ports == set(_PORTS.values())
        )

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine by its name or number; nothing is looked up."""
        literal = _literal(self.host)
        return self.host == "localhost" or (literal is not None and literal.is_loopback)


_PORTS = {"http": 80, "https": 443}


def parse(url: str) -> Address:
    """Takes an absolute http or https URL apart, strictly.

    Raises:
        ToolError: DENIED for anything that two parsers could read differently.
    """
    if _FORBIDDEN.search(url):
        raise _refused("the URL has blanks, control characters, backslashes or broken characters; percent-encode them")
    whole = _URL.fullmatch(url)
    if whole is None:
        raise _refused("only complete URLs with http:// or https:// and a host can be opened")
    if "@" in whole["authority"]:
        raise _refused("a URL with user name or password is not opened; send credentials in a header")
    authority = _AUTHORITY.fullmatch(whole["authority"])
    if authority is None:
        raise _refused("host and port cannot be read")
    scheme = whole["scheme"].lower()
    port = int(authority["port"]) if authority["port"] else _PORTS[scheme]
    if not 0 < port < 65536:
        raise _refused(f"there is no port {port}")
    target = quote(_rooted(whole["target"]), safe=_SAFE_IN_TARGET)
    if len(target) > _MAX_TARGET_CHARS:
        raise _refused(f"the URL is longer than {_MAX_TARGET_CHARS:,} characters")
    return Address(scheme, _host(authority["host"]), port, target)


def follow(address: Address, location: str) -> Address:
    """The address that a redirect from *address* leads to, as strictly parsed as the first."""
    if _FORBIDDEN.search(location):
        raise _refused("the redirect's address has blanks, control characters, backslashes or broken characters")
    try:
        return parse(urljoin(address.url, location))
    except ValueError:
        raise _refused("the redirect's address cannot be read") from None


async def admit(address: Address, resolve: Resolver) -> tuple[str, ...]:
    """The addresses to connect to for a request to the public web: looked up once, every one of them public.

    Raises:
        ToolError: DENIED when the host, its port or one of its addresses is not of the public web.
        OSError: When the name has no address.
    """
    _check_port(address)
    literal = _literal(address.host)
    if literal is not None:
        return public_addresses(address.host, (str(literal),))
    _check_name(address.host)
    return public_addresses(address.host, await resolve(address.host, address.port))


def public_addresses(host: str, answers: Sequence[str]) -> tuple[str, ...]:
    """*answers*, if all are public.

    Raises:
        ToolError: DENIED when one is not, or there is none.
    """
    for answer in answers:
        if not is_public(answer):
            where = host if host == answer else f"{host} leads to {answer}, which"
            raise _refused(f"{where} is not a public address")
    if not answers:
        raise _refused(f"{host} has no address")
    return tuple(answers)


def is_public(answer: str) -> bool:
    """Whether this IP address is on the public internet, also when it is wrapped into an IPv6 form."""
    try:
        address = ip_address(answer)
    except ValueError:
        return False
    if isinstance(address, IPv6Address):
        wrapped = _wrapped(address)
        if wrapped is None:
            inside = _tunnelled(address)
            is_special = address not in _GLOBAL_V6 or any(address in network for network in _SPECIAL_V6)
            return not is_special and (inside is None or is_public(str(inside)))
        address = wrapped
    return address.is_global and not any(address in network for network in _SPECIAL_V4)


def _wrapped(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that packets to *address* reach, for the two forms that are in use."""
    if address.scope_id is None and any(address in network for network in (_MAPPED, _NAT64)):
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return None


def _tunnelled(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address in an ISATAP address, RFC 5214: the last 64 bits are 0000:5efe or 0200:5efe and the address."""
    number = int(address)
    return IPv4Address(number & 0xFFFF_FFFF) if number >> 32 & 0xFDFF_FFFF == 0x5EFE else None


_MAPPED = IPv6Network("::ffff:0:0/96")
_NAT64 = IPv6Network("64:ff9b::/96")

# https://www.iana.org/assignments/iana-ipv4-special-registry and iana-ipv6-special-registry. Written out, because
# `is_global` differs between patch releases of Python and is true for multicast.
_SPECIAL_V4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",  # host agent of a cloud, at an address that looks public
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",  # multicast, reserved, broadcast
    )
)
_GLOBAL_V6 = IPv6Network("2000::/3")
_SPECIAL_V6 = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # Teredo, ORCHID, benchmarking
        "2001:db8::/32",
        "2002::/16",  # 6to4, out of use: refused whatever it wraps
        "2620:4f:8000::/48",
        "3fff::/20",
    )
)

_NOT_PUBLIC_NAMES = ("localhost", "local", "internal", "intranet", "lan", "home", "corp", "arpa", "onion", "test")
"""Last labels of names that mean something else than a public host."""

_SERVICE_PORTS = frozenset({1433, 1521, 2049, 2375, 2376, 2379, 3306, 3389, 4444, 5432, 5672, 5900, 5984, 6000})
_SERVICE_PORTS |= frozenset({6379, 6443, 6667, 9042, 9092, 9200, 9300, 10250, 11211, 27017})


def _check_port(address: Address) -> None:
    if address.port not in _PORTS.values() and (address.port < 1024 or address.port in _SERVICE_PORTS):
        raise _refused(f"port {address.port} is not a port of web servers")


def _check_name(host: str) -> None:
    labels = host.split(".")
    if len(labels) < 2 or labels[-1] in _NOT_PUBLIC_NAMES:
        raise _refused(f"{host} is not the name of a public host")


def _host(written: str) -> str:
    """The host in its one form: an IP address, or labels of letters, digits, hyphen and underscore."""
    if written.startswith("["):
        try:
            return str(IPv6Address(written[1:-1]))
        except ValueError:
            raise _refused(f"{written} is not an IPv6 address") from None
    host = written.lower().removesuffix(".")
    if not host.isascii():
        try:  # strictly and without the compatibility mapping: look-alikes must not turn into digits and dots
            host = idna.encode(host, strict=True).decode("ascii")
        except idna.IDNAError:
            raise _refused("the host's name has characters that host names cannot have") from None
    labels = host.split(".")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise _refused("the host's name has characters that host names cannot have")
    if _NUMBER.fullmatch(labels[-1]) and _literal(host) is None:
        raise _refused("write the IP address as four decimal numbers")
    return host


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _rooted(target: str) -> str:
    return target if target.startswith("/") else f"/{target}"


def _refused(reason: str) -> ToolError:
    return ToolError(f"Not connected: {reason}.", ToolErrorKind.DENIED)

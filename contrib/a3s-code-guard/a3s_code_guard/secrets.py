"""What secrets and personal data look like: finders of spans, most specific first.

Apart from private keys no finder looks past the end of a line, and each one's work grows with the length of the text.
"""

import re
from collections.abc import Callable, Iterator
from itertools import pairwise

from attrs import frozen

from a3s_code_guard.shell import word_set

__all__ = ["FINDERS", "MULTI_WORD", "Finder", "Span", "private_keys", "unfinished_key"]


@frozen
class Span:
    """Characters *start* to *end* of a text are a secret of the kind *label*."""

    start: int
    end: int
    label: str


@frozen
class Finder:
    """Finds one kind of secret.

    Args:
        name: For taint notes.
        label: What stands in its place.
        hints: A text without any of these words (lower case) has none; empty means "always look".
        find: Gives (start, end) of each.
    """

    name: str
    label: str
    hints: tuple[str, ...]
    find: Callable[[str], Iterator[tuple[int, int]]]

    def spans(self, text: str, lowered: str) -> Iterator[Span]:
        if not self.hints or any(hint in lowered for hint in self.hints):
            for start, end in self.find(text):
                yield Span(start, end, self.label)


# A token starts where no word character precedes, or after an escaped newline (JSON) or a colour sequence.
_START = r"(?:(?<![A-Za-z0-9_])|(?<=\\[nrt])|(?<=\x1b\[[0-9]m)|(?<=\x1b\[[0-9][0-9]m)|(?<=;[0-9]m)|(?<=;[0-9][0-9]m))"


def _regex(name: str, label: str, hints: str, *patterns: str, flags: int = 0) -> Finder:
    """A finder of the group "v" of each match, or of the whole match when the pattern has no such group."""
    compiled = [re.compile(pattern, flags) for pattern in patterns]

    def find(text: str) -> Iterator[tuple[int, int]]:
        for pattern in compiled:
            group: str | int = "v" if "v" in pattern.groupindex else 0
            for match in pattern.finditer(text):
                yield match.span(group)

    return Finder(name, label, tuple(hints.split()), find)


# --- private keys: the only secrets of several lines (RFC 7468, RFC 4880 section 6.2) ---

_HEADER = r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
_GAP = r"(?:\\[nrt]|[\s\"',|>#*])"
_HEAD_LINE = r"(?:[A-Za-z-]{2,20}: [^\n\\]{0,100}(?:\n|\\n))"
_BODY = rf"{_HEADER}(?>(?:{_GAP}|{_HEAD_LINE})*)(?>(?:[A-Za-z0-9+/]{{32,}}={{0,2}}{_GAP}*)"
_END = (
    rf"(?:(?>(?:[A-Za-z0-9+/]{{1,31}}={{0,2}}{_GAP}*)?(?:=[A-Za-z0-9+/]{{4}}{_GAP}*)?)-----END [A-Z0-9 ]{{1,50}}-----)"
)
_PRIVATE_KEY = re.compile(rf"{_BODY}+){_END}?")
_KEY_SO_FAR = re.compile(rf"{_BODY}*)")
_KEY_TAIL = re.compile(
    rf"[A-Za-z0-9+/]*={{0,2}}{_GAP}*(?:=[A-Za-z0-9+/]{{0,4}})?{_GAP}*(?:-{{1,5}}[A-Z0-9 ]{{0,60}}-{{0,5}})?"
)
_HEADERS = re.compile(_HEADER)


def private_keys(text: str) -> Iterator[tuple[int, int]]:
    """Private keys, also those whose end is cut off."""
    for match in _PRIVATE_KEY.finditer(text):
        yield match.span()


def unfinished_key(text: str) -> int | None:
    """Where the private key begins that may go on after the end of *text*; None when there is none."""
    start = None
    for match in _HEADERS.finditer(text):
        start = match.start()
    if start is None:
        return None
    so_far = _KEY_SO_FAR.match(text, start)
    assert so_far is not None  # it begins with the header just found
    rest = text[so_far.end() :]
    return start if "\n" not in rest or _KEY_TAIL.fullmatch(rest) else None


# --- tokens with a vendor's prefix; formats as the vendors document them ---

_VENDORS = (  # (what a text must hold in lower case, pattern)
    ("sk-ant-", r"sk-ant-[A-Za-z0-9_-]{20,}"),
    ("sk-", r"sk-(?:proj|svcacct|admin|or-v1|None|lf)-[A-Za-z0-9_-]{20,}|sk-[A-Za-z0-9]{20,}"),
    ("pk-", r"pk-[A-Za-z0-9]{20,}"),
    ("k_", r"[srp]k_(?:live|test|prod)_[A-Za-z0-9]{16,}"),
    ("whsec_", r"whsec_[A-Za-z0-9+/]{20,}={0,2}"),
    ("gl", r"gl(?:pat|ptt|dt|rt|cbt|ft|soat|agent|imt)-[A-Za-z0-9_-]{20,}"),
    ("xox", r"xox[abeoprs](?:\.xox[bp])?-[A-Za-z0-9-]{10,}"),
    ("xapp-", r"xapp-[0-9]-[A-Za-z0-9-]{20,}"),
    ("aiza", r"AIza[A-Za-z0-9_-]{35}"),
    ("ya29.", r"ya29\.[A-Za-z0-9_-]{20,}"),
    ("gocspx-", r"GOCSPX-[A-Za-z0-9_-]{20,}"),
    ("sg.", r"SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{30,64}"),
    ("npm_", r"npm_[A-Za-z0-9]{36}"),
    ("pypi-", r"pypi-[A-Za-z0-9_-]{50,}"),
    ("hf_", r"hf_[A-Za-z0-9]{30,}"),
    ("do", r"do[opr]_v1_[a-f0-9]{64}"),
    ("dapi", r"dapi[a-f0-9]{32}(?:-[0-9])?"),
    ("key-", r"key-[a-f0-9]{32}"),
    ("sk", r"SK[a-f0-9]{32}"),
    ("nrak-", r"NRAK-[A-Z0-9]{27}"),
    ("pmak-", r"PMAK-[a-f0-9]{24}-[a-f0-9]{34}"),
    ("pscale_", r"pscale_(?:tkn|pw|oauth)_[A-Za-z0-9=._-]{32,}"),
    ("hv", r"hv[sbr]\.[A-Za-z0-9_-]{24,}"),
    ("dp.", r"dp\.(?:pt|st|ct|sa|scim|audit)\.[A-Za-z0-9._-]{40,}"),
    ("atatt3", r"ATATT3[A-Za-z0-9_=-]{50,}"),
    ("sq0", r"sq0[a-z]{3}-[A-Za-z0-9_-]{22,}"),
    ("xkeysib-", r"xkeysib-[a-f0-9]{64}-[A-Za-z0-9]{16}"),
    ("age-secret-key-1", r"AGE-SECRET-KEY-1[A-Z0-9]{58}"),
    ("shp", r"shp(?:at|ca|pa|ss)_[A-Fa-f0-9]{32}"),
    ("lin_", r"lin_(?:api|oauth)_[A-Za-z0-9]{30,}"),
    ("gl", r"gl(?:sa|c)_[A-Za-z0-9_=]{30,}"),
    ("dckr_", r"dckr_(?:pat|oat)_[A-Za-z0-9_-]{20,}"),
    ("tskey-", r"tskey-(?:auth|api|client)-[A-Za-z0-9-]{20,}"),
    ("sntry", r"sntry[su]_[A-Za-z0-9_=+/-]{30,}"),
    ("rubygems_", r"rubygems_[a-f0-9]{48}"),
    ("gsk_", r"gsk_[A-Za-z0-9]{40,}"),
    ("ntn_", r"ntn_[A-Za-z0-9]{40,}"),
    ("r8_", r"r8_[A-Za-z0-9]{37}"),
    ("pul-", r"pul-[a-f0-9]{40}"),
    ("sbp_", r"sbp_[a-f0-9]{40}"),
    ("figd_", r"figd_[A-Za-z0-9_-]{30,}"),
    ("nvapi-", r"nvapi-[A-Za-z0-9_-]{40,}"),
    ("pplx-", r"pplx-[A-Za-z0-9]{40,}"),
    ("xai-", r"xai-[A-Za-z0-9]{60,}"),
    ("pat", r"pat[A-Za-z0-9]{14}\.[a-f0-9]{64}"),
    ("-us", r"[a-f0-9]{32}-us[0-9]{1,2}(?![A-Za-z0-9])"),
    (":aa", r"[0-9]{8,10}:AA[A-Za-z0-9_-]{33}(?![A-Za-z0-9_-])"),
    (".", r"[MNO][A-Za-z0-9_-]{23,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,40}"),
)
_WEBHOOKS = (
    r"https://hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9_/-]{20,}",
    r"https://(?:canary\.|ptb\.)?discord(?:app)?\.com/api/webhooks/[0-9]{5,}/[A-Za-z0-9_-]{20,}",
)

# --- numbers and addresses ---

_EDGE = r"(?:(?<![A-Za-z0-9_.-])|(?<=\\[nrt])|(?<=\x1b\[[0-9]m)|(?<=\x1b\[[0-9][0-9]m))"
_SSN = rf"{_EDGE}(?!000|666|9[0-9][0-9])[0-9]{{3}}-(?!00)[0-9]{{2}}-(?!0000)[0-9]{{4}}(?![A-Za-z0-9_-]|\.[0-9])"
_CARD = re.compile(
    rf"{_EDGE}(?:[0-9]{{13,19}}|[0-9]{{4}}(?P<s>[ -])[0-9]{{4}}(?P=s)[0-9]{{4}}(?P=s)[0-9]{{1,7}}|"
    r"[0-9]{4}(?P<t>[ -])[0-9]{6}(?P=t)[0-9]{4,5})(?![A-Za-z0-9_-]|\.[0-9])"
)
# Issuer prefixes with the lengths they are issued in (ISO/IEC 7812 as published by the card networks).
_ISSUERS = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}|"
    r"3(?:0[0-5]|[689]\d)\d{11}|35(?:2[89]|[3-8]\d)\d{12}|6(?:011|4[4-9]\d|5\d\d)\d{12}(?:\d{3})?|62\d{14,17}|"
    r"(?:5018|5020|5038|5893|6304|6759|676[1-3])\d{9,15}"
)


def _luhn(digits: str) -> bool:
    doubled = (int(d) if at % 2 == 0 else sum(divmod(int(d) * 2, 10)) for at, d in enumerate(reversed(digits)))
    return sum(doubled) % 10 == 0


def _cards(text: str) -> Iterator[tuple[int, int]]:
    for match in _CARD.finditer(text):
        digits = match[0].replace(" ", "").replace("-", "")
        if _ISSUERS.fullmatch(digits) and len(set(digits)) > 1 and _luhn(digits):
            yield match.span()


_TOP_LEVEL = (
    "[A-Za-z]{2}|com|net|org|edu|gov|mil|int|info|biz|name|pro|dev|app|cloud|tech|online|site|store|shop|xyz|email|"
    "blog|digital|agency|studio|software|systems|solutions|services|company|group|team|world|global|network|academy|"
    "bank|finance|health|care|legal|media|news|press|space|today|tools|work|works|zone|live|life|club|design|example|"
    "test|invalid|mobi|museum|aero|coop|jobs|travel|asia|berlin|london|paris|tokyo|nyc|swiss|africa|museum"
)
# Not a command line's user@host:/path, git@host or scheme://user@host, nor package@1.2.3-rc.
_EMAIL = (
    r"(?:(?<![A-Za-z0-9_.%+/:-])|(?<=mailto:)|(?<=\\[nrt])|(?<=[A-Za-z:\"' ]:))(?!git@)(?:[OoDd]')?[A-Za-z0-9_]"
    rf"[A-Za-z0-9._%+-]{{0,63}}@(?![0-9]+\.[0-9])(?:[A-Za-z0-9-]{{1,63}}\.){{1,8}}(?i:{_TOP_LEVEL})"
    r"(?![A-Za-z0-9_(\[-]|\.[A-Za-z0-9]|:[/~])"
)

# --- secrets that only their place gives away ---

_PLACEHOLDERS = word_set(
    "password passwd pass pwd secret user username root admin postgres mysql guest test example changeme redis token "
    "pw dbpass dbpassword mypassword foobar"
)
_WORDS = re.compile(r"(?:[A-Z]?[a-z]+|[A-Z]+)*[0-9]{0,4}")
_CHUNKS = re.compile(r"[^-_./:=+@,~]+")
_PLACE_WORDS = re.compile(r"x{6,}|\*{3,}|\.{3}|your|example|redacted|placeholder|changeme|dummy", re.IGNORECASE)


def _looks_random(value: str) -> bool:
    """Whether a value is rather a secret than words, a name or a number."""
    return not _PLACE_WORDS.search(value) and any(map(_is_random, _CHUNKS.findall(value)))


def _is_random(chunk: str) -> bool:
    if len(chunk) < 8 or (_WORDS.fullmatch(chunk) and _changes(chunk) < 0.25 * len(chunk)):
        return False
    kinds = set(map(_kind, chunk))
    return len(kinds) >= 3 or (len(kinds) == 2 and _changes(chunk) >= max(3, 0.2 * len(chunk)))


def _kind(char: str) -> str:
    return "a" if char.islower() else "A" if char.isupper() else "0" if char.isdigit() else "#"


def _changes(chunk: str) -> int:
    """How often the kind of character changes; a capital before a small letter is how words begin."""
    kinds = [_kind(char) for char in chunk]
    return sum(a != b and (a, b) != ("A", "a") for a, b in pairwise(kinds))


_NAME = (
    r"(?:pass(?:word|wd|phrase|code)|pwd|secret|token|credentials?|_auth|"
    r"(?:api|access|secret|private|encryption|signing|account|storage|master|shared|auth|service|subscription|client|"
    r"webhook|license|app|hmac|aes|crypt)[_-]?key)"
)
_TYPED = r":[ \t]{0,2}(?:str|String|string|SecretStr|&str)[ \t]{0,4}="
_OPERATOR = rf"\\?[\"']?\]?[ \t]{{0,8}}(?:{_TYPED}|=>|:=|==?=?|:|,(?=[ \t]?[\"']))[ \t]{{0,8}}"
_ASSIGNED = re.compile(
    rf"(?i:{_NAME}){_OPERATOR}(?:\\?\"(?P<d>[^\"\s\\]{{8,400}})\\?\"|\\?'(?P<q>[^'\s\\]{{8,400}})\\?'|"
    r"(?P<b>[^\s\"'`,;&<>(){}\[\]|$\\]{8,400}+)(?=[\s\"'`,;&<)}\]|]|\Z))"
)
_SPOKEN = re.compile(rf"(?i:{_NAME})[ \t]{{1,4}}[\"']?(?P<v>[^\s\"'`,;<>(){{}}\[\]|$\\]{{12,400}}+)")
_XML = re.compile(rf"(?i:<[A-Za-z0-9_.-]{{0,40}}?{_NAME}>)(?P<v>[^\s<>]{{8,400}})(?=</)")
_HEADERS_LINE = re.compile(
    r"(?i:authorization)[\"']?[ \t]{0,2}[:=][ \t]{0,2}[\"']?"
    r"(?i:basic|bearer|token|apikey|digest)[ \t]{1,4}(?P<v>[A-Za-z0-9._~+/=-]{8,})"
    r"|\b[Bb]earer[ \t]{1,4}(?P<w>[A-Za-z0-9._~+/=-]{16,})"
)
_COOKIES = re.compile(r"(?i:cookie)[\"']?[ \t]{0,2}:([^\n]{0,4096})")
_COOKIE = re.compile(r"[^=;\s]{1,64}=(?P<v>[^;\s\"']{16,})")
_COMMANDS = (
    re.compile(
        r"\b(?:curl|wget|http|https)\b[^\n|;]{0,300}?[ \t](?:-u|--user|-a|--auth)"
        r"[ =]?[\"']?[^\s:\"']{1,64}:(?P<v>[^\s\"']{6,})"
    ),
    re.compile(r"\b(?:mysql|mysqldump|mysqladmin|mariadb)\b[^\n|;]{0,300}?[ \t]-p[\"']?(?P<v>[^\s\"']{6,})"),
    re.compile(
        r"\b(?:login|sshpass|ldapsearch|smbclient)\b[^\n|;]{0,300}?[ \t](?:-p|-w)[ =]?[\"']?(?P<v>[^\s\"']{6,})"
    ),
)
_CONNECTION = re.compile(r"://(?P<u>[^\s/:@\"'<>]{0,64}):(?P<v>[^\s/@\"'<>${}\[\]]{3,200})@(?=[A-Za-z0-9\[_.-])")


def _assigned(text: str) -> Iterator[tuple[int, int]]:
    for match in _ASSIGNED.finditer(text):
        group = match.lastgroup
        if group and _looks_random(match[group]):
            yield match.span(group)
    for pattern in (_SPOKEN, _XML):
        for match in pattern.finditer(text):
            if _looks_random(match["v"]):
                yield match.span("v")


def _header_values(text: str) -> Iterator[tuple[int, int]]:
    for match in _HEADERS_LINE.finditer(text):
        group = match.lastgroup
        if group and (_looks_random(match[group]) or match[group].endswith("=")):
            yield match.span(group)
    for line in _COOKIES.finditer(text):
        for match in _COOKIE.finditer(text, *line.span(1)):
            if _looks_random(match["v"]):
                yield match.span("v")


def _command_lines(text: str) -> Iterator[tuple[int, int]]:
    for pattern in _COMMANDS:
        for match in pattern.finditer(text):
            if _looks_random(match["v"]):
                yield match.span("v")


def _connections(text: str) -> Iterator[tuple[int, int]]:
    for match in _CONNECTION.finditer(text):
        value = match["v"]
        if value.lower() not in _PLACEHOLDERS and value != match["u"] and not _PLACE_WORDS.search(value):
            yield match.span("v")


FINDERS = (
    Finder("private_key", "PRIVATE_KEY", ("private key",), private_keys),
    _regex("jwt", "JWT", "eyj", rf"{_START}eyJ[A-Za-z0-9_-]{{8,}}+\.eyJ[A-Za-z0-9_-]{{8,}}+\.[A-Za-z0-9_-]{{10,}}"),
    _regex(
        "github_token",
        "GITHUB_TOKEN",
        "ghp_ gho_ ghu_ ghs_ ghr_ github_pat_",
        rf"{_START}(?:gh[opusr]_[A-Za-z0-9]{{36,}}|github_pat_[A-Za-z0-9_]{{50,}})",
    ),
    _regex(
        "aws_key", "AWS_KEY", "akia asia abia acca", rf"{_START}(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{{16}}(?![A-Za-z0-9])"
    ),
    _regex("api_key", "API_KEY", "https://", *_WEBHOOKS),
    *(_regex("api_key", "API_KEY", hint, rf"{_START}(?:{pattern})") for hint, pattern in _VENDORS),
    Finder("connection_password", "PASSWORD", ("://",), _connections),
    Finder("header", "SECRET", ("authorization", "bearer", "cookie"), _header_values),
    Finder("assigned", "SECRET", ("pass", "pwd", "secret", "token", "credential", "_auth", "key"), _assigned),
    Finder(
        "command_line",
        "SECRET",
        ("curl", "wget", "http", "mysql", "mariadb", "login", "sshpass", "ldap", "smb"),
        _command_lines,
    ),
    _regex("ssn", "SSN", "-", _SSN),
    Finder("credit_card", "CC", (), _cards),
    _regex("email", "EMAIL", "@", _EMAIL),
)

MULTI_WORD = re.compile(
    r"pass|pwd|secret|token|cred|auth|key|bearer|cookie|curl|wget|http|mysql|mariadb|login|ldap|smb|-----",
    re.IGNORECASE,
)
"""A line without these has no secret that goes on after a blank, apart from a card number."""

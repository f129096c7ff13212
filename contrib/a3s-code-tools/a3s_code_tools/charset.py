"""The text of a body from the web: byte order mark, then what the server says, then what the page says, then a look.

The order and the meaning of names: https://encoding.spec.whatwg.org and https://html.spec.whatwg.org (prescan).
"""

import codecs
import re

__all__ = ["decoded"]

_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_IN_PAGE = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([\w.:-]{1,40})""", re.IGNORECASE)
_IN_XML = re.compile(rb"""^\s*<\?xml[^>]{0,200}?encoding\s*=\s*["']([\w.:-]{1,40})["']""", re.IGNORECASE)
_PRESCAN_BYTES = 1024
_DETECTION_BYTES = 65_536

# Only these: codecs such as punycode, idna or unicode_escape are no charsets and take quadratic time or worse.
_ENCODINGS = {
    "ascii": "cp1252",
    "utf-8": "utf-8",
    "utf-8-sig": "utf-8",
    "utf-16": "utf-16-le",
    "utf-16-le": "utf-16-le",
    "utf-16-be": "utf-16-be",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "gb18030": "gb18030",
    "big5": "big5hkscs",
    "big5hkscs": "big5hkscs",
    "euc_jp": "euc_jp",
    "iso2022_jp": "iso2022_jp",
    "shift_jis": "cp932",
    "cp932": "cp932",
    "euc_kr": "cp949",
    "cp949": "cp949",
    "koi8-r": "koi8-r",
    "koi8-u": "koi8-u",
    "mac-roman": "mac-roman",
    "mac-cyrillic": "mac-cyrillic",
    "cp866": "cp866",
    "cp874": "cp874",
    **{f"cp{number}": f"cp{number}" for number in range(1250, 1259)},
    **{f"iso8859-{number}": f"iso8859-{number}" for number in (2, 3, 4, 5, 6, 7, 8, 10, 13, 14, 15, 16)},
}


def decoded(body: bytes, declared: str = "") -> str:
    """The text of *body*; bytes that its charset does not have become U+FFFD.

    Args:
        body: The bytes, complete.
        declared: The charset of the Content-Type header, "" for none.
    """
    for mark, marked in _MARKS:
        if body.startswith(mark):
            return body[len(mark) :].decode(marked, "replace")
    encoding = _known(declared) or _of_page(body)
    if encoding is not None:
        return body.decode(encoding, "replace")
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return body.decode(_detected(body), "replace")


def _of_page(body: bytes) -> str | None:
    start = body[:_PRESCAN_BYTES]
    match = _IN_XML.search(start) or _IN_PAGE.search(start)
    encoding = _known(match[1].decode("ascii")) if match else None
    # what could be read as ASCII is not UTF-16, whatever it says
    return "utf-8" if encoding and encoding.startswith("utf-16") else encoding


def _known(name: str) -> str | None:
    try:
        return _ENCODINGS.get(codecs.lookup(name.strip(" \"'")).name)
    except (LookupError, ValueError):
        return None


def _detected(body: bytes) -> str:
    """What the bytes look like; else what browsers take for pages that say nothing."""
    import chardet

    found = chardet.detect(body[:_DETECTION_BYTES])["encoding"]
    return (found and _known(found)) or "cp1252"

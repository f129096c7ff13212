r"""The journal's format, version 1, and how a damaged one is judged.

    a3s-code journal 1\n
    <crc> <seq> <synced> <length> <payload>\n
    ...

- `crc`: CRC-32 (ISO-HDLC, as zlib computes it) of everything after its space and before the line end, 8 hex digits.
- `seq`: number of the record, from 1 without gaps.
- `synced`: seq of the last record that was known to be on disk when this one was written.
- `length`: bytes of the payload. A payload holds no line end.

A crash leaves a prefix, possibly followed by an unfinished line or garbage: this end is *torn* and is cut. A power loss
may also lose single sectors of what was not yet synced; they read as zeros. So damage with a whole record after it
is a torn end only if a sector was lost and no later record says that the damaged one was synced. Any other is an error.
"""

import re
from array import array
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import BinaryIO
from zlib import crc32

from attrs import frozen

from a3s_code.plugin import SessionError

__all__ = ["HEADER", "Layout", "Line", "decode", "encode", "scan"]

HEADER = b"a3s-code journal 1\n"
_ANY_HEADER = re.compile(rb"a3s-code journal ([1-9][0-9]{0,5})\n")
_FIELDS = re.compile(rb"[0-9a-f]{8} ([0-9]{1,19}) ([0-9]{1,19}) ([0-9]{1,19}) ")
_SECTOR = 512


@frozen
class Line:
    """One record as it stands in the journal."""

    seq: int
    synced: int
    payload: bytes


@frozen(kw_only=True)
class Layout:
    """Where the records of a journal are.

    Args:
        starts: Offset of each record in bytes, the first is record 1.
        end: Offset after the last whole record; 0 when even the header is torn.
        size: Bytes of the file; what lies between *end* and *size* is torn.
    """

    starts: Sequence[int]
    end: int
    size: int


def encode(payload: bytes, seq: int, synced: int) -> bytes:
    """The line of a record. Raises ValueError when the payload holds a line end."""
    if b"\n" in payload:
        raise ValueError("a record of the journal must not hold a line end")
    body = b"%d %d %d %b" % (seq, synced, len(payload), payload)
    return b"%08x %b\n" % (crc32(body), body)


def decode(line: bytes) -> Line | None:
    """The record of a whole line including its line end; None when it is damaged."""
    fields = _FIELDS.match(line)
    if fields is None or line[:8] != b"%08x" % crc32(memoryview(line)[9:-1]):
        return None
    seq, synced, length = (int(field) for field in fields.groups())
    if len(line) != fields.end() + length + 1 or not line.endswith(b"\n"):
        return None
    return Line(seq, synced, line[fields.end() : -1])


def scan(file: BinaryIO, path: object) -> Layout:
    """Checks every record.

    Args:
        file: The journal, at its beginning.
        path: Its name for messages.

    Raises:
        SessionError: It is no journal, is of a newer version, or is damaged before its end.
    """
    header = file.readline(64)
    if header != HEADER:
        _check_header(header, path)
        return Layout(starts=array("Q"), end=0, size=len(header))
    starts, end = array("Q"), len(HEADER)
    for line in file:
        record = decode(line)
        if record is None or record.seq != len(starts) + 1:
            _check_torn(file, path, offset=end, seq=len(starts) + 1)
            break
        starts.append(end)
        end += len(line)
    return Layout(starts=starts, end=end, size=file.seek(0, 2))


def _check_header(header: bytes, path: object) -> None:
    if HEADER.startswith(header):
        return
    newer = _ANY_HEADER.fullmatch(header)
    if newer:
        raise SessionError(
            f"{path} has journal format {newer[1].decode()}, this version reads format 1; upgrade a3s-code-storage"
        )
    raise SessionError(f"{path} does not begin like a journal of a3s-code; restore it from a backup")


def _check_torn(file: BinaryIO, path: object, *, offset: int, seq: int) -> None:
    """Passes when all from *offset* on may be what a crash left of records that were not synced."""
    file.seek(offset)
    damaged = file.readline()
    # what a lost sector held up to its end reads as zeros, its line end too: so the line goes on behind the sector
    is_lost_sector = decode(damaged) is None and 0 in damaged[_SECTOR - 1 - offset % _SECTOR :: _SECTOR]
    for line in chain([damaged], file):
        for record in _whole_records(line):
            if record.seq >= seq and (record.synced >= seq or not is_lost_sector):
                raise SessionError(
                    f"{path} is damaged at record {seq} (byte {offset}), and whole records follow it; nothing was "
                    "changed. Restore the file from a backup; or copy it and then give up this record and all that "
                    f"follow with: truncate -s {offset} {path}"
                )


def _whole_records(line: bytes) -> Iterator[Line]:
    """The record of *line*, or the one behind a payload whose line end was lost."""
    fields = _FIELDS.match(line)
    rest = line[fields.end() + int(fields[3]) + 1 :] if fields else b""
    yield from (record for record in (decode(line), decode(rest)) if record is not None)

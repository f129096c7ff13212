"""The journal's format: what a crash leaves is cut, what is damaged is named."""

import io
from collections.abc import Sequence

import pytest
from a3s_code_storage.journal_format import HEADER, decode, encode, scan
from hypothesis import given, settings
from hypothesis import strategies as st

from a3s_code.plugin import SessionError

payloads = st.binary(max_size=40).map(lambda payload: payload.replace(b"\n", b""))
journals = st.lists(payloads, min_size=1, max_size=6)


def build(records: Sequence[bytes], synced: Sequence[int] | None = None) -> bytes:
    lines = [
        encode(payload, seq, synced[seq - 1] if synced else seq - 1) for seq, payload in enumerate(records, start=1)
    ]
    return HEADER + b"".join(lines)


def payloads_of(content: bytes) -> list[bytes]:
    layout = scan(io.BytesIO(content), "journal")
    ends = [*layout.starts[1:], layout.end]
    lines = [decode(content[start:end]) for start, end in zip(layout.starts, ends, strict=False)]
    return [line.payload for line in lines if line is not None]


@given(journals)
def test_what_was_written_is_read(records: list[bytes]) -> None:
    assert payloads_of(build(records)) == records


@settings(deadline=None)
@given(journals)
def test_any_prefix_gives_every_record_that_is_whole_in_it(records: list[bytes]) -> None:
    content = build(records)
    ends = [len(build(records[:count])) for count in range(1, len(records) + 1)]
    for cut in range(len(content) + 1):
        whole = sum(end <= cut for end in ends)
        assert payloads_of(content[:cut]) == records[:whole]


@settings(deadline=None)
@given(journals, st.binary(min_size=1, max_size=200), st.data())
def test_garbage_behind_any_prefix_of_records_is_cut(records: list[bytes], garbage: bytes, data: st.DataObject) -> None:
    content = build(records)
    cut = data.draw(st.integers(len(HEADER), len(content)))
    whole = sum(len(build(records[:count])) <= cut for count in range(1, len(records) + 1))
    if not (content[:cut] + garbage).startswith(content[: cut + 1]):  # else the garbage begins like the record
        assert payloads_of(content[:cut] + garbage) == records[:whole]


@settings(deadline=None, max_examples=40)
@given(st.lists(payloads, min_size=2, max_size=4), st.integers(1, 255))
def test_a_flipped_byte_before_the_last_record_is_an_error(records: list[bytes], flip: int) -> None:
    content = build(records)
    last = len(build(records[:-1]))
    for position in range(last):
        damaged = bytearray(content)
        damaged[position] ^= flip
        with pytest.raises(SessionError):
            scan(io.BytesIO(damaged), "journal")


@given(st.lists(payloads, min_size=3, max_size=5), st.data())
def test_a_missing_record_is_an_error(records: list[bytes], data: st.DataObject) -> None:
    lost = data.draw(st.integers(1, len(records) - 1))
    content = build(records)
    start, end = len(build(records[: lost - 1])), len(build(records[:lost]))
    with pytest.raises(SessionError):
        scan(io.BytesIO(content[:start] + content[end:]), "journal")


def test_the_error_names_file_record_and_cure() -> None:
    content = build([b"one", b"two", b"three"]).replace(b"two", b"tWo")
    with pytest.raises(SessionError, match=r"the-file is damaged at record 2 \(byte 38\).*truncate -s 38 the-file"):
        scan(io.BytesIO(content), "the-file")


@settings(deadline=None, max_examples=300)
@given(st.lists(st.tuples(st.integers(0, 1500), st.booleans()), min_size=1, max_size=8), st.data())
def test_after_a_power_loss_everything_synced_is_there(appends: list[tuple[int, bool]], data: st.DataObject) -> None:
    """Model of the disk: what was synced stays; behind it any sectors may be lost, and the file may be shorter."""
    records, synced, content, kept = [], 0, HEADER, len(HEADER)
    for seq, (size, durable) in enumerate(appends, start=1):
        records.append(b"%d" % seq * size)
        content += encode(records[-1], seq, synced)
        if durable:
            synced, kept = seq, len(content)
    disk = bytearray(content)
    for start in range(kept - kept % 512, len(content), 512):
        if data.draw(st.booleans()):
            first, last = max(start, kept), min(start + 512, len(content))
            disk[first:last] = bytes(last - first)
    found = payloads_of(bytes(disk[: data.draw(st.integers(kept, len(content)))]))
    assert len(found) >= synced
    assert found == records[: len(found)]


def test_sectors_lost_by_a_power_failure_end_the_journal_when_nothing_says_they_were_synced() -> None:
    records = [b"a", b"b" * 3000, b"c"]
    content = build(records, synced=[0, 1, 1]).replace(b"b" * 3000, b"b" * 1000 + bytes(1024) + b"b" * 976)
    assert payloads_of(content) == [b"a"]


def test_a_sector_that_was_synced_in_part_may_lose_its_other_part() -> None:
    content = build([b"a" * 400, b"b" * 200, b"c"], synced=[0, 1, 1])
    kept = len(build([b"a" * 400]))
    lost = content[:kept] + bytes(512 - kept) + content[512:]
    assert payloads_of(lost) == [b"a" * 400]


def test_zeros_in_a_record_that_was_synced_are_damage() -> None:
    records = [b"a", b"b" * 3000, b"c"]
    content = build(records, synced=[0, 1, 2]).replace(b"b" * 3000, b"b" * 1000 + bytes(1024) + b"b" * 976)
    with pytest.raises(SessionError, match="record 2"):
        scan(io.BytesIO(content), "journal")


def test_a_newer_format_is_refused_by_name() -> None:
    with pytest.raises(SessionError, match=r"format 2.*upgrade"):
        scan(io.BytesIO(b"a3s-code journal 2\n????"), "journal")


@pytest.mark.parametrize("content", [b"hello\n", b"a3s-code journal 1 \n", b"\x00" * 100])
def test_what_is_no_journal_is_refused(content: bytes) -> None:
    with pytest.raises(SessionError, match="does not begin like a journal"):
        scan(io.BytesIO(content), "journal")


def test_a_record_with_a_line_end_is_refused() -> None:
    with pytest.raises(ValueError, match="line end"):
        encode(b"a\nb", 1, 0)


def test_the_bytes_of_version_1_stay_as_they_are() -> None:
    assert build([b'{"a":1}', b""]) == b'a3s-code journal 1\nd2cc5d80 1 0 7 {"a":1}\nad43e71e 2 1 0 \n'

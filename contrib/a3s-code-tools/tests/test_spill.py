"""The kept output gives back every byte it has, and says what it has not."""

import errno
import os

import pytest
from a3s_code_tools.spill import Spill
from hypothesis import given, settings
from hypothesis import strategies as st


def filled(*pieces: str, limit: int = 40) -> Spill:
    spill = Spill(limit)
    for piece in pieces:
        spill.add(piece)
    return spill


@given(
    pieces=st.lists(st.text(alphabet="abc\n\r", max_size=30), max_size=12),
    offset=st.integers(0, 200),
    limit=st.integers(4, 60),
)
@settings(max_examples=400, deadline=None)
def test_a_page_is_a_part_of_the_whole(pieces: list[str], offset: int, limit: int):
    whole, spill = "".join(pieces), filled(*pieces)
    page = spill.page(offset, limit)
    assert whole[page.start : page.end] == page.text
    assert page.end - page.start <= limit
    spill.close()


@given(pieces=st.lists(st.text(alphabet="aé日😀", max_size=20), max_size=12), limit=st.integers(4, 30))
@settings(max_examples=400, deadline=None)
def test_the_pages_together_are_all_that_is_kept(pieces: list[str], limit: int):
    whole, spill = "".join(pieces).encode(), filled(*pieces)
    got, position = [], 0
    while position < spill.size:
        page = spill.page(position, limit)
        assert page.end > position
        got.append(page)
        position = page.end
    first_lost, kept_again = spill.gap
    assert kept_again - first_lost == max(len(whole) - 40, 0)
    if kept_again == first_lost:
        assert "".join(page.text for page in got) == whole.decode()
        assert all("\ufffd" not in page.text for page in got)
    spill.close()


def test_beyond_the_limit_both_ends_are_kept():
    spill = filled("".join(f"{n:03}|" for n in range(100)))
    assert spill.page(0, 1000).text == "".join(f"{n:03}|" for n in range(7)) + "007|"[:2]
    assert spill.gap == (30, 390)
    page = spill.page(30, 1000)
    assert (page.start, page.text) == (390, "7|098|099|")
    spill.close()


def test_a_negative_offset_counts_from_the_end():
    spill = filled("abcdef")
    assert spill.page(-2, 100).text == "ef"
    assert spill.page(-20, 100).text == "abcdef"
    spill.close()


def test_nothing_said_is_no_page():
    assert filled().page(0, 10).text == ""
    assert filled("").page(5, 10).end == 0


def test_a_full_disk_loses_the_rest_and_says_so(monkeypatch: pytest.MonkeyPatch):
    spill = filled("abc")

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(os, "pwrite", full)
    spill.add("defg")
    spill.add("hij")
    assert (spill.size, spill.gap) == (10, (3, 10))
    assert spill.page(0, 100).text == "abc"
    assert spill.page(3, 100).start == 10
    spill.close()


def test_a_closed_one_only_counts():
    spill = filled("abc")
    spill.close()
    spill.add("def")
    assert (spill.size, spill.page(0, 100).text) == (6, "")

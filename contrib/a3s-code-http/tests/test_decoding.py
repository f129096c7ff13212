"""Bodies are decoded as they came, and never more than a piece at a time."""

import gzip
import zlib
from itertools import pairwise

import pytest
from a3s_code_http.decoding import PIECE_BYTES, Decoder
from hypothesis import given
from hypothesis import strategies as st


def raw_deflate(content: bytes) -> bytes:
    squeeze = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return squeeze.compress(content) + squeeze.flush()


CODINGS = {
    "": ("", bytes),
    "identity": ("identity", bytes),
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("X-Gzip", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "raw deflate": ("deflate", raw_deflate),
}


@given(
    st.sampled_from(sorted(CODINGS)),
    st.binary(max_size=300),
    st.integers(1, 1000),
    st.lists(st.integers(0, 600), max_size=8),
)
def test_any_cut_gives_the_body(name: str, seed: bytes, times: int, cuts: list[int]):
    header, encode = CODINGS[name]
    body = seed * times
    sent = encode(body)
    places = sorted({0, len(sent), *(cut for cut in cuts if cut < len(sent))})
    decoder = Decoder(header)
    pieces = [piece for start, stop in pairwise(places) for piece in decoder.feed(sent[start:stop])]
    assert b"".join(pieces) == body
    assert all(0 < len(piece) <= PIECE_BYTES for piece in pieces)


def test_what_follows_the_end_is_dropped():
    decoder = Decoder("gzip")
    assert b"".join(decoder.feed(gzip.compress(b"body") + b"rest")) == b"body"
    assert list(decoder.feed(b"more")) == []


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip", "compress"])
def test_a_coding_that_was_not_asked_for_is_refused(coding: str):
    with pytest.raises(ValueError, match=coding):
        Decoder(coding)


def test_bytes_of_another_format_are_an_error():
    with pytest.raises(zlib.error):
        list(Decoder("gzip").feed(b"plain text"))

"""Events are the same however the bytes were cut."""

from itertools import pairwise

from a3s_code_http.sse import SseDecoder, SseEvent
from hypothesis import given
from hypothesis import strategies as st

ENDS = st.sampled_from(["\n", "\r", "\r\n"])
TEXT = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=8)
LINE = st.one_of(
    TEXT.map("data: {}".format), TEXT.map("data:{}".format), TEXT.map("event: {}".format), TEXT.map(": {}".format)
)


def decoded(*chunks: bytes) -> list[SseEvent]:
    decoder = SseDecoder()
    events = [event for chunk in chunks for event in decoder.feed(chunk)]
    return events + decoder.close()


@given(st.lists(st.lists(LINE, min_size=1, max_size=4), max_size=5), ENDS, st.lists(st.integers(0, 400), max_size=12))
def test_any_cut_gives_the_same_events(frames: list[list[str]], end: str, cuts: list[int]):
    stream = "".join("".join(line + end for line in frame) + end for frame in frames).encode()
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    chunks = [stream[start:stop] for start, stop in pairwise(places)]
    assert decoded(*chunks) == decoded(stream) == decoded(*(bytes([byte]) for byte in stream))


def test_a_blank_after_the_colon_is_optional():
    assert decoded(b"data:a\n\ndata: b\n\ndata:  c\n\n") == [SseEvent("message", text) for text in ("a", "b", " c")]


def test_lines_of_data_are_joined_and_comments_skipped():
    assert decoded(b"\xef\xbb\xbfevent: x\r\n: note\r\ndata: a\r\ndata: b\r\nid: 1\r\n\r\n") == [SseEvent("x", "a\nb")]


def test_a_frame_without_its_blank_line_is_dropped():
    assert decoded(b"data: a\n\ndata: b\n") == [SseEvent("message", "a")]


def test_an_event_comes_with_its_last_byte():
    decoder = SseDecoder()
    assert decoder.feed(b"data: a\n") == []
    assert decoder.feed(b"\n") == [SseEvent("message", "a")]


def test_a_frame_without_data_is_no_event():
    assert decoded(b"event: x\n\n: ping\n\n") == []

"""The chunked coding: content, end and refusals, however the bytes are cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talaria.adapters.http1.body_framing import EXTENSIONS_LIMIT, LINE_LIMIT, TRAILERS_LIMIT, ChunkedReader
from talaria.adapters.http1.errors import RemoteProtocolError
from tests.support_rows import each_row
from tests.unit.adapters.http1.support_http1 import cut

REFUSED = {
    "no size": b"\r\n",
    "a sign": b"+5\r\nhello\r\n",
    "0x": b"0x5\r\nhello\r\n",
    "an underscore": b"1_0\r\n",
    "a leading space": b" 5\r\nhello\r\n",
    "not hexadecimal": b"g\r\n",
    "a huge size": b"1" * 16 + b"\r\n",
    "bare LF after the size": b"5\nhello\r\n0\r\n\r\n",
    "bare CR in the size": b"5\rx\r\n",
    "no line end after the content": b"5\r\nhelloX\r\n",
    "bare LF after the content": b"5\r\nhello\n0\r\n\r\n",
    "NUL in an extension": b"5;a=\0\r\n",
    "an extension without a semicolon": b"5 a\r\n",
    "a long line": b"5;" + b"a" * LINE_LIMIT + b"\r\n",
    "many extensions": (b"1;" + b"a" * 1000 + b"\r\nx\r\n") * (EXTENSIONS_LIMIT // 1000 + 1),
    "a trailer without a colon": b"0\r\nabc\r\n\r\n",
    "a folded trailer": b"0\r\na: b\r\n c\r\n\r\n",
    "bare LF in a trailer": b"0\r\na: b\nc: d\r\n\r\n",
    "many trailers": b"0\r\n" + b"a: b\r\n" * (TRAILERS_LIMIT // 6 + 1),
}


@each_row("name", REFUSED)
@each_row("step", [1, 7, 1 << 20])
def test_refused(name: str, step: int) -> None:
    raw = REFUSED[name]
    decoder = ChunkedReader()
    pieces = cut(raw, list(range(0, len(raw), step)))
    with pytest.raises(RemoteProtocolError):
        [decoder.feed(piece) for piece in pieces]


@pytest.mark.parametrize("begun", [b"g", b"5\n", b"5\r\nhelloX", b"1" * 16, b"5;" + b"a" * LINE_LIMIT])
def test_what_can_not_become_a_chunk_is_refused_before_its_line_ends(begun: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        ChunkedReader().feed(begun)


@given(
    st.lists(st.binary(min_size=1, max_size=40), max_size=6),
    st.sampled_from([b"", b";a=b", b" ;q", b'; n="v w"']),
    st.sampled_from([b"", b"x-sum: 1\r\n", b"a:\r\nb: c\r\n"]),
    st.sampled_from([b"", b"H", b"\r\n", b"HTTP/1.1 200 OK\r\n\r\n"]),
    st.lists(st.integers(0, 500), max_size=8),
)
def test_the_content_and_the_end_do_not_depend_on_the_cuts(
    chunks: list[bytes], extension: bytes, trailers: bytes, after: bytes, at: list[int]
) -> None:
    raw = b"".join(b"%X%b\r\n%b\r\n" % (len(chunk), extension, chunk) for chunk in chunks) + b"000\r\n" + trailers
    decoder = ChunkedReader()
    pieces = cut(raw + b"\r\n", at)
    content = b"".join(decoder.feed(piece) for piece in pieces[:-1])
    assert not decoder.done
    content += decoder.feed(pieces[-1] + after)
    assert (content, decoder.done, decoder.surplus) == (b"".join(chunks), True, bool(after))


def test_a_chunk_is_given_on_before_it_is_complete() -> None:
    assert ChunkedReader().feed(b"ff\r\nabc") == b"abc"


_PIECES = st.sampled_from(
    [b"5\r\nhello\r\n", b"0\r\n", b"\r\n", b"a: b\r\n", b"5", b";x", b"\n", b"\r", b"zz", b" ", b"+", b"\0"]
)


@given(st.lists(_PIECES | st.binary(max_size=4), max_size=12), st.lists(st.integers(0, 60), max_size=4))
def test_whatever_arrives_is_decoded_or_refused_alike_however_it_is_cut(pieces: list[bytes], at: list[int]) -> None:
    raw = b"".join(pieces)
    assert _decoded([raw]) == _decoded(cut(raw, at)) == _decoded([bytes([byte]) for byte in raw])


def _decoded(pieces: list[bytes]) -> tuple[bytes, bool, bool] | str:
    """The content, whether it is done and has a surplus; or "refused", whatever came before."""
    decoder = ChunkedReader()
    content = b""
    for piece in pieces:
        try:
            content += decoder.feed(piece)
        except RemoteProtocolError:
            return "refused"
        if decoder.done:
            return content, True, False
    return content, False, False

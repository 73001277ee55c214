"""Heads of requests, byte by byte."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talaria.adapters.http1.errors import LocalProtocolError
from talaria.adapters.http1.upstream import serialize_head
from talaria.domain.http import Headers, UpstreamRequest


class _Body:
    def __aiter__(self) -> "_Body":
        return self

    async def __anext__(self) -> bytes:
        raise StopAsyncIteration


def _head(
    method: str = "GET",
    target: bytes = b"/a?b=%20",
    headers: Headers | None = None,
    *,
    body: bool = False,
    length: int | None = None,
) -> bytes:
    sent = UpstreamRequest(method, target, headers or [], _Body() if body else None, length, 1.0, 1.0)
    return serialize_head(sent, b"host: up:81")


def test_no_body_has_no_framing() -> None:
    headers = [(b"b", b"1"), (b"a", b"2"), (b"b", b"3")]
    assert _head(headers=headers) == b"GET /a?b=%20 HTTP/1.1\r\nhost: up:81\r\nb: 1\r\na: 2\r\nb: 3\r\n\r\n"


def test_no_headers() -> None:
    assert _head() == b"GET /a?b=%20 HTTP/1.1\r\nhost: up:81\r\n\r\n"


def test_an_empty_body_says_so() -> None:
    assert _head("POST", length=0).endswith(b"\r\ncontent-length: 0\r\n\r\n")


def test_a_body_of_known_length() -> None:
    assert _head("POST", body=True, length=12).endswith(b"\r\ncontent-length: 12\r\n\r\n")


def test_a_body_of_unknown_length_is_chunked() -> None:
    assert _head("PATCH", body=True).endswith(b"\r\ntransfer-encoding: chunked\r\n\r\n")


def test_an_unusual_method() -> None:
    assert _head("PROPFIND").startswith(b"PROPFIND /a?b=%20 HTTP/1.1\r\n")


@pytest.mark.parametrize("bad", [b"a\r\nx: y", b"a\nx: y", b"a\rx: y", b"\r", b"\n"])
def test_a_line_break_is_never_sent(bad: bytes) -> None:
    with pytest.raises(LocalProtocolError, match="line break"):
        _head(headers=[(b"a", bad)])
    with pytest.raises(LocalProtocolError, match="line break"):
        _head(headers=[(bad, b"a")])
    with pytest.raises(LocalProtocolError, match="line break"):
        _head(target=b"/" + bad)


def test_a_target_with_a_space_is_never_sent() -> None:
    with pytest.raises(LocalProtocolError, match="line break"):
        _head(target=b"/a b")


def test_the_headers_of_the_caller_are_left_alone() -> None:
    headers = [(b"a", b"b")]
    _head("POST", headers=headers, length=0)
    assert headers == [(b"a", b"b")]


_BYTES = st.binary(max_size=12) | st.sampled_from([b"a", b"a\r\nb: c", b"/a HTTP/1.1\r\nx: y", b"\n", b" "])


@given(_BYTES.map(lambda path: b"/" + path), st.lists(st.tuples(_BYTES, _BYTES), max_size=4))
def test_what_is_sent_has_as_many_lines_as_it_should(target: bytes, headers: Headers) -> None:
    try:
        head = _head(target=target, headers=headers)
    except LocalProtocolError:
        return
    lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    assert lines == [b"GET " + target + b" HTTP/1.1", b"host: up:81", *(b": ".join(header) for header in headers)]
    assert head.count(b"\n") == head.count(b"\r") == len(headers) + 3

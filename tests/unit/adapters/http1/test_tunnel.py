"""What a proxy may say to CONNECT, however it is cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talaria.adapters.http1.errors import ConnectError
from talaria.adapters.http1.tunnel import Tunnel
from tests.unit.adapters.http1.support_http1 import cut

ESTABLISHED = b"HTTP/1.1 200 Connection established\r\nvia: 1.1 proxy\r\n\r\n"


def test_the_request() -> None:
    assert Tunnel(b"up:443").request == b"CONNECT up:443 HTTP/1.1\r\nhost: up:443\r\n\r\n"


@given(st.lists(st.integers(0, 200), max_size=5), st.booleans())
def test_the_tunnel_is_open_with_the_last_byte_of_the_head_and_not_before(at: list[int], interim: bool) -> None:
    tunnel = Tunnel(b"up:443")
    answer = b"HTTP/1.1 100 Continue\r\n\r\n" * interim + ESTABLISHED
    *before, last = cut(answer, at)
    for piece in before:
        assert not tunnel.feed(piece)
    assert tunnel.feed(last)


@pytest.mark.parametrize("length", [b"content-length: 5", b"transfer-encoding: chunked"])
def test_a_success_has_no_body_whatever_it_says(length: bytes) -> None:
    assert Tunnel(b"up:443").feed(b"HTTP/1.1 200 OK\r\n" + length + b"\r\n\r\n")


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (b"", "the egress proxy closed the connection"),
        (b"HTTP/1.1 407 No\r\n\r\n", "refused by the egress proxy: 407"),
        (b"HTTP/1.1 302 No\r\n\r\n", "refused by the egress proxy: 302"),
        (b"HTTP/1.1 101 No\r\n\r\n", "egress proxy: 101"),
        (b"nonsense\r\n\r\n", "egress proxy: malformed status line"),
        (ESTABLISHED + b"\x16", "egress proxy: bytes after its response"),
    ],
)
def test_anything_else_opens_no_tunnel(answer: bytes, cause: str) -> None:
    with pytest.raises(ConnectError) as caught:
        Tunnel(b"up:443").feed(answer)
    assert str(caught.value).startswith(cause)
    assert not caught.value.request_sent

"""The same answers as h11: taken or refused alike, with the same status, headers and body. And cuts change nothing."""

import asyncio

import h11
from hypothesis import given
from hypothesis import strategies as st

from tests.support_examples import times
from tests.unit.adapters.http1.support_http1 import Outcome, cut, outcome_of

_NAMES = st.sampled_from([b"a", b"Content-Type", b"set-cookie", b"X_Y", b"x y", b"", b"a:", b"Date ", b"connection"])
_VALUES = st.sampled_from([b"", b"b", b" b \t", b"keep-alive", b"b\xff", b"b c", b"close", b"b\0", b"b\rc", b"1\x01"])
_FRAMINGS = st.sampled_from(
    [
        [],
        [b"content-length: 5"],
        [b"Content-Length:5"],
        [b"content-length: 0"],
        [b"content-length: 05"],
        [b"content-length: -1"],
        [b"content-length: 5a"],
        [b"content-length: 5", b"content-length: 6"],
        [b"transfer-encoding: chunked"],
        [b"Transfer-Encoding: CHUNKED"],
        [b"transfer-encoding: gzip"],
        [b"transfer-encoding: gzip, chunked"],
    ]
)
_BODIES = st.sampled_from(
    [
        b"",
        b"hello",
        b"hell",
        b"5\r\nhello\r\n0\r\n\r\n",
        b"3;a=b\r\nhel\r\n2\r\nlo\r\n0\r\nt: u\r\n\r\n",
        b"5\r\nhello\r\n0\r\n",
        b"5\r\nhelloX",
        b"z\r\n",
    ]
)
_STATUSES = st.sampled_from([b"200 OK", b"204 No", b"304 Not", b"404 ", b"500", b"99 Low", b"2x0 Odd", b"1000 High"])


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    """An answer, often broken in one way or another."""
    headers = [b"%b: %b" % line for line in draw(st.lists(st.tuples(_NAMES, _VALUES), max_size=2))]
    version = draw(st.sampled_from([b"1.1", b"1.1", b"1.0"]))
    interim = draw(st.sampled_from([b"", b"", b"HTTP/1.1 103 Early\r\nlink: x\r\n\r\n"]))
    lines = [b"HTTP/%b %b" % (version, draw(_STATUSES)), *headers, *draw(_FRAMINGS), b"", b""]
    return interim + b"\r\n".join(lines) + draw(_BODIES)


def _by_h11(raw: bytes, method: str) -> Outcome:
    """What h11 makes of an answer that ends with the connection. A refusal is "refused"."""
    ours = h11.Connection(h11.CLIENT)
    ours.send(h11.Request(method=method, target="/", headers=[("host", "a")]))
    ours.send(h11.EndOfMessage())
    ours.receive_data(raw)
    ours.receive_data(b"")
    status, headers, body = 0, [], b""
    try:
        while not isinstance(event := ours.next_event(), h11.EndOfMessage | h11.ConnectionClosed):
            if isinstance(event, h11.Response):
                status, headers = event.status_code, list(event.headers)
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
    except h11.RemoteProtocolError:
        return "refused"
    if not isinstance(event, h11.EndOfMessage):
        return "refused"
    dropped = {b"transfer-encoding", *([b"content-length"] if status == 204 else [])}
    return status, [header for header in headers if header[0] not in dropped], body, False


def _we_are_stricter(raw: bytes) -> bool:
    """h11 takes these; we must not."""
    return b"gzip, chunked" in raw or b"\x01" in raw or (b"HTTP/1.0" in raw and b"ransfer-" in raw)


@times(4)
@given(answers(), st.sampled_from(["GET", "HEAD"]))
def test_the_same_as_h11(raw: bytes, method: str) -> None:
    ours = asyncio.run(outcome_of([raw], method))
    if _we_are_stricter(raw):
        return
    theirs = _by_h11(raw, method)
    if isinstance(ours, str) or isinstance(theirs, str):
        assert isinstance(ours, str) == isinstance(theirs, str), (ours, theirs)
    else:
        assert ours[:3] == theirs[:3]


@times(1.5)
@given(answers(), st.sampled_from(["GET", "HEAD"]), st.lists(st.integers(0, 1000), max_size=10))
def test_cuts_change_nothing(raw: bytes, method: str, at: list[int]) -> None:
    whole = asyncio.run(outcome_of([raw], method))
    assert asyncio.run(outcome_of(cut(raw, at), method)) == whole
    assert asyncio.run(outcome_of([bytes([byte]) for byte in raw], method)) == whole

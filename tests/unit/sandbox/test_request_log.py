"""What a simulated service remembers."""

import asyncio
import hashlib

import pytest

from talaria.sandbox.request_log import RecordedRequest, RequestLog


def received(target: bytes = b"/") -> RecordedRequest:
    return RecordedRequest("GET", target, [(b"authorization", b"Bearer secret"), (b"x", b"1"), (b"x", b"2")])


def test_headers_keep_their_order_and_stay_out_of_the_repr() -> None:
    assert received().header(b"x") == [b"1", b"2"]
    assert "secret" not in repr(received())


def test_a_long_body_is_digested_and_not_held() -> None:
    request = received()
    for _ in range(100):
        request.take(b"x" * 10_000)
    assert (request.size, len(request.body)) == (1_000_000, 64 * 1024)
    assert request.sha256 == hashlib.sha256(b"x" * 1_000_000).hexdigest()


def test_the_recording_is_bounded_and_counts_on() -> None:
    recording = RequestLog(kept=2)
    for number in range(5):
        recording.add(received(b"/%d" % number))
    assert [request.target for request in recording.all] == [b"/3", b"/4"]
    assert (recording.count, recording.last.target) == (5, b"/4")
    recording.clear()
    assert (recording.count, recording.all) == (0, [])


async def test_a_request_can_be_awaited() -> None:
    recording = RequestLog()
    waiting = asyncio.create_task(recording.wait_for(2))
    for target in (b"/1", b"/2"):
        await asyncio.sleep(0)
        recording.add(received(target))
    assert (await waiting).target == b"/2"


async def test_waiting_ends_in_the_end() -> None:
    with pytest.raises(TimeoutError):
        await RequestLog().wait_for(1, timeout=0.01)

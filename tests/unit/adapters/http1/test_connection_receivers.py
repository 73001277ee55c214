"""A request that was begun for a receiver: its bytes, its time, and how it becomes one that is awaited. No socket."""

import asyncio

import pytest

from talaria.adapters.http1.errors import ReadTimeout
from talaria.adapters.http1.write_batcher import WriteBatcher
from talaria.domain.http import UpstreamResponse
from tests.unit.adapters.http1.support_http1 import Harness
from tests.unit.support_time import run

HELLO = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"


class Receiving:
    """A receiver that leaves when it is told to, with what it got."""

    def __init__(self, harness: Harness) -> None:
        self.got = b""
        self._connection = harness.connection
        self.future: asyncio.Future[UpstreamResponse] | None = None
        self._connection.begin_for(self, b"x", harness.loop.time() + 5)

    def receive(self, data: bytes) -> None:
        self.got += data

    def leave(self) -> None:
        self.future = self._connection.wait(60.0, self.got)

    def left(self) -> "asyncio.Future[UpstreamResponse]":
        self.leave()
        assert self.future is not None
        return self.future


@pytest.mark.parametrize("at", [0, 1, 20, len(HELLO) - 1])
async def test_what_a_receiver_got_is_the_beginning_of_the_response_that_is_awaited(at: int) -> None:
    harness = Harness()
    receiving = Receiving(harness)
    if at:
        harness.feed(HELLO[:at])
    assert receiving.got == HELLO[:at]
    future = receiving.left()
    harness.feed(HELLO[at:])
    response = await future
    body = response.complete_body or b"".join([piece async for piece in response.body])
    assert (response.status, body, harness.idle) == (200, b"hello", 1)


async def test_a_receiver_may_leave_before_its_request_is_written() -> None:
    harness = Harness(WriteBatcher())
    future = Receiving(harness).left()
    while not harness.transport.written:
        await asyncio.sleep(0)
    harness.feed(HELLO)
    assert (await future).status == 200


def test_a_receiver_has_the_time_of_a_head() -> None:
    async def main() -> None:
        harness = Harness()
        receiving = Receiving(harness)
        await asyncio.sleep(4.9)
        assert harness.transport.ended == ""
        await asyncio.sleep(0.2)
        assert receiving.future is not None
        with pytest.raises(ReadTimeout):
            await receiving.future

    run(main())

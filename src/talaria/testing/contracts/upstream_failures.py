"""What every `Upstream` does when the back end fails or the sender leaves: the right error, and nothing left behind."""

import asyncio
from collections.abc import AsyncIterator
from typing import Literal

from talaria.domain.errors import BadAnswer, BodyTooLarge, ClientGone, TimedOut, Unreachable
from talaria.testing.contracts import raised
from talaria.testing.contracts.upstream_harness import (
    BackendRequest,
    UpstreamHarness,
    UpstreamTests,
    hello,
    pieces,
    request,
    text_of,
)


class BodyError(Exception):
    """An error that no library knows."""


async def is_well(harness: UpstreamHarness) -> None:
    """The next request is served, and nothing is left of those before."""
    harness.serve(hello)
    assert await text_of(await harness.upstream.send(request())) == b"hello"
    assert harness.in_flight() == 0


class UpstreamFailures(UpstreamTests):
    """Derive, and give a `harness`. `UpstreamContract` is the other half."""

    async def check_end(self, how: Literal["reset", "nonsense"], refusal: type[Exception], *, begun: bool) -> None:
        """The back end ends a response so."""

        async def handler(incoming: BackendRequest) -> None:
            if begun:
                await incoming.head(200)
                await incoming.write(b"half of it")
            await incoming.end(how)

        async with self.harness() as harness, asyncio.timeout(5):
            harness.serve(handler)
            with raised(refusal):
                await text_of(await harness.upstream.send(request("POST", length=0)))
            await is_well(harness)

    async def test_a_reset_before_the_head(self) -> None:
        await self.check_end("reset", Unreachable, begun=False)

    async def test_a_reset_inside_the_body(self) -> None:
        await self.check_end("reset", Unreachable, begun=True)

    async def test_nonsense_for_a_head(self) -> None:
        await self.check_end("nonsense", BadAnswer, begun=False)

    async def test_nonsense_inside_the_body(self) -> None:
        await self.check_end("nonsense", BadAnswer, begun=True)

    async def test_no_head_in_time(self) -> None:
        async def handler(incoming: BackendRequest) -> None:
            await incoming.wait_disconnected()

        async with self.harness() as harness, asyncio.timeout(5):
            harness.serve(handler)
            sent = request(timeout=0.2)
            with raised(TimedOut):
                await harness.upstream.send(sent)
            assert len(sent.attempts) == 1
            assert sent.attempts[0].outcome != "ok"
            await is_well(harness)

    async def test_silence_inside_the_body(self) -> None:
        async def handler(incoming: BackendRequest) -> None:
            await incoming.head(200)
            await incoming.write(b"half of it")
            await incoming.wait_disconnected()

        async with self.harness() as harness, asyncio.timeout(5):
            harness.serve(handler)
            response = await harness.upstream.send(request(idle_timeout=0.05))
            with raised(TimedOut):
                await text_of(response)
            await is_well(harness)

    async def test_a_slow_body_may_take_longer_than_the_head(self) -> None:
        async def handler(incoming: BackendRequest) -> None:
            await incoming.head(200)
            for _ in range(12):
                await asyncio.sleep(0.05)
                await incoming.write(b"x")

        async with self.harness() as harness, asyncio.timeout(5):
            harness.serve(handler)
            assert await text_of(await harness.upstream.send(request(timeout=0.5))) == b"x" * 12

    async def check_body(self, error: Exception, *, length: int | None) -> None:
        """What a request's body raises reaches the sender as it is."""

        async def handler(incoming: BackendRequest) -> None:
            await incoming.read_all()
            await incoming.wait_disconnected()

        async with self.harness() as harness, asyncio.timeout(5):
            harness.serve(handler)
            sent = request("POST", body=pieces(b"half", error), length=length)
            with raised(type(error)) as caught:
                await harness.upstream.send(sent)
            assert caught.error is error
            assert [attempt.outcome for attempt in sent.attempts] != ["ok"]
            await is_well(harness)

    async def test_the_client_leaves_while_it_sends(self) -> None:
        await self.check_body(ClientGone(), length=None)

    async def test_the_body_turns_out_to_be_too_large(self) -> None:
        await self.check_body(BodyTooLarge(), length=1000)

    async def test_any_error_of_the_body(self) -> None:
        await self.check_body(BodyError("own"), length=None)

    async def test_even_a_timeout_of_the_body(self) -> None:
        await self.check_body(TimeoutError("the body's own"), length=1000)

    async def test_being_cancelled_before_the_head_gives_the_request_up(self) -> None:
        came, left = asyncio.Event(), asyncio.Event()

        async def handler(incoming: BackendRequest) -> None:
            came.set()
            try:
                await incoming.wait_disconnected()
            finally:
                left.set()

        async with self.harness() as harness, asyncio.timeout(5):
            harness.serve(handler)
            sending = asyncio.ensure_future(harness.upstream.send(request()))
            await came.wait()
            sending.cancel()
            await asyncio.wait([sending])
            assert sending.cancelled()
            await left.wait()
            await is_well(harness)

    async def test_being_cancelled_while_sending_a_body(self) -> None:
        came, left = asyncio.Event(), asyncio.Event()

        async def endless() -> AsyncIterator[bytes]:
            yield b"x" * 20_000
            await asyncio.Event().wait()

        async def handler(incoming: BackendRequest) -> None:
            await incoming.read()
            came.set()
            try:
                await incoming.wait_disconnected()
            finally:
                left.set()

        async with self.harness() as harness, asyncio.timeout(5):
            harness.serve(handler)
            sending = asyncio.ensure_future(harness.upstream.send(request("POST", body=endless())))
            await came.wait()
            sending.cancel()
            await asyncio.wait([sending])
            assert sending.cancelled()
            await left.wait()
            await is_well(harness)

    async def test_closing_the_responses_body_gives_the_request_up(self) -> None:
        left = asyncio.Event()

        async def handler(incoming: BackendRequest) -> None:
            await incoming.head(200)
            await incoming.write(b"event")
            try:
                await incoming.wait_disconnected()
            finally:
                left.set()

        async with self.harness() as harness, asyncio.timeout(5):
            harness.serve(handler)
            response = await harness.upstream.send(request())
            assert await anext(response.body) == b"event"
            assert harness.in_flight() == 1
            await response.body.aclose()
            await response.body.aclose()
            await left.wait()
            assert [piece async for piece in response.body] == []
            await is_well(harness)

    async def test_an_early_response_ends_the_sending(self) -> None:
        async def endless() -> AsyncIterator[bytes]:
            while True:
                yield b"x" * 10_000
                await asyncio.sleep(0)

        async def handler(incoming: BackendRequest) -> None:
            await incoming.read()
            await incoming.head(413, length=3)
            await incoming.write(b"no!")

        async with self.harness() as harness, asyncio.timeout(5):
            harness.serve(handler)
            response = await harness.upstream.send(request("POST", body=endless()))
            assert (response.status, await text_of(response)) == (413, b"no!")
            await is_well(harness)

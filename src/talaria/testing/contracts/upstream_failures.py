"""What every `Upstream` does when somebody fails or leaves: the right name for it, and nothing left behind."""

import asyncio
from collections.abc import AsyncIterator
from typing import Literal

from talaria.domain.errors import BadAnswer, BodyTooLarge, ClientGone, TimedOut, Unreachable
from talaria.testing.contracts import raised
from talaria.testing.contracts.upstream_world import (
    UpstreamTests,
    UpstreamWorld,
    Visit,
    hello,
    pieces,
    request,
    text_of,
)


class OfTheBody(Exception):
    """What no library knows."""


async def is_well(world: UpstreamWorld) -> None:
    """The next request is served, and nothing is left of those before."""
    world.serve(hello)
    assert await text_of(await world.upstream.send(request())) == b"hello"
    assert world.in_flight() == 0


class UpstreamFailures(UpstreamTests):
    """Derive, and give a `world`. `UpstreamContract` is the other half."""

    async def check_end(self, how: Literal["reset", "nonsense"], refusal: type[Exception], *, begun: bool) -> None:
        """The back end ends an answer so."""

        async def script(visit: Visit) -> None:
            if begun:
                await visit.head(200)
                await visit.write(b"half of it")
            await visit.end(how)

        async with self.world() as world, asyncio.timeout(5):
            world.serve(script)
            with raised(refusal):
                await text_of(await world.upstream.send(request("POST", length=0)))
            await is_well(world)

    async def test_a_reset_before_the_head(self) -> None:
        await self.check_end("reset", Unreachable, begun=False)

    async def test_a_reset_inside_the_body(self) -> None:
        await self.check_end("reset", Unreachable, begun=True)

    async def test_nonsense_for_a_head(self) -> None:
        await self.check_end("nonsense", BadAnswer, begun=False)

    async def test_nonsense_inside_the_body(self) -> None:
        await self.check_end("nonsense", BadAnswer, begun=True)

    async def test_no_head_in_time(self) -> None:
        async def script(visit: Visit) -> None:
            await visit.left()

        async with self.world() as world, asyncio.timeout(5):
            world.serve(script)
            outbound = request(timeout=0.2)
            with raised(TimedOut):
                await world.upstream.send(outbound)
            assert len(outbound.attempts) == 1
            assert outbound.attempts[0].outcome != "ok"
            await is_well(world)

    async def test_silence_inside_the_body(self) -> None:
        async def script(visit: Visit) -> None:
            await visit.head(200)
            await visit.write(b"half of it")
            await visit.left()

        async with self.world() as world, asyncio.timeout(5):
            world.serve(script)
            answer = await world.upstream.send(request(idle_timeout=0.05))
            with raised(TimedOut):
                await text_of(answer)
            await is_well(world)

    async def test_a_slow_body_may_take_longer_than_the_head(self) -> None:
        async def script(visit: Visit) -> None:
            await visit.head(200)
            for _ in range(12):
                await asyncio.sleep(0.05)
                await visit.write(b"x")

        async with self.world() as world, asyncio.timeout(5):
            world.serve(script)
            assert await text_of(await world.upstream.send(request(timeout=0.5))) == b"x" * 12

    async def check_body(self, error: Exception, *, length: int | None) -> None:
        """What a request's body raises reaches the sender as it is."""

        async def script(visit: Visit) -> None:
            await visit.read_all()
            await visit.left()

        async with self.world() as world, asyncio.timeout(5):
            world.serve(script)
            outbound = request("POST", body=pieces(b"half", error), length=length)
            with raised(type(error)) as caught:
                await world.upstream.send(outbound)
            assert caught.error is error
            assert [attempt.outcome for attempt in outbound.attempts] != ["ok"]
            await is_well(world)

    async def test_the_client_leaves_while_it_sends(self) -> None:
        await self.check_body(ClientGone(), length=None)

    async def test_the_body_turns_out_to_be_too_large(self) -> None:
        await self.check_body(BodyTooLarge(), length=1000)

    async def test_any_error_of_the_body(self) -> None:
        await self.check_body(OfTheBody("own"), length=None)

    async def test_even_a_timeout_of_the_body(self) -> None:
        await self.check_body(TimeoutError("the body's own"), length=1000)

    async def test_being_cancelled_before_the_head_gives_the_request_up(self) -> None:
        came, left = asyncio.Event(), asyncio.Event()

        async def script(visit: Visit) -> None:
            came.set()
            try:
                await visit.left()
            finally:
                left.set()

        async with self.world() as world, asyncio.timeout(5):
            world.serve(script)
            sending = asyncio.ensure_future(world.upstream.send(request()))
            await came.wait()
            sending.cancel()
            await asyncio.wait([sending])
            assert sending.cancelled()
            await left.wait()
            await is_well(world)

    async def test_being_cancelled_while_sending_a_body(self) -> None:
        came, left = asyncio.Event(), asyncio.Event()

        async def endless() -> AsyncIterator[bytes]:
            yield b"x" * 20_000
            await asyncio.Event().wait()

        async def script(visit: Visit) -> None:
            await visit.read()
            came.set()
            try:
                await visit.left()
            finally:
                left.set()

        async with self.world() as world, asyncio.timeout(5):
            world.serve(script)
            sending = asyncio.ensure_future(world.upstream.send(request("POST", body=endless())))
            await came.wait()
            sending.cancel()
            await asyncio.wait([sending])
            assert sending.cancelled()
            await left.wait()
            await is_well(world)

    async def test_closing_the_answers_body_gives_the_request_up(self) -> None:
        left = asyncio.Event()

        async def script(visit: Visit) -> None:
            await visit.head(200)
            await visit.write(b"event")
            try:
                await visit.left()
            finally:
                left.set()

        async with self.world() as world, asyncio.timeout(5):
            world.serve(script)
            answer = await world.upstream.send(request())
            assert await anext(answer.body) == b"event"
            assert world.in_flight() == 1
            await answer.body.aclose()
            await answer.body.aclose()
            await left.wait()
            assert [piece async for piece in answer.body] == []
            await is_well(world)

    async def test_an_early_answer_ends_the_sending(self) -> None:
        async def endless() -> AsyncIterator[bytes]:
            while True:
                yield b"x" * 10_000
                await asyncio.sleep(0)

        async def script(visit: Visit) -> None:
            await visit.read()
            await visit.head(413, length=3)
            await visit.write(b"no!")

        async with self.world() as world, asyncio.timeout(5):
            world.serve(script)
            answer = await world.upstream.send(request("POST", body=endless()))
            assert (answer.status, await text_of(answer)) == (413, b"no!")
            await is_well(world)

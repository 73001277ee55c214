"""One deadline for the whole request: what each part of it is told, and the origin of the refusal when it is over."""

import pytest

from talaria.domain.errors import KeysUnavailable, Refusal, TimedOut, Unreachable
from talaria.domain.events import RequestContext
from tests.support_refusals import by
from tests.unit.domain.support_exchange import World
from tests.unit.domain.support_memory_gateway import Door
from tests.unit.domain.support_time import run


@pytest.mark.parametrize(("asked", "told"), [(None, 10_000), (b"300", 300), (b"60000", 10_000), (b"x", 10_000)])
def test_the_upstream_is_told_how_much_time_is_left(asked: bytes | None, told: int) -> None:
    async def main() -> None:
        door = Door()
        await door.knock(*([(b"x-request-timeout-ms", asked)] if asked else []))
        assert int(door.sent()[b"x-request-timeout-ms"]) in (told, told - 1)
        assert door.upstream.received[0].timeout == pytest.approx(told / 1000)
        assert door.upstream.received[0].client_deadline is (told < 10_000)

    run(main())


def test_the_exchange_takes_its_part_of_the_time() -> None:
    async def main() -> None:
        door = Door(World())
        loop = door.world.clock
        gate = door.world.accounts.script.gate
        gate.clear()
        loop.call_later(4.0, gate.set)
        await door.knock()
        assert door.upstream.received[0].timeout == pytest.approx(6.0)
        assert 5999 <= int(door.sent()[b"x-request-timeout-ms"]) <= 6000

    run(main())


@pytest.mark.parametrize(("hop", "fault"), [("personal", TimedOut), ("wind", TimedOut)])
def test_time_that_is_up_is_the_hops_that_was_under_way(hop: str, fault: type[Refusal]) -> None:
    async def main() -> None:
        door, context = Door(), RequestContext()
        (door.world.directory if hop == "personal" else door.world.accounts).script.gate.clear()
        before = door.world.clock.now()
        with pytest.raises(fault):
            await door.knock((b"x-request-timeout-ms", b"250"), context=context)
        assert door.world.clock.now() - before == pytest.approx(0.25)
        assert (context.phase, door.upstream.received) == ("exchange", [])

    run(main())


def test_keys_that_do_not_come_in_time_are_unavailable() -> None:
    async def main() -> None:
        door, context = Door(), RequestContext()
        door.verifier.gate.clear()
        before = door.world.clock.now()
        with pytest.raises(KeysUnavailable) as raised:
            await door.knock((b"x-request-timeout-ms", b"250"), context=context)
        assert door.world.clock.now() - before == pytest.approx(0.25)
        assert (context.phase, raised.value.retry_after) == ("admission", 1.0)

    run(main())


def test_the_wait_for_keys_is_part_of_the_time() -> None:
    async def main() -> None:
        door = Door()
        door.verifier.gate.clear()
        door.world.clock.call_later(4.0, door.verifier.gate.set)
        await door.knock()
        assert door.upstream.received[0].timeout == pytest.approx(6.0)

    run(main())


def test_a_known_person_without_any_time_is_the_upstreams() -> None:
    async def main() -> None:
        door = Door()
        await door.knock()
        with pytest.raises(TimedOut, check=by("upstream")):
            await door.knock((b"x-request-timeout-ms", b"0"))
        assert len(door.upstream.received) == 1

    run(main())


def test_a_stale_identity_is_said_to_be_one() -> None:
    async def main() -> None:
        door, context = Door(), RequestContext()
        await door.knock()
        assert b"x-talaria-identity" not in door.sent()
        door.world.clock.move(901)
        door.world.down(Unreachable("personal"))
        await door.knock((b"x-talaria-identity", b"fresh"), context=context)
        assert (door.sent()[b"x-talaria-identity"], context.exchange) == (b"stale", "stale")

    run(main())

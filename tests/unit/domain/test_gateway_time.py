"""One deadline for the whole request: what each part of it is told, and the origin of the refusal when it is over."""

import pytest

from talaria.domain.errors import DeadlineExceeded, KeysUnavailable, TimedOut, Unreachable
from talaria.domain.events import RequestContext
from talaria.domain.model import Origin
from tests.support_refusals import by
from tests.unit.domain.support_exchange import World
from tests.unit.domain.support_memory_gateway import Chunks, Door
from tests.unit.support_time import run


@pytest.mark.parametrize(("asked", "told"), [(None, 10_000), (b"300", 300), (b"60000", 10_000), (b"x", 10_000)])
def test_the_upstream_is_told_how_much_time_is_left(asked: bytes | None, told: int) -> None:
    async def main() -> None:
        door = Door()
        await door.knock(*([(b"x-request-timeout-ms", asked)] if asked else []))
        assert int(door.sent()[b"x-request-timeout-ms"]) in (told, told - 1)
        assert door.upstream.received[0].timeout == pytest.approx(told / 1000)
        assert door.upstream.received[0].client_deadline is (told < 10_000)

    run(main())


def test_the_least_time_that_is_told_is_a_millisecond() -> None:
    async def main() -> None:
        door = Door()
        await door.knock()
        await door.knock((b"x-request-timeout-ms", b"1"))
        assert door.sent()[b"x-request-timeout-ms"] == b"1"

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


@pytest.mark.parametrize("hop", ["personal", "partner"])
def test_the_routes_time_that_is_up_is_the_hops_that_was_under_way(hop: Origin) -> None:
    async def main() -> None:
        door, context = Door(), RequestContext()
        (door.world.directory if hop == "personal" else door.world.accounts).script.gate.clear()
        before = door.world.clock.now()
        with pytest.raises(TimedOut, check=by(hop)):
            await door.knock(context=context)
        assert door.world.clock.now() - before == pytest.approx(10.0)
        assert (context.phase, door.upstream.received) == ("exchange", [])

    run(main())


def stuck(door: Door, where: str) -> None:
    """A door behind which nothing goes on from there."""
    gates = {
        "keys": door.verifier.gate,
        "personal": door.world.directory.script.gate,
        "partner": door.world.accounts.script.gate,
        "upstream": door.upstream.gate,
    }
    gates[where].clear()


@pytest.mark.parametrize("where", ["keys", "personal", "partner", "upload"])
@pytest.mark.parametrize("body", [False, True])
def test_the_clients_own_time_that_is_up_is_the_clients_wherever_it_ends(where: str, body: bool) -> None:
    async def main() -> None:
        door = Door()
        stuck(door, "upstream" if where == "upload" else where)
        before = door.world.clock.now()
        with pytest.raises(DeadlineExceeded):
            await door.knock(
                (b"x-request-timeout-ms", b"250"),
                method="POST",
                body=Chunks(b"a") if body or where == "upload" else None,
            )
        assert door.world.clock.now() - before == pytest.approx(0.25)

    run(main())


@pytest.mark.parametrize("told", [b"250", b"9999"])
def test_an_upstream_that_is_late_by_the_clients_clock_is_the_clients(told: bytes) -> None:
    async def main() -> None:
        door = Door()
        door.upstream.late = True
        with pytest.raises(DeadlineExceeded):
            await door.knock((b"x-request-timeout-ms", told))

    run(main())


@pytest.mark.parametrize("told", [None, b"10000", b"60000", b"x"])
def test_an_upstream_that_is_late_by_the_routes_clock_is_the_upstreams(told: bytes | None) -> None:
    async def main() -> None:
        door = Door()
        door.upstream.late = True
        with pytest.raises(TimedOut, check=by("upstream")):
            await door.knock(*([(b"x-request-timeout-ms", told)] if told else []))

    run(main())


def test_a_timeout_before_the_clients_deadline_is_no_matter_of_the_client() -> None:
    async def main() -> None:
        door = Door()
        door.upstream.replies = [TimedOut("upstream", "connect")]
        with pytest.raises(TimedOut, check=by("upstream")):
            await door.knock((b"x-request-timeout-ms", b"250"))

    run(main())


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("body", [None, b"a"])
def test_no_time_at_all_is_over_at_once(known: bool, body: bytes | None) -> None:
    async def main() -> None:
        door = Door()
        if known:
            await door.knock()
        asked = len(door.upstream.received), door.world.directory.script.calls
        with pytest.raises(DeadlineExceeded):
            await door.knock((b"x-request-timeout-ms", b"0"), method="POST", body=Chunks(body) if body else None)
        assert (len(door.upstream.received), door.world.directory.script.calls) == asked

    run(main())


def test_keys_that_do_not_come_in_time_are_unavailable() -> None:
    async def main() -> None:
        door, context = Door(), RequestContext()
        door.verifier.gate.clear()
        before = door.world.clock.now()
        with pytest.raises(KeysUnavailable) as raised:
            await door.knock(context=context)
        assert door.world.clock.now() - before == pytest.approx(10.0)
        assert (context.phase, raised.value.retry_after) == ("admission", 1.0)

    run(main())


def test_an_upload_is_no_part_of_the_time_that_the_upstream_has() -> None:
    """The exchange takes 4 of 10 seconds; the last byte is still to come, came a second ago, or with the head."""

    async def left(ended_ago: float | None) -> float:
        door = Door(World())
        gate = door.world.accounts.script.gate
        gate.clear()
        door.world.clock.call_later(4.0, gate.set)
        ended_at = None if ended_ago is None else door.world.clock.now() + 4.0 - ended_ago
        await door.knock(method="POST", body=Chunks(b"a", ended_at=ended_at))
        assert int(door.sent()[b"x-request-timeout-ms"]) == pytest.approx(
            door.upstream.received[0].timeout * 1000, abs=1
        )
        return door.upstream.received[0].timeout

    async def main() -> None:
        assert await left(None) == pytest.approx(10.0)
        assert await left(1.0) == pytest.approx(9.0)
        assert await left(4.0) == pytest.approx(6.0)

    run(main())


@pytest.mark.parametrize(("told", "left"), [(b"3000", 3.0), (b"5000", 5.0), (b"7000", 6.0), (b"60000", 6.0)])
def test_of_an_upload_too_the_clients_own_deadline_is_the_end(told: bytes, left: float) -> None:
    """Of the route's ten seconds the upstream has six: the last byte came four seconds ago."""

    async def main() -> None:
        door = Door()
        body = Chunks(b"a", ended_at=door.world.clock.now() - 4.0)
        await door.knock((b"x-request-timeout-ms", told), method="POST", body=body)
        assert door.upstream.received[0].timeout == pytest.approx(left)

    run(main())


@pytest.mark.parametrize("told", [None, b"10000", b"11000"])
def test_an_upload_may_take_longer_than_the_routes_timeout(told: bytes | None) -> None:
    async def main() -> None:
        door = Door()
        door.upstream.gate.clear()
        door.world.clock.call_later(60.0, door.upstream.gate.set)
        headers = [(b"x-request-timeout-ms", told)] if told else []
        assert (await door.knock(*headers, method="POST", body=Chunks(b"a"))).status == 200

    run(main())


def test_the_wait_for_keys_is_part_of_the_time() -> None:
    async def main() -> None:
        door = Door()
        door.verifier.gate.clear()
        door.world.clock.call_later(4.0, door.verifier.gate.set)
        await door.knock()
        assert door.upstream.received[0].timeout == pytest.approx(6.0)

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

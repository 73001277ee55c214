"""Before a request that matters an old pair is exchanged again, and a stale one never serves it."""

import pytest

from talaria.domain.errors import Unreachable
from talaria.domain.events import RequestContext
from tests.unit.domain.support_exchange import PHONE
from tests.unit.domain.support_memory_gateway import UNKNOWN, Door, reply
from tests.unit.support_time import run


async def user(door: Door, method: str, tag: bytes = b"pay") -> bytes:
    """The user id that a request of this method goes on under."""
    await door.knock(method=method, tag=tag)
    return door.sent()[b"x-wind-user-id"]


def test_only_the_methods_that_the_route_names_want_a_young_pair() -> None:
    async def main() -> None:
        door = Door()
        assert await user(door, "POST") == b"u-1"
        door.world.accounts.users[PHONE] = "u-9"
        door.world.clock.move(61)
        assert [await user(door, "GET"), await user(door, "POST", b"wind")] == [b"u-1", b"u-1"]
        assert [await user(door, "POST"), await user(door, "GET"), await user(door, "POST")] == [b"u-9"] * 3
        assert door.world.calls == (2, 2)

    run(main())


def test_a_request_that_matters_is_refused_where_another_gets_the_stale_pair() -> None:
    async def main() -> None:
        door = Door()
        await door.knock(tag=b"pay")
        door.world.clock.move(901)
        door.world.down(Unreachable("personal"))
        assert await user(door, "GET") == b"u-1"
        assert door.sent()[b"x-talaria-identity"] == b"stale"
        for _ in range(2):
            with pytest.raises(Unreachable):
                await door.knock(method="POST", tag=b"pay")
        assert len(door.upstream.received) == 2

    run(main())


def test_a_pair_that_the_upstream_does_not_know_is_exchanged_again_with_no_stale_one_behind_it() -> None:
    async def main() -> None:
        door = Door()
        await door.knock(method="POST", tag=b"pay")
        door.world.accounts.users[PHONE] = "u-9"
        door.upstream.replies[:0] = [reply(404, UNKNOWN)]
        assert await user(door, "POST") == b"u-9"

    run(main())


def test_an_edge_keeps_a_decision_no_longer_than_its_pair_is_young() -> None:
    async def main() -> None:
        door = Door()
        for method, seconds in (("POST", 60.0), ("GET", 900.0)):
            decision = await door.decide(method=method, tag=b"pay", context=RequestContext())
            assert door.gateway.fresh_for(decision.identity, decision.max_age) == seconds

    run(main())

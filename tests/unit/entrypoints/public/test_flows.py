"""Flows are kept under what they are for, and one that holds no more is never given."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from talaria.domain.flow import Flow
from talaria.domain.http import ClientRequest
from talaria.domain.model import PartnerUserId
from talaria.entrypoints.public.flows import Flows
from tests.unit.domain.support_exchange import key
from tests.unit.domain.support_memory_gateway import Door
from tests.unit.support_time import run

PEER = "203.0.113.7"


class Asked:
    """Flows of a gateway that has just answered p-1 and p-2. `made`: what the gateway was asked for."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self.made: list[ClientRequest] = []
        self.flows = Flows(self._flow_of, lambda: 5000.0)

    def _flow_of(self, request: ClientRequest) -> Flow | None:
        self.made.append(request)
        return self.door.gateway.flow_of(request)

    def find(
        self,
        token: bytes = b"t-1",
        host: bytes = b"api.example",
        tag: bytes = b"wind",
        peer: str = PEER,
        scheme: str = "http",
    ) -> Flow | None:
        """The flow of p-1, but for what is given."""
        return self.flows.find(
            b"Bearer " + token, {b"host": host, b"x-api-tag": tag}, peer, scheme, self.door.world.clock.now()
        )


async def asked() -> Asked:
    """Two persons are known."""
    door = Door()
    for token in (b"t-1", b"t-2"):
        await door.knock(token=token)
    return Asked(door)


def test_none_is_kept_for_a_host_that_is_longer_than_a_name() -> None:
    async def main() -> None:
        given = await asked()
        assert given.find(host=b"h" * 255 + b":65535") is not None
        assert given.find(host=b"h" * 256) is None

    run(main())


def test_one_that_holds_is_made_once() -> None:
    async def main() -> None:
        given = await asked()
        first = given.find()
        assert first is not None
        assert given.find() is first
        (request,) = given.made
        assert (request.peer, request.scheme) == (PEER, "http")
        assert sorted(request.headers) == [
            (b"authorization", b"Bearer t-1"),
            (b"host", b"api.example"),
            (b"x-api-tag", b"wind"),
        ]

    run(main())


@pytest.mark.parametrize(
    "find_other",
    [
        lambda given: given.find(token=b"t-2"),
        lambda given: given.find(host=b"other.example"),
        lambda given: given.find(tag=b"bare"),
        lambda given: given.find(peer="203.0.113.8"),
        lambda given: given.find(scheme="https"),
    ],
)
def test_each_part_has_a_flow_of_its_own(find_other: Callable[[Asked], Flow | None]) -> None:
    async def main() -> None:
        given = await asked()
        first, other = given.find(), find_other(given)
        assert first is not None
        assert other is not None
        assert other is not first
        assert (first.lines_before, first.labels) != (other.lines_before, other.labels)
        assert given.find() is first

    run(main())


def test_one_that_holds_no_more_is_made_anew_or_there_is_none() -> None:
    async def main() -> None:
        given = await asked()
        first = given.find()
        pairs = given.door.world.identities
        pair = pairs.get(key())
        assert pair is not None
        pairs.put(key(), replace(pair, user_id=PartnerUserId("u-9")))
        second = given.find()
        assert second is not None
        assert second is not first
        given.door.world.exchange.invalidate(key())
        assert given.find() is None
        assert len(given.made) == 3

    run(main())


def test_where_there_is_none_the_gateway_is_asked_each_time() -> None:
    async def main() -> None:
        given = await asked()
        for _ in range(2):
            assert given.find(tag=b"other") is None
        assert given.flows.find(b"t-1", {}, PEER, "http", 0.0) is None
        assert len(given.made) == 3

    run(main())

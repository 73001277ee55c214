"""How long an edge may keep a decision."""

from dataclasses import replace
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talaria.domain.model import ServiceClaims, ServiceToken
from talaria.testing import MemoryServiceTokens, MemoryTokenVerifier
from tests.unit.domain.support_exchange import World, person
from tests.unit.domain.support_memory_gateway import Door
from tests.unit.entrypoints.public.support_edge import WALL, Answer, Edge, by_headers
from tests.unit.support_time import run


class DatedTokens(MemoryServiceTokens):
    """Its one token expires in so many seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._expires = WALL + seconds

    def token_for(self, claims: ServiceClaims) -> ServiceToken:
        return ServiceToken(b"service", 0.0, inf, self._expires)


async def kept(max_age: float, token: float, pair: float, service: float) -> Answer:
    """A yes, with so many seconds left of the client's token, of the pair and of our own token."""
    verifier = MemoryTokenVerifier({b"t-1": replace(person(), expires=WALL + token)})
    door = Door(World(max_age=pair), tokens=DatedTokens(service), verifier=verifier)
    return await Edge(door, max_age).ask(headers=by_headers())


@pytest.mark.parametrize(
    ("max_age", "token", "pair", "service", "seconds"),
    [
        (5.0, 600.0, 900.0, 60.0, 5),
        (300.0, 20.0, 900.0, 60.0, 10),
        (300.0, 600.0, 7.0, 60.0, 7),
        (300.0, 600.0, 900.0, 50.0, 25),
        (2.9, 600.0, 900.0, 60.0, 2),
    ],
)
def test_a_yes_is_kept_for_the_least_of_four_times(
    max_age: float, token: float, pair: float, service: float, seconds: int
) -> None:
    async def main() -> None:
        answer = await kept(max_age, token, pair, service)
        assert answer.headers[b"cache-control"] == b"max-age=%d" % seconds
        assert answer.headers[b"x-accel-expires"] == b"%d" % seconds
        assert answer.headers[b"vary"] == b"authorization, x-api-key, x-api-tag, x-forwarded-method"

    run(main())


@pytest.mark.parametrize(
    ("max_age", "token", "pair", "service"),
    [(0.0, 600.0, 900.0, 60.0), (9.0, 1.9, 900.0, 60.0), (9.0, -10.0, 900.0, 60.0), (9.0, 600.0, 0.5, 60.0)],
)
def test_what_could_not_be_kept_for_a_second_is_not_kept(
    max_age: float, token: float, pair: float, service: float
) -> None:
    async def main() -> None:
        answer = await kept(max_age, token, pair, service)
        assert answer.status == 200
        assert answer.headers[b"cache-control"] == b"no-store"
        assert answer.headers.keys().isdisjoint({b"x-accel-expires", b"vary"})

    run(main())


@given(st.floats(0, 1e4), st.floats(-1e3, 1e6), st.floats(0.01, 1e4), st.floats(1, 3600))
def test_nothing_is_kept_beyond_what_it_rests_on(max_age: float, token: float, pair: float, service: float) -> None:
    async def main() -> None:
        said = (await kept(max_age, token, pair, service)).headers[b"cache-control"]
        if said != b"no-store":
            seconds = int(said.removeprefix(b"max-age="))
            assert 1 <= seconds <= min(max_age, token / 2, pair, service / 2)

    run(main())


def test_no_refusal_is_kept() -> None:
    async def main() -> None:
        edge = Edge(max_age=60.0)
        headers = [(n, b"Bearer t-old" if n == b"authorization" else v) for n, v in by_headers()]
        answer = await edge.ask(headers=headers)
        assert answer.problem() == "expired-token"
        assert answer.headers.keys().isdisjoint({b"x-accel-expires", b"vary"})

    run(main())

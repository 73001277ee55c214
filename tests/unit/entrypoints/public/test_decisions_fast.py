"""A plain question under a flow that holds: answered at once, and each change that makes the flow fall is seen."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from ipaddress import ip_network
from typing import Any

import pytest

from talaria.domain.authorization import NetworkAllowlist
from talaria.domain.errors import ExpiredToken
from talaria.domain.events import ExchangeFinished, RequestForwarded
from talaria.domain.model import ServiceClaims, ServiceToken, VerifiedToken
from talaria.domain.rate_limits import RateLimit
from talaria.domain.tracing import Tracing
from talaria.testing import MemoryServiceTokens, MemoryTokenVerifier
from tests.support_rows import each_row
from tests.unit.domain.support_exchange import PHONE, World, key, person
from tests.unit.domain.support_memory_gateway import Door
from tests.unit.domain.support_rate_limits import caller_limits
from tests.unit.entrypoints.public.support_edge import WALL, EdgeTown, question
from tests.unit.support_time import run

PARENT = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@dataclass
class Wall:
    """The wall clock of both tokens."""

    now: float = WALL


@dataclass
class Dated(MemoryTokenVerifier):
    """t-1 is good for a minute from WALL on."""

    wall: Wall

    def __post_init__(self) -> None:
        super().__init__({b"t-1": replace(person(), expires=WALL + 60), b"t-2": person("p-2")})

    def recall(self, token: bytes) -> VerifiedToken | None:
        if self.wall.now >= WALL + 60:
            self.principals[b"t-1"] = ExpiredToken()
        found = super().recall(token)
        return found and VerifiedToken(found.principal, WALL, WALL + 60, self, self.generation)


@dataclass
class HalfMinutes(MemoryServiceTokens):
    """Each token is handed out for half a minute, and ends after a minute."""

    wall: Wall

    def __post_init__(self) -> None:
        super().__init__()

    def token_for(self, claims: ServiceClaims) -> ServiceToken:
        since = WALL + (self.wall.now - WALL) // 30 * 30
        return ServiceToken(b"of-%d" % (since - WALL), since, since + 30, since + 60)


async def warm(max_age: float = 0.0, **door: Any) -> EdgeTown:
    """An edge that has asked for p-1 once, so that its pair is cached."""
    town = EdgeTown(max_age, **door)
    assert (await town.ask()).status == 200
    town.recorder.events.clear()
    return town


async def dated(max_age: float = 0.0, **door: Any) -> EdgeTown:
    """The same, with tokens that end; `wall` is a Wall's."""
    wall = Wall()
    town = EdgeTown(max_age, verifier=Dated(wall), tokens=HalfMinutes(wall), **door)
    town.decisions._wall = lambda: wall.now
    town.decisions.decide_by(town.door.gateway, max_age, fast_path=True)
    await town.ask()
    await town.ask()
    assert town.fast == [False, True]
    return town


def set_wall(town: EdgeTown, wall: float) -> None:
    """It is this late now."""
    verifier = town.door.verifier
    assert isinstance(verifier, Dated)
    verifier.wall.now = wall


def test_a_yes_is_that_of_the_steps() -> None:
    async def main() -> None:
        town = EdgeTown()
        first, second = [await town.send(question(b"X-Request-Id: r-1")) for _ in range(2)]
        assert town.fast == [False, True]
        assert first == second
        assert first.startswith(b"HTTP/1.1 200 OK\r\nforwarded: for=127.0.0.1;")
        assert not town.state.tasks

    run(main())


def test_one_event_that_says_what_it_was() -> None:
    async def main() -> None:
        town = await warm()
        answer = await town.ask(
            question(b"X-Request-Id: r-7", asked=[b"X-Forwarded-Method: HEAD", b"X-Forwarded-Uri: /"])
        )
        (event,) = town.recorder.events
        assert isinstance(event, RequestForwarded)
        assert event.edge
        assert (event.request_id, event.method, event.status) == ("r-7", "HEAD", 200)
        assert (event.bytes_in, event.bytes_out, event.upstream_seconds, event.address) == (0, 0, 0.0, "")
        assert (event.labels, event.at) == (("wind", "wind", "services", "app", ""), WALL)
        assert answer.headers[b"x-request-id"] == b"r-7"

    run(main())


def test_both_ways_of_asking() -> None:
    async def main() -> None:
        town = await warm()
        for data in (question(start=b"POST /decide"), question(start=b"DELETE /decide/rides?a=1", asked=[])):
            assert (await town.ask(data)).status == 200
        methods = [event.method for event in town.ended]
        assert (methods, town.fast) == (["GET", "DELETE"], [True, True])

    run(main())


def test_nothing_of_one_person_is_told_of_another() -> None:
    async def main() -> None:
        town = await warm()
        for _ in range(3):
            for token, user in ((b"t-1", b"u-1"), (b"t-2", b"u-2")):
                answer = await town.ask(question(token=token))
                assert answer.headers[b"x-wind-user-id"] == user
        assert town.fast == [True, False, True, True, True, True]

    run(main())


def test_the_client_is_what_the_edge_says() -> None:
    async def main() -> None:
        town = await warm()
        said = [b"X-Forwarded-For: 10.1.1.1, 198.51.100.7", b"X-Forwarded-Proto: https", b"X-Forwarded-Host: door"]
        for lines, forwarded in (
            (said, b'for=198.51.100.7;host="door";proto=https'),
            (said[1:], b'for=127.0.0.1;host="door";proto=https'),
            ([], b'for=127.0.0.1;host="api.example";proto=http'),
            ([b"X-Forwarded-For: nonsense"], b'for=unknown;host="api.example";proto=http'),
        ):
            assert (await town.ask(question(*lines))).headers[b"forwarded"] == forwarded
        assert town.fast == [True] * 4

    run(main())


def test_a_trusted_proxy_before_the_edge_tells_of_each_client() -> None:
    async def main() -> None:
        town = await warm(networks=NetworkAllowlist({"app": [ip_network("127.0.0.0/8"), ip_network("192.0.2.0/24")]}))
        for client in (b"192.0.2.1", b"192.0.2.2", b"192.0.2.1"):
            answer = await town.ask(question(b"X-Forwarded-For: %b, 10.0.0.9" % client, b"X-Forwarded-Proto: https"))
            assert answer.headers[b"x-forwarded-for"] == client + b", 10.0.0.9"
            assert answer.headers[b"forwarded"] == b'for=10.0.0.9;host="api.example";proto=https'
        assert (await town.ask(question(b"X-Forwarded-For: 198.51.100.1, 10.0.0.9"))).problem() == "caller-not-allowed"
        assert town.fast == [True, True, True, False]

    run(main())


@pytest.mark.parametrize(("wall", "seconds"), [(WALL, 30), (WALL + 10, 25), (WALL + 20, 20), (WALL + 31, 14)])
def test_a_yes_is_kept_for_the_least_of_what_it_rests_on(wall: float, seconds: int) -> None:
    async def main() -> None:
        town = await dated(300.0)
        set_wall(town, wall)
        answer = await town.ask()
        assert town.fast[-1]
        assert answer.headers[b"cache-control"] == b"max-age=%d" % seconds
        assert answer.headers[b"x-accel-expires"] == b"%d" % seconds
        assert b"vary" in answer.headers

    run(main())


def test_a_yes_is_kept_no_longer_than_its_pair_is_fresh() -> None:
    async def main() -> None:
        town = await warm(300.0, world=World(max_age=20.0))
        for left in (20, 15, 1):
            town.door.world.clock.move(town.door.gateway.fresh_for(key(), 900.0) - left)
            assert (await town.ask()).headers[b"cache-control"] == b"max-age=%d" % left
        town.door.world.clock.move(0.5)
        assert (await town.ask()).headers[b"cache-control"] == b"no-store"
        assert town.fast == [True] * 4

    run(main())


def _pair_dropped(town: EdgeTown) -> None:
    town.door.world.exchange.invalidate(key())


def _all_pairs_dropped(town: EdgeTown) -> None:
    town.door.world.exchange.invalidate_all()


def _user_not_known(town: EdgeTown) -> None:
    town.door.world.forget("u-1")


def _pair_expired(town: EdgeTown) -> None:
    town.door.world.clock.move(901)


@pytest.mark.parametrize("change", [_pair_dropped, _all_pairs_dropped, _user_not_known, _pair_expired])
def test_a_pair_that_is_gone_is_exchanged_anew(change: Callable[[EdgeTown], None]) -> None:
    async def main() -> None:
        town = await dated()
        town.door.world.accounts.users[PHONE] = "u-9"
        assert (await town.ask()).headers[b"x-wind-user-id"] == b"u-1"
        change(town)
        assert (await town.ask()).headers[b"x-wind-user-id"] == b"u-9"
        assert town.fast == [False, True, True, False]
        assert (await town.ask()).headers[b"x-wind-user-id"] == b"u-9"
        assert town.fast[-1]

    run(main())


def test_a_token_ends_at_its_second() -> None:
    async def main() -> None:
        town = await dated()
        set_wall(town, WALL + 59.9)
        assert (await town.ask()).status == 200
        set_wall(town, WALL + 60)
        assert (await town.ask()).problem() == "expired-token"

    run(main())


def test_a_service_token_is_handed_out_for_its_first_half() -> None:
    async def main() -> None:
        town = await dated()
        for seconds, name in ((29.9, b"of-0"), (30, b"of-30"), (29, b"of-0")):
            set_wall(town, WALL + seconds)
            assert (await town.ask()).headers[b"authorization"] == b"Bearer " + name
            assert town.fast[-1]

    run(main())


def test_a_clock_that_is_set_back_makes_no_token_good() -> None:
    async def main() -> None:
        town = await dated()
        set_wall(town, WALL - 0.5)
        town.door.verifier.principals[b"t-1"] = ExpiredToken()
        assert (await town.ask()).problem() == "expired-token"

    run(main())


def test_a_key_that_is_gone_ends_the_flow() -> None:
    async def main() -> None:
        town = await warm()
        assert (await town.ask()).status == 200
        town.door.verifier.principals[b"t-1"] = ExpiredToken()
        town.door.verifier.generation += 1
        assert (await town.ask()).problem() == "expired-token"

    run(main())


def test_a_reload_ends_all_flows() -> None:
    async def main() -> None:
        town = await warm()
        assert (await town.ask()).status == 200
        other = Door(networks=NetworkAllowlist({"app": [ip_network("192.0.2.0/24")]}))
        town.decisions.decide_by(other.gateway, 9.0, fast_path=True)
        assert (await town.ask()).problem() == "caller-not-allowed"
        town.decisions.decide_by(town.door.gateway, 9.0, fast_path=True)
        assert (await town.ask()).headers[b"cache-control"] == b"max-age=9"
        town.decisions.decide_by(town.door.gateway, 0.0, fast_path=False)
        assert (await town.ask()).headers[b"cache-control"] == b"no-store"
        assert town.fast == [True, False, True, False]

    run(main())


def test_a_caller_of_other_networks_is_refused_with_the_flow_of_a_good_one_at_hand() -> None:
    async def main() -> None:
        town = await warm(networks=NetworkAllowlist({"app": [ip_network("127.0.0.1/32")]}))
        assert (await town.ask()).status == 200
        assert (await town.ask(question(b"X-Forwarded-For: 198.51.100.1"))).problem() == "caller-not-allowed"
        assert (await town.ask(question(b"X-Forwarded-For: nonsense"))).problem() == "caller-not-allowed"
        assert town.fast == [True, False, False]

    run(main())


def test_at_the_limit_the_gateway_says_so() -> None:
    async def main() -> None:
        town = await warm(limit=1)
        town.limiter.acquire()
        assert (await town.ask()).problem() == "overloaded"
        town.limiter.release()
        assert (await town.ask()).status == 200
        assert town.limiter.in_flight == 0

    run(main())


def test_a_rate_limit_counts_each_decision_once() -> None:
    async def main() -> None:
        town = await warm(rate_limits=caller_limits({"app": RateLimit(1 / 3600, 4)}, {}))
        for _ in range(3):
            assert (await town.ask()).status == 200
        assert (await town.ask()).problem() == "rate-limited"
        assert town.fast == [True, True, True, False]
        town.door.world.clock.move(3600)
        town.door.world.exchange.invalidate_all()
        assert (await town.ask()).status == 200

    run(main())


@each_row(
    "data",
    [
        question(start=b"HEAD /decide"),
        question(start=b"GET /refusals/expired-token"),
        question(b"x-wind-user-id: other"),
        question(b"x-api-key: theirs"),
        question(b"x-request-timeout-ms: 100"),
        question(b"traceparent: nonsense"),
        question(b"tracestate: a=1"),
        question(b"connection: close"),
        question(b"x-talaria-odd: 1"),
        question(b"X-Forwarded-Uri: /other"),
        question(asked=[b"X-Forwarded-Method: POST", b"X-Forwarded-Uri: /"], tag=b"pay"),
        question(asked=[b"X-Forwarded-Method: DELETE", b"X-Forwarded-Uri: /"], tag=b"bare"),
        question(asked=[b"X-Forwarded-Method: GET"]),
        question(asked=[b"X-Forwarded-Method: GET", b"X-Forwarded-Uri: /a/../b"]),
        question(asked=[b"X-Forwarded-Method: BREW", b"X-Forwarded-Uri: /"]),
        question(start=b"GET /decide/a"),
        question(start=b"GET /decided", asked=[]),
        question(start=b"GET /decide/a/../b", asked=[]),
        question(token=b"t-none"),
        question(token=b"t-old"),
        question(tag=b"other"),
        question() * 2,
    ],
)
def test_what_is_not_usual_is_the_steps(data: bytes) -> None:
    async def main() -> None:
        town = await warm()
        for token, tag in ((b"t-1", b"bare"), (b"t-1", b"pay")):
            await town.ask(question(token=token, tag=tag))
        town.recorder.events.clear()
        assert (await town.send(data)).startswith(b"HTTP/1.1 ")
        assert not any(town.fast)

    run(main())


@pytest.mark.parametrize(
    ("sample", "sent", "told"), [(None, PARENT, True), (1.0, PARENT, True), (1.0, b"", True), (0.0, b"", False)]
)
def test_a_trace_is_recorded_as_it_is_by_the_steps(sample: float | None, sent: bytes, told: bool) -> None:
    async def main() -> None:
        town = await warm(tracing=None if sample is None else Tracing(sample))
        answer = await town.ask(question(*([b"traceparent: " + sent] if sent else []), b"X-Forwarded-Host: door"))
        (event,) = town.ended
        assert isinstance(event, RequestForwarded)
        assert len(event.trace_id) == 32
        assert (event.trace is not None) == told
        if event.trace is not None and sample is not None:
            assert (event.trace.host, event.trace.given) == (b"door", sent)
        assert answer.headers.keys().isdisjoint({b"traceparent", b"x-talaria-remove"})

    run(main())


def test_a_pair_that_serves_is_counted_by_the_one_event() -> None:
    async def main() -> None:
        town = await warm()
        await town.ask()
        assert town.hits == 1
        assert not [event for event in town.recorder.events if isinstance(event, ExchangeFinished)]

    run(main())

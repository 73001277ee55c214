"""Flows: what one says, and that it falls with each part of it that changes."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from ipaddress import ip_network

import pytest

from talaria.domain.authorization import NetworkAllowlist
from talaria.domain.errors import IdentityUnknown
from talaria.domain.flow import FLOW_SECONDS, Flow
from talaria.domain.headers import RequestHeaders
from talaria.domain.http import ClientRequest, Headers
from talaria.domain.model import Principal, ServiceClaims, ServiceToken, VerifiedToken
from talaria.domain.tracing import Tracing
from talaria.testing import MemoryServiceTokens, MemoryTokenVerifier
from tests.unit.domain.support_exchange import World, key, person
from tests.unit.domain.support_memory_gateway import Door, request_headers
from tests.unit.support_time import run

WALL = 5000.0


class Dated(MemoryTokenVerifier):
    """Its tokens are good for so many seconds from WALL on."""

    seconds = 60.0

    def recall(self, token: bytes) -> VerifiedToken | None:
        found = super().recall(token)
        return found and VerifiedToken(found.principal, WALL, WALL + self.seconds, self, self.generation)


class DatedTokens(MemoryServiceTokens):
    """Its tokens are handed out for half a minute."""

    def token_for(self, claims: ServiceClaims) -> ServiceToken:
        return ServiceToken(super().token_for(claims).token, WALL - 1, WALL + 30)


def asked(
    tag: bytes = b"wind", token: bytes = b"t-1", host: bytes = b"api.example", peer: str = "203.0.113.7"
) -> ClientRequest:
    """The request that a flow is asked for."""
    headers = [(name, host if name == b"host" else value) for name, value in request_headers(token=token, tag=tag)]
    return ClientRequest("", b"", headers, peer=peer)


def head(lines: Headers) -> RequestHeaders:
    """Of a request behind a proxy."""
    return RequestHeaders([], dict(lines))


async def warm(**door: object) -> Door:
    """A gateway that has just answered a request of p-1, on the route `wind`."""
    verifier = Dated({b"t-1": person(), b"t-2": person("p-2"), b"t-key": Principal("app", None)})
    warmed = Door(**{"verifier": verifier, "tokens": DatedTokens(), **door})  # type: ignore[arg-type]
    await warmed.knock()
    return warmed


async def flow_in(door: Door) -> Flow:
    """The flow of p-1."""
    flow = door.gateway.flow_of(asked())
    assert flow is not None
    assert flow.holds(door.world.clock.now(), WALL)
    return flow


def test_a_flow_says_what_the_steps_decide() -> None:
    async def main() -> None:
        door = await warm()
        flow = await flow_in(door)
        assert flow.labels == ("wind", "wind", "services", "app", "")
        assert (flow.user_id.reveal(), flow.identity) == ("u-1", key())
        sent = {**door.sent(), b"x-request-id": b""}
        lines = (flow.lines_before + b"x-request-id: \r\n" + flow.lines_after).split(b"\r\n")[:-1]
        names = [line.partition(b": ")[0] for line in lines]
        assert names == list(sent)
        said = dict(line.split(b": ", 1) for line in lines)
        assert {**said, b"x-request-timeout-ms": b""} == {**sent, b"x-request-timeout-ms": b""}
        assert said[b"x-request-timeout-ms"] == b"10000"
        assert flow.secrets == (b"service-token-1", b"api-key-canary")
        assert flow.methods == {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

    run(main())


def test_a_flow_is_asked_for_without_a_trace() -> None:
    async def main() -> None:
        door = await warm()
        before, calls = len(door.world.recorder.events), door.world.calls
        await flow_in(door)
        assert (len(door.world.recorder.events), door.world.calls) == (before, calls)
        assert len(door.upstream.received) == 1

    run(main())


def _token_over(door: Door) -> float:
    return WALL + 60


def _service_token_half_over(door: Door) -> float:
    return WALL + 30


def _clock_set_back(door: Door) -> float:
    return WALL - 0.5


def _keys_changed(door: Door) -> float:
    door.verifier.generation += 1
    return WALL


def _ten_seconds(door: Door) -> float:
    door.world.clock.move(FLOW_SECONDS)
    return WALL


def _this_pair_dropped(door: Door) -> float:
    assert door.world.exchange.invalidate(key())
    return WALL


def _all_pairs_dropped(door: Door) -> float:
    door.world.exchange.invalidate_all()
    return WALL


def _user_not_known(door: Door) -> float:
    door.world.forget("u-1")
    return WALL


@pytest.mark.parametrize(
    "change",
    [
        _token_over,
        _service_token_half_over,
        _clock_set_back,
        _keys_changed,
        _ten_seconds,
        _this_pair_dropped,
        _all_pairs_dropped,
        _user_not_known,
    ],
)
def test_it_falls_with_each_part(change: Callable[[Door], float]) -> None:
    async def main() -> None:
        door = await warm()
        flow = await flow_in(door)
        assert not flow.holds(door.world.clock.now() + 0, change(door)) or not flow.holds(door.world.clock.now(), WALL)

    run(main())


def test_it_holds_whatever_becomes_of_another_pair() -> None:
    async def main() -> None:
        door = await warm()
        flow = await flow_in(door)
        door.world.exchange.invalidate(key("p-2"))
        assert flow.holds(door.world.clock.now(), WALL)

    run(main())


def test_it_holds_no_longer_than_its_pair_is_fresh() -> None:
    async def main() -> None:
        door = await warm(world=World(max_age=6.0))
        flow = await flow_in(door)
        door.world.clock.move(5.9)
        assert flow.holds(door.world.clock.now(), WALL)
        door.world.clock.move(0.2)
        assert not flow.holds(door.world.clock.now(), WALL)
        assert door.gateway.flow_of(asked()) is None

    run(main())


def test_a_pair_in_use_is_not_the_one_that_is_evicted() -> None:
    async def main() -> None:
        door = await warm(world=World(max_entries=2))
        await door.knock(token=b"t-2")
        await flow_in(door)
        await door.world.ask(person("p-1", "web"))
        assert door.world.identities.get(key()) is not None
        assert door.world.identities.get(key("p-2")) is None

    run(main())


async def _nothing(door: Door) -> None:
    """As it is."""


async def _unknown_user(door: Door) -> None:
    door.world.exchange.invalidate(key())
    door.world.directory.phones.clear()
    with pytest.raises(IdentityUnknown):
        await door.knock()


async def _expired(door: Door) -> None:
    door.world.clock.move(901)


async def _not_verified(door: Door) -> None:
    door.verifier.gate.clear()


@pytest.mark.parametrize(
    ("request_", "change"),
    [
        (asked(tag=b"other"), _nothing),
        (asked(tag=b""), _nothing),
        (asked(tag=b"jobs"), _nothing),
        (asked(tag=b"bolt"), _nothing),
        (asked(token=b""), _nothing),
        (asked(token=b"t-2"), _nothing),
        (asked(token=b"t-none"), _nothing),
        (asked(token=b"t-key"), _nothing),
        (asked(host=b"a b"), _nothing),
        (asked(), _unknown_user),
        (asked(), _expired),
        (asked(), _not_verified),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_where_something_is_not_known_there_is_none(
    request_: ClientRequest, change: Callable[[Door], Awaitable[None]]
) -> None:
    async def main() -> None:
        door = await warm()
        await change(door)
        assert door.gateway.flow_of(request_) is None

    run(main())


def test_the_callers_networks_are_looked_at_for_each_peer() -> None:
    async def main() -> None:
        door = await warm(networks=NetworkAllowlist({"app": [ip_network("203.0.113.0/24")]}))
        assert door.gateway.flow_of(asked()) is not None
        assert door.gateway.flow_of(asked(peer="198.51.100.1")) is None

    run(main())


PROXY = "10.1.2.3"
BEHIND = [
    ([], b"10.1.2.3"),
    ([(b"x-forwarded-for", b"203.0.113.7")], b"203.0.113.7, 10.1.2.3"),
    (
        [(b"x-forwarded-for", b"6.6.6.6, 203.0.113.7"), (b"x-forwarded-proto", b"https")],
        b"6.6.6.6, 203.0.113.7, 10.1.2.3",
    ),
    ([(b"forwarded", b'for="[2001:db8::7]:1"')], b"2001:db8::7, 10.1.2.3"),
]


def test_a_flow_of_a_trusted_proxy_says_nothing_of_the_client_behind_it() -> None:
    async def main() -> None:
        door = await warm()
        flow, plain = door.gateway.flow_of(asked(peer=PROXY)), await flow_in(door)
        assert flow is not None
        assert (flow.proxied, plain.proxied) == (True, False)
        assert b"forwarded" not in flow.lines_before + flow.lines_after
        for lines, hops in BEHIND:
            await door.knock(*lines, peer=PROXY)
            own = door.gateway.forwarding(flow, head([(b"host", b"api.example"), *lines]), PROXY, "http")
            assert own is not None
            assert b"x-forwarded-for: %b\r\n" % hops in own
            said = dict(line.split(b": ", 1) for line in (own + flow.lines_before).split(b"\r\n")[:-1])
            assert said == {name: value for name, value in door.sent().items() if name in said}
            assert len(said) == len(plain.lines_before.split(b"\r\n")[:-1])

    run(main())


@pytest.mark.parametrize(
    ("hops", "allowed"),
    [(b"203.0.113.7", True), (b"198.51.100.1", False), (b"203.0.113.7, 198.51.100.1", False), (b"nonsense", False)],
)
def test_behind_a_trusted_proxy_the_callers_networks_are_looked_at_for_each_request(hops: bytes, allowed: bool) -> None:
    async def main() -> None:
        door = Door(networks=NetworkAllowlist({"app": [ip_network("203.0.113.0/24")]}))
        await door.knock((b"x-forwarded-for", b"203.0.113.9"), peer=PROXY)
        flow = door.gateway.flow_of(asked(peer=PROXY))
        assert flow is not None
        headers = head([(b"host", b"api.example"), (b"x-forwarded-for", hops)])
        assert (door.gateway.forwarding(flow, headers, PROXY, "http") is not None) is allowed

    run(main())


def test_a_route_with_methods_has_a_flow_for_these_alone() -> None:
    async def main() -> None:
        door = await warm()
        flow = door.gateway.flow_of(asked(tag=b"bare"))
        assert flow is not None
        assert flow.methods == {"GET", "POST"}
        assert flow.secrets == (b"service-token-2",)

    run(main())


def test_where_spans_are_told_a_flow_holds_no_trace() -> None:
    async def main() -> None:
        flow = (await warm(tracing=Tracing(1.0))).gateway.flow_of(asked())
        assert flow is not None
        assert b"traceparent" not in flow.lines_before + flow.lines_after

    run(main())


def test_methods_before_which_a_pairs_age_is_looked_at_have_none() -> None:
    async def main() -> None:
        door = await warm()
        door.gateway._routes[b"wind"] = replace(
            door.gateway._routes[b"wind"], recheck_methods=frozenset({"DELETE", "POST"}), recheck_max_age=1.0
        )
        flow = await flow_in(door)
        assert flow.methods == {"GET", "HEAD", "PUT", "PATCH", "OPTIONS"}

    run(main())


def test_the_callers_rights_are_looked_at() -> None:
    async def main() -> None:
        door = await warm(verifier=Dated({b"t-1": person(), b"t-web": person(caller="web")}))
        await door.knock(token=b"t-web")
        assert door.gateway.flow_of(asked(token=b"t-web")) is not None
        assert door.gateway.flow_of(asked(token=b"t-web", tag=b"bare")) is None

    run(main())


def test_nothing_of_it_is_printed() -> None:
    async def main() -> None:
        printed = repr(await flow_in(await warm()))
        assert "service-token" not in printed
        assert "canary" not in printed
        assert "u-1" not in printed

    run(main())

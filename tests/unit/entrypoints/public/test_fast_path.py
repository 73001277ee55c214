"""The fast path: what takes it, what leaves it and when, and that a request which left it goes on as ever."""

import asyncio
from collections.abc import Awaitable, Callable
from ipaddress import ip_network

import pytest

from talaria.domain.authorization import NetworkAllowlist
from talaria.domain.events import Attempt, ExchangeFinished, RequestForwarded
from talaria.domain.rate_limits import RateLimit
from tests.unit.domain.support_exchange import key
from tests.unit.domain.support_memory_gateway import Door
from tests.unit.domain.support_rate_limits import caller_limits
from tests.unit.entrypoints.public.support_fast_path import OK, Client, FastTown, ask, post
from tests.unit.support_time import run, settle


def test_a_request_goes_straight_and_its_response_comes_straight_back() -> None:
    async def main() -> None:
        town = FastTown()
        client = await town.warm()
        await client.send(ask(b"Accept: */*", b"X-Request-Id: mine-1"))
        assert not town.state.tasks
        assert town.limiter.in_flight == 1
        await town.reply(OK)
        head = b"HTTP/1.1 200 OK\r\ndate: today\r\ncontent-length: 2\r\nx-request-id: mine-1\r\n\r\n"
        assert client.got() == head + b"ok"
        assert town.limiter.in_flight == 0
        (event,) = town.ended
        assert isinstance(event, RequestForwarded)
        assert (event.request_id, event.status, event.bytes_in, event.bytes_out) == ("mine-1", 200, 0, 2)
        assert event.labels == ("wind", "wind", "services", "app", "")
        assert not [one for one in town.recorder.events if isinstance(one, Attempt | ExchangeFinished)]

    run(main())


@pytest.mark.parametrize(
    "pieces",
    [
        (OK[:-1], OK[-1:]),
        (OK[:-2], OK[-2:-1], OK[-1:]),
        (b"HTTP/1.1 200 OK\r\ndate: today\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",),
    ],
)
def test_a_response_in_pieces_or_in_chunks(pieces: tuple[bytes, ...]) -> None:
    async def main() -> None:
        town = FastTown()
        client = await town.warm()
        for _ in range(2):
            await client.send(ask(b"x-request-id: r-1"))
            await town.reply(*pieces)
            got = client.got()
            assert sorted(got.split(b"\r\n")) == sorted([*OK.split(b"\r\n"), b"x-request-id: r-1"])
        await asyncio.sleep(1)
        assert town.fast == [True, True]
        assert [event.bytes_out for event in town.ended] == [2, 2]

    run(main())


def test_the_upstream_gets_the_identity_and_nothing_of_the_token() -> None:
    async def main() -> None:
        town = FastTown()
        client = await town.warm()
        await client.send(ask(b"Accept: */*"))
        head = town.urls[0].written
        assert head.startswith(b"GET /rides?a=1 HTTP/1.1\r\nhost: up-0\r\naccept: */*\r\nforwarded: for=")
        assert head.count(b"\r\nx-wind-user-id: u-1\r\n") == 1
        assert head.count(b"\r\nauthorization: Bearer service-token-1\r\n") == 1
        assert b"t-1" not in head

    run(main())


def test_a_body_that_is_there_goes_along() -> None:
    async def main() -> None:
        town = FastTown()
        client = await town.warm()
        await client.send(post(b"hello"))
        assert town.urls[0].written.endswith(b"\r\ncontent-length: 5\r\n\r\nhello")
        await town.reply(OK)
        (event,) = town.ended
        assert isinstance(event, RequestForwarded)
        assert (event.method, event.bytes_in) == ("POST", 5)

    run(main())


def test_a_clients_trace_goes_along() -> None:
    async def main() -> None:
        town = FastTown()
        client = await town.warm()
        trace = b"traceparent: 00-%b-%b-01" % (b"a" * 32, b"b" * 16)
        await client.send(ask(trace))
        assert b"\r\n" + trace + b"\r\n" in town.urls[0].written
        await town.reply(OK)
        (event,) = town.ended
        assert isinstance(event, RequestForwarded)
        assert event.trace_id == "a" * 32

    run(main())


async def _switched_off(town: FastTown) -> None:
    town.fast_path.enabled = False


async def _at_the_limit(town: FastTown) -> None:
    town.limiter.resize(1)
    town.limiter.in_flight = 1


async def _circuit_open(town: FastTown) -> None:
    for _ in range(5):
        town.breakers[0].failed(0, town.clock.now())


async def _no_idle_connection(town: FastTown) -> None:
    town.urls[0].connections[0].close()


async def _pair_forgotten(town: FastTown) -> None:
    town.door.world.exchange.invalidate(key())


async def _pair_expired(town: FastTown) -> None:
    town.clock.move(901)


async def _token_unknown(town: FastTown) -> None:
    town.door.verifier.generation += 1
    town.door.verifier.gate.clear()


@pytest.mark.parametrize(
    "doubt",
    [_switched_off, _at_the_limit, _circuit_open, _no_idle_connection, _pair_forgotten, _pair_expired, _token_unknown],
)
@pytest.mark.parametrize("known", [True, False], ids=["a flow is kept", "no flow is kept"])
def test_a_doubt_leaves_before_anything_is_done(doubt: Callable[[FastTown], Awaitable[None]], known: bool) -> None:
    async def main() -> None:
        town = FastTown()
        client = await town.warm()
        if known:
            await client.send(ask())
            await town.reply(OK)
        assert town.fast == [True] * known
        await doubt(town)
        await client.send(ask())
        assert client.connection._sent is None
        for task in town.state.tasks:
            task.cancel()
        await settle()
        assert not any(town.fast[known:])

    run(main())


@pytest.mark.parametrize(
    "request_bytes",
    [
        ask(start=b"HEAD /rides"),
        ask(start=b"GET /a/../b"),
        ask(b"x-request-timeout-ms: 100"),
        ask(b"via: 1.1 edge"),
        ask(b"connection: close"),
        ask(b"te: trailers"),
        ask(b"tracestate: a=1"),
        ask(b"x-api-key: secret"),
        post(b"x" * (1 + 100)),
        ask(token=b"t-old"),
        ask().replace(b"Bearer t-1", b"Basic t-1"),
        ask().replace(b"Bearer t-1", b"Bearer t-1\x00"),
        ask(token=b"t-none"),
        ask().replace(b"x-api-tag: wind\r\n", b""),
        ask().replace(b"host: api.example\r\n", b""),
        ask().replace(b"x-api-tag: wind\r\n", b"x-api-tag: other\r\n"),
        ask(b"x-api-tag: wind"),
    ],
)
def test_what_is_not_usual_is_left(request_bytes: bytes) -> None:
    async def main() -> None:
        town = FastTown()
        client = await town.warm()
        await client.send(request_bytes)
        await town.reply(OK)
        await settle()
        assert not any(town.fast)

    run(main())


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_only_methods_of_the_route(method: str) -> None:
    async def main() -> None:
        town = FastTown()
        client = await town.warm()
        data = ask(start=method.encode() + b" /x").replace(b"x-api-tag: wind", b"x-api-tag: bare")
        for _ in range(2):
            await client.send(data)
            await town.reply(OK)
        assert town.fast == [method != "DELETE"] * 2

    run(main())


def test_a_rate_limit_counts_each_request_once() -> None:
    async def main() -> None:
        town = FastTown(rate_limits=caller_limits({"app": RateLimit(1 / 3600, 4)}, {}))
        client = await town.warm()
        for _ in range(3):
            await client.send(ask())
            await town.reply(OK)
        assert town.fast == [True] * 3
        assert client.got().count(b"HTTP/1.1 200") == 3
        await client.send(ask())
        assert client.got().startswith(b"HTTP/1.1 429 ")
        assert len(town.urls[0].connections) == 1
        town.clock.move(3600)
        await client.send(ask())
        assert town.limiter.in_flight == 1

    run(main())


def test_each_request_makes_room_for_retries() -> None:
    async def main() -> None:
        town = FastTown()
        client = await town.warm()
        counted: list[float] = []
        town.services.requested = counted.append
        await client.send(ask())
        assert counted == [town.clock.now()]

    run(main())


def test_bound_callers_are_looked_at_from_each_peer() -> None:
    async def main() -> None:
        bound = FastTown(networks=NetworkAllowlist({"app": [ip_network("203.0.113.7/32")]}))
        client = await bound.warm()
        await client.send(ask())
        await bound.reply(OK)
        stranger = Client(bound, "198.51.100.1")
        await stranger.send(ask())
        assert stranger.got().startswith(b"HTTP/1.1 403 ")
        assert bound.fast == [True, False]

    run(main())


def test_an_upstream_of_another_kind_is_asked_by_the_slow_path() -> None:
    async def main() -> None:
        town, door = FastTown(), Door()
        await door.knock()
        town.fast_path.pass_on_by(door.gateway, 0, enabled=True)
        town.proxy.pass_on_by(door.gateway, 0)
        client = Client(town)
        await client.send(ask())
        assert client.got().startswith(b"HTTP/1.1 200 ")
        assert len(door.upstream.received) == 2
        assert town.fast == [False]

    run(main())


def test_each_client_behind_a_trusted_proxy_is_told_of() -> None:
    async def main() -> None:
        town = FastTown()
        proxy = await town.warm(peer="10.0.0.9")
        for client in (b"198.51.100.1", b"198.51.100.2, 10.0.0.8"):
            await proxy.send(ask(b"x-forwarded-for: " + client))
            assert b"x-forwarded-for: %b, 10.0.0.9\r\n" % client in town.urls[0].written
            await town.reply(OK)
        assert town.fast == [True, True]

    run(main())


def test_behind_a_trusted_proxy_a_caller_is_bound_to_its_networks() -> None:
    async def main() -> None:
        bound = FastTown(networks=NetworkAllowlist({"app": [ip_network("203.0.113.7/32")]}))
        proxy = await bound.warm(ask(b"x-forwarded-for: 203.0.113.7"), "10.0.0.9")
        for client, status in ((b"203.0.113.7", b"200"), (b"203.0.113.8", b"403"), (b"203.0.113.7", b"200")):
            await proxy.send(ask(b"x-forwarded-for: " + client))
            if status == b"200":
                await bound.reply(OK)
            assert proxy.got().startswith(b"HTTP/1.1 %b " % status)
        assert bound.fast == [True, False, True]
        assert bound.limiter.in_flight == 0

    run(main())


def test_a_name_that_the_gateway_sets_itself_is_not_passed_on() -> None:
    async def main() -> None:
        town = FastTown()
        client = await town.warm()
        await client.send(ask(b"x-wind-user-id: other", b"X-Talaria-Shard: iss p-1"))
        await town.reply(OK)
        assert town.fast == [True]
        assert b"other" not in town.urls[0].written
        assert b"shard" not in town.urls[0].written.lower()

    run(main())


SMUGGLED = b"GET /smuggled HTTP/1.1\r\nhost: h\r\nx-api-tag: wind\r\nauthorization: Bearer t-1\r\n\r\n"


@pytest.mark.parametrize(
    ("head", "rest"),
    [
        (b"content-length: %d" % (2 + len(SMUGGLED)), SMUGGLED),
        (b"content-length: 1000", SMUGGLED),
        (b"transfer-encoding: chunked", b"4\r\nmore\r\n0\r\n\r\n" + SMUGGLED),
        (b"transfer-encoding: chunked", SMUGGLED),
    ],
)
@pytest.mark.parametrize("pieces", [1, 2])
def test_the_rest_of_a_body_that_its_response_overtook_is_no_request(head: bytes, rest: bytes, pieces: int) -> None:
    async def main() -> None:
        town = FastTown()
        client = await town.warm()
        begun = b"2\r\nxx\r\n" if b"chunked" in head else b"xx"
        await client.send(ask(head, start=b"POST /rides") + begun)
        if b"1000" not in head:  # that one is refused for its size
            await town.reply(OK)
        assert b"\r\nconnection: close\r\n" in client.got()
        at = len(rest) // pieces
        await client.send(rest[:at], *([rest[at:]] if rest[at:] else []))
        assert b"/smuggled" not in town.urls[0].written
        assert client.got() == b""
        assert len(town.ended) == 1

    run(main())

"""A request that was sent on the fast path and leaves it: it goes on as ever, with its first try counted."""

import asyncio

import pytest

from talaria.adapters.http1.errors import ConnectError
from talaria.domain.events import ExchangeFinished, RequestFinished
from tests.unit.entrypoints.public.support_fast_path import OK, UNKNOWN, FastTown, ask, post, without_ids
from tests.unit.support_time import run, settle

STREAMED = [
    (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n", b"0\r\n\r\n"),
    (b"HTTP/1.1 100 Continue\r\n\r\n", OK),
    (OK[:-1], OK[-1:] + b"surplus"),
    (OK[:-2], OK[-2:-1], OK[-1:] + OK.replace(b"ok", b"evil")),
    (OK.replace(b"length: 2", b"length: 40000") + b"x" * 39000, b"x" * 998),
    (OK.replace(b"length: 2", b"length: 40000") + b"x" * 39997, b"x"),
    (OK[:20], OK[20:]),
    (b"HTTP/1.1 204 No Content\r\n\r\n",),
    (b"HTTP/1.1 500 Oops\r\ncontent-length: 2\r\n\r\nno",),
    (b"HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\nno",),
    (b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok",),
    (OK + b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil",),
    (OK.replace(b"date: today", b"x-echo: service-token-1"),),
    (OK.replace(b"date: today", b"x-echo: api-key-canary"),),
]


@pytest.mark.parametrize("pieces", STREAMED)
def test_a_response_that_is_not_plain_is_the_slow_paths(pieces: tuple[bytes, ...]) -> None:
    async def main() -> None:
        slow, fast = FastTown(enabled=False), FastTown()
        got = []
        for town in (slow, fast):
            client = await town.warm()
            await client.send(ask(b"x-request-id: r-1"))
            await town.reply(*pieces)
            assert town.fast == [False]
            assert town.limiter.in_flight == 0
            got.append(without_ids(client.got()))  # a date is in them: a second may pass between the two
            assert b"evil" not in got[-1]
            assert b"canary" not in got[-1]
            assert b"service-token" not in got[-1]
        assert got[0] == got[1] != b""
        assert [event.status for event in slow.ended] == [event.status for event in fast.ended]
        assert [one for one in slow.recorder.events if isinstance(one, ExchangeFinished)] == [
            one for one in fast.recorder.events if isinstance(one, ExchangeFinished)
        ]

    run(main())


PART = OK.replace(b"length: 2", b"length: 4")


def test_a_part_is_kept_for_a_moment_and_streamed_then() -> None:
    async def main() -> None:
        town = FastTown()
        client = await town.warm()
        await client.send(ask())
        await town.reply(PART)
        assert client.got() == b""
        await asyncio.sleep(0.003)
        assert client.got().endswith(b"\r\n\r\nok")
        await town.reply(b"ay")
        assert client.got() == b"ay"
        (event,) = town.ended
        assert isinstance(event, RequestFinished)
        assert (event.status, event.bytes_out, event.reason) == (200, 4, "")

    run(main())


@pytest.mark.parametrize("how", ["upstream", "client"])
def test_what_ends_while_a_part_is_kept(how: str) -> None:
    async def main() -> None:
        town = FastTown()
        client = await town.warm()
        await client.send(ask())
        await town.reply(PART)
        if how == "upstream":
            town.urls[0].connections[0].connection_lost(None)
        else:
            client.connection.connection_lost(None)
        await settle()
        (event,) = town.ended
        assert isinstance(event, RequestFinished)
        assert event.status == (200 if how == "upstream" else 499)
        assert event.reason == ("upstream-unreachable" if how == "upstream" else "client-gone")
        assert len(event.context.attempts) == 1
        assert town.limiter.in_flight == 0
        await asyncio.sleep(1)
        assert len(town.ended) == 1

    run(main())


def test_a_kept_connection_that_was_lost_gets_one_more_try() -> None:
    async def main() -> None:
        town = FastTown()
        client = await town.warm()
        await client.send(ask())
        town.urls[0].connections[0].connection_lost(None)
        await settle()
        assert len(town.urls[0].connections) == 2
        assert town.urls[0].transports[1].written.startswith(b"GET /rides?a=1 HTTP/1.1\r\n")
        await town.reply(OK)
        assert client.got().startswith(b"HTTP/1.1 200 ")
        (event,) = town.ended
        assert isinstance(event, RequestFinished)
        assert [attempt.outcome for attempt in event.context.attempts] == ["broken", "ok"]
        assert event.context.exchange == "hit"

    run(main())


@pytest.mark.parametrize("enabled", [True, False])
def test_kept_connections_that_were_lost_are_no_failure_of_the_upstream(enabled: bool) -> None:
    async def main() -> None:
        town = FastTown(enabled=enabled)
        client = await town.warm()
        for _ in range(10):
            await client.send(ask())
            town.urls[0].connections[-1].connection_lost(None)
            await settle()
            assert town.breakers[0].since is None
            await town.reply(OK)
            assert client.got().startswith(b"HTTP/1.1 200 ")
        assert town.breakers[0].health == "ok"

    run(main())


@pytest.mark.parametrize("how", ["drain", "reload", "more"])
def test_a_request_that_leaves_before_it_is_written_is_written_once(how: str) -> None:
    async def main() -> None:
        town = FastTown()
        client = await town.warm()
        client.connection.data_received(ask())
        if how == "drain":
            client.connection.begin_drain()
        elif how == "reload":
            client.connection.leave_fast_path()
        else:
            client.connection.data_received(ask(start=b"GET /second")[:10])
        await settle()
        assert town.urls[0].written.count(b"GET ") == 1
        await town.reply(OK)
        assert client.got().startswith(b"HTTP/1.1 200 ")
        (event,) = town.ended
        assert isinstance(event, RequestFinished)
        assert [attempt.outcome for attempt in event.context.attempts] == ["ok"]
        assert len(town.urls[0].connections) == 1

    run(main())


def test_an_upload_that_was_sent_is_not_sent_again() -> None:
    async def main() -> None:
        town = FastTown()
        client = await town.warm()
        await client.send(post(b"hello"))
        town.urls[0].connections[0].connection_lost(None)
        await settle()
        assert client.got().startswith(b"HTTP/1.1 502 ")
        (event,) = town.ended
        assert isinstance(event, RequestFinished)
        assert (event.status, event.bytes_in, len(event.context.attempts)) == (502, 5, 1)

    run(main())


def test_another_url_is_tried() -> None:
    async def main() -> None:
        town = FastTown(urls=2)
        client = await town.warm()
        await client.send(ask())
        asked = next(url for url in town.urls if url.written)
        other = next(url for url in town.urls if url is not asked)
        asked.refusing = ConnectError("refused")
        asked.connections[0].connection_lost(None)
        await settle()
        assert other.written.startswith(b"GET /rides?a=1 HTTP/1.1\r\n")
        await town.reply(OK, url=other)
        assert client.got().startswith(b"HTTP/1.1 200 ")
        assert town.fast == [False]

    run(main())


def test_an_unknown_user_is_exchanged_again() -> None:
    async def main() -> None:
        town = FastTown()
        client = await town.warm()
        town.door.world.accounts.users["+4915100000001"] = "u-new"
        await client.send(ask())
        await town.reply(UNKNOWN)
        assert b"x-wind-user-id: u-new\r\n" in town.urls[0].written
        await town.reply(OK)
        assert client.got().startswith(b"HTTP/1.1 200 ")
        (event,) = town.ended
        assert isinstance(event, RequestFinished)
        assert event.context.identity_refreshed
        await client.send(ask())
        await town.reply(OK)
        assert town.fast == [False, True]
        assert town.urls[0].written.count(b"x-wind-user-id: u-new\r\n") == 2

    run(main())


def test_failures_open_the_circuit() -> None:
    async def main() -> None:
        town = FastTown()
        for _ in range(5):
            client = await town.warm()
            await client.send(post(b"hello"))
            town.urls[0].connections[-1].connection_lost(None)
            await settle()
        assert town.breakers[0].state == "open" or town.breakers[0].since is not None

    run(main())


def test_no_response_in_time() -> None:
    async def main() -> None:
        town = FastTown()
        client = await town.warm()
        await client.send(ask())
        await asyncio.sleep(10.1)
        await settle()
        assert client.got().startswith(b"HTTP/1.1 504 ")
        (event,) = town.ended
        assert isinstance(event, RequestFinished)
        assert [attempt.outcome for attempt in event.context.attempts] == ["timeout"]
        assert event.seconds == pytest.approx(10.0, abs=0.2)
        assert town.breakers[0].since is not None

    run(main())


def test_more_bytes_of_the_client_hand_it_over() -> None:
    async def main() -> None:
        town = FastTown()
        client = await town.warm()
        await client.send(ask(), ask(start=b"GET /second")[:10])
        assert len(town.state.tasks) == 1
        await town.reply(OK)
        assert client.got().count(b"HTTP/1.1 200") == 1
        await client.send(ask(start=b"GET /second")[10:])
        await town.reply(OK)
        assert client.got().count(b"HTTP/1.1 200") == 1
        assert town.fast == [False, False]

    run(main())


def test_two_requests_in_one_piece_are_left() -> None:
    async def main() -> None:
        town = FastTown()
        client = await town.warm()
        await client.send(ask() + ask(start=b"GET /second"))
        await town.reply(OK)
        await town.reply(OK)
        assert client.got().count(b"HTTP/1.1 200") == 2
        assert town.fast == [False, False]

    run(main())


@pytest.mark.parametrize("how", ["lost", "eof"])
def test_a_client_that_disconnects(how: str) -> None:
    async def main() -> None:
        town = FastTown()
        client = await town.warm()
        await client.send(ask())
        if how == "lost":
            client.connection.connection_lost(None)
        else:
            client.connection.eof_received()
        await settle()
        assert town.urls[0].transports[0].ended == "aborted"
        (event,) = town.ended
        assert isinstance(event, RequestFinished)
        assert (event.status, event.reason) == (499, "client-gone")
        assert [attempt.outcome for attempt in event.context.attempts] == ["cancelled"]
        assert town.limiter.in_flight == 0
        assert not town.state.tasks

    run(main())


def test_a_drain_lets_it_end_and_the_connection_with_it() -> None:
    async def main() -> None:
        town = FastTown()
        client = await town.warm()
        await client.send(ask())
        assert not client.connection.is_idle
        client.connection.begin_drain()
        assert town.state.tasks
        await settle()
        await town.reply(OK)
        assert b"connection: close\r\n" in client.got()
        assert town.fast == [False]

    run(main())


def test_a_reload_forgets_all_flows_and_the_old_gateway_ends_what_it_began() -> None:
    async def main() -> None:
        town, new = FastTown(), FastTown()
        client = await town.warm()
        await client.send(ask())
        client.connection.leave_fast_path()
        town.fast_path.pass_on_by(new.door.gateway, 0, enabled=True)
        town.proxy.pass_on_by(new.door.gateway, 1)
        await settle()
        await town.reply(UNKNOWN)
        assert town.urls[0].written.count(b"x-wind-user-id: u-1\r\n") == 2
        await town.reply(OK)
        assert client.got().startswith(b"HTTP/1.1 200 ")
        await client.send(ask())
        assert new.urls[0].written.startswith(b"GET /rides")
        await new.reply(OK)
        assert client.got().startswith(b"HTTP/1.1 200 ")

    run(main())


def test_nothing_arrives_between_requests() -> None:
    async def main() -> None:
        town = FastTown()
        client = await town.warm()
        await client.send(ask())
        await town.reply(OK)
        await town.reply(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil")
        client.got()
        await client.send(ask())
        assert b"evil" not in client.got()
        assert len(town.urls[0].connections) == 2

    run(main())

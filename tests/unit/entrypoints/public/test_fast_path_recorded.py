"""What a request on the fast path leaves behind: its event and its trace, its connection, what the breaker and the
retry budget have counted, and no timer.
"""

import asyncio

import pytest

from talaria.adapters.http1.errors import ConnectError
from talaria.domain.events import RequestFinished, RequestForwarded, Trace
from talaria.domain.rate_limits import RateLimit
from talaria.domain.resilience import RETRIES_AT_LEAST
from talaria.domain.tracing import Tracing
from tests.unit.domain.support_rate_limits import caller_limits
from tests.unit.entrypoints.public.support_fast_path import OK, FastTown, ask, post
from tests.unit.support_time import run, settle

GIVEN = b"00-%b-%b-01" % (b"a" * 32, b"b" * 16)
NOT_SAMPLED = GIVEN[:-2] + b"00"


def _forwarded(town: FastTown) -> RequestForwarded:
    (event,) = town.ended
    assert isinstance(event, RequestForwarded)
    return event


def _parent_sent(town: FastTown) -> bytes:
    """The one `traceparent` that the upstream got."""
    _, _, rest = town.urls[0].written.partition(b"\r\ntraceparent: ")
    assert b"traceparent" not in rest
    return rest.partition(b"\r\n")[0]


def test_how_long_it_took_and_when_it_ended() -> None:
    async def main() -> None:
        town = FastTown()
        client = await town.warm()
        await client.send(ask())
        town.clock.move(0.25)
        town.wall = 6000.0
        await town.reply(OK)
        event = _forwarded(town)
        assert event.seconds == pytest.approx(0.25)
        assert event.upstream_seconds == pytest.approx(0.25)
        assert (event.at, event.address) == (6000.0, "http://up-0")
        assert (event.trace_id, event.trace) == ("", None)

    run(main())


@pytest.mark.parametrize("given", [GIVEN, NOT_SAMPLED])
def test_without_a_collector_the_clients_trace_is_recorded_as_it_is(given: bytes) -> None:
    async def main() -> None:
        town = FastTown()
        client = await town.warm()
        await client.send(ask(b"traceparent: " + given))
        assert _parent_sent(town) == given
        await town.reply(OK)
        event = _forwarded(town)
        assert event.trace_id == "a" * 32
        assert event.trace == Trace("a" * 32, given, b"", given)

    run(main())


def test_a_trace_that_is_none_goes_no_further() -> None:
    async def main() -> None:
        town = FastTown()
        client = await town.warm()
        await client.send(ask(b"traceparent: 00-0-0-01"))
        await town.reply(OK)
        assert b"traceparent" not in town.urls[0].written
        assert (_forwarded(town).trace_id, _forwarded(town).trace) == ("", None)

    run(main())


@pytest.mark.parametrize("line", [b"traceparent: " + GIVEN, b"accept: */*"], ids=["continued", "begun"])
def test_with_a_collector_a_sampled_trace_is_recorded(line: bytes) -> None:
    async def main() -> None:
        town = FastTown(tracing=Tracing(1.0))
        client = await town.warm()
        client.connection.scheme = "https"
        await client.send(ask(line))
        sent = _parent_sent(town)
        assert sent not in (b"", GIVEN)
        await town.reply(OK)
        event = _forwarded(town)
        assert event.trace is not None
        assert event.trace_id == event.trace.trace_id == sent[3:35].decode()
        assert (event.trace.parent, event.trace.host, event.trace.scheme) == (sent, b"api.example", "https")
        assert event.trace.given == (GIVEN if GIVEN in line else b"")
        assert (event.trace_id == "a" * 32) == (GIVEN in line)

    run(main())


@pytest.mark.parametrize("line", [b"traceparent: " + NOT_SAMPLED, b"accept: */*"], ids=["continued", "begun"])
def test_one_that_is_not_sampled_goes_on_and_is_not_recorded(line: bytes) -> None:
    async def main() -> None:
        town = FastTown(tracing=Tracing(0.0))
        client = await town.warm()
        await client.send(ask(line))
        sent = _parent_sent(town)
        assert sent.endswith(b"-00")
        await town.reply(OK)
        event = _forwarded(town)
        assert (event.trace_id, event.trace) == (sent[3:35].decode(), None)

    run(main())


@pytest.mark.parametrize("line", [b"traceparent: " + GIVEN, b"accept: */*"], ids=["continued", "begun"])
def test_a_request_that_is_handed_over_keeps_its_trace_and_its_beginning(line: bytes) -> None:
    async def main() -> None:
        town = FastTown(tracing=Tracing(1.0))
        client = await town.warm()
        await client.send(ask(line))
        sent = _parent_sent(town)
        town.clock.move(0.25)
        await town.reply(OK.replace(b"200 OK", b"500 Oops"))
        (event,) = town.ended
        assert isinstance(event, RequestFinished)
        assert event.context.trace is not None
        assert event.context.trace.parent == sent
        assert event.context.trace.given == (GIVEN if GIVEN in line else b"")
        assert event.context.trace.host == b"api.example"
        assert event.context.trace.scheme == "http"
        assert event.seconds == pytest.approx(0.25)

    run(main())


def test_without_a_collector_a_request_that_is_handed_over_has_the_clients_trace() -> None:
    async def main() -> None:
        town = FastTown()
        client = await town.warm()
        for line in (b"traceparent: " + GIVEN, b"accept: */*"):
            await client.send(ask(line))
            await town.reply(OK.replace(b"200 OK", b"500 Oops"))
        contexts = [event.context for event in town.ended if isinstance(event, RequestFinished)]
        assert [(context.trace_id, context.trace) for context in contexts] == [("a" * 32, None), ("", None)]

    run(main())


def test_a_clients_lines_go_on_one_after_the_other() -> None:
    async def main() -> None:
        town = FastTown()
        client = await town.warm()
        await client.send(ask(b"Accept: */*", b"X-A:1", b"X-A: 2"))
        assert b"\r\naccept: */*\r\nx-a: 1\r\nx-a: 2\r\n" in town.urls[0].written

    run(main())


def test_over_tls_the_upstream_hears_of_it() -> None:
    async def main() -> None:
        town = FastTown()
        client = await town.warm()
        client.connection.scheme = "https"
        await client.send(ask())
        assert town.urls[0].written.count(b"\r\nx-forwarded-proto: https\r\n") == 1
        await town.reply(OK)
        assert town.fast == [True]

    run(main())


@pytest.mark.parametrize("dated", [True, False])
def test_a_response_without_a_date_gets_one(dated: bool) -> None:
    async def main() -> None:
        town = FastTown()
        client = await town.warm()
        await client.send(ask())
        await town.reply(OK if dated else OK.replace(b"date: today\r\n", b""))
        head = client.got()
        assert head.count(b"\r\ndate: ") == 1
        assert (b"\r\ndate: today\r\n" in head) == dated
        assert town.fast == [True]

    run(main())


@pytest.mark.parametrize("handed_over", [True, False])
def test_no_timer_of_a_part_outlives_its_request(handed_over: bool) -> None:
    async def main() -> None:
        town = FastTown()
        client = await town.warm()
        for _ in range(3):
            await client.send(ask())
            await town.reply(OK[:-2], OK[-2:-1])
            if handed_over:
                client.connection.leave_fast_path()
            await town.reply(OK[-1:])
            await client.send(ask())  # what a timer of the first one would hand over
            await asyncio.sleep(0.01)
            assert len(town.state.tasks) == 0
            await town.reply(OK)
        assert town.fast == [not handed_over, True] * 3

    run(main())


def test_a_request_that_a_rate_limit_refuses_gives_its_connection_back() -> None:
    async def main() -> None:
        town = FastTown(rate_limits=caller_limits({"app": RateLimit(1 / 60, 1)}, {}))
        client = await town.warm()
        for _ in range(2):
            await client.send(ask())
            assert client.got().startswith(b"HTTP/1.1 429 ")
            assert (town.urls[0].in_flight, town.limiter.in_flight) == (0, 0)
        town.clock.move(60)
        assert town.urls[0].pool_state().idle == 1

    run(main())


def test_a_response_ends_a_row_of_failures() -> None:
    async def main() -> None:
        town = FastTown()
        for _ in range(2):
            client = await town.warm()
            for _ in range(4):
                town.breakers[0].failed(0, town.clock.now())
            await client.send(ask())
            assert town.breakers[0].health == "failing"
            await town.reply(OK)
            assert town.breakers[0].health == "ok"
            assert town.fast == [True]

    run(main())


def test_its_requests_are_those_of_which_a_fifth_may_be_tried_again() -> None:
    async def main() -> None:
        town = FastTown(limit=1000)
        client = await town.warm()
        for _ in range(5 * (RETRIES_AT_LEAST + 5)):
            await client.send(ask())
            await town.reply(OK)
        retried = 0
        for _ in range(RETRIES_AT_LEAST + 2):
            await client.send(ask())
            made = len(town.urls[0].connections)
            town.urls[0].connections[-1].connection_lost(None)
            await settle()
            if len(town.urls[0].connections) == made:
                break
            retried += 1
            town.urls[0].connections[-1].connection_lost(None)
            await settle()
            town.breakers[0].succeeded(0, town.clock.now())
            await client.send(ask())
            await town.reply(OK)
        assert retried > RETRIES_AT_LEAST

    run(main())


def test_a_post_that_was_sent_is_not_sent_again_where_the_url_is_gone() -> None:
    async def main() -> None:
        town = FastTown()
        client = await town.warm()
        town.urls[0].refusing = ConnectError("refused")
        await client.send(post(b"hello"))
        town.urls[0].connections[0].connection_lost(None)
        await settle()
        assert client.got().startswith(b"HTTP/1.1 502 ")
        assert town.urls[0].written.count(b"POST /rides") == 1

    run(main())

"""Which backend is asked, what its breaker hears, and what an error of the client is for the domain."""

import asyncio

import pytest

from talaria.adapters.http1.errors import (
    BodyLengthMismatch,
    ConnectError,
    ConnectionClosed,
    ConnectTimeout,
    Http1Error,
    LocalProtocolError,
    PoolExhausted,
    ReadTimeout,
    RemoteProtocolError,
    WriteTimeout,
)
from talaria.domain.errors import CircuitOpen, DependencyFault, Refusal, TimedOut, Unreachable
from talaria.domain.events import Attempt
from talaria.domain.http import UpstreamRequest, UpstreamResponse
from tests.support_refusals import by
from tests.unit.adapters.support_upstreams import (
    CUT,
    GOOD,
    NONSENSE,
    REFUSED,
    SILENT,
    Balanced,
    Cut,
    Step,
    step,
    streamed,
)


async def test_every_attempt_is_told_those_on_a_closed_connection_too() -> None:
    services = Balanced(step("broken", "ok"))
    assert await services.ask() == 200
    assert services.recorder.events == [Attempt("upstream", 0.0, 0.0, outcome) for outcome in ("broken", "ok")]


async def test_where_every_url_failed_none_is_asked() -> None:
    services = Balanced(REFUSED, REFUSED)
    for _ in range(5):
        with pytest.raises(Unreachable, check=by("upstream")):
            await services.ask()
    with pytest.raises(CircuitOpen) as caught:
        await services.ask()
    assert (services.asked, caught.value.retry_after) == ([5, 5], 5.0)


async def test_one_probe_brings_a_url_back() -> None:
    services = Balanced(REFUSED, GOOD)
    for _ in range(10):
        await services.ask()
    services.clock.move(5.0)
    services.clients[0].doing = GOOD
    before = services.clients[0].asked
    for _ in range(10):
        await services.ask()
    assert services.clients[0].asked == before + 5


@pytest.mark.parametrize("doing", [CUT, NONSENSE])
async def test_a_url_with_bodies_that_break_is_left_out(doing: Step) -> None:
    services = Balanced(doing, streamed())
    assert [await services.read() for _ in range(30)] == [b"half"] * 30
    assert services.asked == [5, 25]


async def test_what_broke_is_not_sent_again_and_the_only_url_is_refused_then() -> None:
    services = Balanced(CUT)
    assert [await services.read() for _ in range(5)] == [b"half"] * 5
    with pytest.raises(CircuitOpen):
        await services.read()
    assert services.asked == [5]


@pytest.mark.parametrize(("doing", "after"), [(SILENT, 0.0), (CUT, 11.0), (streamed(), 0.0)])
async def test_a_silence_an_old_stream_and_an_end_open_nothing(doing: Step, after: float) -> None:
    services = Balanced(doing)
    for _ in range(30):
        await services.read(after)
    assert services.asked == [30]


async def test_an_upload_that_is_refused_may_cost_the_end_of_the_answer() -> None:
    services = Balanced(CUT)
    for _ in range(10):
        upload = UpstreamRequest("POST", b"/", [], Cut(None), None, 1.0, 1.0)
        with pytest.raises(Unreachable, check=by("upstream")):
            [piece async for piece in (await services.upstream.send(upload)).body]
    assert services.breakers[0].state == "closed"


async def test_to_close_a_body_says_nothing_of_the_upstream() -> None:
    services = Balanced(CUT)
    for _ in range(10):
        answer = await services.upstream.send(UpstreamRequest("GET", b"/", [], None, None, 1.0, 1.0))
        await answer.body.aclose()
    assert services.breakers[0].state == "closed"


@pytest.mark.parametrize(
    ("error", "reason", "counts"),
    [
        (ConnectError("cause"), "upstream-unreachable", True),
        (ConnectTimeout("cause"), "upstream-timeout", True),
        (ConnectionClosed("cause"), "upstream-unreachable", True),
        (RemoteProtocolError("cause"), "upstream-bad-answer", True),
        (ReadTimeout("cause"), "upstream-timeout", True),
        (WriteTimeout("cause"), "upstream-timeout", True),
        (BodyLengthMismatch("cause"), "bad-request", False),
        (PoolExhausted("cause"), "overloaded", False),
    ],
)
async def test_an_error_of_the_client_has_one_name_in_the_domain(error: Http1Error, reason: str, counts: bool) -> None:
    services = Balanced(step(error=error))
    for _ in range(5):
        with pytest.raises(Refusal) as caught:
            await services.ask("POST")
        assert (caught.value.reason, caught.value.cause, caught.value.__cause__) == (reason, "cause", None)
        if isinstance(caught.value, DependencyFault):
            assert caught.value.request_sent is error.request_sent
    assert services.breakers[0].state == ("open" if counts else "closed")


async def test_a_full_pool_is_to_be_asked_again_in_a_second() -> None:
    with pytest.raises(Refusal) as caught:
        await Balanced(step(error=PoolExhausted("full"))).ask()
    assert caught.value.retry_after == 1.0


@pytest.mark.parametrize("error", [LocalProtocolError("ours"), KeyError("the body's"), asyncio.CancelledError()])
async def test_what_is_not_the_upstreams_passes_unchanged_and_says_nothing_of_it(error: Exception) -> None:
    services = Balanced(step(error=error))
    for _ in range(6):
        with pytest.raises(type(error)) as caught:
            await services.ask()
        assert caught.value is error
    assert services.breakers[0].state == "closed"


async def test_a_client_in_a_hurry_says_nothing_of_the_upstream() -> None:
    services = Balanced(step(error=ReadTimeout("no head of a response in time")))
    for _ in range(6):
        with pytest.raises(TimedOut, check=by("upstream")):
            await services.upstream.send(UpstreamRequest("GET", b"/", [], None, None, 1.0, 1.0, client_deadline=True))
    assert services.breakers[0].state == "closed"


@pytest.mark.parametrize(
    ("doing", "reason"),
    [(CUT, "upstream-unreachable"), (NONSENSE, "upstream-bad-answer"), (SILENT, "upstream-timeout")],
)
async def test_a_body_that_breaks_says_so_in_the_domains_words(doing: Step, reason: str) -> None:
    response = await Balanced(doing).upstream.send(UpstreamRequest("GET", b"/", [], None, None, 1.0, 1.0))
    assert await anext(response.body) == b"half"
    with pytest.raises(DependencyFault) as caught:
        await anext(response.body)
    assert caught.value.reason == reason


async def test_the_backend_with_the_fewest_requests_is_asked() -> None:
    services = Balanced(GOOD, GOOD, GOOD)
    services.clients[0].in_flight, services.clients[2].in_flight = 2, 1
    for _ in range(5):
        await services.ask()
    assert services.asked == [0, 5, 0]


async def test_a_client_in_a_hurry_does_not_excuse_a_broken_connection() -> None:
    services = Balanced(step(error=ConnectionClosed("broke")))
    for _ in range(5):
        with pytest.raises(Unreachable, check=by("upstream")):
            await services.upstream.send(UpstreamRequest("POST", b"/", [], None, None, 1.0, 1.0, client_deadline=True))
    assert services.breakers[0].state == "open"


@pytest.mark.parametrize("error", [PoolExhausted("full"), asyncio.CancelledError(), KeyError("the body's")])
async def test_a_probe_that_says_nothing_of_the_upstream_frees_its_place(error: Exception) -> None:
    services = Balanced(REFUSED)
    for _ in range(5):
        with pytest.raises(Unreachable, check=by("upstream")):
            await services.ask("POST")
    services.clock.move(5.0)
    services.clients[0].doing = step(error=error)
    with pytest.raises((Refusal, type(error))):
        await services.ask("POST")
    services.clients[0].doing = GOOD
    assert await services.ask("POST") == 200


async def test_a_refusal_tells_when_the_first_url_is_tried_again() -> None:
    services = Balanced(REFUSED, GOOD)
    for _ in range(12):
        await services.ask()
    services.clock.move(3.0)
    services.clients[1].doing = REFUSED
    for _ in range(5):
        with pytest.raises(Unreachable, check=by("upstream")):
            await services.ask("POST")
    with pytest.raises(CircuitOpen) as caught:
        await services.ask()
    assert caught.value.retry_after == 2.0


@pytest.mark.parametrize(
    ("method", "status", "counts"),
    [("GET", 413, True), ("POST", 413, False), ("POST", 400, False), ("POST", 399, True)],
)
async def test_only_a_refused_upload_may_break_its_response(method: str, status: int, counts: bool) -> None:
    services = Balanced(lambda request: UpstreamResponse(status, [], Cut(ConnectionClosed("cut"))))
    for _ in range(5):
        body = None if method == "GET" else Cut(None)
        response = await services.upstream.send(UpstreamRequest(method, b"/", [], body, None, 1.0, 1.0))
        with pytest.raises(Unreachable, check=by("upstream")):
            [piece async for piece in response.body]
    assert services.breakers[0].state == ("open" if counts else "closed")


async def test_a_body_that_comes_to_its_end_is_told_once_and_a_closed_one_is_closed() -> None:
    body = Cut(None)
    services = Balanced(lambda request: UpstreamResponse(200, [], body))
    response = await services.upstream.send(UpstreamRequest("GET", b"/", [], None, None, 1.0, 1.0))
    assert await anext(response.body) == b"half"
    await response.body.aclose()
    assert [piece async for piece in response.body] == []
    assert [piece async for piece in body] == [], "the body below is closed too"


async def test_broken_bodies_between_which_one_was_completed_open_nothing() -> None:
    services = Balanced(CUT)
    for _ in range(4):
        await services.read()
    services.clients[0].doing = streamed()
    await services.read()
    services.clients[0].doing = CUT
    for _ in range(4):
        await services.read()
    assert services.breakers[0].state == "closed"

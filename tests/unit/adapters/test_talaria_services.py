"""What the contract of talaria-services says of a response, and which requests are sent again."""

import pytest

from talaria.adapters.http1.errors import ConnectionClosed, ConnectTimeout
from talaria.domain import resilience
from talaria.domain.errors import DependencyFault, TimedOut, Unreachable
from talaria.domain.events import RetryRefused
from talaria.domain.http import Headers, UpstreamRequest, UpstreamResponse
from tests.support_refusals import by
from tests.unit.adapters.support_upstreams import BROKEN, GOOD, LATE, REFUSED, Balanced, Cut, Step, step


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_what_was_not_sent_goes_to_another_url(method: str) -> None:
    services = Balanced(REFUSED, GOOD)
    assert [await services.ask(method) for _ in range(20)] == [200] * 20
    assert services.asked == [5, 20], "five failures, then it is left out"


async def test_a_get_that_broke_is_asked_again() -> None:
    services = Balanced(BROKEN, GOOD)
    assert [await services.ask() for _ in range(4)] == [200] * 4


@pytest.mark.parametrize(("method", "doing"), [("POST", BROKEN), ("POST", LATE), ("GET", LATE)])
async def test_nothing_else_is_sent_twice(method: str, doing: Step) -> None:
    services = Balanced(doing, doing)
    with pytest.raises((Unreachable, TimedOut)):
        await services.ask(method)
    assert sum(services.asked) == 1


@pytest.mark.parametrize(("doing", "times"), [(BROKEN, 2), (REFUSED, 1)])
async def test_the_only_url_is_asked_again_once_where_it_was_reached(doing: Step, times: int) -> None:
    services = Balanced(doing)
    with pytest.raises(Unreachable, check=by("upstream")):
        await services.ask()
    assert services.asked == [times]


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"])
async def test_an_idempotent_request_without_a_body_that_broke_is_asked_again(method: str) -> None:
    services = Balanced(BROKEN, GOOD)
    assert [await services.ask(method) for _ in range(4)] == [200] * 4


@pytest.mark.parametrize("method", ["PUT", "DELETE", "GET"])
async def test_a_body_that_is_a_stream_is_not_sent_again(method: str) -> None:
    services = Balanced(BROKEN, BROKEN)
    with pytest.raises(Unreachable, check=by("upstream")):
        await services.ask(method, Cut(None))
    assert sum(services.asked) == 1


@pytest.mark.parametrize("error", [ConnectTimeout("late"), ConnectionClosed("idle", request_sent=False)])
async def test_of_what_nothing_was_sent_goes_to_another_url_whatever_it_is(error: Exception) -> None:
    services = Balanced(step("connect", error=error), GOOD)
    assert [await services.ask("POST", Cut(None)) for _ in range(4)] == [200] * 4
    assert services.asked[1] == 4


async def test_the_next_try_has_the_time_that_is_left() -> None:
    def slow(request: UpstreamRequest) -> UpstreamResponse:
        services.clock.move(0.75)
        return BROKEN(request)

    services = Balanced(slow, slow)
    with pytest.raises(DependencyFault):
        await services.ask()
    assert sorted(services.clients[0].timeouts + services.clients[1].timeouts) == [0.25, 1.0]


async def test_no_try_begins_after_the_time() -> None:
    def slow(request: UpstreamRequest) -> UpstreamResponse:
        services.clock.move(1.0)
        return BROKEN(request)

    services = Balanced(slow, slow)
    with pytest.raises(DependencyFault):
        await services.ask()
    assert sum(services.asked) == 1


async def test_the_retry_budget_bounds_what_is_asked_again_without_an_answer(small_budget: None) -> None:
    services = Balanced(BROKEN, BROKEN)
    for _ in range(4):
        with pytest.raises(Unreachable, check=by("upstream")):
            await services.ask()
    assert sum(services.asked) == 4 + 3
    assert services.recorder.events.count(RetryRefused("services")) == 1


async def test_a_retry_that_is_answered_costs_nothing_of_the_budget() -> None:
    services = Balanced(BROKEN, GOOD)
    services.clients[1].in_flight = 1  # so that the one that breaks is asked first
    assert [await services.ask() for _ in range(5)] == [200] * 5
    assert services.asked == [5, 5]


async def test_requests_bring_tokens_of_the_budget() -> None:
    services = Balanced(GOOD, GOOD)
    for _ in range(40):
        await services.ask()
    services.clients[0].doing = services.clients[1].doing = BROKEN
    for _ in range(4):
        with pytest.raises(Unreachable, check=by("upstream")):
            await services.ask()
    assert sum(services.asked) == 40 + 2 * 4


@pytest.fixture
def small_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three retries at any time: fewer than open a breaker."""
    monkeypatch.setattr(resilience, "RETRIES_AT_LEAST", 3)


async def test_a_retry_of_what_was_not_sent_takes_no_token_and_gives_none_back(small_budget: None) -> None:
    services = Balanced(BROKEN, BROKEN)
    for _ in range(3):
        with pytest.raises(Unreachable, check=by("upstream")):
            await services.ask()
    services.clients[0].doing, services.clients[1].doing, services.clients[1].in_flight = REFUSED, GOOD, 1
    assert await services.ask() == 200
    services.clients[1].doing = BROKEN
    services.clients[1].in_flight, services.clients[0].in_flight = 0, 1
    before = sum(services.asked)
    with pytest.raises(Unreachable, check=by("upstream")):
        await services.ask()
    assert sum(services.asked) == before + 1


async def test_every_url_may_be_tried_once() -> None:
    services = Balanced(BROKEN, BROKEN, GOOD)
    services.clients[1].in_flight, services.clients[2].in_flight = 1, 2
    assert await services.ask() == 200
    assert services.asked == [1, 1, 1]


async def test_what_a_second_try_meets_that_is_not_the_upstreams_passes_and_ends_it() -> None:
    services = Balanced(BROKEN, step(error=KeyError("own")), GOOD)
    services.clients[1].in_flight, services.clients[2].in_flight = 1, 2
    with pytest.raises(KeyError):
        await services.ask()
    assert services.asked == [1, 1, 0]


async def test_what_closes_the_services_closes_every_url() -> None:
    services = Balanced(GOOD, GOOD)
    await services.upstream.aclose()
    assert [client.closed for client in services.clients] == [True, True]


def says(status: int, headers: Headers) -> Step:
    """A response of this status with these headers."""

    def take(request: UpstreamRequest) -> UpstreamResponse:
        response = GOOD(request)
        return UpstreamResponse(status, headers, response.body, b"")

    return take


async def user_unknown(status: int, headers: Headers) -> bool:
    services = Balanced(says(status, headers))
    return (await services.upstream.send(UpstreamRequest("GET", b"/", [], None, None, 1.0, 1.0))).user_unknown


async def test_only_three_statuses_can_say_that_a_user_is_unknown() -> None:
    said = [(b"x-talaria-unknown-user", b"1")]
    assert [status for status in range(200, 600) if await user_unknown(status, said)] == [403, 404, 410]


@pytest.mark.parametrize(
    "headers",
    [[], [(b"x-talaria-unknown-user", b"0")], [(b"x-talaria-unknown-user", b"")], [(b"x-unknown-user", b"1")]],
)
async def test_a_plain_404_says_nothing_of_the_user(headers: Headers) -> None:
    assert not await user_unknown(404, headers)

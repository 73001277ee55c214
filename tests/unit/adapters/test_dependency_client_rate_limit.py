"""A rate limit of outgoing calls: it is our own load, and each call counts, retries included."""

import pytest

from talaria.domain.errors import GatewayOverloaded, Overloaded
from talaria.domain.events import HopContext
from talaria.domain.rate_limits import RateLimit
from tests.unit.adapters.support_dependency_client import Bench, status
from tests.unit.domain.support_rate_limits import new_limiter


def limited(*answers: object, burst: int) -> Bench:
    """A client with so many calls at once, and one more each minute."""
    return Bench(*answers, rate_limiter=new_limiter(RateLimit(1 / 60, burst)))


async def test_a_call_over_the_limit_is_not_sent_and_fails_no_dependency() -> None:
    bench, call = limited(200, burst=2), HopContext("request-1", 5.0)
    for _ in range(2):
        assert (await bench.ask()).status == 200
    for _ in range(30):
        with pytest.raises(GatewayOverloaded, match=r"partners\.dependency\.rate_limit") as refused:
            await bench.ask(call)
        assert refused.value.retry_after == pytest.approx(60.0, rel=0.01)
    assert (len(bench.requests), call.attempts, bench.client.breaker.state) == (2, [], "closed")
    bench.clock.move(60.0)
    assert (await bench.ask()).status == 200


async def test_a_retry_over_the_limit_is_not_sent_and_the_failure_stands() -> None:
    bench = limited(status(503), burst=2)
    with pytest.raises(Overloaded):
        await bench.ask()
    assert len(bench.requests) == 2

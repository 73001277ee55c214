"""Where rate limits stand among the steps: after authorization, before the exchange."""

import pytest

from talaria.domain.errors import CallerNotAllowed, ExpiredToken, RateLimited
from talaria.domain.events import RequestContext
from talaria.domain.rate_limits import RateLimit
from tests.unit.domain.support_memory_gateway import Door
from tests.unit.domain.support_rate_limits import caller_limits
from tests.unit.support_time import run

ONE_AN_HOUR = RateLimit(1 / 3600, 1)


def limited() -> Door:
    return Door(rate_limits=caller_limits({}, {"app": ONE_AN_HOUR, "web": ONE_AN_HOUR}))


def test_a_request_over_the_limit_gets_no_further() -> None:
    async def main() -> None:
        door, context = limited(), RequestContext()
        await door.knock()
        with pytest.raises(RateLimited) as refused:
            await door.knock(context=context)
        assert refused.value.retry_after == pytest.approx(3600, rel=0.01)
        assert (context.caller, context.phase, context.exchange) == ("app", "admission", None)
        assert len(door.upstream.received) == 1
        await door.knock(token=b"t-2")
        door.world.clock.move(3600)
        await door.knock()

    run(main())


def test_what_is_not_authorized_counts_for_nothing() -> None:
    async def main() -> None:
        door = limited()
        for _ in range(3):
            with pytest.raises(CallerNotAllowed):
                await door.knock(token=b"t-web", tag=b"bare")
            with pytest.raises(ExpiredToken):
                await door.knock(token=b"t-old")
        await door.knock(token=b"t-web")
        with pytest.raises(RateLimited):
            await door.knock(token=b"t-web")

    run(main())


def test_no_limits_are_none_at_all() -> None:
    async def main() -> None:
        door = Door(rate_limits=caller_limits({}, {}))
        for _ in range(3):
            await door.knock()

    run(main())

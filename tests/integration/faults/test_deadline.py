"""One deadline for the whole request, and what the upstream is told of it."""

import pytest

from talaria.sandbox.faults import Faults
from tests.integration.faults.support_faults import Harness, harness
from tests.support_late import again_if_late, within

SLACK = 0.5


def told(running: Harness) -> int:
    """What the upstream was told of the time that is left, in milliseconds."""
    (value,) = running.sandbox.talaria_services.requests.last.header(b"x-request-timeout-ms")
    return int(value)


@pytest.mark.parametrize("slow", ["personal", "wind", "talaria_services"])
async def test_less_time_that_the_client_asks_for_is_honoured_and_is_the_clients(slow: str) -> None:
    async def check() -> None:
        async with harness() as running:
            (person,) = running.sandbox.add_persons(1)
            getattr(running.sandbox, slow).faults = Faults(latency=5)
            seen = await running.get(person, **{"x-request-timeout-ms": "250"})
            assert seen.outcome == (504, "deadline-exceeded")
            assert seen.seconds >= 0.24
            within(0.25 + SLACK, seen.seconds)

    await again_if_late(check)


async def test_more_time_than_the_route_has_is_not() -> None:
    async with harness({"routes": {"wind": {"timeout": "700ms"}}}) as running:
        assert (await running.get(running.sandbox.add_persons(1)[0], **{"x-request-timeout-ms": "60000"})).status == 200
        assert 300 <= told(running) <= 700


async def test_the_upstream_gets_what_the_exchange_has_left() -> None:
    async def check() -> None:
        async with harness() as running:
            cold, warm = running.sandbox.add_persons(2)
            await running.get(warm)
            running.sandbox.personal.faults = Faults(latency=0.2)
            assert (await running.get(cold, **{"x-request-timeout-ms": "600"})).status == 200
            assert told(running) <= 400
            within(0.5, 0.6 - told(running) / 1000)  # that the exchange took
            await running.get(warm, **{"x-request-timeout-ms": "600"})
            assert told(running) <= 600
            within(0.3, 0.6 - told(running) / 1000)

    await again_if_late(check)


async def test_retries_stay_within_the_deadline() -> None:
    async def check() -> None:
        config = {"personal": {"attempts": 10, "timeout": "5s"}, "routes": {"wind": {"timeout": "300ms"}}}
        async with harness(config) as running:
            running.sandbox.personal.faults = Faults(error_rate=1, retry_after="1")
            seen = await running.get(running.sandbox.add_persons(1)[0])
            assert seen.outcome == (503, "personal-overloaded")
            assert seen.retry_after == "1"
            assert running.sandbox.personal.requests.count == 1  # a second one would come too late: it is not sent
            within(0.3 + SLACK, seen.seconds)

    await again_if_late(check)

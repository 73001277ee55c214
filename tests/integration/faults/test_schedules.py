"""The bounds of the scorecard (docs/reliability.md), held with small counts; support_schedules.py has the schedules."""

from typing import Literal

import pytest

from tests.integration.faults import support_schedules as schedules


@pytest.mark.parametrize("kind", ["down", "timeout"])
@pytest.mark.parametrize("dependency", ["personal", "wind"])
async def test_known_persons_see_no_failure(
    dependency: Literal["personal", "wind"], kind: Literal["down", "timeout"]
) -> None:
    score = await schedules.warm_while_it_fails(dependency, kind, persons=10, rounds=5)
    assert score.faulty > 0
    assert score.failed == []
    assert score.calls_each < 1


async def test_three_in_ten_calls_to_personal_fail_and_the_circuit_stays_closed() -> None:
    """Each faulty call costs a retry or an answer, not one more; and retries mend nearly all of them."""
    score = await schedules.cold_while_personal_fails(persons=300, attempts=3, before=150)
    retries = score.calls - len(score.seen)
    assert {seen.outcome for seen in score.failed} <= {(503, "personal-overloaded")}
    assert len(score.failed) == score.faulty - retries
    assert len(score.failed) <= 0.06 * len(score.seen), "2.9 % are to be expected"
    assert score.calls <= 1.5 * len(score.seen), "1.39 are to be expected"


async def test_one_of_two_urls_is_enough() -> None:
    score = await schedules.one_url_down(seconds=1.0)
    assert len(score.late) > 0
    assert score.failed == []
    assert score.faulty <= 5 + schedules.CLIENTS, "left out after five failures, those under way apart"
    assert score.twice == 0


@pytest.mark.parametrize("politely", [True, False], ids=["closed", "reset"])
async def test_kept_connections_that_end_at_random_cost_no_get(politely: bool) -> None:
    score = await schedules.closing_connections(requests=300, politely=politely, kept=True)
    assert score.failed == []
    assert score.faulty > 0, "some of them under a request"


async def test_a_dependency_that_hangs_costs_its_timeout() -> None:
    score = await schedules.hanging(requests=2, timeout=0.1)
    assert {seen.outcome for seen in score.seen} == {(504, "personal-timeout")}
    assert score.calls == score.faulty == 2


async def test_an_open_circuit_calls_nothing() -> None:
    score = await schedules.open_circuit(requests=40)
    assert score.calls == 0
    assert {seen.outcome for seen in score.seen} == {(503, "circuit-open")}


async def test_a_cold_start_fails_no_request() -> None:
    score = await schedules.cold_start(persons=200, clients=200)
    assert score.failed == []
    assert score.calls_each == 1.0

"""What operators read of a breaker: its health in a word, since when it fails and why, and each change of its state."""

from talaria.domain.resilience import CircuitBreaker, Window


def outcome(breaker: CircuitBreaker, how: str, now: float, cause: str = "") -> None:
    """One call, and how it ended."""
    permit = breaker.admit(now)
    assert permit is not None
    match how:
        case "succeeded":
            breaker.succeeded(permit, now)
        case "failed":
            breaker.failed(permit, now, cause)
        case "cancelled":
            breaker.cancelled(permit, now)
        case "body_failed":
            breaker.head_received(permit, now)
            breaker.body_failed(permit, now, now, cause)


def health_of(breaker: CircuitBreaker) -> tuple[str, float | None, str]:
    return breaker.health, breaker.since, breaker.cause


def test_before_any_outcome_nothing_is_said_of_it() -> None:
    breaker = CircuitBreaker()
    assert health_of(breaker) == ("not asked yet", None, "")
    outcome(breaker, "cancelled", 100.0)
    assert health_of(breaker) == ("not asked yet", None, "")


def test_a_success_is_ok_at_once_and_for_good() -> None:
    breaker = CircuitBreaker()
    outcome(breaker, "succeeded", 100.0)
    assert health_of(breaker) == ("ok", None, "")


def test_it_fails_since_the_first_failure_and_the_cause_is_the_last_ones() -> None:
    breaker = CircuitBreaker()
    outcome(breaker, "succeeded", 100.0)
    outcome(breaker, "failed", 101.0, "refused")
    outcome(breaker, "failed", 102.0, "status 503")
    assert health_of(breaker) == ("failing", 101.0, "status 503")
    assert breaker.refusal(111.0) == "failing for 10 s, last: status 503"
    outcome(breaker, "succeeded", 103.0)
    assert breaker.health == "ok"
    assert breaker.since is None
    outcome(breaker, "failed", 104.0, "silence")
    assert health_of(breaker) == ("failing", 104.0, "silence")


def test_a_body_that_breaks_is_a_failure_too() -> None:
    breaker = CircuitBreaker()
    outcome(breaker, "body_failed", 101.0, "reset")
    assert health_of(breaker) == ("failing", 101.0, "reset")


def test_an_open_circuit_says_so_and_remembers_what_opened_it() -> None:
    breaker = CircuitBreaker()
    for second in range(5):
        outcome(breaker, "failed", 100.0 + second, f"fault {second}")
    assert health_of(breaker) == ("open", 100.0, "fault 4")
    assert breaker.refusal(106.0) == "failing for 6 s, last: fault 4"
    probe = breaker.admit(109.0)
    assert probe is not None
    assert health_of(breaker) == ("half-open", 100.0, "fault 4")
    breaker.failed(probe, 109.0, "fault 5")
    assert health_of(breaker) == ("open", 100.0, "fault 5")
    probe = breaker.admit(119.0)
    assert probe is not None
    breaker.succeeded(probe, 119.0)
    assert (breaker.health, breaker.since) == ("ok", None)


def test_a_refusal_without_a_failure_says_what_it_knows() -> None:
    assert CircuitBreaker().refusal(100.0) == "failing for 0 s, last: unknown"


def test_a_call_of_an_earlier_phase_changes_no_cause() -> None:
    breaker = CircuitBreaker()
    late = breaker.admit(100.0)
    assert late is not None
    for _ in range(5):
        outcome(breaker, "failed", 100.0, "refused")
    breaker.failed(late, 103.0, "late")
    breaker.body_failed(late, 100.0, 103.0, "late")
    assert health_of(breaker) == ("open", 100.0, "refused")


def test_each_change_of_the_state_is_told_and_nothing_else() -> None:
    breaker, told = CircuitBreaker(), list[str]()
    breaker.on_change = told.append
    outcome(breaker, "succeeded", 100.0)
    for _ in range(5):
        outcome(breaker, "failed", 100.0)
    assert told == ["open"]
    outcome(breaker, "cancelled", 105.0)
    outcome(breaker, "succeeded", 105.0)
    assert told == ["open", "half-open", "open", "half-open", "closed"]


def test_a_window_knows_how_many_seconds_it_holds() -> None:
    window = Window()
    assert len(window) == 0
    for second in (1.0, 1.5, 2.0):
        window.add(second, 1, 0)
    assert len(window) == 2

"""The script of faults."""

import msgspec
import pytest

from talaria.sandbox.faults import Faults, FaultScript


def outcomes(faults: Faults, count: int) -> list[bool]:
    script = FaultScript()
    script.set(faults)
    return [script.next_fails() for _ in range(count)]


def test_nothing_fails_by_default() -> None:
    assert outcomes(Faults(), 50) == [False] * 50


def test_the_next_failures_come_first() -> None:
    assert outcomes(Faults(next_failures=2), 4) == [True, True, False, False]


def test_chance_is_the_same_in_every_run() -> None:
    first = outcomes(Faults(error_rate=0.3, seed=7), 1000)
    assert first == outcomes(Faults(error_rate=0.3, seed=7), 1000)
    assert first != outcomes(Faults(error_rate=0.3, seed=8), 1000)
    assert 250 < sum(first) < 350


def test_everything_fails_at_a_rate_of_one() -> None:
    assert all(outcomes(Faults(error_rate=1.0), 100))


@pytest.mark.parametrize("text", ['{"latancy": 1}', '{"error_rate": 1.5}', '{"latency": -1}', '{"status": 99}'])
def test_what_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(text, type=Faults)

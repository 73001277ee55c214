"""A nonce is good once, a time for half a minute either way."""

import pytest

from talaria.sandbox.replay import ReplayProtection
from talaria.testing import MemoryClock


@pytest.mark.parametrize("at", ["970", "1000", "1030"])
def test_a_time_is_good_for_the_window(at: str) -> None:
    assert ReplayProtection(30.0, MemoryClock(1000.0).now).admits(at, "n")


@pytest.mark.parametrize("at", ["969", "1031", "", "soon", "-1", "1000.0", "1000 "])
def test_another_time_is_not(at: str) -> None:
    assert not ReplayProtection(30.0, MemoryClock(1000.0).now).admits(at, "n")


def test_a_nonce_is_good_once_for_as_long_as_its_time_could_be() -> None:
    clock = MemoryClock(1000.0)
    replays = ReplayProtection(30.0, clock.now)
    assert replays.admits("1030", "n")
    assert not replays.admits("1030", "n")
    assert not replays.admits("1030", "")
    assert replays.admits("1030", "m")
    clock.move(60)
    assert not replays.admits("1060", "n")
    clock.move(1)
    assert replays.admits("1061", "n")

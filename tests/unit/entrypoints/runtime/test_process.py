"""What a process does before it serves."""

import resource
from collections.abc import Callable

import pytest
from pytest_mock import MockerFixture

from talaria.entrypoints.runtime import process

INFINITE = resource.RLIM_INFINITY


class Limits:
    """The limits of descriptors of a process. `refuses`: what the system does not take, as macOS does with infinity."""

    def __init__(self, mocker: MockerFixture, hard: int, refuses: Callable[[int], bool]) -> None:
        self.now = (256, hard)
        self.refuses = refuses
        mocker.patch.object(resource, "getrlimit", side_effect=lambda which: self.now)
        mocker.patch.object(resource, "setrlimit", side_effect=self._set)

    def _set(self, which: int, limits: tuple[int, int]) -> None:
        if self.refuses(limits[0]) or (limits[1] != INFINITE and limits[0] > limits[1]):
            raise ValueError("current limit exceeds maximum limit")
        self.now = limits


def never(limit: int) -> bool:
    return False


def infinity(limit: int) -> bool:
    return limit == INFINITE


@pytest.mark.parametrize(
    ("hard", "refuses", "soft"),
    [
        (100_000, never, 100_000),
        (INFINITE, never, INFINITE),
        (INFINITE, infinity, 10_240),
        (4096, lambda limit: True, 256),
    ],
)
def test_the_limit_of_descriptors_is_raised_as_far_as_the_system_takes_it(
    mocker: MockerFixture, hard: int, refuses: Callable[[int], bool], soft: int
) -> None:
    limits = Limits(mocker, hard, refuses)
    process._raise_fd_limit(100)
    assert limits.now == (soft, hard)


@pytest.mark.parametrize(("hard", "said"), [(1000, 0), (100, 1)])
def test_a_low_limit_is_said(mocker: MockerFixture, caplog: pytest.LogCaptureFixture, hard: int, said: int) -> None:
    Limits(mocker, hard, never)
    process._raise_fd_limit(100)
    assert len(caplog.records) == said

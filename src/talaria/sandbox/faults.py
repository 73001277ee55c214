"""How a simulated service misbehaves: data that may change at any time, by assignment or `PUT /_sandbox/faults`."""

import random
from typing import Annotated

import msgspec

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=3600)]


class Faults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of it off by default.

    `latency` seconds go by before anything is answered. A request fails if it is one of the `next_failures` first
    ones, or by chance with `error_rate` (by a generator of `seed`, so the same run fails the same way).
    A failing request is answered with `status`, `retry_after` (the header, if not empty) and `body` (JSON `{"code":
    "scripted"}` if None); or, with `raw`, with these very bytes and a closed connection; or, with `reset`, by nothing
    but a reset; or, with `hang`, by nothing at all. With `drip` every body comes byte by byte, so many seconds apart.
    """

    latency: Seconds = 0.0
    error_rate: Share = 0.0
    next_failures: Annotated[int, msgspec.Meta(ge=0)] = 0
    status: Annotated[int, msgspec.Meta(ge=200, le=599)] = 503
    retry_after: str = ""
    body: str | None = None
    raw: str | None = None
    reset: bool = False
    hang: bool = False
    drip: Seconds = 0.0
    seed: int = 1


class FaultScript:
    """The faults in force, and how many of them are left."""

    def __init__(self) -> None:
        self.set(Faults())

    @property
    def faults(self) -> Faults:
        """What is in force."""
        return self._faults

    def set(self, faults: Faults) -> None:
        """From now on this; counting and chance begin anew."""
        self._faults = faults
        self._left = faults.next_failures
        self._chance = random.Random(faults.seed)  # noqa: S311 - a repeatable script, not a secret

    def next_fails(self) -> bool:
        """Does the request that has just come fail? Counts it."""
        if self._left > 0:
            self._left -= 1
            return True
        return self._faults.error_rate > 0 and self._chance.random() < self._faults.error_rate

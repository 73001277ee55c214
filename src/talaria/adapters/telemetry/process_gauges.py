"""What the system says of this process: time, memory, descriptors, where there is a /proc."""

import time
from collections.abc import Callable

from prometheus_client import ProcessCollector

_FRESH_SECONDS = 5.0
"""Counting the descriptors of many connections takes its time."""


class ProcessGauges:
    """The values of prometheus_client's ProcessCollector by family, a few seconds old at most. `now` in seconds."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._collector = ProcessCollector(registry=None)
        self._now = now
        self._read_at = float("-inf")
        self._values: dict[str, float] = {}

    def values(self) -> dict[str, float]:
        """Such as `process_open_fds`; the counter as `process_cpu_seconds`. Empty where the system does not tell."""
        if self._now() - self._read_at >= _FRESH_SECONDS:
            self._read_at = self._now()
            self._values = {family.name: family.samples[0].value for family in self._collector.collect()}
        return self._values

"""What the system says of this process: time, memory, descriptors, where there is a /proc."""

import logging
import time
from collections.abc import Callable, Mapping

from prometheus_client import ProcessCollector

_logger = logging.getLogger("talaria.descriptors")

_FRESH_SECONDS = 2.0
"""Counting the descriptors of many connections takes its time."""
_OPEN, _MOST = "process_open_fds", "process_max_fds"
_NEARLY_ALL = 0.95


def out_of_descriptors(values: Mapping[str, float]) -> bool:
    """Are nearly all of them open? A client's connection is reset where none is left, and leaves no line."""
    return values.get(_OPEN, 0.0) >= _NEARLY_ALL * values.get(_MOST, float("inf"))


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
            before = self._values
            self._values = {family.name: family.samples[0].value for family in self._collector.collect()}
            if _OPEN not in self._values and _OPEN in before:  # there is none left to count them with
                self._values = {**before, _OPEN: before[_MOST]}
            if out_of_descriptors(self._values) and not out_of_descriptors(before):
                _logger.error("no descriptor is left: connections are reset", extra={"limit": int(self._values[_MOST])})
        return self._values

"""One `Recorder` for all who want to know what happened."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from talaria.domain.events import Event

Consumer = Callable[[Any], object]

_logger = logging.getLogger("talaria.recorder")


class Fanout:
    """Hands each event to those who want its kind, in their order. Fulfils the port `Recorder`.

    A consumer that fails hurts neither the request nor the other consumers; each kind of its failures is logged
    once.
    """

    def __init__(self, consumers: Mapping[type, Sequence[Consumer]]) -> None:
        self._consumers = {kind: tuple(those) for kind, those in consumers.items()}
        self._failed: set[tuple[Consumer, type[Exception]]] = set()

    def record(self, event: Event) -> None:
        """Never raises, never waits."""
        for consume in self._consumers.get(type(event), ()):
            try:
                consume(event)
            except Exception as error:
                self._say_once(consume, error)

    def _say_once(self, consume: Consumer, error: Exception) -> None:
        kind = (consume, type(error))
        if kind not in self._failed:
            self._failed.add(kind)
            name = getattr(consume, "__qualname__", type(consume).__name__)
            _logger.error("%s can't take an event; said once", name, exc_info=error)

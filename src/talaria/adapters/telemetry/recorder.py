"""What hands events to metrics and logs, and how a line names a person."""

import asyncio
import hmac
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from talaria.domain.events import Event, RequestForwarded, ShadowAnswered
from talaria.domain.model import PersonalPhoneId

Handler = Callable[[Any], object]

PSEUDONYM_LENGTH = 12
_SOON = 0.02
_AT_MOST = 64
"""Events that wait: for so many seconds, and so many of them. No request waits long while they are handed out."""

_logger = logging.getLogger("talaria.recorder")


class EventBus:
    """The port `Recorder`: hands each event to the handlers of its kind, in their order.

    A handler that fails hurts neither the request nor the other handlers; each kind of its failures is logged once.
    """

    def __init__(self, handlers: Mapping[type, Sequence[Handler]]) -> None:
        self._handlers = {kind: tuple(those) for kind, those in handlers.items()}
        self._failed: set[tuple[Handler, type[Exception]]] = set()
        self._waiting: list[RequestForwarded] = []

    def record(self, event: Event) -> None:
        for handle in self._handlers.get(type(event), ()):
            try:
                handle(event)
            except Exception as error:
                self._log_once(handle, error)

    def record_soon(self, event: RequestForwarded) -> None:
        waiting = self._waiting
        waiting.append(event)
        if len(waiting) == 1:
            asyncio.get_running_loop().call_later(_SOON, self.flush)
        elif len(waiting) == _AT_MOST:
            self.flush()

    def flush(self) -> None:
        """Hand out what waits. Its handlers get a list."""
        waiting, self._waiting = self._waiting, []
        for handle in self._handlers.get(RequestForwarded, ()) if waiting else ():
            try:
                handle(waiting)
            except Exception as error:
                self._log_once(handle, error)

    def _log_once(self, handle: Handler, error: Exception) -> None:
        kind = (handle, type(error))
        if kind not in self._failed:
            self._failed.add(kind)
            name = getattr(handle, "__qualname__", type(handle).__name__)
            _logger.error("%s can't take an event; said once", name, exc_info=error)


def log_shadow(event: ShadowAnswered) -> None:
    """A line for each comparison."""
    _logger.info("a shadow adapter was compared", extra=event._asdict())


def pseudonyms(key: bytes) -> Callable[[str, PersonalPhoneId], str]:
    """What names a person of a caller: 12 hex digits of HMAC-SHA256 over caller, NUL and personal_phone_id.

    The same person has the same name, and it tells nothing without the key. The caller's name is part of it, so that
    two callers' ids never look like one person.
    """
    keyed = hmac.new(key, digestmod="sha256")

    def pseudonym(caller: str, phone_id: PersonalPhoneId) -> str:
        hashed = keyed.copy()
        hashed.update(f"{caller}\0{phone_id.reveal()}".encode())
        return hashed.hexdigest()[:PSEUDONYM_LENGTH]

    return pseudonym

"""Names to addresses, in threads that nobody else needs.

The law: whoever asks joins the newest lookup of that name while it is younger than `joined_for`, else begins another,
LOOKUPS_AT_MOST at once. Each has a thread of its own, which nobody waits for.

The loop's own resolver has a handful of threads for the whole process (uvloop four). A lookup can't be given up: those
of one name whose servers are silent would hold all of them, and nobody could connect to anybody else.
"""

import asyncio
import errno
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Thread
from typing import Any, Final

Address = tuple[socket.AddressFamily, Any]
"""A family, and an address as its sockets take it."""
LookUp = Callable[[str, int], Sequence[Address]]
"""Blocks. Raises OSError."""

LOOKUPS_AT_MOST: Final = 4


def look_up(host: str, port: int, flags: int = 0) -> Sequence[Address]:
    """What the system says."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    return [(info[0], info[4]) for info in found]


@dataclass(slots=True, eq=False)
class _LookingUp:
    """One lookup; `began` by the loop's clock."""

    began: float
    found: asyncio.Future[Sequence[Address]]


@dataclass(slots=True, eq=False)
class Names:
    """The names that one dependency has; lives on one loop. `joined_for` is in seconds."""

    look_up: LookUp = look_up
    joined_for: float = 1.0
    _under_way: dict[tuple[str, int], list[_LookingUp]] = field(default_factory=dict)

    async def addresses_of(self, host: str, port: int) -> Sequence[Address]:
        """Where `host` is, which may be an address itself. Raises OSError."""
        try:
            return look_up(host, port, socket.AI_NUMERICHOST)
        except socket.gaierror:
            return await asyncio.shield(self._looking_up(host, port).found)

    def _looking_up(self, host: str, port: int) -> _LookingUp:
        loop = asyncio.get_running_loop()
        under_way = self._under_way.setdefault((host, port), [])
        if under_way and (len(under_way) >= LOOKUPS_AT_MOST or loop.time() - under_way[-1].began < self.joined_for):
            return under_way[-1]
        lookup = _LookingUp(loop.time(), loop.create_future())
        try:
            Thread(target=self._run, args=(loop, lookup, host, port), name=f"lookup {host}", daemon=True).start()
        except RuntimeError:
            raise OSError(errno.ENOMEM, "no thread left") from None
        under_way.append(lookup)
        return lookup

    def _run(self, loop: asyncio.AbstractEventLoop, lookup: _LookingUp, host: str, port: int) -> None:
        """The thread."""
        found: Sequence[Address] | OSError
        try:
            found = self.look_up(host, port)
        except OSError as error:
            found = error
        with suppress(RuntimeError):  # the loop is closed by now
            loop.call_soon_threadsafe(self._ended, lookup, host, port, found)

    def _ended(self, lookup: _LookingUp, host: str, port: int, found: Sequence[Address] | OSError) -> None:
        under_way = self._under_way[host, port]
        under_way.remove(lookup)
        if not under_way:
            del self._under_way[host, port]
        if isinstance(found, OSError):
            lookup.found.set_exception(found)
            lookup.found.exception()  # it has been seen: perhaps nobody waits for it any more
        else:
            lookup.found.set_result(found)

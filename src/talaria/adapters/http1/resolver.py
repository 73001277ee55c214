"""Names to addresses: each lookup in a thread of its own, and the addresses in the order in which to try them.

The loop's own resolver has a handful of threads for the whole process (uvloop four). A lookup can't be given up: those
of one name with silent servers would hold all of them, and no other name would be found.
"""

import asyncio
import errno
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, zip_longest
from threading import Thread
from typing import Any

Address = tuple[socket.AddressFamily, Any]
"""A family, and an address as its sockets take it."""
LookUp = Callable[[str, int], Sequence[Address]]
"""Blocks. Raises OSError."""


def look_up(host: str, port: int, flags: int = 0) -> Sequence[Address]:
    """What the system says."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    return [(info[0], info[4]) for info in found]


@dataclass(slots=True, eq=False)
class Resolver:
    """Belongs to one dependency and one loop.

    A lookup is shared by all that ask within `shared_for` seconds of its beginning; after that another one begins
    beside it. An address that `failed` goes last for `demoted_for` seconds.
    """

    look_up: LookUp = look_up
    shared_for: float = 1.0
    demoted_for: float = 30.0
    _turn: int = 0
    _demoted: dict[Address, float] = field(default_factory=dict)
    _newest: dict[tuple[str, int], tuple[float, asyncio.Future[Sequence[Address]]]] = field(default_factory=dict)

    async def addresses_of(self, host: str, port: int) -> Sequence[Address]:
        """Where `host` is, which may be an address itself. Raises OSError."""
        try:
            return look_up(host, port, socket.AI_NUMERICHOST)
        except socket.gaierror:
            return await asyncio.shield(self._lookup(host, port))

    async def in_order(self, host: str, port: int) -> Sequence[Address]:
        """The same in the order in which to connect (RFC 8305, section 4). Raises OSError.

        Families take turns, the system's first choice first; within a family each call begins with another address,
        so that connections are spread; addresses that failed lately come last.
        """
        found = await self.addresses_of(host, port)
        self._turn += 1
        families = [[address for address in found if address[0] == family] for family in dict(found)]
        turns = zip_longest(*[addresses[self._turn % len(addresses) :] + addresses for addresses in families])
        now = asyncio.get_running_loop().time()
        self._demoted = {address: until for address, until in self._demoted.items() if until > now}
        ordered = dict.fromkeys(address for address in chain.from_iterable(turns) if address is not None)
        return sorted(ordered, key=self._demoted.__contains__)

    def failed(self, address: Address) -> None:
        """No connection to this address could be made, or not in time."""
        self._demoted[address] = asyncio.get_running_loop().time() + self.demoted_for

    def _lookup(self, host: str, port: int) -> "asyncio.Future[Sequence[Address]]":
        loop = asyncio.get_running_loop()
        began, lookup = self._newest.get((host, port), (-self.shared_for, None))
        if lookup is None or lookup.done() or loop.time() - began >= self.shared_for:
            lookup = loop.create_future()
            try:
                Thread(target=self._run, args=(loop, lookup, host, port), name=f"lookup {host}", daemon=True).start()
            except RuntimeError:
                raise OSError(errno.ENOMEM, "no thread left") from None
            self._newest[host, port] = loop.time(), lookup
        return lookup

    def _run(
        self, loop: asyncio.AbstractEventLoop, lookup: "asyncio.Future[Sequence[Address]]", host: str, port: int
    ) -> None:
        """The thread."""
        finish: Callable[[], None]
        try:
            finish = partial(lookup.set_result, self.look_up(host, port))
        except OSError as error:
            finish = partial(_fail, lookup, error)
        with suppress(RuntimeError):  # the loop is closed by now
            loop.call_soon_threadsafe(finish)


def _fail(lookup: "asyncio.Future[Sequence[Address]]", error: OSError) -> None:
    lookup.set_exception(error)
    lookup.exception()  # perhaps no waiter is left: asyncio must not complain that it was never retrieved

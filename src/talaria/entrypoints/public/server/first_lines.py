"""Which heads are no HTTP: httptools reads those of RTSP and ICE as if they were, and does not say so.

Where a head is alone, empty lines apart, its first line tells. Where it came in one piece with another request nobody
can say where it is: then it is refused if this piece names its target in a line of theirs, wherever that is.
"""

from collections.abc import Collection
from itertools import pairwise

_THEIRS = (b"RTSP/", b"ICE/")


class FirstLines:
    """Of one client connection. `arrived`: the piece that is read now."""

    __slots__ = ("_begun", "_named", "arrived")

    def __init__(self) -> None:
        self.arrived = b""
        self._begun = bytearray()
        self._named: Collection[bytes] | None = None

    def over(self) -> None:
        """The piece is read."""
        self.arrived, self._named = b"", None

    def unfinished(self) -> None:
        """The head that is in this piece ends in a later one."""
        self._begun += self.arrived

    def is_foreign(self, method: bytes, target: bytes, behind: bool) -> bool:
        """Is the head that ends in this piece no HTTP? `behind`: it came in one piece with another request."""
        if not (behind or self._begun) and self.arrived.startswith(b" HTTP/", len(method) + 1 + len(target)):
            return False
        if self._begun:
            data, self._begun = bytes(self._begun + self.arrived), bytearray()
        elif not behind:
            data = self.arrived
        else:  # one look, however many requests came together
            self._named = _named_in(self.arrived) if self._named is None else self._named
            return target in self._named
        return target in _named_in(data if behind else data.lstrip(b"\r\n").partition(b"\n")[0])


def _named_in(data: bytes) -> Collection[bytes]:
    """What stands before the name of one of these protocols."""
    if b" RTSP/" not in data and b" ICE/" not in data:
        return ()
    return {target for target, protocol in pairwise(data.split()) if protocol.startswith(_THEIRS)}

"""Where the body of an answer ends (RFC 9112, section 6.3): three ways, alike from outside."""

from typing import Final, Protocol

from talaria.adapters.http1.chunks import ChunkDecoder

CHUNKED: Final = -1
UNTIL_CLOSE: Final = -2


class Framing(Protocol):
    """Takes the bytes after a head and gives the content among them.

    `done`: the body is complete. `surplus`: bytes came after its end. `ends_with_the_connection`: it has no other end.
    """

    done: bool
    surplus: bool
    ends_with_the_connection: bool

    def feed(self, data: bytes) -> bytes:
        """The content among `data`.

        Raises BadAnswer.
        """
        ...


class Counted:
    """By `Content-Length`."""

    __slots__ = ("_left", "done", "ends_with_the_connection", "surplus")

    def __init__(self, length: int) -> None:
        self.done = self.surplus = self.ends_with_the_connection = False
        self._left = length

    def feed(self, data: bytes) -> bytes:
        """As `Framing` says."""
        content = data[: self._left]
        self.surplus = len(data) > self._left
        self._left -= len(content)
        self.done = not self._left
        return content


class UntilClose:
    """By the end of the connection."""

    __slots__ = ("done", "ends_with_the_connection", "surplus")

    def __init__(self) -> None:
        self.done = self.surplus = False
        self.ends_with_the_connection = True

    def feed(self, data: bytes) -> bytes:
        """As `Framing` says."""
        return data


def framing_of(length: int) -> Framing:
    """The framing for a body of `length` bytes, or CHUNKED or UNTIL_CLOSE."""
    if length == CHUNKED:
        return ChunkDecoder()
    return UntilClose() if length == UNTIL_CLOSE else Counted(length)

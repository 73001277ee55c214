"""Addresses that are ours for the time of a test."""

import contextlib
import socket
from collections.abc import Iterator


@contextlib.contextmanager
def refusing() -> Iterator[tuple[str, int]]:
    """An address of loopback that refuses connections, and that no other program gets meanwhile.

    A server of the test may listen there.
    """
    with socket.socket() as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()

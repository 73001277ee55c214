"""A unit test that opens a socket fails, and is told what to do."""

import asyncio
import socket

import pytest


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_a_socket_of_the_network_is_refused(family: socket.AddressFamily, host: str) -> None:
    with socket.socket(family) as opened:
        for use in (opened.bind, opened.connect):
            with pytest.raises(pytest.fail.Exception, match="move the test to tests/integration"):
                use((host, 0))


async def test_a_loop_does_not_hide_it() -> None:
    with pytest.raises(pytest.fail.Exception, match="opens no socket"):
        await asyncio.open_connection("127.0.0.1", 9)


def test_what_an_event_loop_needs_is_not_refused() -> None:
    one, other = socket.socketpair()
    with one, other:
        one.send(b"x")
        assert other.recv(1) == b"x"

"""What is known of sockets without the network: addresses, and transports that are none of TCP."""

import asyncio
import socket
import struct
from typing import Any, cast

import pytest

from talaria.entrypoints.config import Address
from talaria.entrypoints.public.server.sockets import (
    is_port_served,
    loopback_for_wildcard,
    peer_has_closed,
    reset_on_close,
    stop_accepting,
    unsent_bytes,
    url_of,
)
from tests.unit.entrypoints.public.server.support_server import ClientTransport


def transport_of(sock: object) -> ClientTransport:
    """A transport on this socket, with five bytes that are not sent yet."""
    transport = ClientTransport()
    transport.sock = cast(socket.socket, sock)
    transport.unsent = 5
    return transport


class Bound:
    """A socket that is bound to this address, and keeps the options that are set."""

    def __init__(self, *name: object) -> None:
        self._name = name
        self.options: list[tuple[int, int, bytes]] = []

    def getsockname(self) -> tuple[object, ...]:
        return self._name

    def setsockopt(self, level: int, name: int, value: bytes) -> None:
        self.options.append((level, name, value))


@pytest.mark.parametrize(
    ("host", "asked"),
    [
        ("0.0.0.0", "127.0.0.1"),  # noqa: S104 - the wildcard is what is asked about
        ("::", "::1"),
        ("192.0.2.7", "192.0.2.7"),
        ("gw.example", "gw.example"),
    ],
)
def test_a_wildcard_is_asked_on_the_loopback_of_its_family(host: str, asked: str) -> None:
    assert loopback_for_wildcard(Address(host, 8080)) == Address(asked, 8080)


def test_a_port_that_is_not_chosen_yet_is_not_served() -> None:
    assert not is_port_served(Address("127.0.0.1", 0))


@pytest.mark.parametrize(
    ("name", "url"), [(("127.0.0.1", 80), "http://127.0.0.1:80"), (("::1", 80, 0, 0), "http://[::1]:80")]
)
def test_the_url_of_a_socket(name: tuple[object, ...], url: str) -> None:
    assert url_of(cast(socket.socket, Bound(*name))) == url
    assert url_of(cast(socket.socket, Bound(*name)), "https") == url.replace("http", "https")


async def test_nothing_is_known_of_what_is_no_tcp_socket() -> None:
    one, other = socket.socketpair()
    with one, other:
        assert not peer_has_closed(transport_of(one))
    assert not peer_has_closed(asyncio.Transport())


async def test_the_bytes_that_wait_in_the_transport_and_in_the_kernel() -> None:
    one, other = socket.socketpair()
    with one, other:
        assert unsent_bytes(transport_of(one)) == 5
        one.send(b"x" * 100)
        assert unsent_bytes(transport_of(one)) > 5
    assert unsent_bytes(transport_of(one)) == 5  # closed
    assert unsent_bytes(transport_of(None)) == 5


def test_a_reset_is_asked_of_the_kernel() -> None:
    bound: Any = Bound()
    reset_on_close(transport_of(bound))
    assert bound.options == [(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))]
    reset_on_close(transport_of(None))


async def test_a_closed_socket_accepts_nothing_already() -> None:
    closed = socket.socket()
    closed.close()
    await stop_accepting(closed)

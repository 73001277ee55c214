"""What is known of sockets without the network: addresses, and transports that are none of TCP."""

import asyncio
import errno
import socket
import struct
import sys
from typing import Any, cast

import pytest

from talaria.entrypoints.config import Address
from talaria.entrypoints.public.server.sockets import (
    CannotListen,
    accept_waiting,
    bind,
    is_port_served,
    loopback_for_wildcard,
    peer_has_closed,
    reset_on_close,
    resume_accepting,
    stop_accepting,
    unsent_bytes,
    url_of,
)
from tests.unit.entrypoints.public.server.support_server import ClientTransport

WAITS: Any = "a connection waits"


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
        self.options: list[Any] = []

    def getsockname(self) -> tuple[object, ...]:
        return self._name

    def setsockopt(self, level: int, name: int, value: object) -> None:
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


class Unprivileged(socket.socket):
    """A socket of a user that may attach no filter."""

    def setsockopt(self, level: int, option: int, value: Any) -> None:  # type: ignore[override] # it has overloads
        raise PermissionError(1, "Operation not permitted")


@pytest.mark.skipif(sys.platform != "linux", reason="a filter of Linux")
async def test_a_filter_that_is_refused_is_said_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "talaria.sockets"), Unprivileged() as listener:
        await stop_accepting(listener)
    assert caplog.messages == [
        "a connection in the last moment of this drain may be reset: no filter (Operation not permitted)"
    ]


@pytest.mark.parametrize("answers", [True, False])
def test_a_port_is_served_where_a_connection_is_accepted(answers: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[object, ...]] = []
    kept, other = socket.socketpair()

    def create_connection(*given: object) -> socket.socket:
        asked.append(given)
        if not answers:
            raise ConnectionRefusedError
        return kept

    monkeypatch.setattr(socket, "create_connection", create_connection)
    assert is_port_served(Address("::", 8080)) is answers
    assert [address for address, _ in asked] == [("::1", 8080)]
    assert (kept.fileno() < 0) is answers
    kept.close()
    other.close()


@pytest.mark.parametrize(("state", "closed"), [(1, False), (4, False), (7, True), (8, True), (None, True)])
def test_a_client_that_has_closed_is_known_by_the_state_of_its_socket(state: int | None, closed: bool) -> None:
    class Tcp:
        family = socket.AF_INET

        def getsockopt(self, level: int, name: int, size: int) -> bytes:
            assert (level, name, size) == (socket.IPPROTO_TCP, socket.TCP_INFO, 1)
            if state is None:
                raise OSError
            return bytes([state])

    assert peer_has_closed(transport_of(Tcp())) is closed


async def test_no_connection_opens_between_the_last_accept_and_the_end_of_a_socket() -> None:
    one, other = socket.socketpair()

    class Listening(Bound):
        def fileno(self) -> int:
            return one.fileno()

        def accept(self) -> Any:
            if self.options.count(WAITS):
                self.options.remove(WAITS)
                return one, ""
            raise BlockingIOError

    listening: Any = Listening()
    with one, other:
        await stop_accepting(listening)
        (level, option, program) = listening.options.pop()
        assert (level, option, struct.unpack("HP", program)[0]) == (socket.SOL_SOCKET, 26, 5)
        resume_accepting(listening)
        assert listening.options.pop() == (socket.SOL_SOCKET, 27, 0)
        listening.options = [WAITS, WAITS]
        assert accept_waiting(listening) == [one, one]
        assert not one.getblocking()


@pytest.mark.parametrize(
    ("number", "to_do"),
    [
        (errno.EADDRINUSE, "free the port or choose another address"),
        (errno.EACCES, "choose another address"),
        (errno.EADDRNOTAVAIL, "choose another address"),
        (socket.EAI_NONAME, "choose another address"),
    ],
)
def test_an_address_that_can_not_be_had_names_its_setting_and_what_to_do(
    monkeypatch: pytest.MonkeyPatch, number: int, to_do: str
) -> None:
    made: list[Any] = []

    class Refused(Bound):
        closed = False

        def bind(self, name: object) -> None:
            raise OSError(number, "The reason")

        def close(self) -> None:
            self.closed = True

    def make(*kind: object) -> Any:
        made.append((kind, Refused()))
        return made[-1][1]

    monkeypatch.setattr(socket, "socket", make)
    with pytest.raises(CannotListen, match=rf"^server\.listen: can't listen on \[::1\]:80 \(The reason\); {to_do}$"):
        bind(Address("::1", 80), "server.listen", shared=True)
    ((kind, refused),) = made
    assert (kind[0], refused.closed) == (socket.AF_INET6, True)
    assert [(name, value) for _, name, value in refused.options] == [(socket.SO_REUSEADDR, 1), (socket.SO_REUSEPORT, 1)]

"""Endpoints, the race of addresses, tunnels and causes, without a network."""

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable

import pytest

from talaria.adapters.http1 import connect
from talaria.adapters.http1.connect import Endpoint, why
from talaria.adapters.http1.errors import ConnectError, PoolExhausted
from talaria.adapters.http1.resolver import Address


@pytest.mark.parametrize(
    ("url", "host", "port", "authority"),
    [
        ("http://up", "up", 80, b"up"),
        ("http://up/", "up", 80, b"up"),
        ("http://up:80", "up", 80, b"up"),
        ("http://UP.example:8080", "up.example", 8080, b"up.example:8080"),
        ("http://[::1]:81", "::1", 81, b"[::1]:81"),
        ("https://up", "up", 443, b"up"),
        ("https://up:80", "up", 80, b"up:80"),
        ("http://b\u00fccher.example", "b\u00fccher.example", 80, b"xn--bcher-kva.example"),
    ],
)
def test_a_place(url: str, host: str, port: int, authority: bytes) -> None:
    endpoint = Endpoint.of(url)
    assert (endpoint.host, endpoint.port, endpoint.authority) == (host, port, authority)
    assert (endpoint.tls is not None) == url.startswith("https")


@pytest.mark.parametrize(
    "url",
    [
        "up",
        "ftp://up",
        "http://",
        "http://up/a",
        "http://up?a",
        "http://up#a",
        "http://u:p@up",
        "http://u@up",
        "http://up:x",
    ],
)
def test_what_is_no_place(url: str) -> None:
    with pytest.raises(ValueError, match=r"url|[Pp]ort"):
        Endpoint.of(url)


def test_an_egress_proxy_is_spoken_to_in_the_clear() -> None:
    with pytest.raises(ValueError, match="egress proxy"):
        Endpoint.of("http://up", egress_proxy="https://proxy")


def test_the_tls_that_is_given_is_the_one_that_is_used() -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    assert Endpoint.of("https://up", tls).tls is tls


def test_names_and_certificates_are_verified_and_only_http_1_1_is_offered() -> None:
    tls = Endpoint.of("https://up").tls
    assert tls is not None
    assert (tls.verify_mode, tls.check_hostname) == (ssl.CERT_REQUIRED, True)


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (socket.gaierror(-2, "Name secret.internal not known"), "name not found"),
        (ConnectionRefusedError(111, "10.0.0.1 refused"), "connection refused"),
        (ssl.SSLCertVerificationError(1, "secret"), "TLS: certificate not accepted"),
        (ssl.SSLError(1, "secret"), "TLS: handshake failed"),
        (OSError(errno.EHOSTUNREACH, "10.0.0.1"), "no route to host"),
        (OSError("Multiple exceptions: 10.0.0.1"), "connection failed"),
    ],
)
def test_a_cause_holds_no_data(error: OSError, cause: str) -> None:
    assert why(error) == cause


ONE, TWO, THREE = ((socket.AF_INET, (f"192.0.2.{number}", 80)) for number in (1, 2, 3))
Doing = float | OSError | None
"""Connects after so many seconds, or, TOGETHER, with the others of this kind; fails so at once, or hangs."""
TOGETHER = -1.0


class Network:
    """Addresses in memory. `tried` is what was connected to, `failed` what the race says of them; sockets are pairs."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **doing: Doing) -> None:
        names = {"one": ONE, "two": TWO, "three": THREE}
        self.doing = {names[name]: what for name, what in doing.items()}
        self.tried: list[Address] = []
        self.failed: list[Address] = []
        self.sockets: dict[Address, socket.socket] = {}
        self._ends: list[socket.socket] = []
        self._together = asyncio.Barrier(max(1, [*doing.values()].count(TOGETHER)))
        monkeypatch.setattr(connect, "_connected", self._connected)
        monkeypatch.setattr(connect, "ATTEMPT_DELAY", 0.01)

    async def _connected(self, address: Address, local_address: str | None) -> socket.socket:
        self.tried.append(address)
        doing = self.doing[address]
        if isinstance(doing, OSError):
            raise doing
        if doing is None:
            await asyncio.Event().wait()
        elif doing == TOGETHER:
            await self._together.wait()
        else:
            await asyncio.sleep(doing)  # as long as connecting takes: milliseconds
        ours, theirs = socket.socketpair()
        self.sockets[address] = ours
        self._ends.append(theirs)
        return ours

    async def race(self) -> Address:
        """The address that won; every socket but the winner's is closed."""
        sock, address = await connect.happy_eyeballs(list(self.doing), None, self.failed.append)
        assert sock is self.sockets[address]
        sock.close()
        assert all(one.fileno() < 0 for one in self.sockets.values())
        self.close()
        return address

    def close(self) -> None:
        for end in self._ends:
            end.close()


REFUSED = ConnectionRefusedError(errno.ECONNREFUSED, "refused")
UNREACHABLE = OSError(errno.EHOSTUNREACH, "no route")


@pytest.mark.parametrize(
    ("doing", "won", "tried", "failed"),
    [
        ({"one": 0.0, "two": 0.0}, ONE, [ONE], []),
        ({"one": REFUSED, "two": 0.0, "three": 0.0}, TWO, [ONE, TWO], [ONE]),
        ({"one": REFUSED, "two": UNREACHABLE, "three": 0.0}, THREE, [ONE, TWO, THREE], [ONE, TWO]),
        ({"one": None, "two": 0.0, "three": 0.0}, TWO, [ONE, TWO], [ONE]),
        ({"one": None, "two": None, "three": 0.0}, THREE, [ONE, TWO, THREE], [ONE, TWO]),
        ({"one": 0.015, "two": None}, ONE, [ONE, TWO], [TWO]),
        ({"one": 0.03, "two": REFUSED}, ONE, [ONE, TWO], [TWO]),
        ({"one": None, "two": REFUSED, "three": 0.0}, THREE, [ONE, TWO, THREE], [TWO, ONE]),
    ],
)
async def test_the_race_of_addresses(
    monkeypatch: pytest.MonkeyPatch, doing: dict[str, Doing], won: Address, tried: list[Address], failed: list[Address]
) -> None:
    network = Network(monkeypatch, **doing)
    assert await network.race() == won
    assert (network.tried, network.failed) == (tried, failed)


async def test_of_two_that_connect_in_the_same_moment_one_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(monkeypatch, one=TOGETHER, two=TOGETHER)
    won = await network.race()
    assert network.sockets.keys() == {ONE, TWO}
    assert [won, *network.failed] in ([ONE, TWO], [TWO, ONE])


async def test_where_all_addresses_fail_the_first_failure_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(monkeypatch, one=REFUSED, two=UNREACHABLE)
    with pytest.raises(ConnectionRefusedError):
        await network.race()
    assert network.failed == [ONE, TWO]
    with pytest.raises(OSError, match="no address"):
        await connect.happy_eyeballs([], None, network.failed.append)


async def test_a_race_that_is_given_up_tells_of_all_that_were_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(monkeypatch, one=None, two=None, three=None)
    racing = asyncio.ensure_future(network.race())
    await asyncio.sleep(1.5 * connect.ATTEMPT_DELAY)
    racing.cancel()
    await asyncio.wait([racing])
    assert racing.cancelled()
    assert network.failed == [ONE, TWO]


class Wires:
    """What connecting does to a loop: `made` is what connections were made with."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: bytes, failing: BaseException | None = None) -> None:
        self.sock, self._other = socket.socketpair()
        self.sent = b""
        self.made: list[dict[str, object]] = []
        self.failed: list[Address] = []
        self.looked_up: list[tuple[str, int]] = []
        self.answers = list(answers)
        self._failing = failing
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(connect, "happy_eyeballs", self._race)
        monkeypatch.setattr(loop, "create_connection", self._create_connection)
        monkeypatch.setattr(loop, "sock_sendall", self._send)
        monkeypatch.setattr(loop, "sock_recv", self._receive)

    def _look_up(self, host: str, port: int) -> list[Address]:
        self.looked_up.append((host, port))
        return [ONE]

    async def _race(
        self, addresses: object, local_address: str | None, failed: object
    ) -> tuple[socket.socket, Address]:
        if isinstance(self._failing, OSError) and not self.answers:
            raise self._failing
        return self.sock, ONE

    async def _create_connection(
        self, protocol: Callable[[], asyncio.Protocol], **how: object
    ) -> tuple[None, asyncio.Protocol]:
        self.made.append(how)
        if self._failing is not None:
            raise self._failing
        return None, protocol()

    async def _send(self, sock: socket.socket, data: bytes) -> None:
        assert sock is self.sock
        self.sent += data

    async def _receive(self, sock: socket.socket, size: int) -> bytes:
        return self.answers.pop(0)

    async def connect(self, url: str, egress_proxy: str = "") -> asyncio.Protocol:
        endpoint = Endpoint.of(url, egress_proxy=egress_proxy)
        for where in (endpoint, endpoint.proxy):
            if where is not None:
                where.resolver.look_up = self._look_up
        self.resolver = (endpoint.proxy or endpoint).resolver
        self.resolver_of_the_upstream = endpoint.resolver
        try:
            return await connect.connect(endpoint, asyncio.Protocol)
        finally:
            self.was_open = not _has_ended(self._other)
            self._other.close()
            self.sock.close()


def _has_ended(peer: socket.socket) -> bool:
    """Has the other end closed, or shut its connection down?"""
    peer.setblocking(False)
    try:
        while peer.recv(65536):
            continue
    except BlockingIOError:
        return False
    return True


async def test_a_plain_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    wires = Wires(monkeypatch)
    assert isinstance(await wires.connect("http://up"), asyncio.Protocol)
    assert wires.made == [{"sock": wires.sock, "ssl": None, "server_hostname": None}]
    assert wires.resolver._demoted == {}


async def test_a_tunnel_that_is_refused_is_closed_and_nothing_is_said_through_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wires = Wires(monkeypatch, b"HTTP/1.1 403 Forbidden\r\n\r\n")
    with pytest.raises(ConnectError):
        await wires.connect("http://up", egress_proxy="http://proxy")
    assert (wires.made, wires.was_open) == ([], False)


async def test_a_dot_at_the_end_is_no_part_of_the_name_that_is_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    wires = Wires(monkeypatch)
    await wires.connect("https://up.example.")
    assert wires.made[0]["server_hostname"] == "up.example"
    assert isinstance(wires.made[0]["ssl"], ssl.SSLContext)


async def test_a_tunnel_is_open_before_anything_else_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    wires = Wires(monkeypatch, b"HTTP/1.1 200 ", b"OK\r\n\r\n")
    await wires.connect("https://up", egress_proxy="http://proxy:3128")
    assert wires.sent == b"CONNECT up:443 HTTP/1.1\r\nhost: up:443\r\n\r\n"
    assert wires.made[0]["server_hostname"] == "up"
    assert wires.answers == []
    assert wires.looked_up == [("proxy", 3128)], "what is behind a proxy is for the proxy to find"


@pytest.mark.parametrize(
    ("failing", "error", "cause", "proxy"),
    [
        (REFUSED, ConnectError, "connection refused", ""),
        (REFUSED, ConnectError, "egress proxy: connection refused", "http://proxy"),
        (OSError(errno.EMFILE, "full"), PoolExhausted, "too many open files", ""),
        (TimeoutError(errno.ETIMEDOUT, "late"), TimeoutError, "late", ""),
    ],
)
async def test_an_address_that_can_not_be_reached(
    monkeypatch: pytest.MonkeyPatch, failing: OSError, error: type[Exception], cause: str, proxy: str
) -> None:
    wires = Wires(monkeypatch, failing=failing)
    with pytest.raises(error) as caught:
        await wires.connect("http://up", egress_proxy=proxy)
    assert cause in str(caught.value)
    assert ("egress proxy" in str(caught.value)) is (proxy != "")
    assert wires.made == []


async def test_a_failing_handshake_closes_its_socket_and_its_address_goes_last(monkeypatch: pytest.MonkeyPatch) -> None:
    wires = Wires(monkeypatch, b"never read", failing=ssl.SSLError(1, "secret"))
    with pytest.raises(ConnectError, match="TLS: handshake failed"):
        await wires.connect("https://up")
    assert (list(wires.resolver._demoted), wires.was_open) == ([ONE], False)


async def test_behind_a_proxy_a_failing_handshake_is_not_the_proxys(monkeypatch: pytest.MonkeyPatch) -> None:
    wires = Wires(monkeypatch, b"HTTP/1.1 200 OK\r\n\r\n", failing=asyncio.CancelledError())
    with pytest.raises(asyncio.CancelledError):
        await wires.connect("https://up", egress_proxy="http://proxy")
    assert (wires.resolver._demoted, wires.resolver_of_the_upstream._demoted, wires.was_open) == ({}, {}, False)

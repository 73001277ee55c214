"""From a url to a connection: refusals and their causes, TLS, IPv6, the race of addresses."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from talaria.adapters.http1.connect import ATTEMPT_DELAY, happy_eyeballs
from talaria.adapters.http1.errors import ConnectError, ConnectionClosed, ConnectTimeout
from talaria.adapters.http1.resolver import Address
from talaria.adapters.http1.upstream import Http1Upstream
from tests.integration.http1.support_peers import HELLO, forever, read, request, upstream
from tests.integration.http1.support_tls import client_context, server_context
from tests.support_address import refusing
from tests.support_machine import needs_ipv6


async def _cause(client: Http1Upstream, error: type[Exception] = ConnectError) -> str:
    """Why a request could not even be sent."""
    sent = request("POST", length=0)
    with pytest.raises(error) as caught:
        await client.send(sent)
    assert [attempt.outcome for attempt in sent.attempts] == ["connect"]
    assert client.in_flight == 0
    return str(caught.value)


@contextlib.contextmanager
def hanging() -> Iterator[tuple[str, int]]:
    """An address that takes no more connections, and refuses none: its queue is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()


async def test_without_a_listener() -> None:
    with refusing() as (host, port):
        assert await _cause(Http1Upstream(f"http://{host}:{port}")) == "connection refused"


async def test_an_unknown_name() -> None:
    assert await _cause(Http1Upstream("http://nowhere.invalid", connect_timeout=5.0)) == "name not found"


async def test_connecting_has_its_own_time() -> None:
    with hanging() as (host, port):
        await _cause(Http1Upstream(f"http://{host}:{port}", connect_timeout=0.05), ConnectTimeout)


async def test_a_connection_that_is_closed_at_once() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        writer.close()

    async with upstream(handler) as raw:
        with pytest.raises((ConnectError, ConnectionClosed)):
            await Http1Upstream(raw.url).send(request())


@needs_ipv6
async def test_ipv6() -> None:
    async with upstream(forever, host="::1") as raw:
        client = Http1Upstream(raw.url)
        assert (await client.send(request())).complete_body == b"hello"
        await client.aclose()


async def test_the_address_to_call_from() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        await reader.readuntil(b"\r\n\r\n")
        callers.append(writer.get_extra_info("peername")[0])
        writer.write(HELLO)

    callers: list[str] = []
    async with upstream(handler) as raw:
        await Http1Upstream(raw.url, local_address="127.0.0.9").send(request())
    assert callers == ["127.0.0.9"]


async def test_tls(tmp_path: Path) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        protocols.append(writer.get_extra_info("ssl_object").selected_alpn_protocol())
        for _ in range(2):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(HELLO)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 3000000\r\n\r\n" + b"x" * 3_000_000)
        await reader.read()

    protocols: list[str] = []
    async with upstream(handler, tls=server_context(tmp_path, "localhost")) as raw:
        client = Http1Upstream(raw.url, ssl_context=client_context(tmp_path))
        for _ in range(2):
            assert (await client.send(request())).complete_body == b"hello"
        assert len(await read(await client.send(request()))) == 3_000_000
        assert (protocols, raw.connections) == (["http/1.1"], 1)
        await client.aclose()
        await raw.until(lambda: raw.open == 0)


async def test_a_certificate_of_an_unknown_authority(tmp_path: Path) -> None:
    async with upstream(forever, tls=server_context(tmp_path, "localhost")) as raw:
        assert await _cause(Http1Upstream(raw.url)) == "TLS: certificate of an unknown authority"


async def test_a_certificate_for_another_name(tmp_path: Path) -> None:
    async with upstream(forever, tls=server_context(tmp_path, "other.example")) as raw:
        client = Http1Upstream(raw.url, ssl_context=client_context(tmp_path))
        assert await _cause(client) == "TLS: certificate of another name"


async def test_no_tls_at_the_other_end() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read()

    async with upstream(handler) as raw:
        client = Http1Upstream(raw.url.replace("http:", "https:"))
        assert await _cause(client) == "TLS: handshake failed"


async def test_a_handshake_that_hangs_is_given_up_and_closed() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        await reader.read()

    async with upstream(handler) as raw:
        client = Http1Upstream(raw.url.replace("http:", "https:"), connect_timeout=0.05)
        await _cause(client, ConnectTimeout)
        await raw.until(lambda: raw.connections == 1 and raw.open == 0)


async def test_an_address_that_hangs_costs_a_head_start() -> None:
    failed: list[Address] = []
    async with upstream(forever) as raw:
        good = ("127.0.0.1", int(raw.url.rsplit(":", 1)[1]))
        with hanging() as bad:
            started = asyncio.get_running_loop().time()
            sock, address = await happy_eyeballs([(socket.AF_INET, bad), (socket.AF_INET, good)], None, failed.append)
            took = asyncio.get_running_loop().time() - started
        with sock:
            assert (sock.getpeername(), address) == (good, (socket.AF_INET, good))
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert failed == [(socket.AF_INET, bad)]
        assert ATTEMPT_DELAY - 0.05 < took < ATTEMPT_DELAY + 0.5


async def test_an_address_that_refuses_costs_nothing() -> None:
    failed: list[Address] = []
    async with upstream(forever) as raw:
        good = ("127.0.0.1", int(raw.url.rsplit(":", 1)[1]))
        with refusing() as bad:
            started = asyncio.get_running_loop().time()
            sock, _ = await happy_eyeballs([(socket.AF_INET, bad), (socket.AF_INET, good)], None, failed.append)
            took = asyncio.get_running_loop().time() - started
        sock.close()
        assert took < ATTEMPT_DELAY
        assert failed == [(socket.AF_INET, bad)]


async def test_all_addresses_refuse() -> None:
    failed: list[Address] = []
    with refusing() as bad, refusing() as worse, pytest.raises(ConnectionRefusedError):
        await happy_eyeballs([(socket.AF_INET, bad), (socket.AF_INET, worse)], None, failed.append)


async def test_a_race_that_is_given_up_leaves_nothing() -> None:
    failed: list[Address] = []
    with hanging() as bad, hanging() as worse:
        racing = asyncio.create_task(
            happy_eyeballs([(socket.AF_INET, bad), (socket.AF_INET, worse)], None, failed.append)
        )
        await asyncio.wait([racing], timeout=ATTEMPT_DELAY + 0.05)
        racing.cancel()
        await asyncio.wait([racing])
        for _ in range(3):
            await asyncio.sleep(0)
        assert racing.cancelled()
        assert len(asyncio.all_tasks()) == 1
        assert failed == [(socket.AF_INET, bad), (socket.AF_INET, worse)]


def at(client: Http1Upstream, *addresses: tuple[str, int]) -> Http1Upstream:
    """The same client, with a name that has these addresses."""
    found = [(socket.AF_INET, address) for address in addresses]
    client._pool._endpoint.resolver.look_up = lambda host, port: found
    return client


async def test_addresses_behind_several_that_hang_are_reached() -> None:
    async with upstream(forever) as raw:
        good = ("127.0.0.1", int(raw.url.rsplit(":", 1)[1]))
        with hanging() as bad, hanging() as worse, hanging() as worst:
            client = at(Http1Upstream("http://name", connect_timeout=1 / 3), bad, worse, worst, good)
            failures = 0
            for _ in range(4):
                try:
                    response = await client.send(request())
                except ConnectTimeout:
                    failures += 1
                else:
                    await response.body.aclose()
                    client._pool._idle[0].close()
        assert failures <= 2, "what failed goes last"
        await client.aclose()


async def test_new_connections_are_spread() -> None:
    async with upstream(forever) as one, upstream(forever) as two, upstream(forever) as three:
        addresses = [("127.0.0.1", int(raw.url.rsplit(":", 1)[1])) for raw in (one, two, three)]
        client = at(Http1Upstream("http://name"), *addresses)
        await asyncio.gather(*[client.send(request()) for _ in range(12)])
        assert [raw.connections for raw in (one, two, three)] == [4, 4, 4]
        await client.aclose()


async def test_a_dot_at_the_end_of_a_name_is_no_part_of_what_is_verified(tmp_path: Path) -> None:
    names: list[str | None] = []
    tls = server_context(tmp_path, "svc.example")
    tls.sni_callback = lambda connection, name, context: names.append(name)
    async with upstream(forever, tls=tls) as raw:
        port = int(raw.url.rsplit(":", 1)[1])
        client = Http1Upstream(f"https://svc.example.:{port}", ssl_context=client_context(tmp_path))
        at(client, ("127.0.0.1", port))
        assert (await client.send(request())).complete_body == b"hello"
        assert names == ["svc.example"]
        await client.aclose()


async def test_a_server_that_fails_to_speak_tls_goes_last(tmp_path: Path) -> None:
    async def no_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        await reader.read(1)
        writer.write(b"nonsense")

    async with upstream(no_tls) as bad, upstream(forever, tls=server_context(tmp_path, "name")) as good:
        addresses = [("127.0.0.1", int(raw.url.rsplit(":", 1)[1])) for raw in (bad, good)]
        client = at(Http1Upstream("https://name", ssl_context=client_context(tmp_path)), *addresses)
        failures = 0
        for _ in range(6):
            try:
                await client.send(request())
            except ConnectError:
                failures += 1
            else:
                client._pool._idle[0].close()
        assert failures <= 1
        await client.aclose()


async def test_a_connect_that_is_cancelled_at_any_step_leaves_nothing_open(tmp_path: Path) -> None:
    """A descriptor that is closed while a transport watches it gets another connection's bytes under its number."""

    async def reads(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        while await reader.read(4096):
            continue

    context = server_context(tmp_path, "localhost")
    async with upstream(reads, tls=context) as secure, upstream(forever) as plain:
        url = secure.url.replace("http:", "https:").replace("127.0.0.1", "localhost")
        client = Http1Upstream(url, connect_timeout=5.0, ssl_context=client_context(tmp_path))
        other = Http1Upstream(plain.url)
        for steps in range(60):
            sending = asyncio.create_task(client.send(request(timeout=5.0)))
            for _ in range(steps):
                await asyncio.sleep(0)
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            assert await read(await other.send(request())) == b"hello"
        await client.aclose()
        await secure.until(lambda: secure.open == 0)
        await other.aclose()

"""Through an egress proxy: the tunnel, what a proxy may answer, and that the tunnel is as strict as a straight way."""

import asyncio
from pathlib import Path

import pytest

from talaria.adapters.http1.connect import Endpoint
from talaria.adapters.http1.errors import ConnectError, ConnectTimeout
from talaria.adapters.http1.upstream import Http1Upstream
from tests.integration.http1.support_peers import HELLO, Handler, forever, request, upstream
from tests.integration.http1.support_tls import client_context, server_context

ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"
SURPLUS = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison"


class Proxy:
    """A proxy that keeps the heads of its requests, answers them with `answer`, and then is the target itself."""

    def __init__(self, target: Handler, folder: Path | None = None, answer: bytes = ESTABLISHED) -> None:
        self.heads: list[bytes] = []
        self._target = target
        self._tls = None if folder is None else server_context(folder, "services.test")
        self._answer = answer

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, nth: int) -> None:
        self.heads.append(await reader.readuntil(b"\r\n\r\n"))
        for byte in self._answer:
            writer.write(bytes([byte]))
            await writer.drain()
        if self._tls is not None:
            await writer.start_tls(self._tls)
        await self._target(reader, writer, nth)


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_each_connection_is_a_tunnel_and_is_kept(scheme: str, tmp_path: Path) -> None:
    heads: list[bytes] = []

    async def target(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        while True:
            heads.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(HELLO)

    proxy = Proxy(target, tmp_path if scheme == "https" else None)
    tls = client_context(tmp_path) if scheme == "https" else None
    async with upstream(proxy) as raw:
        client = Http1Upstream(f"{scheme}://services.test", egress_proxy=raw.url, ssl_context=tls)
        for _ in range(2):
            assert (await client.send(request("GET", b"/a/../b?c=%20"))).complete_body == b"hello"
        assert raw.connections == 1
        await client.aclose()
    port = b"443" if scheme == "https" else b"80"
    assert proxy.heads == [b"CONNECT services.test:%b HTTP/1.1\r\nhost: services.test:%b\r\n\r\n" % (port, port)]
    assert heads == [b"GET /a/../b?c=%20 HTTP/1.1\r\nhost: services.test\r\n\r\n"] * 2


async def test_the_target_may_be_an_address() -> None:
    proxy = Proxy(forever)
    async with upstream(proxy) as raw:
        client = Http1Upstream("http://[2001:db8::1]:8080", egress_proxy=raw.url)
        assert (await client.send(request())).complete_body == b"hello"
        await client.aclose()
    assert proxy.heads[0].startswith(b"CONNECT [2001:db8::1]:8080 HTTP/1.1\r\n")


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_surplus_bytes_close_the_tunnel(scheme: str, tmp_path: Path) -> None:
    async def target(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HELLO)
        await idle.wait()
        writer.write(SURPLUS)
        await reader.read()

    idle = asyncio.Event()
    proxy = Proxy(target, tmp_path if scheme == "https" else None)
    tls = client_context(tmp_path) if scheme == "https" else None
    async with upstream(proxy) as raw:
        client = Http1Upstream(f"{scheme}://services.test", egress_proxy=raw.url, ssl_context=tls)
        for nth in range(2):
            idle.clear()
            assert (await client.send(request())).complete_body == b"hello"
            idle.set()
            await raw.until(lambda: raw.open == 0)
            assert raw.connections == nth + 1
        await client.aclose()


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (
            b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n",
            "refused by the egress proxy: 407",
        ),
        (b"HTTP/1.1 502 No\r\ncontent-length: 2\r\n\r\nno", "refused by the egress proxy: 502"),
        (b"HTTP/1.1 301 Elsewhere\r\nlocation: http://127.0.0.1:1\r\n\r\n", "refused by the egress proxy: 301"),
        (b"SSH-2.0-OpenSSH\r\n", "egress proxy: malformed status line"),
        (ESTABLISHED + b"H", "egress proxy: bytes after its response"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 21, "egress proxy: too many interim responses"),
        (b"HTTP/1.1 200", "the egress proxy closed the connection"),
    ],
)
async def test_a_proxy_that_opens_no_tunnel(answer: bytes, cause: str) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.write_eof()
        await reader.read()

    async with upstream(handler) as raw:
        client = Http1Upstream("https://services.test", egress_proxy=raw.url)
        sent = request("POST", length=0)
        with pytest.raises(ConnectError, match=f"^{cause}$") as caught:
            await client.send(sent)
        assert (caught.value.request_sent, client.in_flight) == (False, 0)
        assert [attempt.outcome for attempt in sent.attempts] == ["connect"]
        await raw.until(lambda: raw.open == 0)


async def test_a_proxy_that_is_silent_is_given_up_in_time_and_closed() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        await reader.read()
        await reader.read()

    async with upstream(handler) as raw:
        client = Http1Upstream("http://services.test", egress_proxy=raw.url, connect_timeout=0.05)
        with pytest.raises(ConnectTimeout):
            await client.send(request())
        await raw.until(lambda: raw.connections == 1 and raw.open == 0)


async def test_a_proxy_that_is_not_there_is_named() -> None:
    async with upstream(forever) as raw:
        url = raw.url
    with pytest.raises(ConnectError, match=r"^egress proxy: connection refused$"):
        await Http1Upstream("http://services.test", egress_proxy=url).send(request())


async def test_interim_answers_of_a_proxy_are_skipped() -> None:
    proxy = Proxy(forever, answer=b"HTTP/1.1 103 Early Hints\r\n\r\n" + ESTABLISHED)
    async with upstream(proxy) as raw:
        client = Http1Upstream("http://services.test", egress_proxy=raw.url)
        assert (await client.send(request())).complete_body == b"hello"
        await client.aclose()


async def test_the_certificate_is_the_targets(tmp_path: Path) -> None:
    proxy = Proxy(forever, tmp_path)
    async with upstream(proxy) as raw:
        client = Http1Upstream("https://other.test", egress_proxy=raw.url, ssl_context=client_context(tmp_path))
        with pytest.raises(ConnectError, match="certificate of another name"):
            await client.send(request())


@pytest.mark.parametrize("proxy", ["https://proxy:3128", "http://user:secret@proxy:3128", "proxy:3128"])
def test_what_is_no_proxy(proxy: str) -> None:
    with pytest.raises(ValueError, match=r"url|egress proxy"):
        Endpoint.of("http://services.test", egress_proxy=proxy)

"""What HttpxOrigin is there for: an egress proxy, HTTP/2; and TLS on both ways."""

import asyncio
import ssl
from pathlib import Path

import pytest

from talaria.adapters.httpx_origin import HttpxOrigin
from talaria.domain.errors import Unreachable
from tests.integration.adapters.support_http2 import Http2Echo
from tests.integration.http1.support_peers import HELLO, RawUpstream, forever, pieces, read, request, upstream
from tests.integration.http1.support_tls import client_context, server_context
from tests.support_refusals import by

SURPLUS = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison"


async def test_through_a_proxy_the_target_stays_as_it_is() -> None:
    heads: list[bytes] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(HELLO + SURPLUS)
        await reader.read()

    async with upstream(proxy) as raw:
        origin = HttpxOrigin("http://services.test", egress_proxy=raw.url)
        for _ in range(2):
            assert await read(await origin.send(request("GET", b"/a/../b?c=%20"))) == b"hello"
        await raw.until(lambda: raw.open == 0)
        assert raw.connections == 2, "surplus bytes close a connection to a proxy too"
        await origin.aclose()
    assert heads == [b"GET http://services.test/a/../b?c=%20 HTTP/1.1\r\nhost: services.test\r\n\r\n"] * 2


async def test_through_a_tunnel(tmp_path: Path) -> None:
    heads: list[bytes] = []
    tls = server_context(tmp_path, "services.test")

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, nth: int) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await writer.drain()
        await writer.start_tls(tls)
        for _ in range(2):
            heads.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(HELLO)

    async with upstream(proxy) as raw:
        origin = HttpxOrigin("https://services.test", egress_proxy=raw.url, ssl_context=client_context(tmp_path))
        for _ in range(2):
            assert await read(await origin.send(request("GET", b"/a/../b"))) == b"hello"
        assert raw.connections == 1
        await origin.aclose()
    assert heads[0].startswith(b"CONNECT services.test:443 HTTP/1.1\r\n")
    assert heads[1:] == [b"GET /a/../b HTTP/1.1\r\nhost: services.test\r\n\r\n"] * 2


async def test_a_proxy_that_refuses() -> None:
    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")

    async with upstream(proxy) as raw:
        origin = HttpxOrigin("https://services.test", egress_proxy=raw.url)
        outbound = request()
        with pytest.raises(Unreachable, match="refused by the egress proxy", check=by("upstream")):
            await origin.send(outbound)
        assert [attempt.outcome for attempt in outbound.attempts] == ["connect"]
        await origin.aclose()


async def test_a_certificate_that_nobody_vouches_for(tmp_path: Path) -> None:
    async with upstream(forever, tls=server_context(tmp_path, "localhost")) as raw:
        origin = HttpxOrigin(raw.url)
        with pytest.raises(Unreachable, match="certificate of an unknown authority", check=by("upstream")):
            await origin.send(request())
        await origin.aclose()


async def test_a_certificate_for_another_name(tmp_path: Path) -> None:
    async with upstream(forever, tls=server_context(tmp_path, "other.test")) as raw:
        origin = HttpxOrigin(raw.url, ssl_context=client_context(tmp_path))
        with pytest.raises(Unreachable, match="certificate of another name", check=by("upstream")):
            await origin.send(request())
        await origin.aclose()


def http2_of(raw: RawUpstream, folder: Path) -> HttpxOrigin:
    tls: ssl.SSLContext = client_context(folder)
    return HttpxOrigin(raw.url, http2=True, ssl_context=tls)


async def test_http2_on_one_connection(tmp_path: Path) -> None:
    echo = Http2Echo()
    async with upstream(echo.serve, tls=server_context(tmp_path, "localhost")) as raw:
        origin = http2_of(raw, tmp_path)

        async def ask(number: int) -> bytes:
            outbound = request("POST", b"/%d/../x" % number, body=pieces(b"%d" % number), length=None)
            return await read(await origin.send(outbound))

        assert await ask(0) == b"/0/../x 0"
        assert await asyncio.gather(*map(ask, range(20))) == [b"/%d/../x %d" % (n, n) for n in range(20)]
        assert raw.connections == 1
        assert origin.in_flight == 0
        await origin.aclose()


async def test_http2_headers_both_ways(tmp_path: Path) -> None:
    echo = Http2Echo()
    async with upstream(echo.serve, tls=server_context(tmp_path, "localhost")) as raw:
        origin = http2_of(raw, tmp_path)
        answer = await origin.send(request(headers=[(b"x-a", b"1"), (b"x-a", b"2")]))
        assert answer.headers == [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
        assert await read(answer) == b"/ "
        authority = raw.url.removeprefix("https://").encode()
        assert [header for header in echo.headers[0] if header[0] in (b":authority", b"x-a")] == [
            (b":authority", authority),
            (b"x-a", b"1"),
            (b"x-a", b"2"),
        ]
        await origin.aclose()

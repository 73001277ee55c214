"""What slow readers and large bodies cost in memory. The upstream is a process of its own: only we are weighed."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from talaria.adapters.http1.upstream import Http1Upstream
from talaria.domain.http import UpstreamResponse
from tests.integration.http1.support_peers import request

MIB = 1 << 20
_UPSTREAM = """
import asyncio

async def serve(reader, writer):
    await reader.readuntil(b"\\r\\n\\r\\n")
    writer.write(b"HTTP/1.1 200 OK\\r\\ncontent-length: %d\\r\\n\\r\\n" % (100 << 20))
    try:
        for _ in range(100):
            writer.write(bytes(1 << 20))
            await writer.drain()
        await reader.read()
    except ConnectionError:
        pass

async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"""


@contextlib.asynccontextmanager
async def _large_upstream() -> AsyncIterator[str]:
    """The url of an upstream that answers each request with 100 MiB."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _UPSTREAM, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(await process.stdout.readline())}"
    finally:
        process.kill()
        await process.communicate()


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def _read_slowly(answer: UpstreamResponse, chunks: int) -> None:
    for _ in range(chunks):
        await anext(answer.body)
        await asyncio.sleep(0.002)


async def test_two_hundred_slow_readers() -> None:
    async with _large_upstream() as url:
        client = Http1Upstream(url)
        before = _resident()
        answers = await asyncio.gather(*[client.send(request(timeout=30.0)) for _ in range(200)])
        for _ in range(5):
            await asyncio.gather(*[_read_slowly(answer, 10) for answer in answers])
            assert _resident() - before < 64 * MIB
        assert client.in_flight == 200
        for answer in answers:
            await answer.body.aclose()
        assert client.in_flight == 0


async def test_a_large_answer_is_not_held() -> None:
    async with _large_upstream() as url:
        client = Http1Upstream(url)
        before = _resident()
        answer = await client.send(request())
        length = 0
        async for chunk in answer.body:
            length += len(chunk)
        assert length == 100 * MIB
        assert _resident() - before < 16 * MIB
        await client.aclose()

"""Connections that are held for as long as the gateway allows it, each by one of the known ways.

Each way is a coroutine that ends when the gateway has ended its connection, or has answered what was allowed after all,
or when it is `over`.
"""

import asyncio
import contextlib
import os
import resource
import time
from collections.abc import Awaitable, Callable, Iterator

import pytest

from tests.integration.attacks.support_field import Field
from tests.integration.gateway.support_client import Client, request
from tests.integration.gateway.support_problem import check_problem

PACE = 0.25
"""Seconds between a byte and the next."""

HEAD, KEPT = 3.0, 2.0
"""What the gateway is told in seconds where its patience is tried: the longest head, the longest silence."""

IN_TIME = 100.0
"""Within how many seconds a crowd has come, or is gone."""
SLOW_BODY = 16
Hold = Callable[[Field, Client, asyncio.Event], Awaitable[None]]


async def silent(field: Field, client: Client, over: asyncio.Event) -> None:
    """Never says anything."""
    await ended(client, over)


async def kept(field: Field, client: Client, over: asyncio.Event) -> None:
    """Has been answered, and says no more."""
    began = time.monotonic()
    assert (await client.ask(request(field.attacker))).status == 200
    await ended(client, over)
    assert over.is_set() or time.monotonic() - began >= KEPT


async def slow_head(field: Field, client: Client, over: asyncio.Event) -> None:
    """A head that would be good, one byte after the other; the end comes without a word."""
    began = time.monotonic()
    await trickle(client, request(field.attacker), over)
    await ended(client, over)
    assert over.is_set() or time.monotonic() - began >= HEAD


async def refused_body(field: Field, client: Client, over: asyncio.Event) -> None:
    """A body that is not wanted: it is refused at once, and the connection does not wait for the rest."""
    client.send(request(f"{field.attacker[:-8]}AAAAAAAA", "/", "content-length: 100000", method="POST"))
    check_problem(await client.get(), "invalid-token")
    await trickle(client, b"x" * 100_000, over)
    await ended(client, over)


async def slow_body(field: Field, client: Client, over: asyncio.Event) -> None:
    """A body that comes slowly, and comes: it is served, over or not."""
    client.send(request(field.attacker, "/slow", f"content-length: {SLOW_BODY}", method="POST"))
    await trickle(client, b"x" * SLOW_BODY, asyncio.Event())
    assert (await client.get()).status == 200


CROWD: dict[Hold, int] = {silent: 600, kept: 400, slow_head: 600, refused_body: 200, slow_body: 200}


async def trickle(client: Client, data: bytes, over: asyncio.Event) -> None:
    """Byte by byte, until all is sent, the other side has closed, or it is over."""
    for at in range(len(data)):
        if client.reader.at_eof() or client.writer.is_closing() or over.is_set():
            return
        client.send(data[at : at + 1])
        await asyncio.sleep(PACE)  # a slow client's


async def ended(client: Client, over: asyncio.Event) -> None:
    """Returns once the gateway has closed without a word, or it is over."""
    closed, left = asyncio.ensure_future(client.at_end(IN_TIME)), asyncio.ensure_future(over.wait())
    await asyncio.wait({closed, left}, return_when=asyncio.FIRST_COMPLETED)
    if closed.done():
        assert closed.result() == b""
    closed.cancel()
    left.cancel()


@contextlib.contextmanager
def room_for(descriptors: int) -> Iterator[None]:
    """This process, and those that it starts, may open so many files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < descriptors:
        pytest.skip(f"only {hard} files may be open here, and {descriptors} are needed")
    if soft != resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, descriptors), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def open_at(field: Field) -> int:
    """The gateway's open files, but for its connections to the services."""
    open_files = len(os.listdir(f"/proc/{field.gateway.process.pid}/fd"))
    return open_files - sum(service.server.open for service in field.town.services)

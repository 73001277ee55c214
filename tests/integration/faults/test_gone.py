"""A client that leaves while its request waits in one of our lines: nothing is ever sent for it, and it is no 5xx."""

import asyncio
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.integration.faults.support_faults import PATH, Harness, harness
from tests.integration.faults.support_toxics import Toxic
from tests.support_waiting import until

TIMES: dict[str, Any] = {
    "personal": {"timeout": "1500ms", "max_concurrent": 1, "attempts": 1},
    "routes": {"wind": {"timeout": "1500ms"}},
    "upstreams": {"talaria-services": {"max_connections": 1}},
}
GONE = {"status": "499", "reason": "client-gone", "origin": "client"}


async def until_under_way(running: Harness, count: int) -> None:
    """So many requests are."""

    async def they_are() -> bool:
        return await running.metric("talaria_requests_in_flight") == count

    await until(they_are, seconds=5)


async def come_and_go(running: Harness, person: str, others: int) -> None:
    """A client that leaves once its request is under way beside the `others`, and is out of the gateway in a second."""
    url = urlsplit(running.sandbox.public_url)
    headers = {"host": url.netloc, **running.sandbox.headers(person)}
    lines = [f"GET {PATH} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    _, writer = await asyncio.open_connection(url.hostname, url.port)
    writer.write("\r\n".join(lines).encode())
    await until_under_way(running, others + 1)
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
    async with asyncio.timeout(1):
        await until_under_way(running, others)


@pytest.mark.parametrize("line", ["personal", "talaria-services"])
async def test_a_client_that_leaves_a_line_is_never_served(line: str) -> None:
    async with harness(TIMES) as running:
        known, *strangers = running.sandbox.add_persons(3)
        assert (await running.get(known)).status == 200
        await running.relays[line].poison("answer", Toxic("timeout"))
        service = running.sandbox.personal if line == "personal" else running.sandbox.talaria_services
        sent = service.requests.count
        first, second = strangers if line == "personal" else [known] * 2
        ahead = asyncio.create_task(running.get(first))
        await service.requests.wait_for(sent + 1)
        await come_and_go(running, second, others=1)
        assert (await ahead).status == 504
        await running.relays[line].heal()
        await until_under_way(running, 0)
        assert service.requests.count == sent + 1
        assert await running.metric("talaria_requests_total", **GONE) == 1
        assert await running.metric("talaria_5xx_total") == 1


async def test_a_client_that_leaves_while_keys_are_fetched() -> None:
    async with harness(TIMES) as running:
        (person,) = running.sandbox.add_persons(1)
        await running.relays["issuer"].poison("answer", Toxic("timeout"))
        await come_and_go(running, person, others=0)
        assert await running.metric("talaria_requests_total", **GONE) == 1
        assert await running.metric("talaria_5xx_total") == 0

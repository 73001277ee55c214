"""Two thousand connections that are idle or trickle: good traffic goes on beside them, and nothing of them stays."""

import asyncio
import contextlib
from collections import Counter
from pathlib import Path

import pytest

from tests.integration.attacks.support_crowd import (
    CROWD,
    HEAD,
    KEPT,
    PATIENCE,
    SLOW_BODY,
    Hold,
    kept,
    open_at,
    refused_body,
    room_for,
    slow_body,
    slow_head,
)
from tests.integration.attacks.support_field import Field, field_in
from tests.integration.attacks.support_seen import secrets_in
from tests.integration.gateway.support_client import Client, ask, request
from tests.integration.gateway.support_gateway import Town
from tests.support_waiting import until

GOOD = 4


async def keep_asking(field: Field, client: Client, over: asyncio.Event) -> int:
    """Good requests, on a kept connection and on new ones; how many."""
    served = 0
    while not over.is_set():
        token = field.town.token(field.town.person(f"good-{id(client)}-{served}"))
        for _ in range(2):
            assert (await client.ask(request(token, "/good"))).status == 200
            assert (await ask(field.gateway.url, request(token, "/good"))).status == 200
            served += 2
        await asyncio.sleep(0.05)
    return served


@pytest.mark.timeout(120)
async def test_two_thousand_connections_delay_no_request(tmp_path: Path) -> None:
    limits = {"server": {"header_timeout": f"{HEAD:g}s", "keepalive_timeout": f"{KEPT:g}s"}}
    with room_for(4096):
        async with field_in(Town(tmp_path), lambda _: limits) as field, contextlib.AsyncExitStack() as connections:
            before = open_at(field)
            assert (await field.gateway.ask()).status == 200
            holding: list[tuple[Hold, Client]] = []
            for hold, count in CROWD.items():
                opened = [connections.enter_async_context(field.gateway.connected()) for _ in range(count)]
                holding += [(hold, client) for client in await asyncio.gather(*opened)]
            await until(lambda: open_at(field) >= before + sum(CROWD.values()), PATIENCE)
            over = asyncio.Event()
            async with contextlib.AsyncExitStack() as good, asyncio.TaskGroup() as group:
                lines = [await good.enter_async_context(field.gateway.connected()) for _ in range(GOOD)]
                asking = [group.create_task(keep_asking(field, line, over)) for line in lines]
                await asyncio.gather(*(hold(field, client) for hold, client in holding))
                over.set()
            served = sum(task.result() for task in asking)
            await connections.aclose()
            await until(lambda: open_at(field) <= before, PATIENCE)
            await all_was_noted(field, served)


async def all_was_noted(field: Field, served: int) -> None:
    """A line for each request and each head that began, none for a connection without; nothing was printed."""
    expected = Counter(
        {
            (200, ""): 1 + CROWD[kept] + CROWD[slow_body] + served,
            (401, "invalid-token"): CROWD[refused_body],
            (499, "client-gone"): CROWD[slow_head],
        }
    )
    await until(lambda: len(field.gateway.lines()) >= expected.total(), PATIENCE)
    assert Counter((line["status"], line["reason"]) for line in field.gateway.lines()) == expected
    assert served > 20 * GOOD
    slow = [one.body for one in field.town.upstream.seen if b" /slow " in one.head.first]
    assert slow == [b"x" * SLOW_BODY] * CROWD[slow_body]
    assert not secrets_in(field.gateway.printed.read_bytes())

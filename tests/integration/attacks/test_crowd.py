"""Connections that are idle or trickle: good traffic goes on beside two thousand of them, and nothing of them stays."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.integration.attacks.support_crowd import (
    CROWD,
    HEAD,
    IN_TIME,
    KEPT,
    SLOW_BODY,
    Hold,
    kept,
    open_at,
    refused_body,
    room_for,
    silent,
    slow_body,
    slow_head,
)
from tests.integration.attacks.support_field import Field, field_in
from tests.integration.attacks.support_seen import secrets_in
from tests.integration.gateway.support_client import Client, ask, request
from tests.integration.gateway.support_gateway import Town
from tests.support_waiting import until

GOOD, ROUNDS = 4, 25
STAYING = (silent, kept, slow_head)


def limits(head: float, silence: float) -> dict[str, Any]:
    """What the gateway is told, in seconds."""
    return {"server": {"header_timeout": f"{head:g}s", "keepalive_timeout": f"{silence:g}s"}}


async def keep_asking(field: Field, client: Client) -> int:
    """Good requests, on a kept connection and on new ones; how many."""
    for number in range(ROUNDS):
        token = field.town.token(field.town.person(f"good-{id(client)}-{number}"))
        for _ in range(2):
            assert (await client.ask(request(token, "/good"))).status == 200
            assert (await ask(field.gateway.url, request(token, "/good"))).status == 200
    return 4 * ROUNDS


@pytest.mark.timeout(240)
async def test_beside_two_thousand_connections_every_good_request_is_served(tmp_path: Path) -> None:
    with room_for(4096):
        async with field_in(Town(tmp_path), lambda _: limits(600, 600)) as field, contextlib.AsyncExitStack() as stack:
            before = open_at(field)
            assert (await field.gateway.ask()).status == 200
            holding = await opened(field, CROWD, stack)
            await until(lambda: open_at(field) >= before + sum(CROWD.values()), IN_TIME)
            over = asyncio.Event()
            async with contextlib.AsyncExitStack() as good, asyncio.TaskGroup() as group:
                for hold, client in holding:
                    group.create_task(hold(field, client, over))  # type: ignore[arg-type]
                lines = [await good.enter_async_context(field.gateway.connected()) for _ in range(GOOD)]
                served = sum(await asyncio.gather(*(keep_asking(field, line) for line in lines)))
                assert open_at(field) >= before + sum(CROWD[hold] for hold in STAYING), "the crowd did not stay"
                over.set()
            await stack.aclose()
            await until(lambda: open_at(field) <= before, IN_TIME)
            await all_was_noted(field, {(200, ""): 1 + CROWD[kept] + CROWD[slow_body] + served}, CROWD)


async def test_each_is_held_for_as_long_as_it_is_allowed(tmp_path: Path) -> None:
    few = dict.fromkeys(CROWD, 10)
    async with field_in(Town(tmp_path), lambda _: limits(HEAD, KEPT)) as field, contextlib.AsyncExitStack() as stack:
        before = open_at(field)
        assert (await field.gateway.ask()).status == 200
        never = asyncio.Event()
        holding = await opened(field, few, stack)
        await asyncio.gather(*(hold(field, client, never) for hold, client in holding))
        await stack.aclose()
        await until(lambda: open_at(field) <= before, IN_TIME)
        lines = {(200, ""): 1 + few[kept] + few[slow_body], (499, "client-gone"): few[slow_head]}
        await all_was_noted(field, lines, few)


async def opened(
    field: Field, crowd: Mapping[Hold, int], stack: contextlib.AsyncExitStack
) -> list[tuple[Hold, Client]]:
    """A connection for each."""
    holding: list[tuple[Hold, Client]] = []
    for hold, count in crowd.items():
        clients = [stack.enter_async_context(field.gateway.connected()) for _ in range(count)]
        holding += [(hold, client) for client in await asyncio.gather(*clients)]
    return holding


async def all_was_noted(field: Field, lines: dict[tuple[int, str], int], crowd: Mapping[Hold, int]) -> None:
    """A line for each request and each head that took too long, and none beside; nothing was printed."""
    expected = Counter({**lines, (401, "invalid-token"): crowd[refused_body]})
    await until(lambda: len(field.gateway.lines()) >= expected.total(), IN_TIME)
    assert Counter((line["status"], line["reason"]) for line in field.gateway.lines()) == expected
    slow = [one.body for one in field.town.upstream.seen if b" /slow " in one.head.first]
    assert slow == [b"x" * SLOW_BODY] * crowd[slow_body]
    assert not secrets_in(field.gateway.printed.read_bytes())

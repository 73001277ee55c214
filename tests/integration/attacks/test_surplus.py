"""Surplus bytes at any moment: a second answer of the upstream, of personal or of a partner reaches no other person."""

import asyncio
import contextlib
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.attacks.support_surplus import DoubleAnswerer
from tests.integration.gateway.support_client import Client, request
from tests.integration.gateway.support_gateway import Town, gateway_in, town_at
from tests.integration.gateway.support_services import answer, json_answer
from tests.integration.http1.support_tls import server_context
from tests.support_paths import fast_path

PERSONS, CLIENTS, REQUESTS = 50, 10, 500


def services(town: Town, *, tls: bool, tunnel: bool) -> dict[str, DoubleAnswerer]:
    """personal, wind and talaria-services, each with second answers."""
    rng = random.Random(2026)
    context = server_context(town.folder, "localhost") if tls else None

    def personal(head: bytes, body: bytes) -> bytes:
        person = json.loads(body)["id"]
        return json_answer(200, {"id": person, "value": town.personal.phones[person]})

    def wind(head: bytes, body: bytes) -> bytes:
        return json_answer(200, {"user_id": town.wind.users[json.loads(body)["phone_number"]]})

    def upstream(head: bytes, body: bytes) -> bytes:
        target, user = head.split(b" ")[1], re.search(rb"\r\nx-wind-user-id: (\S+)", head)
        assert user is not None
        return answer(200, target + b" " + user[1])

    makers = {"personal": personal, "wind": wind, "talaria-services": upstream}
    return {name: DoubleAnswerer(make, rng, context, tunnel=tunnel) for name, make in makers.items()}


@pytest.mark.writes_at_once
@pytest.mark.parametrize(
    ("max_age", "tls", "tunnel"),
    [("1ms", False, False), ("1ms", True, False), ("1ms", False, True), ("1ms", True, True), ("1h", False, False)],
    ids=str,
)
async def test_a_second_answer_is_never_another_persons(tmp_path: Path, max_age: str, tls: bool, tunnel: bool) -> None:
    async with town_at(tmp_path) as town, contextlib.AsyncExitStack() as stack:
        doubling = services(town, tls=tls, tunnel=tunnel)
        for service in doubling.values():
            await stack.enter_async_context(service.listening())
        trust = {"ca_file": "cert.pem"} if tls else {}
        way = {name: {"egress_proxy": service.proxy, "tls": trust} for name, service in doubling.items()}
        changes = {
            "identities": {"max_age": max_age, "stale_if_error": "0s"},
            "personal": {"url": doubling["personal"].url, **way["personal"]},
            "partners": {"wind": {"url": doubling["wind"].url, **way["wind"]}},
            "upstreams": {
                "talaria-services": {"urls": [doubling["talaria-services"].url], **way["talaria-services"]},
            },
        }
        gateway = await stack.enter_async_context(gateway_in(town, changes))
        tokens = {f"/user-{number}": town.token(town.person(f"user-{number}")) for number in range(PERSONS)}
        asking = iter(random.Random(7).choices(list(tokens), k=REQUESTS))
        clients = [await stack.enter_async_context(gateway.connected()) for _ in range(CLIENTS)]
        async with asyncio.TaskGroup() as group:
            for client in clients:
                group.create_task(ask_for_all(client, asking, tokens))
        exchanging = max_age == "1ms"  # else the pairs are cached, and requests take the fast path
        assert exchanging or not fast_path() or gateway.recorder.fast > REQUESTS / 4
        for name, service in doubling.items():
            assert service.seconds > REQUESTS / 4 or not (exchanging or name == "talaria-services"), name


async def ask_for_all(client: Client, targets: Iterator[str], tokens: dict[str, str]) -> None:
    """One request for each target, each of the person that the target names."""
    rng = random.Random(11)
    for target in targets:
        got = await client.ask(request(tokens[target], target))
        assert (got.status, got.body) == (200, f"{target} {target[1:]}".encode())
        await asyncio.sleep(rng.uniform(0, 0.05))  # while the second answer comes, at any moment

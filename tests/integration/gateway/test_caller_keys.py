"""A caller's key set, as issuers publish it: twice the same key, no kid, slow, broken; and times of tokens."""

import asyncio
import base64
import json
from typing import Any

import pytest

from tests.integration.gateway.support_gateway import Gateway, Town, Tree, gateway_in
from tests.integration.gateway.support_problem import refused


def without_kid(key: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in key.items() if name != "kid"}


async def key_set_of(gateway: Gateway) -> Tree:
    """What readiness says of the key set."""
    ready: Tree = (await gateway.operators("/readyz")).json()
    dependency: Tree = ready["routes"][0]["dependencies"][0]
    assert dependency["name"] == "caller-keys:app"
    return dependency


@pytest.mark.parametrize(
    "published",
    [
        lambda key: [key, key],
        lambda key: [without_kid(key)],
        lambda key: [without_kid(key), {**without_kid(key), "use": None}],
        lambda key: [{**key, "use": ""}, {"kty": "EC"}],
    ],
)
async def test_a_set_is_read_for_what_it_says(gateway: Gateway, town: Town, published: Any) -> None:
    town.issuer.keys = published(town.issuer.keys[0])
    assert (await gateway.ask()).status == 200


async def test_a_slow_set_is_had_in_the_end_and_asked_for_once(gateway: Gateway, town: Town) -> None:
    town.issuer.gate.clear()
    for _ in range(3):
        await refused(gateway, await gateway.ask("/", "x-request-timeout-ms: 20"), "deadline-exceeded")
    waiting = asyncio.create_task(gateway.ask())
    town.issuer.gate.set()
    assert (await waiting).status == 200
    assert town.issuer.calls == 1


async def test_a_set_that_takes_longer_than_its_time_is_given_up(town: Town) -> None:
    town.issuer.gate.clear()
    async with gateway_in(town, {"callers": {"app": {"jwks_timeout": "20ms"}}}) as gateway:
        await refused(gateway, await gateway.ask(), "keys-unavailable")
        assert (await key_set_of(gateway))["state"] == "unavailable"
        entry = (await gateway.operators("/5xx?last=1")).json()["entries"][0]
        assert entry["cause"] == "caller-keys:app: no answer in time"


async def test_a_flood_that_waits_for_a_set_leaves_room_for_the_others(town: Town) -> None:
    async with gateway_in(town, {"server": {"max_in_flight": 4}}) as gateway:
        known = town.token()
        assert (await gateway.ask(token=known)).status == 200
        town.issuer.gate.clear()
        flood = [asyncio.create_task(gateway.ask(token=_named(known, "another"))) for _ in range(6)]
        answers = asyncio.as_completed(flood)
        for _ in range(4):
            await refused(gateway, await next(answers), "overloaded")
        for token in (known, town.token()):
            assert (await gateway.ask(token=token)).status == 200
        town.issuer.gate.set()
        for answer in answers:
            await refused(gateway, await answer, "invalid-token")


@pytest.mark.parametrize("broken", [[], [{"kty": "EC"}], "encryption"])
async def test_a_set_without_a_usable_key_never_replaces_a_good_one(
    gateway: Gateway, town: Town, broken: Any, caplog: pytest.LogCaptureFixture
) -> None:
    assert (await gateway.ask()).status == 200
    good = town.issuer.keys
    town.issuer.keys = [{**good[0], "use": "enc"}] if broken == "encryption" else broken
    await refused(gateway, await gateway.ask(token=_named(town.token(), "another")), "invalid-token")
    assert town.issuer.calls == 2
    assert (await gateway.ask()).status == 200
    assert (await key_set_of(gateway))["state"] == "failing"
    assert [record.getMessage() for record in caplog.records if record.name == "talaria.caller_keys"] == [
        "a caller's key set can't be had"
    ]


@pytest.mark.parametrize("broken", [[], [{"kty": "EC"}]])
async def test_a_first_set_without_a_usable_key_is_the_issuers_fault(gateway: Gateway, town: Town, broken: Any) -> None:
    town.issuer.keys = broken
    await refused(gateway, await gateway.ask(), "keys-unavailable")
    assert (await key_set_of(gateway))["state"] == "unavailable"


async def test_a_service_token_is_good_by_a_clock_that_is_behind(town: Town) -> None:
    async with gateway_in(town, {"signing": {"backdate": "7s", "lifetime": "40s"}}) as gateway:
        assert (await gateway.ask()).status == 200
    token = town.upstream.seen[-1].head.one("authorization").removeprefix("Bearer ").split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(token + "=="))
    assert claims["nbf"] == claims["iat"]
    assert claims["exp"] - claims["iat"] == 47


async def test_the_phone_id_stands_further_in(town: Town) -> None:
    async with gateway_in(town, {"callers": {"app": {"phone_id_claim": "user.phone.id"}}}) as gateway:
        person = town.person()
        nested = town.token(person, personal_phone_id=None, user={"phone": {"id": person}})
        assert (await gateway.ask(token=nested)).status == 200
        assert town.personal.asked == [person]
        await refused(gateway, await gateway.ask(token=town.token(person)), "invalid-token")


async def _passed_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
    writer.close()


async def test_a_key_set_is_fetched_through_an_egress_proxy(town: Town) -> None:
    asked: list[bytes] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0])
        to_issuer = await asyncio.open_connection(*town.issuer.url.removeprefix("http://").split(":"))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.gather(_passed_on(reader, to_issuer[1]), _passed_on(to_issuer[0], writer))

    async with await asyncio.start_server(proxy, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with gateway_in(town, {"callers": {"app": {"egress_proxy": url}}}) as gateway:
            assert (await gateway.ask()).status == 200
    authority = town.issuer.url.removeprefix("http://")
    assert asked == [f"CONNECT {authority} HTTP/1.1".encode()]


def _named(token: str, kid: str) -> str:
    """The same token under another `kid`: its signature is not good any more, but its key is looked for."""
    header = base64.urlsafe_b64encode(json.dumps({"alg": "ES256", "kid": kid}).encode()).decode().rstrip("=")
    return ".".join((header, *token.split(".")[1:]))

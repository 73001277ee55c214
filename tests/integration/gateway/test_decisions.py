"""The decision API on the wire: its own listener, its peers, drains, reloads and several workers."""

import asyncio
import json
from typing import Any

import jwt

from tests.integration.gateway.support_client import Got, ask, connected, request
from tests.integration.gateway.support_gateway import Gateway, Town, gateway_in, process_of
from tests.integration.gateway.support_problem import check_problem
from tests.integration.gateway.support_raw import Head

EDGES: dict[str, Any] = {"server": {"decision_listen": "127.0.0.1:0", "trusted_edges": ["127.0.0.0/8"]}}
CLIENT = "x-forwarded-for: 198.51.100.7"


async def decide(gateway: Gateway, person: str | None = None, *lines: str, **more: Any) -> Got:
    """What an edge asks that sends the method and the target in headers."""
    asked = ["x-forwarded-method: GET", "x-forwarded-uri: /v1/scooters?a=1", CLIENT, *lines]
    return await ask(gateway.decisions, request(gateway.town.token(person), "/decide", *asked, **more))


def subject(head: Head) -> str:
    """Of the service token."""
    token = head.one("authorization").removeprefix("Bearer ")
    return str(jwt.decode(token, options={"verify_signature": False})["sub"])


async def test_a_yes_then_what_the_edge_forwards_is_what_the_gateway_would_send(town: Town) -> None:
    async with gateway_in(town, EDGES) as gateway:
        person = town.person("wind-user-anna")
        got = await decide(gateway, person, "x-request-id: r-1")
        assert (got.status, got.body, got.head.one("content-length")) == (200, b"", "0")
        assert not town.upstream.seen
        assert (await gateway.ask("/v1/scooters?a=1", "x-request-id: r-1", token=town.token(person))).status == 200
        sent = town.upstream.seen[0].head
        for name in ("x-wind-user-id", "x-api-key", "x-api-tag", "x-request-id", "x-forwarded-host"):
            assert got.head.one(name) == sent.one(name), name
        assert got.head.one("x-forwarded-for") == "198.51.100.7"
        assert subject(got.head) == subject(sent) == "wind-user-anna"
        assert got.head.one("cache-control") == "no-store"


async def test_a_decision_is_counted_and_told_of_as_a_request_is(town: Town) -> None:
    async with gateway_in(town, EDGES) as gateway:
        await decide(gateway, None, "x-request-id: yes")
        check_problem(await decide(gateway, None, "x-request-id: no", tag="nope"), "unknown-api-tag", "no")
        await gateway.ask(token=town.token())
        yes = await gateway.line(lambda line: line["request_id"] == "yes")
        no = await gateway.line(lambda line: line["request_id"] == "no")
        assert (yes["edge"], yes["method"], yes["status"], yes["origin"]) == (True, "GET", 200, "")
        assert (no["edge"], no["reason"], no["origin"]) == (True, "unknown-api-tag", "client")
        asked = await gateway.line(lambda line: line["origin"] == "upstream")
        assert "edge" not in asked
        metrics = (await gateway.operators("/metrics")).body.decode()
        assert 'talaria_exchange_total{partner="wind",result="miss"} 2.0' in metrics


async def test_both_ways_of_asking_and_a_head_without_a_body(town: Town) -> None:
    async with gateway_in(town, EDGES) as gateway, connected(gateway.decisions) as client:
        token = town.token()
        for method in ("GET", "POST", "HEAD", "DELETE"):
            client.send(request(token, "/decide/v1/scooters?a=1", CLIENT, method=method))
            got = await client.get(method)
            assert (got.status, got.body) == (200, b"")
        client.send(request(token, "/decide/v1/scooters", "x-forwarded-uri: /v1/other"))
        check_problem(await client.get(), "bad-request")
        client.send(request(None, "/decide/v1/scooters", method="HEAD"))
        refused = await client.get("HEAD")
        assert (refused.status, refused.body) == (401, b"")
        assert refused.head.one("x-talaria-reason") == "missing-token"
        client.send(request(None, "/refusals/expired-token?request_id=r-9"))
        check_problem(await client.get(), "expired-token", "r-9")


async def test_an_offer_to_upgrade_is_no_part_of_the_question(town: Town) -> None:
    async with gateway_in(town, EDGES) as gateway:
        offer = ("connection: Upgrade", "upgrade: websocket", "sec-websocket-version: 13", "sec-websocket-key: AAAA")
        assert (await decide(gateway, None, *offer)).status == 200


async def test_peers_that_are_no_trusted_edge_are_cut_off(town: Town, caplog: Any) -> None:
    changes = {"server": {"decision_listen": "127.0.0.1:0", "trusted_edges": ["192.0.2.0/24"]}}
    async with gateway_in(town, changes) as gateway:
        for _ in range(3):
            async with connected(gateway.decisions) as client:
                client.send(request(town.token(), "/decide/v1/scooters"))
                assert await client.at_end() == b""
        told = [record for record in caplog.records if "trusted_edges" in record.message]
        assert [vars(record)["peer"] for record in told] == ["127.0.0.1"]
        assert not gateway.lines()
        assert not town.personal.calls


async def test_how_long_a_decision_may_be_kept(town: Town) -> None:
    async with gateway_in(town, {**EDGES, "decision": {"max_age": "5s"}}) as gateway:
        got = await decide(gateway)
        assert (got.head.one("cache-control"), got.head.one("x-accel-expires")) == ("max-age=5", "5")
        check_problem(await decide(gateway, None, tag="nope"), "unknown-api-tag")


async def test_requests_of_an_edge_under_way_end_before_the_gateway_does(town: Town) -> None:
    async with process_of(town, town.configure(EDGES)) as gateway:
        town.personal.gate.clear()
        asked = asyncio.create_task(decide(gateway))
        async with asyncio.timeout(5.0):
            while not town.personal.asked:
                await asyncio.sleep(0.01)
        gateway.process.terminate()
        async with asyncio.timeout(5.0):
            while (await gateway.operators("/readyz")).status == 200:
                await asyncio.sleep(0.01)
        town.personal.gate.set()
        got = await asked
        assert (got.status, got.head.one("connection")) == (200, "close")
        assert await gateway.ended() == 0


async def test_every_worker_decides(town: Town) -> None:
    changes = {"server": {**EDGES["server"], "workers": 2}}
    async with process_of(town, town.configure(changes)) as gateway:
        async with asyncio.timeout(5.0):
            while len(serving := [line for line in gateway.lines("serving") if "decisions" in line]) < 2:
                await asyncio.sleep(0.02)
        assert {line["decisions"] for line in serving} == {gateway.decisions}
        person = town.person()
        for _ in range(20):
            assert (await decide(gateway, person)).status == 200


async def test_a_reload_decides_anew(town: Town) -> None:
    async with process_of(town, town.configure(EDGES)) as gateway:
        assert (await decide(gateway)).status == 200
        town.configure({**EDGES, "decision": {"max_age": "7s"}, "routes": {"wind": {"methods": ["POST"]}}})
        gateway.process.send_signal(1)
        async with asyncio.timeout(5.0):
            while (got := await decide(gateway)).status == 200:
                await asyncio.sleep(0.02)
        check_problem(got, "method-not-allowed")
        posted = await ask(gateway.decisions, request(town.token(), "/decide/v1/scooters", method="POST"))
        assert posted.head.one("cache-control") == "max-age=7"
        assert json.loads((await decide(gateway)).body)["status"] == 405

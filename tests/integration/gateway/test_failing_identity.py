"""personal, the partner and the issuer's key set when they fail, each in every way."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.integration.gateway.support_gateway import Gateway, Town, Tree, gateway_in, jwk_of
from tests.integration.gateway.support_problem import refused
from tests.integration.gateway.support_services import Fault, Service, answer, close, hang, json_answer, reset

HOPS = ["personal", "partner"]


def once(timeout: str) -> Tree:
    """Each hop is tried once, for so long."""
    hop: Tree = {"attempts": 1, "timeout": timeout}
    return {"personal": hop, "partners": {"wind": hop}}


def hop(town: Town, name: str) -> Service:
    """The service behind this hop."""
    return town.personal if name == "personal" else town.wind


@contextlib.asynccontextmanager
async def patient_once(town: Town, **more: Any) -> AsyncIterator[Gateway]:
    """A gateway that tries each hop once, for longer than a busy machine needs."""
    async with gateway_in(town, {**once("5s"), **more}) as gateway:
        yield gateway


@pytest.mark.parametrize("name", HOPS)
@pytest.mark.parametrize("fault", [reset, close, b"", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{"])
async def test_broken_connections(town: Town, name: str, fault: Fault) -> None:
    hop(town, name).fault = fault if callable(fault) or not fault else last(fault)
    async with patient_once(town) as gateway:
        line = await refused(gateway, await gateway.ask(), f"{name}-unreachable")
        assert line["exchange"] == "failed"
    assert not town.upstream.seen


def last(data: bytes) -> Fault:
    """These bytes, and the end."""

    async def send(head: Any, line: Any) -> None:
        await line.send(data)
        raise EOFError

    return send


@pytest.mark.parametrize("name", HOPS)
async def test_nothing_listens(town: Town, name: str) -> None:
    async with patient_once(town) as gateway:
        await hop(town, name).server.stop()
        await refused(gateway, await gateway.ask(), f"{name}-unreachable")


@pytest.mark.parametrize("name", HOPS)
async def test_silence(town: Town, name: str) -> None:
    hop(town, name).fault = hang
    async with gateway_in(town, once("300ms")) as gateway:
        line = await refused(gateway, await gateway.ask(), f"{name}-timeout")
        assert line["total_ms"] > 250
        await hop(town, name).server.until(lambda: hop(town, name).server.open == 0)


@pytest.mark.parametrize("name", HOPS)
async def test_the_routes_time_ends_an_exchange_too(town: Town, name: str) -> None:
    hop(town, name).fault = hang
    async with gateway_in(town, {**once("9s"), "routes": {"wind": {"timeout": "200ms"}}}) as gateway:
        line = await refused(gateway, await gateway.ask(), f"{name}-timeout")
        assert 150 < line["total_ms"] < 5_000


@pytest.mark.parametrize("name", HOPS)
@pytest.mark.parametrize("status", [429, 503])
async def test_overload(town: Town, name: str, status: int) -> None:
    hop(town, name).fault = answer(status, b"", "retry-after: 3600")
    async with gateway_in(town) as gateway:
        got = await gateway.ask()
        await refused(gateway, got, f"{name}-overloaded")
        assert got.head.one("retry-after") == "3600"  # longer than any patience
    assert hop(town, name).calls == 1


@pytest.mark.parametrize("name", HOPS)
@pytest.mark.parametrize("fault", [reset, answer(503), answer(502), answer(504), answer(429, b"", "retry-after: 0")])
async def test_what_passes_is_tried_again(town: Town, name: str, fault: Fault) -> None:
    hop(town, name).faults = [fault, fault]
    slow = {"personal": {"timeout": "5s"}, "partners": {"wind": {"timeout": "5s"}}}
    async with gateway_in(town, slow) as gateway:
        got = await gateway.ask("/", "x-request-id: again")
        assert got.status == 200
        line = await gateway.line(lambda line: line["request_id"] == "again")
        assert (line["attempts"], line["retries"]) == (5, 2)
    assert hop(town, name).calls == 3
    keys = [head.one("idempotency-key") for head in town.wind.server.heads]
    assert (len(set(keys)), len(keys)) == (1, 3 if name == "partner" else 1)


@pytest.mark.parametrize("name", HOPS)
@pytest.mark.parametrize("status", [400, 401, 405, 500, 501, 204, 301, 418])
async def test_what_does_not_pass_is_not_tried_again(town: Town, name: str, status: int) -> None:
    line = f"location: {town.upstream.url}/stolen"
    hop(town, name).fault = last(answer(status, b"", line))
    async with gateway_in(town) as gateway:
        await refused(gateway, await gateway.ask(), f"{name}-bad-answer")
    assert hop(town, name).calls == 1
    assert not town.upstream.server.heads


NONSENSE = {
    "no JSON": answer(200, b"<html>"), "not UTF-8": answer(200, b'{"id": "\xff\xfe"}'), "nothing": answer(200),
    "a list": json_answer(200, []), "a deep one": answer(200, b"[" * 20_000), "null": answer(200, b"null"),
    "too large": answer(200, b'{"id": "' + b"x" * 70_000 + b'"}'), "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}x",
    "encoded": answer(200, b"x", "content-encoding: gzip"), "a bare 404": answer(404, b"<html>"),
}  # fmt: skip
PHONES = [
    "",
    "4915112345678",
    "+0151123456",
    "+49 151 1234567",
    "+123456",
    "+1234567890123456",
    "+4915112345x",
    49,
    None,
]
USERS = ["", "u" * 129, "a b", "a\r\nx-admin: 1", "\u00fc", 7, None, ["a"]]


@pytest.mark.parametrize("name", HOPS)
@pytest.mark.parametrize("fault", NONSENSE.values(), ids=NONSENSE.keys())
async def test_nonsense(town: Town, name: str, fault: bytes) -> None:
    hop(town, name).fault = last(fault)
    async with patient_once(town) as gateway:
        await refused(gateway, await gateway.ask(), f"{name}-bad-answer")
    assert not town.upstream.seen


async def test_phones_that_are_none(town: Town) -> None:
    for value in PHONES:
        person = town.person()
        town.personal.fault = json_answer(200, {"id": person, "value": value})
        async with patient_once(town) as gateway:
            await refused(gateway, await gateway.ask(token=town.token(person)), "personal-bad-answer")
    town.personal.fault = json_answer(200, {"id": "ppid-another", "value": "+49151123456"})
    async with patient_once(town) as gateway:
        await refused(gateway, await gateway.ask(), "personal-bad-answer")
    assert town.wind.calls == 0


async def test_users_that_are_none(town: Town) -> None:
    for value in USERS:
        town.wind.fault = json_answer(200, {"user_id": value})
        async with patient_once(town) as gateway:
            await refused(gateway, await gateway.ask(), "partner-bad-answer")
    assert not town.upstream.seen


async def test_a_new_user_and_unknown_fields_are_fine(gateway: Gateway, town: Town) -> None:
    town.wind.fault = json_answer(201, {"user_id": "user-new", "more": {"a": 1}})
    assert (await gateway.ask()).body == b"user-new"


@pytest.mark.parametrize("name", HOPS)
async def test_a_circuit_opens_and_shows(town: Town, name: str) -> None:
    hop(town, name).fault = close
    async with patient_once(town) as gateway:
        for _ in range(5):
            await refused(gateway, await gateway.ask(), f"{name}-unreachable")
        got = await gateway.ask()
        line = await refused(gateway, got, "circuit-open")
        assert (line["origin"], hop(town, name).calls) == (name, 5)
        assert 1 <= int(got.head.one("retry-after")) <= 60
        ready = await gateway.operators("/readyz")
        states = {one["name"]: one["state"] for one in ready.json()["routes"][0]["dependencies"]}
        assert ready.status == 200
        assert states["personal" if name == "personal" else "wind"] == "open"


@pytest.mark.parametrize("name", HOPS)
async def test_a_kept_pair_outlasts_a_failure(town: Town, name: str) -> None:
    token = town.token(town.person("user-kept"))
    async with patient_once(town, identities={"max_age": "1ms"}) as gateway:
        assert (await gateway.ask(token=token)).status == 200
        await asyncio.sleep(0.002)  # so that the pair is too old
        hop(town, name).fault = close
        got = await gateway.ask("/", "x-request-id: stale", token=token)
        assert (got.status, got.body) == (200, b"user-kept")
        assert (await gateway.line(lambda line: line["request_id"] == "stale"))["exchange"] == "stale"
    async with patient_once(town, identities={"max_age": "1ms", "stale_if_error": "0s"}) as gateway:
        await refused(gateway, await gateway.ask(token=token), f"{name}-unreachable")


KEYS_FAULTS: list[Fault] = [reset, close, answer(500), answer(404), answer(200, b"{}"), answer(200, b'{"keys": 1}')]


@pytest.mark.parametrize("fault", KEYS_FAULTS)
async def test_a_key_set_that_never_came(gateway: Gateway, town: Town, fault: Fault) -> None:
    town.issuer.fault = fault
    got = await gateway.ask()
    await refused(gateway, got, "keys-unavailable")
    assert int(got.head.one("retry-after")) >= 1
    await refused(gateway, await gateway.ask(), "keys-unavailable")
    assert town.issuer.calls == 1


async def test_known_keys_outlast_their_issuer(gateway: Gateway, town: Town) -> None:
    assert (await gateway.ask()).status == 200
    await town.issuer.server.stop()
    assert (await gateway.ask()).status == 200


async def test_an_unknown_kid_fetches_once(gateway: Gateway, town: Town) -> None:
    assert (await gateway.ask()).status == 200
    town.caller_key, old = town.signing_key, town.caller_key
    got = await gateway.ask()
    await refused(gateway, got, "invalid-token")
    town.caller_key = old
    assert (await gateway.ask()).status == 200
    assert town.issuer.calls == 1
    town.issuer.keys.append(jwk_of(old, "app-2"))

"""Callers with API keys, and callers that are bound to networks, through a whole gateway."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx
import jwt
import pytest

from talaria.sandbox.request_log import RecordedRequest
from talaria.sandbox.stack import Sandbox, running_sandbox

KEY, NEXT = "canary-key-of-jobs-0123456789abcdef", "canary-next-of-jobs-0123456789abcde"
WAY = "/v1/scooters/nearby"
JOBS: Mapping[str, Any] = {
    "callers": {"jobs": {"api_key": [{"file": "jobs.key"}, {"file": "next.key"}]}},
    "routes": {"jobs": {"identity": "none", "upstream": "talaria-services"}},
}


@asynccontextmanager
async def world_of(folder: Any, config: Mapping[str, Any]) -> AsyncIterator[tuple[Sandbox, httpx.AsyncClient]]:
    (folder / "jobs.key").write_text(KEY + "\n")
    (folder / "next.key").write_text(NEXT + "\n")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        async with (
            running_sandbox(access_descriptor=nowhere, folder=folder, config=config) as sandbox,
            httpx.AsyncClient(trust_env=False, base_url=sandbox.public_url) as client,
        ):
            yield sandbox, client
    finally:
        os.close(nowhere)


@pytest.fixture
async def served(tmp_path: Any) -> AsyncIterator[tuple[Sandbox, httpx.AsyncClient]]:
    async with world_of(tmp_path, JOBS) as both:
        yield both


def claims_of(received: RecordedRequest) -> dict[str, Any]:
    token = received.header(b"authorization")[0].removeprefix(b"Bearer ")
    return dict(jwt.decode(token, options={"verify_signature": False}))


@pytest.mark.parametrize("key", [KEY, NEXT])
async def test_a_key_goes_through_without_a_person(served: tuple[Sandbox, httpx.AsyncClient], key: str) -> None:
    sandbox, client = served
    answer = await client.get(WAY, headers={"x-api-tag": "jobs", "x-api-key": key, "x-wind-user-id": "wind-user-anna"})
    assert answer.status_code == 200
    received = sandbox.talaria_services.requests.last
    claims = claims_of(received)
    assert (claims["sub"], claims["caller"], claims["tag"]) == ("jobs", "jobs", "jobs")
    assert not [name for name, _ in received.headers if name.endswith(b"-user-id")]
    assert received.header(b"x-api-key") == [sandbox.talaria_services.api_key.encode()]
    assert not sandbox.personal.requests.all
    assert not sandbox.wind.requests.all


@pytest.mark.parametrize(
    ("headers", "status", "reason"),
    [
        ({}, 401, "missing-token"),
        ({"x-api-key": KEY[:-1]}, 401, "invalid-token"),
        ({"x_api_key": KEY}, 401, "missing-token"),
        ({"authorization": f"Bearer {KEY}"}, 401, "missing-token"),
    ],
)
async def test_without_the_key_nothing_goes_through(
    served: tuple[Sandbox, httpx.AsyncClient], headers: dict[str, str], status: int, reason: str
) -> None:
    sandbox, client = served
    answer = await client.get(WAY, headers={"x-api-tag": "jobs", **headers})
    assert (answer.status_code, answer.json()["reason"]) == (status, reason)
    assert KEY not in answer.text
    assert not sandbox.talaria_services.requests.all


async def test_two_keys_are_none(served: tuple[Sandbox, httpx.AsyncClient]) -> None:
    _, client = served
    answer = await client.get(WAY, headers=[("x-api-tag", "jobs"), ("x-api-key", KEY), ("x-api-key", NEXT)])
    assert (answer.status_code, answer.json()["reason"]) == (400, "bad-request")


async def test_a_key_opens_no_route_of_persons_and_a_token_none_of_callers(
    served: tuple[Sandbox, httpx.AsyncClient],
) -> None:
    sandbox, client = served
    by_key = await client.get(WAY, headers={"x-api-tag": "wind", "x-api-key": KEY})
    assert (by_key.status_code, by_key.json()["reason"]) == (401, "missing-token")
    by_token = await client.get(WAY, headers=sandbox.headers(tag="jobs"))
    assert (by_token.status_code, by_token.json()["reason"]) == (401, "missing-token")


async def test_an_unknown_user_is_no_matter_where_there_is_none(served: tuple[Sandbox, httpx.AsyncClient]) -> None:
    sandbox, client = served
    path = "/v1/answers/404?header=x-talaria-unknown-user:1"
    answer = await client.get(path, headers={"x-api-tag": "jobs", "x-api-key": KEY})
    assert answer.status_code == 404
    assert "x-talaria-unknown-user" not in answer.headers
    assert len(sandbox.talaria_services.requests.all) == 1


async def test_a_caller_from_elsewhere_is_not_allowed(tmp_path: Any) -> None:
    bound = {"callers": {"app": {"networks": ["192.0.2.0/24"]}}}
    async with world_of(tmp_path, bound) as (sandbox, client):
        forged = {"x-forwarded-for": "192.0.2.1", "forwarded": "for=192.0.2.1"}
        answer = await client.get(WAY, headers=sandbox.headers() | forged)
        assert (answer.status_code, answer.json()["reason"]) == (403, "caller-not-allowed")
        assert not sandbox.personal.requests.all


async def test_behind_a_trusted_proxy_the_address_is_the_one_before_it(tmp_path: Any) -> None:
    bound = {"callers": {"app": {"networks": ["192.0.2.0/24"]}}, "server": {"trusted_proxies": ["127.0.0.0/8"]}}
    async with world_of(tmp_path, bound) as (sandbox, client):
        from_there = await client.get(WAY, headers=sandbox.headers() | {"x-forwarded-for": "203.0.113.1, 192.0.2.1"})
        assert from_there.status_code == 200
        from_elsewhere = await client.get(
            WAY, headers=sandbox.headers() | {"x-forwarded-for": "192.0.2.1, 203.0.113.1"}
        )
        assert from_elsewhere.status_code == 403

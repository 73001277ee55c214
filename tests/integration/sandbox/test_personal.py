"""personal keeps its contract."""

import httpx
import pytest

from talaria.sandbox import fixtures
from talaria.sandbox.stack import Sandbox


async def ask(client: httpx.AsyncClient, sandbox: Sandbox, body: object, **changes: str) -> httpx.Response:
    headers = {"authorization": f"Bearer {sandbox.personal.token}", "x-request-id": "r-1"} | changes
    kept = {name: value for name, value in headers.items() if value}
    return await client.post(f"{sandbox.personal.url}/v1/phones/retrieve", json=body, headers=kept)


async def test_a_known_id_has_a_phone_number(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    answer = await ask(client, sandbox, {"id": fixtures.ANNA})
    assert answer.status_code == 200
    assert answer.json() == {"id": fixtures.ANNA, "value": fixtures.PHONES[fixtures.ANNA]}
    assert sandbox.personal.requests.last.header(b"x-request-id") == [b"r-1"]


async def test_an_unknown_id_is_not_found(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    answer = await ask(client, sandbox, {"id": fixtures.GHOST})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer wrong", "Basic x"])
async def test_a_bad_token_is_refused(sandbox: Sandbox, client: httpx.AsyncClient, authorization: str) -> None:
    answer = await ask(client, sandbox, {"id": fixtures.ANNA}, authorization=authorization)
    assert (answer.status_code, answer.json()["code"]) == (401, "bad_token")


async def test_without_a_configured_token_none_is_wanted(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    sandbox.personal.token = ""
    assert (await ask(client, sandbox, {"id": fixtures.ANNA}, authorization="")).status_code == 200


@pytest.mark.parametrize("body", [{}, {"id": ""}, {"id": "x" * 129}, {"id": 5}, {"id": "a", "more": 1}, [], "id"])
async def test_another_body_is_a_bad_request(sandbox: Sandbox, client: httpx.AsyncClient, body: object) -> None:
    answer = await ask(client, sandbox, body)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


async def test_the_request_id_is_required(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    assert (await ask(client, sandbox, {"id": fixtures.ANNA}, **{"x-request-id": ""})).status_code == 400

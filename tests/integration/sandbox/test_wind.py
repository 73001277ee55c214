"""wind keeps its contract."""

import httpx
import pytest

from talaria.sandbox import fixtures
from talaria.sandbox.stack import Sandbox

PHONE = fixtures.PHONES[fixtures.CHLOE]


async def ask(
    client: httpx.AsyncClient, sandbox: Sandbox, phone: object, key: str = "k-1", **changes: str
) -> httpx.Response:
    headers = {"x-api-key": sandbox.wind.api_key, "x-request-id": "r-1", "idempotency-key": key} | changes
    kept = {name: value for name, value in headers.items() if value}
    return await client.post(f"{sandbox.wind.url}/v1/users/resolve", json={"phone_number": phone}, headers=kept)


async def test_a_user_is_created_once(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    made, found = await ask(client, sandbox, PHONE, "k-1"), await ask(client, sandbox, PHONE, "k-2")
    assert (made.status_code, found.status_code) == (201, 200)
    assert made.json() == found.json() == {"user_id": fixtures.user_id_for(PHONE)}


async def test_a_repeated_idempotency_key_gets_the_same_answer(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    first, again = await ask(client, sandbox, PHONE), await ask(client, sandbox, PHONE)
    assert (first.status_code, first.json()) == (again.status_code, again.json())
    assert sandbox.wind.duplicates == 1


@pytest.mark.parametrize("person", [fixtures.BLOCKED, fixtures.NO_ACCOUNT, fixtures.UNSUPPORTED])
async def test_a_refusal_does_not_show_the_phone_number(
    sandbox: Sandbox, client: httpx.AsyncClient, person: str
) -> None:
    answer = await ask(client, sandbox, fixtures.PHONES[person])
    assert answer.status_code in {403, 404, 422}
    assert fixtures.PHONES[person] not in answer.text


@pytest.mark.parametrize("key", ["", "wrong"])
async def test_a_bad_api_key_is_refused(sandbox: Sandbox, client: httpx.AsyncClient, key: str) -> None:
    assert (await ask(client, sandbox, PHONE, **{"x-api-key": key})).status_code == 401


@pytest.mark.parametrize("missing", ["idempotency-key", "x-request-id"])
async def test_required_headers_are_required(sandbox: Sandbox, client: httpx.AsyncClient, missing: str) -> None:
    assert (await ask(client, sandbox, PHONE, **{missing: ""})).status_code == 400


@pytest.mark.parametrize("phone", ["", "44770", "+0123456789", "+447700900003\n", "+1234567890123456", 5, None])
async def test_what_is_not_e164_is_a_bad_request(sandbox: Sandbox, client: httpx.AsyncClient, phone: object) -> None:
    assert (await ask(client, sandbox, phone)).status_code == 400

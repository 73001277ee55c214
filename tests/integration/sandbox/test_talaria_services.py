"""talaria-services takes what its contract says and nothing else; its endpoints do what they say."""

import hashlib
import time
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

from talaria.sandbox.stack import Sandbox

KEY = generate_private_key(SECP256R1())


@pytest.fixture
def gateway_keys(sandbox: Sandbox) -> Sandbox:
    """talaria-services trusts KEY: the issuer's key set stands for the gateway's."""
    sandbox.issuer.key, sandbox.issuer.kid = KEY, "g-1"
    sandbox.talaria_services.token_check.jwks_url = f"{sandbox.issuer.url}/.well-known/jwks.json"
    return sandbox


def headers(
    sandbox: Sandbox, *, typ: str = "JWT", kid: str = "g-1", key: Any = KEY, **claims: object
) -> dict[str, str]:
    now = int(time.time())
    good = {"iss": "talaria-proxy", "aud": "talaria-services", "sub": "u-1", "jti": "j", "caller": "app"}
    times = {"iat": now, "nbf": now, "exp": now + 60, "partner": "wind", "tag": "wind"}
    wanted = {name: value for name, value in {**good, **times, **claims}.items() if value is not None}
    token = jwt.encode(wanted, key, algorithm="ES256", headers={"kid": kid, "typ": typ})
    mine = {"authorization": f"Bearer {token}", "x-api-key": sandbox.talaria_services.api_key}
    return {**mine, "x-wind-user-id": "u-1", "x-api-tag": "wind"}


async def test_a_request_as_it_should_be(gateway_keys: Sandbox, client: httpx.AsyncClient) -> None:
    url = f"{gateway_keys.talaria_services.url}/v1/scooters/nearby"
    answer = await client.get(url, headers=headers(gateway_keys))
    assert answer.json()["user_id"] == "u-1"


@pytest.mark.parametrize(
    "change",
    [
        {"aud": "other"},
        {"iss": "other"},
        {"exp": 1},
        {"jti": None},
        {"partner": None},
        {"typ": "at+jwt"},
        {"kid": "unknown"},
        {"key": generate_private_key(SECP256R1())},
    ],
)
async def test_a_bad_service_token(gateway_keys: Sandbox, client: httpx.AsyncClient, change: dict[str, Any]) -> None:
    answer = await client.get(f"{gateway_keys.talaria_services.url}/echo", headers=headers(gateway_keys, **change))
    assert (answer.status_code, answer.json()["code"]) == (401, "bad_service_token")


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        ("x-wind-user-id", "u-2", 403),
        ("x-api-tag", "other", 403),
        ("x-api-key", "wrong", 401),
        ("authorization", "Basic x", 401),
    ],
)
async def test_headers_that_disagree(
    gateway_keys: Sandbox, client: httpx.AsyncClient, name: str, value: str, status: int
) -> None:
    changed = headers(gateway_keys) | {name: value}
    assert (await client.get(f"{gateway_keys.talaria_services.url}/echo", headers=changed)).status_code == status


async def test_a_doubled_header(gateway_keys: Sandbox, client: httpx.AsyncClient) -> None:
    doubled = [*headers(gateway_keys).items(), ("x-wind-user-id", "u-1")]
    answer = await client.get(f"{gateway_keys.talaria_services.url}/echo", headers=doubled)
    assert (answer.status_code, answer.json()["code"]) == (401, "bad_headers")


async def test_a_user_that_is_no_longer_known(gateway_keys: Sandbox, client: httpx.AsyncClient) -> None:
    gateway_keys.talaria_services.unknown_users.add("u-1")
    answer = await client.get(f"{gateway_keys.talaria_services.url}/echo", headers=headers(gateway_keys))
    assert (answer.status_code, answer.headers["x-talaria-unknown-user"]) == (404, "1")


async def test_the_echo_shows_all_but_credentials(gateway_keys: Sandbox, client: httpx.AsyncClient) -> None:
    sent = headers(gateway_keys)
    answer = await client.request(
        "PURGE", f"{gateway_keys.talaria_services.url}/echo//a%2Fb?x=%20", headers=sent, content=b"hi"
    )
    shown = answer.json()
    assert (shown["method"], shown["target"]) == ("PURGE", "/echo//a%2Fb?x=%20")
    assert shown["body"] == {"size": 2, "sha256": hashlib.sha256(b"hi").hexdigest()}
    assert ["x-wind-user-id", "u-1"] in shown["headers"]
    assert sent["authorization"] not in answer.text
    assert sent["x-api-key"] not in answer.text


async def test_an_upload_is_counted_and_digested(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    sandbox.talaria_services.checks = False
    body = b"abc" * 1_000_000
    answer = await client.put(f"{sandbox.talaria_services.url}/v1/uploads/photo", content=body)
    assert answer.json() == {"name": "photo", "size": len(body), "sha256": hashlib.sha256(body).hexdigest()}
    assert len(sandbox.talaria_services.requests.last.body) < 100_000


@pytest.mark.parametrize(("query", "length"), [("", "300001"), ("?chunked=true", None)])
async def test_a_download(sandbox: Sandbox, client: httpx.AsyncClient, query: str, length: str | None) -> None:
    sandbox.talaria_services.checks = False
    answer = await client.get(f"{sandbox.talaria_services.url}/v1/downloads/300001{query}")
    assert answer.headers.get("content-length") == length
    assert answer.content == (bytes(range(256)) * 1173)[:300001]


async def test_a_ride_with_its_events(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    sandbox.talaria_services.checks = False
    url = f"{sandbox.talaria_services.url}/v1/rides"
    ride = (await client.post(url, json={"scooter_id": "scooter-1"}, headers={"x-wind-user-id": "u-1"})).json()
    events = await client.get(f"{url}/{ride['ride_id']}/events?count=3&interval=0")
    ended = await client.post(f"{url}/{ride['ride_id']}/end")
    assert (ride["state"], ride["user_id"], ended.json()["state"]) == ("riding", "u-1", "ended")
    assert events.headers["content-type"].startswith("text/event-stream")
    assert events.text.count("event: position") == 3


@pytest.mark.parametrize("status", [200, 204, 304, 418, 503])
async def test_any_answer_can_be_asked_for(sandbox: Sandbox, client: httpx.AsyncClient, status: int) -> None:
    sandbox.talaria_services.checks = False
    answer = await client.get(
        f"{sandbox.talaria_services.url}/v1/answers/{status}?header=set-cookie:a&header=set-cookie:b"
    )
    assert answer.status_code == status
    assert [value for name, value in answer.headers.multi_items() if name == "set-cookie"] == ["a", "b"]

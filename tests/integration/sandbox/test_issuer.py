"""The issuer's tokens are good by its own key set."""

import httpx
import jwt
import pytest

from talaria.sandbox import fixtures
from talaria.sandbox.stack import Sandbox


async def test_a_token_over_http_verifies_by_the_key_set(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    token = (await client.post(f"{sandbox.issuer.url}/token", json={"personal_phone_id": fixtures.ANNA})).json()[
        "token"
    ]
    keys = jwt.PyJWKSet.from_dict((await client.get(f"{sandbox.issuer.url}/.well-known/jwks.json")).json())
    key = keys[jwt.get_unverified_header(token)["kid"]]
    claims = jwt.decode(token, key, algorithms=["ES256"], audience="talaria-proxy", issuer="https://id.app.example")
    assert claims["personal_phone_id"] == fixtures.ANNA
    assert claims["exp"] - claims["iat"] == 12 * 3600


@pytest.mark.parametrize("body", [{}, {"personal_phone_id": ""}, {"personal_phone_id": "a", "lifetime": 0}])
async def test_another_body_is_a_bad_request(sandbox: Sandbox, client: httpx.AsyncClient, body: object) -> None:
    assert (await client.post(f"{sandbox.issuer.url}/token", json=body)).status_code == 400


def test_claims_can_be_added_and_taken_away(sandbox: Sandbox) -> None:
    claims = jwt.decode(sandbox.token(iss=None, more=1), options={"verify_signature": False})
    assert "iss" not in claims
    assert claims["more"] == 1

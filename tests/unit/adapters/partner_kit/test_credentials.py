"""The three usual credentials, as they are sent."""

import base64
import hashlib
import hmac
import re
from typing import Literal

import pytest

from talaria.adapters.dependency_messages import SignedRequest
from talaria.adapters.partner_kit import (
    AccessToken,
    PartnerBadAnswer,
    PartnerHttp,
    Sensitive,
    api_key,
    client_credentials,
    hmac_signature,
)
from talaria.domain.events import HopContext
from tests.unit.adapters.partner_kit.support_kit import answer, partner

REQUEST = SignedRequest("POST", "api.comet.example", "/lookup?x=1", {}, b'{"msisdn":1}')
SECRET = Sensitive("the-secret")
TOKEN = b'{"access_token": "t-1", "token_type": "bearer", "expires_in": 60}'


def test_an_api_key_stands_in_its_header() -> None:
    assert api_key(SECRET)(REQUEST) == {"x-api-key": "the-secret"}
    assert api_key(SECRET, "authorization", "Bearer ")(REQUEST) == {"authorization": "Bearer the-secret"}
    assert api_key(None)(REQUEST) == {}


def test_an_hmac_is_over_the_parts_in_their_order() -> None:
    sign = hmac_signature(
        SECRET,
        parts=("time", "method", "host", "target", "digest"),
        headers={"x-time": "{time}", "x-signature": "v1={signature}"},
        wall=lambda: 1_800_000_000.9,
    )
    digest = hashlib.sha256(REQUEST.body).hexdigest()
    message = f"1800000000\nPOST\napi.comet.example\n/lookup?x=1\n{digest}".encode()
    expected = hmac.new(b"the-secret", message, "sha256").hexdigest()
    assert sign(REQUEST) == {"x-time": "1800000000", "x-signature": f"v1={expected}"}


def test_another_digest_and_encoding() -> None:
    sign = hmac_signature(
        *(SECRET,),
        parts=("target", "digest"),
        headers={"x-s": "{signature}"},
        between="",
        digest="sha512",
        encoding="base64",
    )
    digest = base64.b64encode(hashlib.sha512(REQUEST.body).digest())
    expected = hmac.new(b"the-secret", b"/lookup?x=1" + digest, "sha512").digest()
    assert sign(REQUEST)["x-s"] == base64.b64encode(expected).decode()


def test_each_attempt_has_a_nonce_of_its_own_which_is_signed() -> None:
    sign = hmac_signature(SECRET, parts=("nonce",), headers={"n": "{nonce}", "s": "{signature}"})
    one, two = sign(REQUEST), sign(REQUEST)
    assert one["n"] != two["n"]
    assert re.fullmatch("[0-9a-f]{32}", one["n"])
    assert one["s"] == hmac.new(b"the-secret", one["n"].encode(), "sha256").hexdigest()


@pytest.mark.parametrize("way", ["basic", "form"])
async def test_client_credentials_ask_for_a_token(way: Literal["basic", "form"]) -> None:
    bench = partner(answer(200, TOKEN))
    fetch = client_credentials(
        PartnerHttp(bench.client), "/token", client_id="us:1", client_secret=SECRET, scope="lookup", way=way
    )
    assert await fetch(HopContext("request-1", 5.0)) == AccessToken("t-1", 60.0)
    (request,) = bench.requests
    if way == "basic":
        assert request.headers["authorization"] == "Basic " + base64.b64encode(b"us%3A1:the-secret").decode()
        assert request.content == b"grant_type=client_credentials&scope=lookup"
    else:
        assert "authorization" not in request.headers
        expected = b"grant_type=client_credentials&scope=lookup&client_id=us%3A1&client_secret=the-secret"
        assert request.content == expected


async def test_a_token_without_a_life_is_good_for_five_minutes() -> None:
    bench = partner(answer(200, b'{"access_token": "t-1", "token_type": "Bearer"}'))
    fetch = client_credentials(PartnerHttp(bench.client), "/", client_id="us", client_secret=SECRET)
    assert (await fetch(HopContext("", 5.0))).expires_in == 300.0


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, b'{"error": "invalid_client"}'),
        (202, TOKEN),
        (200, b"{}"),
        (200, TOKEN.replace(b"bearer", b"mac")),
        *((200, TOKEN.replace(b"t-1", bad)) for bad in (b"", b"t-1\\r\\nx-admin: 1", b"t-1\\u0000", "t-1é".encode())),
        (200, b""),
    ],
)
async def test_what_is_no_bearer_token_is_a_bad_answer(status: int, body: bytes) -> None:
    bench = partner(answer(status, body))
    fetch = client_credentials(PartnerHttp(bench.client), "/", client_id="us", client_secret=SECRET)
    with pytest.raises(PartnerBadAnswer) as caught:
        await fetch(HopContext("", 5.0))
    assert "t-1" not in str(caught.value)

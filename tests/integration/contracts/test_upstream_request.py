"""upstream-request.md and service-token.md: what the upstream gets, and the code that verifies it."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import jwt
import pytest

from talaria.sandbox import fixtures
from talaria.sandbox.request_log import RecordedRequest
from talaria.sandbox.stack import Sandbox
from tests.integration.contracts.support_documents import block, first_cells

pytestmark = pytest.mark.asyncio(loop_scope="module")

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
UserOf = Callable[[dict[str, str]], str]


async def received(sandbox: Sandbox, **headers: str) -> RecordedRequest:
    """What the upstream got of a request without a body, to which only these headers were added."""
    async with httpx.AsyncClient(trust_env=False) as client:
        client.headers.clear()
        answer = await client.get(f"{sandbox.public_url}/echo", headers={**sandbox.headers(), **headers})
    assert answer.status_code == 200
    return sandbox.talaria_services.requests.last


def verifier(sandbox: Sandbox) -> UserOf:
    """`user_of` of the page, reading the key set of this gateway."""
    code = block("service-token.md", "python")
    assert len([line for line in code.splitlines() if line.strip()]) <= 12
    names: dict[str, Any] = {}
    exec(code.replace("http://talaria.internal:8080", sandbox.public_url), names)  # noqa: S102 - the page's own text
    user_of: UserOf = names["user_of"]
    return user_of


def headers_of(request: RecordedRequest) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in request.headers}


async def test_every_header_of_the_gateway_is_on_the_page(sandbox: Sandbox) -> None:
    described = {name for names in first_cells("upstream-request.md", "header") for name in names}
    sent = headers_of(await received(sandbox, traceparent=TRACE, tracestate="a=b"))
    assert set(sent) - described == set()
    assert described - set(sent) == {"baggage", "x-talaria-identity", "content-length", "transfer-encoding"}


async def test_the_pages_code_verifies_a_token_of_the_gateway(sandbox: Sandbox) -> None:
    request = await received(sandbox)
    assert await asyncio.to_thread(verifier(sandbox), headers_of(request)) == "wind-user-anna"


@pytest.mark.parametrize(
    "change",
    [
        {"x-wind-user-id": "wind-user-boris"},
        {"x-api-tag": "bolt"},
        {"authorization": "Bearer a.b.c"},
        {"authorization": "Bearer "},
    ],
)
async def test_the_pages_code_refuses_what_the_token_does_not_say(sandbox: Sandbox, change: dict[str, str]) -> None:
    headers = {**headers_of(await received(sandbox)), **change}
    with pytest.raises(jwt.PyJWTError):
        await asyncio.to_thread(verifier(sandbox), headers)


async def test_the_pages_code_refuses_a_token_of_another_issuer(sandbox: Sandbox) -> None:
    headers = {**headers_of(await received(sandbox)), "authorization": f"Bearer {sandbox.token(fixtures.ANNA)}"}
    with pytest.raises(jwt.PyJWTError):
        await asyncio.to_thread(verifier(sandbox), headers)


async def test_the_claims_of_the_page_are_those_of_a_token(sandbox: Sandbox) -> None:
    token = headers_of(await received(sandbox))["authorization"].removeprefix("Bearer ")
    described = {name for names in first_cells("service-token.md", "claim") for name in names}
    assert set(jwt.decode(token, options={"verify_signature": False})) == described

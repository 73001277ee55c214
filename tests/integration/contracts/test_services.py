"""personal and wind: the documents, the simulated services and what the gateway sends agree."""

import asyncio
import json
import uuid
from collections.abc import Mapping
from typing import Any

import httpx
import jsonschema_rs
import pytest
from hypothesis import HealthCheck, given, settings

from talaria.sandbox import fixtures
from talaria.sandbox.service import SimulatedService
from talaria.sandbox.stack import Sandbox
from tests.integration.contracts.support_documents import openapi, operation

PERSONAL, WIND = "personal.openapi.yaml", "wind.openapi.yaml"
pytestmark = pytest.mark.asyncio(loop_scope="module")
EMAILS = "/v1/emails/retrieve"
REQUEST = {"x-request-id": "r-1", "content-type": "application/json"}


def credentials(sandbox: Sandbox, document: str) -> dict[str, str]:
    if document == PERSONAL:
        return {"authorization": f"Bearer {sandbox.personal.token}"}
    return {"x-api-key": sandbox.wind.api_key}


def service(sandbox: Sandbox, document: str) -> SimulatedService:
    return sandbox.personal if document == PERSONAL else sandbox.wind


def call(document: str, url: str, headers: Mapping[str, str], body: Any, path: str = "") -> int:
    """The status of a response that keeps to the document, asked for outside the event loop."""
    case = operation(document, path).Case(headers={**REQUEST, **headers}, body=body, media_type="application/json")
    return int(case.call_and_validate(base_url=url).status_code)


@pytest.mark.parametrize(
    ("document", "path"), [(PERSONAL, "/v1/phones/retrieve"), (PERSONAL, EMAILS), (WIND, "/v1/users/resolve")]
)
async def test_whatever_the_document_allows_is_answered_as_it_says(sandbox: Sandbox, document: str, path: str) -> None:
    url, headers = service(sandbox, document).url, credentials(sandbox, document)
    asked = operation(document, path)

    @settings(max_examples=20, suppress_health_check=list(HealthCheck), deadline=None)
    @given(asked.as_strategy())
    def keeps_to_it(case: Any) -> None:
        case.headers.update(headers)
        if document == WIND:
            case.headers["idempotency-key"] = uuid.uuid4().hex  # as the document says: new for each exchange
        response = case.call_and_validate(base_url=url)
        assert response.status_code in (200, 201, 404)

    await asyncio.to_thread(keeps_to_it)


@pytest.mark.parametrize(
    ("document", "body", "changes", "status"),
    [
        (PERSONAL, {"id": fixtures.ANNA}, {}, 200),
        (PERSONAL, {"id": fixtures.GHOST}, {}, 404),
        (PERSONAL, {"id": fixtures.ANNA}, {"authorization": "Bearer other"}, 401),
        (PERSONAL, {"id": ""}, {}, 400),
        (WIND, {"phone_number": fixtures.PHONES[fixtures.ANNA]}, {}, 200),
        (WIND, {"phone_number": "+447700900999"}, {}, 201),
        (WIND, {"phone_number": fixtures.PHONES[fixtures.BLOCKED]}, {}, 403),
        (WIND, {"phone_number": fixtures.PHONES[fixtures.NO_ACCOUNT]}, {}, 404),
        (WIND, {"phone_number": fixtures.PHONES[fixtures.UNSUPPORTED]}, {}, 422),
        (WIND, {"phone_number": fixtures.PHONES[fixtures.ANNA]}, {"x-api-key": "other"}, 401),
        (WIND, {"phone_number": "44"}, {}, 400),
    ],
)
async def test_each_status_is_one_of_the_document(
    sandbox: Sandbox, document: str, body: dict[str, str], changes: dict[str, str], status: int
) -> None:
    url = service(sandbox, document).url
    headers = {**credentials(sandbox, document), "idempotency-key": uuid.uuid4().hex, **changes}
    assert await asyncio.to_thread(call, document, url, headers, body) == status


@pytest.mark.parametrize(("person", "status"), [(fixtures.ANNA, 200), (fixtures.GHOST, 404)])
async def test_each_status_of_an_address_is_one_of_the_document(sandbox: Sandbox, person: str, status: int) -> None:
    headers = credentials(sandbox, PERSONAL)
    url, body = sandbox.personal.url, {"id": person}
    assert await asyncio.to_thread(call, PERSONAL, url, headers, body, EMAILS) == status


@pytest.mark.parametrize("document", [PERSONAL, WIND])
async def test_what_the_gateway_sends_is_a_request_of_the_document(sandbox: Sandbox, document: str) -> None:
    (person,) = sandbox.add_persons(1)
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"{sandbox.public_url}/echo", headers=sandbox.headers(person))
    assert answer.status_code == 200
    sent = service(sandbox, document).requests.last
    path, methods = next(iter(openapi(document).raw_schema["paths"].items()))
    described = methods[sent.method.lower()]
    assert sent.target.decode() == path
    for parameter in described["parameters"]:
        (value,) = sent.header(parameter["name"].encode())
        jsonschema_rs.validate(parameter["schema"], value.decode())
    question = openapi(document).raw_schema["components"]["schemas"]["Question"]
    jsonschema_rs.validate(question, json.loads(sent.body))
    expected = credentials(sandbox, document).items()
    assert all(sent.header(name.encode()) == [value.encode()] for name, value in expected)

"""The operators' OpenAPI document, and that what the listener answers keeps to it."""

from typing import Any

import schemathesis
from hypothesis import HealthCheck, settings
from litestar.testing import TestClient
from schemathesis import Case

from talaria.entrypoints.http.ops import create_ops_app
from tests.unit.entrypoints.http.support_ops import MemoryFleet, entry

fleet = MemoryFleet()
fleet.entries = [entry()]
app = create_ops_app(fleet)
schema = schemathesis.openapi.from_asgi("/schema", app)


@schema.parametrize()
@settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_every_answer_keeps_to_the_document(case: "Case[Any]") -> None:
    case.call_and_validate()


def test_the_document_names_every_path() -> None:
    with TestClient(app) as client:
        document = client.get("/schema").json()
    assert sorted(document["paths"]) == [
        "/",
        "/5xx",
        "/5xx/{request_id}",
        "/identities",
        "/identities/{partner}/{caller}/{personal_phone_id}",
        "/keys",
        "/livez",
        "/metrics",
        "/readyz",
    ]
    assert document["info"]["title"] == "talaria, for operators"

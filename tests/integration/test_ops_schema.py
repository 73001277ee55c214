"""The operators' OpenAPI document, and that what the listener answers keeps to it. (Not among
the unit tests: schemathesis takes a second to import.)"""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation

from talaria.entrypoints.ops.app import create_ops_app
from tests.unit.entrypoints.ops.support_ops import MemoryAdmin, failure_record

admin = MemoryAdmin()
admin.failures = [failure_record()]
app = create_ops_app(admin)
schema = schemathesis.openapi.from_asgi("/schema", app)
operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]


@pytest.mark.parametrize("operation", operations, ids=lambda operation: operation.label)
def test_every_answer_keeps_to_the_document(operation: APIOperation[Any, Any, Any, Any]) -> None:
    @settings(max_examples=8, suppress_health_check=list(HealthCheck))
    @given(operation.as_strategy())
    def keeps_to_it(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate()

    keeps_to_it()


def test_the_document_names_every_path() -> None:
    assert sorted(schema.raw_schema["paths"]) == [
        "/",
        "/5xx",
        "/5xx/{request_id}",
        "/config",
        "/identities",
        "/identities/{partner}/{caller}/{personal_phone_id}",
        "/keys",
        "/livez",
        "/log-level",
        "/metrics",
        "/readyz",
        "/reload",
    ]
    assert schema.raw_schema["info"]["title"] == "talaria, for operators"

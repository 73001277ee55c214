"""Litestar's own errors take the form of a problem."""

import json
import logging
from typing import Annotated, Any

import pytest
from litestar import Litestar, get, post
from litestar.exceptions import InternalServerException, MethodNotAllowedException
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.testing import TestClient

from talaria.domain.errors import Draining
from talaria.entrypoints.public.problems import handlers

CANARY = "+4915112345678"


@get("/number/{number:int}", sync_to_thread=False)
def number(number: FromPath[int], most: Annotated[int, QueryParameter(le=5)] = 1) -> int:
    return number


@get("/fails", sync_to_thread=False)
def fails() -> None:
    raise ValueError(CANARY)


@get("/breaks", sync_to_thread=False)
def breaks() -> None:
    raise InternalServerException(CANARY)


@get("/allows-nothing", sync_to_thread=False)
def allows_nothing() -> None:
    raise MethodNotAllowedException


@get("/drains", sync_to_thread=False)
def drains() -> None:
    raise Draining


@post("/body", request_max_body_size=4)
async def body(data: JSONBody[dict[str, Any]]) -> None: ...


@pytest.fixture(scope="module")
def client() -> Any:
    app = Litestar(
        [number, fails, breaks, allows_nothing, drains, body],
        openapi_config=None,
        logging_config=None,
        exception_handlers=handlers(),
    )
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@pytest.mark.parametrize(
    ("method", "path", "status", "reason"),
    [
        ("GET", "/nowhere", 404, "not-found"),
        ("GET", "/number/x", 404, "not-found"),
        ("PUT", "/number/1", 405, "method-not-allowed"),
        ("GET", "/number/1?most=9", 400, "bad-request"),
        ("GET", "/fails", 500, "internal-error"),
        ("GET", "/breaks", 500, "internal-error"),
        ("GET", "/allows-nothing", 405, "method-not-allowed"),
        ("GET", "/drains", 503, "draining"),
    ],
)
def test_each_error_is_a_problem(client: Any, method: str, path: str, status: int, reason: str) -> None:
    answer = client.request(method, path, headers={"x-request-id": "r-1"})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers.get_list("x-request-id") == ["r-1"]
    assert answer.headers["content-length"] == str(len(answer.content))
    assert answer.json()["reason"] == reason
    assert answer.json()["request_id"] == "r-1"
    assert CANARY not in answer.text


def test_a_body_over_the_limit_is_named(client: Any) -> None:
    answer = client.post("/body", json={"a": "long enough"})
    assert (answer.status_code, answer.json()["reason"]) == (413, "body-too-large")


def test_the_allowed_methods_are_named(client: Any) -> None:
    assert client.put("/number/1").headers["allow"] == "GET, OPTIONS"


@pytest.mark.parametrize("given", [None, "", "with space", "x" * 65])
def test_an_unusable_request_id_is_replaced(client: Any, given: str | None) -> None:
    answer = client.get("/nowhere", headers={} if given is None else {"x-request-id": given})
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert answer.headers["x-request-id"] not in ("", given)


@pytest.mark.parametrize(("path", "kind"), [("/fails", ValueError), ("/breaks", InternalServerException)])
def test_a_fault_of_ours_is_logged_under_the_request_id(
    client: Any, caplog: pytest.LogCaptureFixture, path: str, kind: type[Exception]
) -> None:
    with caplog.at_level(logging.ERROR):
        client.get(path, headers={"x-request-id": "r-7"})
    (record,) = caplog.records
    assert record.name == "talaria.http"
    assert record.__dict__["request_id"] == "r-7"
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], kind)


def test_what_the_client_did_wrong_is_not_logged(client: Any, caplog: pytest.LogCaptureFixture) -> None:
    client.get("/number/1?most=9")
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_the_problem_is_json(client: Any) -> None:
    assert set(json.loads(client.get("/nowhere").content)) == {
        "type",
        "title",
        "status",
        "detail",
        "reason",
        "request_id",
    }

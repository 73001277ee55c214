"""The operators' application over a gateway that lives in memory."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from litestar.testing import TestClient
from msgspec.structs import replace

from talaria.domain.model import PersonalPhoneId
from talaria.entrypoints.ops.app import create_ops_app
from tests.unit.entrypoints.ops.support_ops import MemoryAdmin, failure_record

ENCODED = "ppid-canary%2F7a%252F"


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[MemoryAdmin, Any]]:
    """One application for all tests: to build it takes longer than a test."""
    admin = MemoryAdmin()
    with TestClient(create_ops_app(admin), raise_server_exceptions=False) as client:
        yield admin, client


@pytest.fixture
def admin(served: tuple[MemoryAdmin, Any]) -> MemoryAdmin:
    """As new in each test."""
    vars(served[0]).update(vars(MemoryAdmin()))
    return served[0]


@pytest.fixture
def client(served: tuple[MemoryAdmin, Any], admin: MemoryAdmin) -> Any:
    return served[1]


def test_a_serving_process_is_alive(client: Any, admin: MemoryAdmin) -> None:
    admin.draining = True
    assert client.get("/livez").json() == {"alive": True}


def test_readiness_says_what_each_route_depends_on(client: Any) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    dependencies = [{"name": "personal", "state": "closed"}, {"name": "wind", "state": "closed"}]
    assert answer.json() == {
        "ready": True,
        "draining": False,
        "routes": [{"tag": "wind", "dependencies": dependencies}],
        "configuration": None,
        "workers": 2,
        "answered": 2,
    }


def test_readiness_fails_while_draining(client: Any, admin: MemoryAdmin) -> None:
    admin.draining = True
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["draining"] is True


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
@pytest.mark.parametrize("draining", [False, True])
def test_head_says_the_same_as_get(client: Any, admin: MemoryAdmin, path: str, draining: bool) -> None:
    admin.draining = draining
    answer = client.head(path)
    assert answer.status_code == client.get(path).status_code
    assert answer.content == b""


def test_the_document_of_this_listener_stands() -> None:
    operations = create_ops_app(MemoryAdmin()).openapi_schema.to_schema()["paths"]
    ids = [one["operationId"] for path in operations.values() for one in path.values()]
    assert len(set(ids)) == len(ids)
    assert set(operations["/readyz"]) == {"get", "head"}


PLAIN = "text/plain; version=0.0.4; charset=utf-8"


@pytest.mark.parametrize(
    ("accept", "content_type", "end"),
    [
        ("", PLAIN, "\n"),
        ("*/*", PLAIN, "\n"),
        ("text/plain;version=0.0.4", PLAIN, "\n"),
        ("text/plain; version=1.0.0", "text/plain; version=1.0.0; charset=utf-8; escaping=underscores", "\n"),
        (
            "application/openmetrics-text; version=1.0.0,text/plain;version=0.0.4;q=0.5",
            "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores",
            "# EOF\n",
        ),
    ],
)
def test_metrics_come_in_the_form_that_is_asked_for(client: Any, accept: str, content_type: str, end: str) -> None:
    answer = client.get("/metrics", headers={"accept": accept})
    assert 'talaria_5xx_total{origin="partner",reason="partner-timeout",tag="wind"} 2.0\n' in answer.text
    assert answer.headers["content-type"] == content_type
    assert answer.text.endswith(end)


def test_one_pair_is_forgotten(client: Any, admin: MemoryAdmin) -> None:
    path = f"/identities/wind/app/{ENCODED}"
    assert client.delete(path).json() == {"removed": 1}
    assert client.delete(path).json() == {"removed": 0}
    assert admin.kept == {("wind", "app", PersonalPhoneId("b"))}


@pytest.mark.parametrize("path", ["wind/app/%20", "wind/app/" + "x" * 200, "wind/other/b", "train/app/b"])
def test_what_is_not_kept_is_not_removed(client: Any, admin: MemoryAdmin, path: str) -> None:
    answer = client.delete(f"/identities/{path}")
    assert (answer.status_code, answer.json()) == (200, {"removed": 0})
    assert len(admin.kept) == 2


def test_every_pair_is_forgotten(client: Any, admin: MemoryAdmin) -> None:
    assert client.delete("/identities").json() == {"removed": 2}
    assert admin.kept == set()


def test_failures_are_listed_and_found(client: Any, admin: MemoryAdmin) -> None:
    admin.failures = [failure_record(f"r-{number}") for number in range(30)]
    assert len(client.get("/5xx").json()["entries"]) == 20
    assert [one["request_id"] for one in client.get("/5xx?last=2").json()["entries"]] == ["r-0", "r-1"]
    found = client.get("/5xx/r-7").json()
    assert found["breakers"] == {"wind": "open"}
    assert found["attempts"] == [
        {"dependency": "wind", "at_ms": 50.0, "ms": 250.0, "outcome": "refused", "address": ""}
    ]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["r-1"]),
        ("status=401", ["r-2"]),
        ("status=4xx&caller=app", ["r-2"]),
        ("status=4xx&caller=other", []),
        ("reason=partner-unreachable&route=wind", ["r-1"]),
        ("since=2026-11-18T12:00:01Z", []),
    ],
)
def test_what_is_asked_for_is_listed(client: Any, admin: MemoryAdmin, query: str, found: list[str]) -> None:
    admin.failures = [failure_record(), replace(failure_record("r-2"), status=401, reason="invalid-token")]
    assert [one["request_id"] for one in client.get(f"/5xx?{query}").json()["entries"]] == found


@pytest.mark.parametrize(
    ("method", "path", "status", "reason"),
    [
        ("GET", "/5xx/unknown", 404, "not-found"),
        ("GET", "/5xx?last=0", 400, "bad-request"),
        ("GET", "/5xx?last=1001", 400, "bad-request"),
        ("GET", "/5xx?status=200", 400, "bad-request"),
        ("GET", "/5xx?status=4x", 400, "bad-request"),
        ("GET", "/5xx?since=yesterday", 400, "bad-request"),
        ("GET", "/nowhere", 404, "not-found"),
        ("POST", "/identities", 405, "method-not-allowed"),
        ("GET", "/identities/wind/app/b", 405, "method-not-allowed"),
    ],
)
def test_what_is_wrong_is_a_problem(client: Any, method: str, path: str, status: int, reason: str) -> None:
    answer = client.request(method, path)
    assert (answer.status_code, answer.json()["reason"]) == (status, reason)
    assert answer.headers["content-type"] == "application/problem+json"


def test_no_answer_and_no_line_quotes_an_id(client: Any, admin: MemoryAdmin, caplog: pytest.LogCaptureFixture) -> None:
    admin.fails = True
    with caplog.at_level(logging.DEBUG, logger="talaria"), caplog.at_level(logging.DEBUG, logger="litestar"):
        answers = [client.delete(f"/identities/wind/app/{ENCODED}"), client.get(f"/identities/wind/app/{ENCODED}")]
        answers.append(client.get("/metrics"))
    assert [answer.status_code for answer in answers] == [200, 405, 500]
    assert not any("canary" in answer.text for answer in answers)
    assert not any("canary" in record.getMessage() for record in caplog.records if record.name != "httpx")


def test_the_settings_in_force_are_told(client: Any, admin: MemoryAdmin) -> None:
    admin.level = "debug"
    told = {"hash": "0123456789ab", "log_level": "debug", "settings": {"personal": {"token": "***"}}}
    assert client.get("/config").json() == told


def test_where_no_worker_answers_no_settings_are_told(client: Any, admin: MemoryAdmin) -> None:
    admin.broken = True
    assert client.get("/config").status_code >= 500


@pytest.mark.parametrize("broken", [False, True])
def test_a_reload_says_how_many_took_it(client: Any, admin: MemoryAdmin, broken: bool) -> None:
    admin.broken = broken
    assert client.put("/reload").json() == {"reloaded": 0 if broken else 1, "workers": 2, "hash": ""}


def test_the_log_level_is_set(client: Any, admin: MemoryAdmin) -> None:
    answer = client.put("/log-level", json={"level": "debug"})
    assert (answer.status_code, answer.json()) == (200, {"level": "debug", "workers": 2})
    assert admin.level == "debug"


@pytest.mark.parametrize("body", [b"", b"debug", b'{"level": "loud"}', b'{"level": 10}', b"[]", b"[" * 5000])
def test_a_level_that_is_none_is_refused(client: Any, admin: MemoryAdmin, body: bytes) -> None:
    answer = client.put("/log-level", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["reason"], admin.level) == (400, "bad-request", "info")
    assert answer.json()["detail"] == (
        'Send JSON such as {"level": "debug"}; a level is one of debug, info, warning, error.'
    )


_CHANGES = [
    ("DELETE", "/identities"),
    ("DELETE", f"/identities/wind/app/{ENCODED}"),
    ("PUT", "/reload"),
    ("PUT", "/log-level"),
]


@pytest.mark.parametrize(("method", "path"), _CHANGES)
@pytest.mark.parametrize("origin", ["http://evil.example:9090", "http://127.0.0.1:9090", "null", ""])
def test_a_web_page_changes_nothing_of_its_own_origin_either(
    client: Any, admin: MemoryAdmin, method: str, path: str, origin: str
) -> None:
    headers = {"origin": origin, "host": origin.removeprefix("http://") or "127.0.0.1"}
    answer = client.request(method, path, json={"level": "debug"}, headers=headers)
    assert (answer.status_code, answer.json()["reason"]) == (400, "bad-request")
    assert "without `Origin`" in answer.json()["detail"]
    assert (admin.level, len(admin.kept)) == ("info", 2)


def test_every_change_is_closed_to_web_pages(client: Any) -> None:
    operations = [
        (method.upper(), path.partition("{")[0].removesuffix("/"))
        for path, found in client.get("/schema").json()["paths"].items()
        for method in found
        if method not in ("get", "head")
    ]
    assert sorted(operations) == sorted(
        (method, path.removesuffix(f"/wind/app/{ENCODED}")) for method, path in _CHANGES
    )


def test_a_page_that_looks_may_say_its_origin(client: Any) -> None:
    assert client.get("/livez", headers={"origin": "http://127.0.0.1:9090"}).status_code == 200


def test_a_browser_elsewhere_may_not_invalidate(client: Any) -> None:
    headers = {"origin": "https://evil.example", "access-control-request-method": "DELETE"}
    assert "access-control-allow-origin" not in client.options("/identities", headers=headers).headers


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("/", "text/html"),
        ("/timeline/r-1", "text/html"),
        ("/page.css", "text/css"),
        ("/page.js", "text/javascript"),
    ],
)
def test_a_page_may_fetch_from_here_alone(client: Any, admin: MemoryAdmin, path: str, media_type: str) -> None:
    admin.failures = [failure_record()]
    answer = client.get(path)
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, media_type)
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'")
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_timeline_of_what_is_not_remembered_is_a_problem(client: Any) -> None:
    answer = client.get("/timeline/unknown")
    assert (answer.status_code, answer.json()["reason"]) == (404, "not-found")

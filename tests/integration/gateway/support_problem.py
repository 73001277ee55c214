"""The contract's refusals, written down a second time: reason, status, origin."""

import re

from tests.integration.gateway.support_client import Got
from tests.integration.gateway.support_gateway import Gateway, Tree
from tests.support_printed import FORBIDDEN

CONTRACT = """
missing-api-tag 400 client
ambiguous-api-tag 400 client
unknown-api-tag 404 client
bad-request-target 400 client
bad-request 400 client
method-not-allowed 405 client
method-not-implemented 501 client
deadline-exceeded 504 client
upload-timeout 408 client
headers-too-large 431 client
target-too-long 414 client
body-too-large 413 client
missing-token 401 client
invalid-token 401 client
expired-token 401 client
caller-not-allowed 403 client
rate-limited 429 client
identity-unknown 403 client
partner-user-unknown 403 client
partner-user-refused 403 client
personal-unreachable 502 personal
partner-unreachable 502 partner
upstream-unreachable 502 upstream
personal-bad-answer 502 personal
partner-bad-answer 502 partner
upstream-bad-answer 502 upstream
personal-timeout 504 personal
partner-timeout 504 partner
upstream-timeout 504 upstream
personal-overloaded 503 personal
partner-overloaded 503 partner
circuit-open 503 personal|partner|upstream
overloaded 503 gateway
decision-failed 503 gateway
draining 503 gateway
keys-unavailable 503 caller-keys
internal-error 500 gateway
"""
ROWS = {row.split()[0]: (int(row.split()[1]), row.split()[2].split("|")) for row in CONTRACT.strip().splitlines()}
ERROR_TYPES = {
    "destination_unavailable", "http_protocol_error", "http_response_timeout", "http_request_error",
    "http_request_denied", "proxy_internal_response", "proxy_internal_error",
}  # fmt: skip


def check_problem(got: Got, reason: str, request_id: str | None = None) -> None:
    """The whole answer, as refusals.md says of it."""
    status, _ = ROWS[reason]
    assert (got.status, got.head.one("content-type")) == (status, "application/problem+json"), got
    problem = got.json()
    assert problem["reason"] == reason, problem
    assert problem.keys() == {"type", "title", "status", "detail", "reason", "request_id"}
    assert (problem["type"], problem["status"]) == (f"urn:talaria:problem:{reason}", status)
    assert problem["title"]
    assert re.fullmatch(r"[^\n]+\.", problem["detail"])
    assert problem["request_id"] == got.head.one("x-request-id") == (request_id or problem["request_id"])
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,64}", problem["request_id"])
    assert got.head.one("cache-control") == "no-store"
    assert got.head.one("date").endswith(" GMT")
    assert not [name for name in got.head.names() if name in ("server", "x-powered-by")]
    assert set(re.findall(r"^talaria; error=(\w+)$", "\n".join(got.head.all("proxy-status")))) <= ERROR_TYPES
    assert len(got.head.all("proxy-status")) == (reason != "keys-unavailable")
    text = got.body.decode() + repr(got.head)
    assert "127.0.0.1" not in text
    assert not [what for what, pattern in FORBIDDEN.items() if pattern.search(text)]
    assert bool(got.head.all("www-authenticate")) == (status == 401)
    assert bool(got.head.all("allow")) == (status == 405)


async def check_line(gateway: Gateway, got: Got) -> Tree:
    """The access line of a refusal says the same word, and the origin."""
    request_id = got.json()["request_id"]
    line = await gateway.line(lambda line: line["request_id"] == request_id)
    reason = got.json()["reason"]
    assert (line["status"], line["reason"]) == (got.status, reason)
    assert line["origin"] in ROWS[reason][1]
    return line


async def refused(gateway: Gateway, got: Got, reason: str) -> Tree:
    """Both."""
    check_problem(got, reason)
    return await check_line(gateway, got)

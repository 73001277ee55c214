"""wind, to the letter of its contract."""

import json

import httpx
import pytest

from talaria.adapters.http1.errors import ConnectError
from talaria.adapters.partners.wind import Accounts
from talaria.domain.errors import PARTNER, PartnerBadAnswer, PartnerUserRefused, PartnerUserUnknown
from talaria.domain.events import HopContext
from talaria.domain.model import PartnerUserId, PhoneNumber
from tests.unit.adapters.support_dependency_client import Bench

PHONE = "+4915112345678"


def answer(status: int, body: object) -> httpx.Response:
    return httpx.Response(status, content=body if isinstance(body, bytes) else json.dumps(body).encode())


async def ask(bench: Bench) -> PartnerUserId:
    return await bench.accounts(Accounts, api_key="the-key").user_of(PhoneNumber(PHONE), HopContext("request-1", 5.0))


def bench_of(*answers: object) -> Bench:
    return Bench(*answers, faults=PARTNER)


@pytest.mark.parametrize("status", [200, 201])
async def test_the_question_and_the_answer(status: int) -> None:
    bench = bench_of(answer(status, {"user_id": "wu-anna", "extra": 1}))
    assert await ask(bench) == PartnerUserId("wu-anna")
    (request,) = bench.requests
    assert request.method == "POST"
    assert request.url.path == "/base/v1/users/resolve"
    assert json.loads(request.content) == {"phone_number": PHONE}
    assert request.headers["x-api-key"] == "the-key"
    assert request.headers["x-request-id"] == "request-1"
    assert request.headers["idempotency-key"]
    assert PHONE[1:] not in str(request.url) + str(request.headers)


async def test_every_attempt_of_one_exchange_has_the_same_idempotency_key_and_each_exchange_its_own() -> None:
    good = answer(200, {"user_id": "wu-anna"})
    bench = bench_of(503, ConnectError(""), good, good)
    await ask(bench)
    await ask(bench)
    keys = [request.headers["idempotency-key"] for request in bench.requests]
    assert keys[0] == keys[1] == keys[2] != keys[3]


@pytest.mark.parametrize(
    ("status", "code", "refusal"),
    [
        (403, "user_blocked", PartnerUserRefused),
        (404, "user_not_found", PartnerUserUnknown),
        (422, "phone_not_supported", PartnerUserRefused),
    ],
)
async def test_definite_answers(status: int, code: str, refusal: type[Exception]) -> None:
    bench = bench_of(answer(status, {"code": code}))
    with pytest.raises(refusal):
        await ask(bench)
    assert len(bench.requests) == 1


@pytest.mark.parametrize("status", [403, 404, 422])
@pytest.mark.parametrize("body", [b"", b"<html>blocked by a firewall</html>", {}, {"code": None}])
async def test_without_the_contracts_error_it_was_not_wind(status: int, body: object) -> None:
    with pytest.raises(PartnerBadAnswer, match=f"status {status} without"):
        await ask(bench_of(answer(status, body)))


async def test_401_is_our_fault() -> None:
    with pytest.raises(PartnerBadAnswer, match="our credentials were refused"):
        await ask(bench_of(answer(401, b"")))


@pytest.mark.parametrize("status", [202, 204, 302, 400, 409, 500])
async def test_no_other_status_is_in_the_contract(status: int) -> None:
    with pytest.raises(PartnerBadAnswer, match=f"status {status}"):
        await ask(bench_of(answer(status, {"user_id": "wu-anna"})))


@pytest.mark.parametrize(
    "body",
    [
        {"user_id": ""},
        {"user_id": "x" * 129},
        {"user_id": "with space"},
        {"user_id": "line\nbreak"},
        {"user_id": "tab\t"},
        {"user_id": "ünicode"},
        {"user_id": "\x00"},
        {"user_id": 7},
        {"user_id": None},
        {},
        [],
        b"",
        b"wu-anna",
        b"\xff",
    ],
)
async def test_a_user_id_of_another_form_is_a_bad_answer(body: object) -> None:
    with pytest.raises(PartnerBadAnswer) as caught:
        await ask(bench_of(answer(200, body)))
    assert "wu-anna" not in repr(caught.value)


async def test_the_longest_user_id() -> None:
    assert (await ask(bench_of(answer(200, {"user_id": "x" * 128})))).reveal() == "x" * 128


@pytest.mark.parametrize("status", [200, 201])
async def test_an_answer_with_two_users_is_a_bad_answer(status: int) -> None:
    with pytest.raises(PartnerBadAnswer):
        await ask(bench_of(answer(status, b'{"user_id": "wu-anna", "user_id": "wu-boris"}')))

"""personal, to the letter of its contract."""

import json

import httpx
import pytest

from talaria.adapters.personal import Personal
from talaria.domain.errors import BadAnswer, IdentityUnknown
from talaria.domain.events import HopContext
from talaria.domain.model import EmailAddress, PersonalPhoneId, PhoneNumber
from tests.support_refusals import by
from tests.unit.adapters.support_dependency_client import Bench

ANNA = PersonalPhoneId("ppid-anna")
PHONE = "+4915112345678"


def answer(status: int, body: object) -> httpx.Response:
    return httpx.Response(status, content=body if isinstance(body, bytes) else json.dumps(body).encode())


def phone(**changes: object) -> dict[str, object]:
    return {"id": "ppid-anna", "value": PHONE} | changes


async def ask(bench: Bench, token: str = "") -> PhoneNumber:
    return await Personal(bench.client, token).phone_of(ANNA, HopContext("request-1", 5.0))


async def test_the_question_and_the_answer() -> None:
    bench = Bench(answer(200, phone(extra="ignored")))
    assert await ask(bench, "the-token") == PhoneNumber(PHONE)
    (request,) = bench.requests
    assert request.method == "POST"
    assert request.url.path == "/base/v1/phones/retrieve"
    assert json.loads(request.content) == {"id": "ppid-anna"}
    assert request.headers["authorization"] == "Bearer the-token"
    assert request.headers["x-request-id"] == "request-1"
    assert request.headers["content-type"] == "application/json"


async def test_without_a_token_there_is_no_authorization() -> None:
    bench = Bench(answer(200, phone()))
    await ask(bench)
    assert "authorization" not in bench.requests[0].headers


async def test_the_trace_goes_with_the_question_where_there_is_one() -> None:
    bench = Bench(answer(200, phone()), answer(200, phone()))
    personal = Personal(bench.client, "the-token")
    await personal.phone_of(ANNA, HopContext("request-1", 5.0, traceparent="00-1-2-01"))
    await personal.phone_of(ANNA, HopContext("request-2", 5.0))
    first, second = bench.requests
    assert (first.headers["traceparent"], first.headers["authorization"]) == ("00-1-2-01", "Bearer the-token")
    assert "traceparent" not in second.headers


async def test_404_with_the_contracts_error_is_an_unknown_id() -> None:
    with pytest.raises(IdentityUnknown):
        await ask(Bench(answer(404, {"code": "not_found", "message": "no such id"})))


@pytest.mark.parametrize("body", [b"", b"<html>not found</html>", {}, {"message": "no code"}, {"code": 1}, []])
async def test_404_without_it_is_a_wrong_address(body: object) -> None:
    with pytest.raises(BadAnswer, match="status 404 without the JSON of the contract", check=by("personal")):
        await ask(Bench(answer(404, body)))


async def test_401_is_our_fault() -> None:
    with pytest.raises(BadAnswer, match="our credentials were refused", check=by("personal")):
        await ask(Bench(answer(401, {"code": "bad_token"})), "the-token")


@pytest.mark.parametrize("status", [201, 204, 301, 400, 403, 422, 500])
async def test_no_other_status_is_in_the_contract(status: int) -> None:
    with pytest.raises(BadAnswer, match=f"status {status}", check=by("personal")):
        await ask(Bench(answer(status, phone())))


@pytest.mark.parametrize(
    "body",
    [
        phone(id="ppid-bob"),
        phone(id="PPID-ANNA"),
        phone(id=None),
        phone(value=None),
        phone(value=4915112345678),
        phone(value="015112345678"),
        phone(value="+0915112345678"),
        phone(value="+49151"),
        phone(value="+4915112345678901"),
        phone(value=PHONE + "\n"),
        phone(value="+49 151 12345678"),
        phone(value="+٤٩١٥١١٢٣٤٥"),
        {"value": PHONE},
        {"id": "ppid-anna"},
        [phone()],
        None,
        b"",
        b"{",
        b"\xff\xfe",
        b'{"id": "ppid-anna", "value": "\xff"}',
        b"[" * 60_000,
        b'{"x":' * 10_000,
    ],
)
async def test_what_breaks_the_contract_is_a_bad_answer_that_shows_nothing(body: object) -> None:
    bench = Bench(answer(200, body))
    with pytest.raises(BadAnswer, check=by("personal")) as caught:
        await ask(bench)
    assert "4915" not in repr(caught.value)
    assert "ppid" not in repr(caught.value)
    assert len(bench.requests) == 1


async def test_an_answer_with_two_numbers_is_a_bad_answer() -> None:
    body = b'{"id": "ppid-anna", "value": "+4915112345678", "value": "+4915187654321"}'
    with pytest.raises(BadAnswer, check=by("personal")):
        await ask(Bench(answer(200, body)))


async def test_an_address_is_asked_for_at_a_path_of_its_own() -> None:
    bench = Bench(answer(200, {"id": "ppid-anna", "value": "anna@people.example"}))
    personal = Personal(bench.client)
    assert await personal.email_of(ANNA, HopContext("request-1", 5.0)) == EmailAddress("anna@people.example")
    assert bench.requests[0].url.path == "/base/v1/emails/retrieve"
    assert json.loads(bench.requests[0].content) == {"id": "ppid-anna"}


@pytest.mark.parametrize("value", ["", "anna", "@people.example", "anna@", "a b@people.example", "+4915112345678", 7])
async def test_what_is_no_address_is_a_bad_answer(value: object) -> None:
    bench = Bench(answer(200, {"id": "ppid-anna", "value": value}))
    with pytest.raises(BadAnswer, check=by("personal")) as caught:
        await Personal(bench.client).email_of(ANNA, HopContext("request-1", 5.0))
    assert "people" not in str(caught.value)

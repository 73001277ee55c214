"""What an adapter asks: what is sent, what is sent again, and how several questions are one hop."""

import asyncio

import httpx
import msgspec
import pytest

from talaria.adapters.dependency_messages import DependencyResponse, SignedRequest
from talaria.adapters.http1.errors import ConnectError
from talaria.adapters.partner_kit import PartnerBadAnswer, PartnerHttp, PartnerUserId, PartnerUserUnknown
from talaria.domain.errors import PARTNER, CircuitOpen, Overloaded, TimedOut
from talaria.domain.events import HopContext
from tests.unit.adapters.partner_kit.support_kit import PHONE, accounts, answer, partner
from tests.unit.adapters.support_dependency_client import Bench, hang

USER = PartnerUserId("u-1")


def call(timeout: float = 5.0) -> HopContext:
    return HopContext("request-1", timeout)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
async def test_each_method_asks_with_its_name(method: str) -> None:
    bench = partner(answer(204))
    ask = getattr(PartnerHttp(bench.client), method.lower())
    response = await ask("/a", call=call(), query={"q": "a b&"}, headers={"x-own": "1"})
    (request,) = bench.requests
    assert (request.method, str(request.url)) == (method, "http://dependency.test/base/a?q=a+b%26")
    assert (request.headers["x-own"], request.headers["x-request-id"]) == ("1", "request-1")
    assert (request.content, response.status) == (b"", 204)


@pytest.mark.parametrize("path", ["a", "@other.test/", ":8080/", ".other.test/", " /"])
async def test_a_path_never_becomes_a_part_of_the_host(path: str) -> None:
    bench = partner(answer(200))
    with pytest.raises(PartnerBadAnswer, match="begin with /"):
        await PartnerHttp(bench.client).get(path, call=call())
    assert bench.requests == []


async def test_an_empty_path_asks_for_the_base_url() -> None:
    bench = partner(answer(200))
    await PartnerHttp(bench.client).get("", call=call())
    assert [str(request.url) for request in bench.requests] == ["http://dependency.test/base/"]


async def test_json_and_forms_are_written_with_their_content_type() -> None:
    bench = partner(answer(200))
    http = PartnerHttp(bench.client)
    await http.post("/", call=call(), json={"phone": "é"})
    await http.post("/", call=call(), form={"a": "b c", "d": "é"})
    await http.post("/", call=call(), json=None, headers={"content-type": "application/vnd.comet+json"})
    bodies = [(request.content.decode(), request.headers["content-type"]) for request in bench.requests]
    assert bodies == [
        ('{"phone":"é"}', "application/json"),
        ("a=b+c&d=%C3%A9", "application/x-www-form-urlencoded"),
        ("null", "application/vnd.comet+json"),
    ]


async def test_a_header_of_the_adapters_stands_once_in_any_case() -> None:
    bench = partner(answer(200))
    own = {"Content-Type": "application/vnd.comet+json", "Accept": "text/plain"}
    await PartnerHttp(bench.client).post("/", call=call(), json={}, headers=own)
    (request,) = bench.requests
    assert request.headers.get_list("content-type") == ["application/vnd.comet+json"]
    assert request.headers.get_list("accept") == ["text/plain"]


async def test_headers_of_a_response_have_no_case_and_its_json_a_shape() -> None:
    bench = partner(answer(202, b'{"id": 7}', location="/jobs/7", retry_after="2"))
    response = await PartnerHttp(bench.client).get("/", call=call())
    assert (response.headers["LOCATION"], response.headers.get("x-none")) == ("/jobs/7", None)
    assert response.json(dict[str, int]) == {"id": 7}
    with pytest.raises(PartnerBadAnswer, match="without the JSON of the contract"):
        response.json(list[int])


async def test_each_attempt_is_signed_anew() -> None:
    bench = partner(503, ConnectError(""), answer(200))
    seen: list[SignedRequest] = []

    def sign(request: SignedRequest) -> dict[str, str]:
        seen.append(request)
        return {"x-nonce": str(len(seen))}

    await PartnerHttp(bench.client).post("/a", call=call(), json=1, query={"b": "c"}, sign=sign)
    assert [request.headers["x-nonce"] for request in bench.requests] == ["1", "2", "3"]
    assert (seen[0].method, seen[0].host, seen[0].target) == ("POST", "dependency.test", "/base/a?b=c")
    assert (seen[0].body, seen[0].headers["content-type"]) == (b"1", "application/json")


async def test_statuses_and_predicates_are_added_to_what_is_asked_again() -> None:
    bench = partner(answer(409), answer(200, b"0"), answer(200, b"1"))
    http = PartnerHttp(bench.client)

    def not_ready(response: DependencyResponse) -> bool:
        return response.body == b"0"

    assert (await http.get("/", call=call(), retry_on={409})).body == b"0"
    assert (await http.get("/", call=call(), retry_on=not_ready)).body == b"1"
    bench.answers(answer(409))
    with pytest.raises(PartnerBadAnswer, match="status 409"):
        await http.get("/", call=call(), retry_on={409})
    assert (await http.get("/", call=call())).status == 409


async def test_the_questions_of_one_user_of_are_one_hop() -> None:
    bench = partner(answer(202), answer(202), answer(200))

    async def poll(http: PartnerHttp, told: HopContext) -> PartnerUserId:
        while (await http.get("/", call=told)).status == 202:
            await http.pause(0, call=told)
        return USER

    told = call()
    assert await accounts(bench, poll).user_of(PHONE, told) == USER
    assert [attempt.outcome for attempt in told.attempts] == ["ok", "ok", "ok"]
    assert bench.recorder.events == told.attempts


async def test_one_deadline_bounds_all_the_questions() -> None:
    bench = partner(timeout=0.1)

    async def slow(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0.04)
        return answer(202)

    async def for_ever(http: PartnerHttp, told: HopContext) -> PartnerUserId:
        while True:
            await http.get("/", call=told)

    bench.answers(slow)
    told = call()
    with pytest.raises(TimedOut, match="no answer in time"):
        await accounts(bench, for_ever).user_of(PHONE, told)
    assert 1 <= len(bench.requests) <= 3
    assert told.attempts[-1].outcome == "timeout"


async def test_questions_at_once_lose_no_attempt() -> None:
    bench = partner(answer(200))

    async def by_path(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0)
        return answer(429, retry_after="3600") if request.url.path.endswith("/b") else answer(200)

    bench.answers(by_path)

    async def at_once(http: PartnerHttp, told: HopContext) -> PartnerUserId:
        await asyncio.gather(*(http.get(f"/{path}", call=told) for path in "abc"), return_exceptions=True)
        return USER

    told = call()
    await accounts(bench, at_once).user_of(PHONE, told)
    assert sorted(attempt.outcome for attempt in told.attempts) == ["429", "ok", "ok"]


async def test_a_pause_that_does_not_fit_ends_the_hop_at_once_and_counts_as_a_failure() -> None:
    bench = partner(answer(202))

    async def poll(http: PartnerHttp, told: HopContext) -> PartnerUserId:
        await http.get("/", call=told)
        await http.pause(3600, call=told)
        raise AssertionError

    for _ in range(5):
        told = call()
        with pytest.raises(TimedOut):
            await accounts(bench, poll).user_of(PHONE, told)
        assert [attempt.outcome for attempt in told.attempts] == ["timeout"]
    assert bench.client.breaker.state == "open"


async def test_a_pause_without_a_hop_is_a_pause() -> None:
    await PartnerHttp(partner().client).pause(0, call=call())


async def test_a_bad_answer_is_noted_with_its_attempt_and_counts_for_the_breaker() -> None:
    bench = partner(answer(200, b"[]"))

    async def read(http: PartnerHttp, told: HopContext) -> PartnerUserId:
        (await http.get("/", call=told)).json(dict[str, str])
        raise AssertionError

    for _ in range(5):
        told = call()
        with pytest.raises(PartnerBadAnswer):
            await accounts(bench, read).user_of(PHONE, told)
        assert [attempt.outcome for attempt in told.attempts] == ["bad-answer"]
    assert bench.client.breaker.state == "open"
    with pytest.raises(CircuitOpen):
        await accounts(bench, read).user_of(PHONE, call())


async def test_a_definite_answer_is_an_answer() -> None:
    bench = partner(answer(404))

    async def unknown(http: PartnerHttp, told: HopContext) -> PartnerUserId:
        await http.get("/", call=told)
        raise PartnerUserUnknown

    for _ in range(10):
        with pytest.raises(PartnerUserUnknown):
            await accounts(bench, unknown).user_of(PHONE, call())
    assert bench.client.breaker.state == "closed"


async def test_another_host_has_a_breaker_of_its_own_within_the_same_hop() -> None:
    bench, other = partner(answer(200)), Bench(503, faults=PARTNER, attempts=1)
    elsewhere = PartnerHttp(other.client)

    async def both(http: PartnerHttp, told: HopContext) -> PartnerUserId:
        await elsewhere.post("/token", call=told)
        raise AssertionError

    for _ in range(5):
        told = call()
        with pytest.raises(Overloaded):
            await accounts(bench, both).user_of(PHONE, told)
        assert [attempt.outcome for attempt in told.attempts] == ["503"]
    assert (bench.client.breaker.state, other.client.breaker.state) == ("closed", "open")


async def test_another_host_that_hangs_is_late_by_the_hops_deadline() -> None:
    bench, other = partner(timeout=0.02), Bench(hang, faults=PARTNER, timeout=60.0)
    elsewhere = PartnerHttp(other.client)

    async def both(http: PartnerHttp, told: HopContext) -> PartnerUserId:
        await elsewhere.get("/", call=told)
        raise AssertionError

    told = call()
    with pytest.raises(TimedOut):
        await accounts(bench, both).user_of(PHONE, told)
    assert [attempt.outcome for attempt in told.attempts] == ["timeout"]


async def test_a_response_shows_nothing_of_itself() -> None:
    bench = partner(answer(200, msgspec.json.encode({"phone": PHONE.reveal()})))
    response = await PartnerHttp(bench.client).get("/", call=call())
    assert repr(response) == "<DependencyResponse 200>"


async def test_closing_it_closes_the_client() -> None:
    bench = partner(answer(200))
    await PartnerHttp(bench.client).aclose()
    assert bench.transport.closed


def test_the_partners_faults_are_those_of_the_kit() -> None:
    assert isinstance(PARTNER.bad_answer("why"), PartnerBadAnswer)

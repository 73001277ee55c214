"""What a dependency client sends, and what it makes of what comes back: attempts, pauses, answers. No sockets."""

import email.utils
from collections.abc import Callable

import httpx
import pytest

from talaria.adapters.dependency_messages import DependencyResponse, retry_after_seconds
from talaria.adapters.http1.errors import (
    ConnectError,
    ConnectionClosed,
    ConnectTimeout,
    LocalProtocolError,
    PoolExhausted,
    ReadTimeout,
    RemoteProtocolError,
    WriteTimeout,
)
from talaria.domain.errors import (
    CALLER_KEYS,
    BadAnswer,
    DependencyFault,
    GatewayOverloaded,
    InternalError,
    KeysUnavailable,
    Overloaded,
    PartnerUserUnknown,
    Refusal,
    TimedOut,
    Unreachable,
)
from talaria.domain.events import Attempt, HopContext
from tests.support_refusals import by
from tests.unit.adapters.support_dependency_client import WALL, Bench, read, status


async def test_a_good_answer_needs_one_request() -> None:
    bench = Bench(httpx.Response(200, content=b'{"a":1}'))
    call = HopContext("request-1", 5.0)
    assert await bench.ask(call) == DependencyResponse(200, b'{"a":1}')
    assert [attempt.outcome for attempt in call.attempts] == ["ok"]
    assert bench.recorder.events == call.attempts == [Attempt("dependency", bench.clock.now(), 0.0, "ok")]
    assert bench.pauses == []


async def test_what_is_sent() -> None:
    bench = Bench(200)
    await bench.ask()
    (request,) = bench.requests
    assert (request.method, str(request.url)) == ("POST", "http://dependency.test/base/question")
    assert request.content == b"{}"
    assert request.extensions["timeout"] == {"connect": 1.0 / 3, "read": None, "write": None, "pool": None}
    assert dict(request.headers) == {
        "host": "dependency.test",
        "accept": "application/json, */*;q=0.5",
        "accept-encoding": "identity",
        "user-agent": "talaria-proxy",
        "content-type": "application/json",
        "content-length": "2",
        "x-own": "1",
        "x-request-id": "request-1",
    }


async def test_an_empty_path_is_the_base_url_to_the_letter() -> None:
    bench = Bench(200)
    await bench.client.get("", {}, HopContext("", 5.0), lambda response: response)
    assert str(bench.requests[0].url) == "http://dependency.test/base/"


async def test_get_has_no_body() -> None:
    bench = Bench(httpx.Response(200, content=b"keys"))
    response = await bench.client.get("/keys", {}, HopContext("", 5.0), lambda response: response)
    assert response.body == b"keys"
    assert bench.requests[0].method == "GET"
    assert "x-request-id" not in bench.requests[0].headers


@pytest.mark.parametrize("code", [429, 502, 503, 504])
async def test_these_statuses_are_tried_again(code: int) -> None:
    bench = Bench(code, 200)
    call = HopContext("request-1", 5.0)
    await bench.ask(call)
    assert [attempt.outcome for attempt in call.attempts] == [str(code), "ok"]


@pytest.mark.parametrize("code", [201, 301, 302, 400, 401, 403, 404, 422, 500, 501])
async def test_no_other_status_is_tried_again(code: int) -> None:
    bench = Bench(code, 200)
    with pytest.raises(BadAnswer, check=by("personal")):
        await bench.ask()
    assert len(bench.requests) == 1


@pytest.mark.parametrize(
    ("error", "fault", "tries"),
    [
        (ConnectError(""), Unreachable, 3),
        (ConnectionClosed(""), Unreachable, 3),
        (ConnectionClosed("", request_sent=False), Unreachable, 3),
        (ConnectTimeout(""), TimedOut, 3),
        (ReadTimeout(""), TimedOut, 1),
        (WriteTimeout(""), TimedOut, 1),
        (RemoteProtocolError("malformed status line"), BadAnswer, 1),
        (PoolExhausted(""), GatewayOverloaded, 1),
        (LocalProtocolError("Illegal header value b'secret'"), InternalError, 1),
    ],
)
async def test_an_error_of_the_client_has_one_name_in_the_domain(
    error: Exception, fault: type[Exception], tries: int
) -> None:
    bench = Bench(error)
    with pytest.raises(fault) as caught:
        await bench.ask()
    assert type(caught.value) is fault
    assert caught.value.__suppress_context__
    assert "secret" not in str(caught.value)
    assert len(bench.requests) == tries


@pytest.mark.parametrize(
    ("code", "fault"),
    [(429, Overloaded), (503, Overloaded), (502, BadAnswer), (504, BadAnswer)],
)
async def test_after_the_last_attempt(code: int, fault: type[DependencyFault]) -> None:
    bench = Bench(code)
    with pytest.raises(fault) as caught:
        await bench.ask()
    assert caught.value.cause == f"status {code}"
    assert len(bench.requests) == 3


async def test_one_attempt_is_one_attempt() -> None:
    bench = Bench(503, 200, attempts=1)
    with pytest.raises(Overloaded, check=by("personal")):
        await bench.ask()
    assert len(bench.requests) == 1


@pytest.mark.parametrize(("jitter", "pause"), [(0.0, 0.025), (0.5, 0.1375), (1.0, 0.25)])
async def test_pauses_are_full_jitter(jitter: float, pause: float) -> None:
    bench = Bench(503, 503, 200)
    bench.jitter = jitter
    await bench.ask()
    assert bench.pauses == pytest.approx([pause, pause])


async def test_retry_after_is_waited_for_where_it_fits() -> None:
    bench = Bench(status(503, retry_after="2"), 200, timeout=3.0)
    await bench.ask()
    assert bench.pauses == [2.0]


@pytest.mark.parametrize("form", ["30", email.utils.formatdate(WALL + 30, usegmt=True)])
async def test_a_retry_after_that_does_not_fit_ends_the_hop_at_once(form: str) -> None:
    bench = Bench(status(429, retry_after=form), 200)
    with pytest.raises(Overloaded, check=by("personal")) as caught:
        await bench.ask()
    assert caught.value.retry_after == pytest.approx(30.0)
    assert (len(bench.requests), bench.pauses) == (1, [])


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        (" 7 ", 7.0),
        ("9" * 400, 86_400.0),
        (email.utils.formatdate(WALL - 60, usegmt=True), 0.0),
        (email.utils.formatdate(WALL + 60, usegmt=True), 60.0),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("1.5", None),
        ("٣", None),
        ("Mon, 99 Nov 2026 00:00:00 GMT", None),
    ],
)
def test_retry_after(text: str, seconds: float | None) -> None:
    assert retry_after_seconds(text, WALL) == seconds


async def test_a_pause_that_does_not_fit_ends_the_hop_with_what_was_met() -> None:
    bench = Bench(502, 200)
    bench.jitter = 1.0
    with pytest.raises(BadAnswer, match="status 502", check=by("personal")):
        await bench.ask(HopContext("request-1", 0.2))


@pytest.mark.parametrize("size", [64 * 1024, 64 * 1024 + 1])
async def test_an_answer_may_have_64_kib(size: int) -> None:
    bench = Bench(httpx.Response(200, content=b"x" * size))
    if size == 64 * 1024:
        assert len((await bench.ask()).body) == size
    else:
        with pytest.raises(BadAnswer, match="answer over 64 KiB", check=by("personal")):
            await bench.ask()


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "identity, gzip", "gzip, identity", "x"])
async def test_an_encoded_answer_is_not_decoded(coding: str) -> None:
    bench = Bench(httpx.Response(200, headers={"content-encoding": coding}, stream=httpx.ByteStream(b"x")))
    with pytest.raises(BadAnswer, match="an encoded answer", check=by("personal")):
        await bench.ask()


@pytest.mark.parametrize("coding", ["", " ", "identity", "Identity", "IDENTITY", "identity, identity", ", identity,"])
async def test_an_answer_without_a_coding_may_say_so_in_any_way(coding: str) -> None:
    bench = Bench(httpx.Response(200, headers={"content-encoding": coding}, stream=httpx.ByteStream(b"plain")))
    assert (await bench.ask()).body == b"plain"


async def test_an_overloaded_dependency_may_say_so_at_length() -> None:
    bench = Bench(httpx.Response(503, content=b"x" * 100_000))
    with pytest.raises(Overloaded, check=by("personal")):
        await bench.ask()


async def test_no_cookie_is_kept() -> None:
    bench = Bench(status(200, set_cookie="session=of-anna; Path=/"))
    await bench.ask()
    await bench.ask()
    assert "cookie" not in bench.requests[1].headers


@pytest.mark.parametrize(
    "location",
    [
        *("http://elsewhere.test/", "/", "//", "http:", "http://[::1", "http://a:99999999/", "http://xn--zz/"),
        *("http://a\0b/", "foo:bar", "mailto:a@b", "x" * 65_537),
    ],
)
async def test_no_redirect_is_followed(location: str) -> None:
    bench = Bench(status(302, location=location))
    with pytest.raises(BadAnswer, match="status 302", check=by("personal")):
        await bench.ask()
    assert len(bench.requests) == 1


def test_a_response_shows_no_body() -> None:
    assert "4915112345678" not in repr(DependencyResponse(200, b"+4915112345678"))


def no_such_user(response: DependencyResponse) -> DependencyResponse:
    raise PartnerUserUnknown


def no_key_set(response: DependencyResponse) -> DependencyResponse:
    raise KeysUnavailable("not a JWK set")


@pytest.mark.parametrize(
    ("answer", "read_by", "outcome"),
    [
        (200, no_such_user, "ok"),
        (200, no_key_set, "bad-answer"),
        (RemoteProtocolError("malformed status line"), read, "bad-answer"),
        (ReadTimeout(""), read, "timeout"),
    ],
)
async def test_the_outcome_is_by_what_happened_whatever_the_fault_is_called(
    answer: object, read_by: Callable[[DependencyResponse], DependencyResponse], outcome: str
) -> None:
    bench, call = Bench(answer, faults=CALLER_KEYS), HopContext("request-1", 5.0)
    with pytest.raises(Refusal):
        await bench.client.get("", {}, call, read_by)
    assert [attempt.outcome for attempt in call.attempts] == [outcome]

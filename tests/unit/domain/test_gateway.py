"""The use case: what the upstream gets, what the client gets back, and in which order a request is refused."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talaria.domain.errors import (
    AmbiguousApiTag,
    BadRequest,
    CallerNotAllowed,
    ExpiredToken,
    IdentityUnknown,
    InvalidToken,
    MethodNotAllowed,
    MissingApiTag,
    MissingToken,
    Refusal,
    UnknownApiTag,
    Unreachable,
)
from talaria.domain.events import RequestContext
from talaria.domain.headers import canonical_name
from talaria.domain.http import UpstreamRequest, UpstreamResponse
from talaria.domain.tracing import Tracing
from tests.support_refusals import by
from tests.unit.domain.support_memory_gateway import API_KEY, Chunks, Door, reply
from tests.unit.support_time import run

SET_BY_US = [
    b"x-api-tag",
    b"x-api-key",
    b"forwarded",
    b"x-forwarded-for",
    b"x-forwarded-proto",
    b"x-forwarded-host",
    b"x-wind-user-id",
    b"authorization",
    b"x-request-id",
    b"x-request-timeout-ms",
    b"via",
]


def test_what_the_upstream_gets() -> None:
    async def main() -> None:
        door, context = Door(), RequestContext()
        await door.knock((b"accept", b"*/*"), (b"x-request-id", b"r-7"), (b"cookie", b"a=1"), context=context)
        outbound, sent = door.upstream.received[0], door.sent()
        assert (outbound.method, outbound.target, outbound.body) == ("GET", b"/rides?a=1", None)
        assert outbound.headers[:2] == [(b"accept", b"*/*"), (b"cookie", b"a=1")]
        assert sorted(sent) == sorted([*SET_BY_US, b"accept", b"cookie"])
        assert sent[b"x-wind-user-id"] == b"u-1"
        assert (sent[b"x-api-tag"], sent[b"x-api-key"], sent[b"x-request-id"]) == (b"wind", API_KEY, b"r-7")
        assert (sent[b"x-forwarded-for"], sent[b"via"]) == (b"203.0.113.7", b"1.1 talaria")
        assert context.trace_id == ""
        assert (context.request_id, context.tag, context.caller, context.exchange) == ("r-7", "wind", "app", "miss")

    run(main())


def test_a_known_person_is_one_hit_for_each_request() -> None:
    async def main() -> None:
        door = Door()
        for _ in range(3):
            await door.knock()
        assert door.world.results == ["miss", "hit", "hit"]

    run(main())


def test_a_clients_trace_goes_on_and_names_the_request_in_lines() -> None:
    async def main() -> None:
        door, context = Door(), RequestContext()
        parent = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        await door.knock((b"traceparent", parent), (b"tracestate", b"a=1"), context=context)
        assert (door.sent()[b"traceparent"], door.sent()[b"tracestate"]) == (parent, b"a=1")
        assert context.trace_id == "4bf92f3577b34da6a3ce929d0e0e4736"

    run(main())


def test_with_spans_of_ours_the_upstream_gets_the_id_of_one() -> None:
    async def main() -> None:
        door, context = Door(tracing=Tracing(1.0)), RequestContext()
        parent = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
        await door.knock((b"traceparent", parent), (b"tracestate", b"a=1"), context=context)
        assert context.trace is not None
        assert context.trace_id == context.trace.trace_id == "4bf92f3577b34da6a3ce929d0e0e4736"
        assert door.sent()[b"traceparent"] == context.trace.parent
        assert door.sent()[b"tracestate"] == b"a=1"

    run(main())


def test_the_service_token_names_user_caller_and_audience() -> None:
    async def main() -> None:
        door = Door()
        await door.knock()
        grant = door.tokens.claims[door.sent()[b"authorization"].removeprefix(b"Bearer ")]
        said = (grant.subject.reveal(), grant.partner, grant.tag, grant.caller, grant.audience)
        assert said == ("u-1", "wind", "wind", "app", "talaria-services")

    run(main())


def test_an_upstream_without_a_key_gets_none_not_even_the_clients() -> None:
    async def main() -> None:
        door = Door()
        await door.knock((b"x-api-key", b"theirs"), tag=b"bare")
        assert b"x-api-key" not in door.sent()
        assert door.upstream.received[0].idle_timeout == 7.0

    run(main())


def test_each_person_caller_and_partner_goes_on_as_its_own() -> None:
    async def main() -> None:
        door = Door()
        for _ in range(2):
            for token, tag, name, user in [
                (b"t-1", b"wind", b"x-wind-user-id", b"u-1"),
                (b"t-2", b"wind", b"x-wind-user-id", b"u-2"),
                (b"t-web", b"wind", b"x-wind-user-id", b"u-1"),
                (b"t-1", b"bolt", b"x-rider", b"bolt-1"),
            ]:
                await door.knock((b"x-rider", b"me"), (b"x-wind-user-id", b"me"), token=token, tag=tag)
                sent = door.sent()
                assert sent[name] == user
                assert {b"x-rider", b"x-wind-user-id"} & sent.keys() == {name}
                assert door.tokens.claims[sent[b"authorization"][7:]].subject.reveal().encode() == user

    run(main())


odd = st.sampled_from([b"-", b"_", b".", b"~"])
spelt = st.builds(lambda name, mark: name.replace(b"-", mark, 1), st.sampled_from(SET_BY_US), odd)
claims = st.lists(st.tuples(spelt | st.just(b"x-talaria-identity"), st.just(b"forged")), max_size=6)


def test_a_refused_token_is_counted_with_the_caller_that_it_claims() -> None:
    async def main() -> None:
        door, context, expired = Door(), RequestContext(), ExpiredToken("expired")
        expired.caller = "app"
        door.verifier.principals[b"t-late"] = expired
        with pytest.raises(ExpiredToken):
            await door.knock(token=b"t-late", context=context)
        assert (context.caller, context.person) == ("app", "")

    run(main())


@given(claims, st.lists(st.sampled_from([*SET_BY_US, b"accept"]), max_size=4))
def test_each_protected_header_leaves_exactly_once_and_is_ours(
    forged: list[tuple[bytes, bytes]], nominated: list[bytes]
) -> None:
    async def main() -> None:
        door = Door()
        read_alone = [b"x-api-tag", b"authorization"]
        lines = [line for line in forged if line[0] not in read_alone]
        await door.knock((b"connection", b", ".join(nominated)), *lines)
        outbound = door.upstream.received[0]
        for name in SET_BY_US:
            assert sum(canonical_name(sent) == canonical_name(name) for sent, _ in outbound.headers) == 1, name
        values = [value for name, value in outbound.headers if name != b"via" and name != b"x-request-id"]
        assert b"forged" not in b" ".join(values)
        assert b"x-talaria-identity" not in door.sent()

    run(main())


def test_a_body_begins_with_the_times_of_its_route_and_the_response_has_its_idle_timeout() -> None:
    async def main() -> None:
        door, body = Door(), Chunks(b"a")
        response = await door.knock(method="POST", tag=b"bare", body=body)
        assert (body.begun, response.idle_timeout) == ([(7.0, 90.0)], 7.0)

    run(main())


def test_a_body_of_a_request_that_is_refused_before_its_route_is_known_never_begins() -> None:
    async def main() -> None:
        door, body = Door(), Chunks(b"a")
        with pytest.raises(UnknownApiTag):
            await door.knock(method="POST", tag=b"nowhere", body=body)
        assert body.begun == []

    run(main())


def test_bodies_go_on_as_they_are() -> None:
    async def main() -> None:
        door = Door()
        await door.knock(method="POST", body=Chunks(b"a", b"b"))
        await door.knock(method="POST", body=Chunks(b"xyz"), length=3)
        await door.knock(method="POST", length=0)
        received = door.upstream.received
        assert door.upstream.bodies == [b"ab", b"xyz", b""]
        assert [outbound.length for outbound in received] == [None, 3, 0]
        assert received[2].body is None

    run(main())


def test_what_the_client_gets_back() -> None:
    async def main() -> None:
        door = Door()

        def telling(outbound: UpstreamRequest) -> UpstreamResponse:
            sent = dict(outbound.headers)
            shown = [(b"etag", b'"1"'), (b"set-cookie", b"a"), (b"set-cookie", b"b")]
            hidden = [
                (b"x-echo", sent[b"authorization"]),
                (b"x-key", b"<" + API_KEY + b">"),
                (b"x-wind-user-id", b"u-1"),
                (b"connection", b"x-hop"),
                (b"x-hop", b"1"),
            ]
            return reply(201, [*hidden, *shown])

        door.upstream.replies = [telling]
        answer = await door.knock()
        assert (answer.status, answer.headers) == (
            201,
            [(b"etag", b'"1"'), (b"set-cookie", b"a"), (b"set-cookie", b"b")],
        )
        assert [chunk async for chunk in answer.body] == [b"ok"]
        assert door.upstream.open_bodies == 1  # it is the client's to read

    run(main())


@pytest.mark.parametrize("status", [200, 204, 304, 400, 403, 404, 410, 429, 500, 503, 599])
def test_whatever_the_upstream_says_is_passed_on(status: int) -> None:
    async def main() -> None:
        door, context = Door(), RequestContext()
        door.upstream.replies = [reply(status)]
        assert (await door.knock(context=context)).status == status
        assert (len(door.upstream.received), context.identity_refreshed, context.phase) == (1, False, "body")

    run(main())


REFUSED = [
    ({"tag": b""}, MissingApiTag, "routing"),
    ({"tag": b"no-such-tag"}, UnknownApiTag, "routing"),
    ({"tag": b"wind, bolt"}, AmbiguousApiTag, "routing"),
    ({"tag": b"bare", "method": "PUT"}, MethodNotAllowed, "routing"),
    ({"token": b""}, MissingToken, "admission"),
    ({"token": b"t-9"}, InvalidToken, "admission"),
    ({"token": b"t-old"}, ExpiredToken, "admission"),
    ({"token": b"t-web", "tag": b"bare"}, CallerNotAllowed, "admission"),
    ({"tag": b"no-such-tag", "token": b""}, UnknownApiTag, "routing"),
]


@pytest.mark.parametrize(("request_", "refusal", "phase"), REFUSED, ids=repr)
def test_a_request_that_is_refused_costs_no_call(
    request_: dict[str, bytes], refusal: type[Refusal], phase: str
) -> None:
    async def main() -> None:
        door, context = Door(), RequestContext()
        with pytest.raises(refusal):
            await door.knock(context=context, **request_)  # type: ignore[arg-type]
        assert (door.world.calls, door.upstream.received, context.phase) == ((0, 0), [], phase)
        assert re.fullmatch("[0-9a-f]{32}", context.request_id)
        assert context.trace_id == ""

    run(main())


@pytest.mark.parametrize("name", [b"host", b"authorization"])
def test_two_of_what_must_be_one(name: bytes) -> None:
    async def main() -> None:
        with pytest.raises(BadRequest):
            await Door().knock((name, b"x"))

    run(main())


@pytest.mark.parametrize(("given_", "kept"), [([b"r-1"], True), ([b"r 1"], False), ([b"r-1", b"r-1"], False)], ids=repr)
def test_the_clients_request_id_goes_on_only_where_it_is_one_good_one(given_: list[bytes], kept: bool) -> None:
    async def main() -> None:
        door, context = Door(), RequestContext()
        await door.knock(*((b"x-request-id", value) for value in given_), context=context)
        assert (context.request_id == "r-1") is kept
        assert door.sent()[b"x-request-id"].decode() == context.request_id

    run(main())


@pytest.mark.parametrize("refusal", [IdentityUnknown(), Unreachable("personal")], ids=repr)
def test_without_an_identity_nothing_is_sent(refusal: Refusal) -> None:
    async def main() -> None:
        door = Door()
        door.world.directory.script.fail_next.append(refusal)
        with pytest.raises(type(refusal)):
            await door.knock()
        assert door.upstream.received == []

    run(main())


def test_the_upstreams_own_failure_goes_on_and_its_time_is_counted() -> None:
    async def main() -> None:
        door, context = Door(), RequestContext()
        door.upstream.replies = [Unreachable("upstream", "refused")]
        with pytest.raises(Unreachable, check=by("upstream")):
            await door.knock(context=context)
        assert (context.phase, context.upstream_seconds) == ("upstream", 0.0)

    run(main())

"""What an edge proxy is told that forwards the request itself: what to set, what to remove, for how long it holds."""

from math import inf

import pytest

from talaria.domain.authorization import ApiKeys
from talaria.domain.errors import IdentityUnknown, MissingToken
from talaria.domain.events import RequestContext
from talaria.domain.http import Headers
from talaria.domain.tracing import Tracing
from tests.unit.domain.support_exchange import key
from tests.unit.domain.support_memory_gateway import API_KEY, Door
from tests.unit.support_time import run

OURS = [b"x-api-tag", b"x-api-key", b"forwarded", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host"]
OURS += [b"authorization", b"x-request-id"]
KEY = (b"x-api-key", b"k" * 32)
PARENT = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def told(
    door: Door, *more: tuple[bytes, bytes], token: bytes = b"t-1", tag: bytes = b"wind"
) -> tuple[Headers, list[bytes]]:
    context = RequestContext()
    decision = await door.decide(*more, token=token, tag=tag, context=context)
    assert context.phase in ("admission", "exchange")
    return door.gateway.edge_headers(decision, context)[:2]


def test_each_header_of_ours_is_set_once_and_no_upstream_is_asked() -> None:
    async def main() -> None:
        door = Door()
        headers, removed = await told(door, (b"accept", b"*/*"), (b"x-request-id", b"r-7"))
        assert sorted(name for name, _ in headers) == sorted([*OURS, b"x-wind-user-id"])
        said = dict(headers)
        claims = door.tokens.claims[said[b"authorization"].removeprefix(b"Bearer ")]
        assert (said[b"x-wind-user-id"], claims.subject.reveal(), claims.tag) == (b"u-1", "u-1", "wind")
        assert (said[b"x-api-key"], said[b"x-request-id"], said[b"x-forwarded-for"]) == (
            API_KEY,
            b"r-7",
            b"203.0.113.7",
        )
        assert (removed, door.upstream.received) == ([], [])

    run(main())


def test_what_a_client_may_not_set_is_removed_under_the_name_that_it_was_sent_under() -> None:
    async def main() -> None:
        dropped = [b"x-talaria-identity", b"x_wind_user_id", b"x-rider", b"x.custom", b"x-talaria-identity"]
        _, removed = await told(Door(), *((name, b"1") for name in dropped), (b"accept", b"*/*"))
        assert removed == list(dict.fromkeys(dropped))

    run(main())


def test_what_is_set_is_not_removed_and_what_is_of_the_connection_is_the_edges_own() -> None:
    async def main() -> None:
        sent = [
            (b"x-wind-user-id", b"me"),
            (b"transfer-encoding", b"chunked"),
            (b"connection", b"x-a"),
            (b"expect", b"100-continue"),
        ]
        headers, removed = await told(Door(), *sent)
        assert removed == []
        assert dict(headers)[b"x-wind-user-id"] == b"u-1"

    run(main())


@pytest.mark.parametrize(
    ("sent", "removed"),
    [
        ([(b"x-api-key", b"theirs")], [b"x-api-key"]),
        ([(b"traceparent", b"nonsense"), (b"tracestate", b"a=1")], [b"traceparent", b"tracestate"]),
        ([(b"traceparent", PARENT), (b"tracestate", b"a=1")], []),
        ([(b"traceparent", PARENT), (b"tracestate", b"\x00")], [b"tracestate"]),
        ([], []),
    ],
)
def test_a_key_or_a_trace_that_does_not_go_on_is_removed(sent: list[tuple[bytes, bytes]], removed: list[bytes]) -> None:
    async def main() -> None:
        headers, names = await told(Door(), *sent, tag=b"bare")
        assert names == removed
        assert b"x-api-key" not in dict(headers)

    run(main())


def test_without_a_person_the_header_of_the_user_id_is_removed_even_where_none_was_sent() -> None:
    async def main() -> None:
        door = Door(api_keys=ApiKeys({"jobs": [KEY[1]]}))
        headers, removed = await told(door, KEY, token=b"", tag=b"jobs")
        assert sorted(name for name, _ in headers) == sorted(OURS)
        assert dict(headers)[b"x-api-key"] == API_KEY
        assert removed == [b"x-wind-user-id"]

    run(main())


def test_without_a_partner_there_is_no_such_header() -> None:
    async def main() -> None:
        door = Door(api_keys=ApiKeys({"jobs": [KEY[1]]}))
        _, removed = await told(door, KEY, token=b"", tag=b"free")
        assert removed == []

    run(main())


def test_a_refusal_is_no_decision() -> None:
    async def main() -> None:
        door = Door()
        with pytest.raises(MissingToken):
            await told(door, token=b"")
        door.world.directory.script.fail_next.append(IdentityUnknown())
        with pytest.raises(IdentityUnknown):
            await told(door)

    run(main())


def test_a_decision_holds_for_as_long_as_its_pair_is_fresh() -> None:
    async def main() -> None:
        door, context = Door(), RequestContext()
        decision = await door.decide(context=context)
        assert door.gateway.fresh_for(decision.identity, decision.max_age) == 900.0
        door.world.clock.move(100)
        assert door.gateway.fresh_for(decision.identity, decision.max_age) == 800.0
        door.world.clock.move(1000)
        assert door.gateway.fresh_for(decision.identity, decision.max_age) == 0.0
        door.world.exchange.invalidate(key())
        assert door.gateway.fresh_for(decision.identity, decision.max_age) == 0.0

    run(main())


def test_without_a_pair_a_decision_has_no_end_of_its_own() -> None:
    async def main() -> None:
        door = Door(api_keys=ApiKeys({"jobs": [KEY[1]]}))
        decision = await door.decide(KEY, token=b"", tag=b"jobs", context=RequestContext())
        assert door.gateway.fresh_for(decision.identity, decision.max_age) == inf

    run(main())


@pytest.mark.parametrize(("parent", "removed"), [(PARENT, []), (b"nonsense", [b"traceparent"])])
def test_an_edge_passes_a_clients_trace_and_no_malformed_one_with_spans_of_ours_too(
    parent: bytes, removed: list[bytes]
) -> None:
    async def main() -> None:
        headers, found = await told(Door(tracing=Tracing(1.0)), (b"traceparent", parent))
        assert (found, b"traceparent" in dict(headers)) == (removed, False)

    run(main())

"""An upstream that does not know the user id: one new exchange, one more try, and no connection left open."""

import asyncio
from collections.abc import Callable

import pytest

from talaria.domain.errors import (
    IdentityUnknown,
    PartnerUserRefused,
    PartnerUserUnknown,
    Refusal,
    TimedOut,
    Unreachable,
)
from talaria.domain.events import RequestContext
from talaria.domain.http import Headers, UpstreamRequest, UpstreamResponse
from talaria.domain.model import CachedIdentity, PartnerUserId
from tests.support_refusals import by
from tests.support_rows import each_row
from tests.unit.domain.support_exchange import FAULTS, PHONE, key
from tests.unit.domain.support_memory_gateway import UNKNOWN, Chunks, Door, reply
from tests.unit.support_time import run, settle

HEALED = CachedIdentity(PartnerUserId("u-9"), None, 9e9, 9e9, 0.0)
METHODS = ["GET", "HEAD", "OPTIONS", "DELETE", "POST", "PUT", "PATCH"]


def knows(*users: str) -> Callable[[UpstreamRequest], UpstreamResponse]:
    """An upstream that knows these users and no others."""

    def answer(outbound: UpstreamRequest) -> UpstreamResponse:
        return reply() if dict(outbound.headers)[b"x-wind-user-id"].decode() in users else reply(404, UNKNOWN)

    return answer


async def warm(door: Door) -> None:
    """A person with another user id at the partner after the first was cached."""
    await door.knock()
    door.world.accounts.users[PHONE] = "u-9"
    door.upstream.replies = [knows("u-9")]
    door.upstream.received.clear()
    door.upstream.answers.clear()


def users_sent(door: Door) -> list[bytes]:
    """The user id under which each request went to the upstream."""
    return [dict(outbound.headers)[b"x-wind-user-id"] for outbound in door.upstream.received]


@each_row("status", [403, 404, 410])
@each_row("method", METHODS)
def test_a_request_without_a_body_is_sent_once_more(status: int, method: str) -> None:
    async def main() -> None:
        door, context = Door(), RequestContext()
        await warm(door)
        door.upstream.replies = [reply(status, UNKNOWN), reply()]
        answer = await door.knock((b"x-request-id", b"r-7"), method=method, context=context)
        assert (answer.status, context.identity_refreshed, context.exchange) == (200, True, "miss")
        assert users_sent(door) == [b"u-1", b"u-9"]
        assert (door.upstream.answers[0].body.closed, door.upstream.open_bodies) == (1, 1)  # type: ignore[attr-defined]
        grants = [door.tokens.claims[door.sent(index)[b"authorization"][7:]] for index in (0, 1)]
        assert [grant.subject.reveal() for grant in grants] == ["u-1", "u-9"]
        assert [door.sent(index)[b"x-request-id"] for index in (0, 1)] == [b"r-7", b"r-7"]

    run(main())


def test_a_body_that_can_be_sent_again_is() -> None:
    async def main() -> None:
        door, context, body = Door(), RequestContext(), Chunks(b"both times")
        body.repeatable = True
        await warm(door)
        door.upstream.replies = [reply(404, UNKNOWN), reply()]
        assert (await door.knock(method="DELETE", body=body, context=context)).status == 200
        assert (users_sent(door), context.identity_refreshed) == ([b"u-1", b"u-9"], True)
        assert [sent.body for sent in door.upstream.received] == [body, body]

    run(main())


@each_row("status", [403, 404, 410])
@each_row("method", METHODS)
def test_no_other_body_is_sent_twice_but_the_next_request_is_right(status: int, method: str) -> None:
    async def main() -> None:
        door, context = Door(), RequestContext()
        await warm(door)
        door.upstream.replies = [reply(status, [*UNKNOWN, (b"etag", b"1")]), reply()]
        answer = await door.knock(method=method, body=Chunks(b"once"), context=context)
        assert (answer.status, context.identity_refreshed, len(door.upstream.received)) == (status, False, 1)
        assert answer.headers == [(b"content-length", b"0"), (b"etag", b"1")]
        assert door.upstream.open_bodies == 1
        assert door.world.calls == (1, 1)
        assert (await door.knock(method=method, body=Chunks(b"once"))).status == 200
        assert users_sent(door) == [b"u-1", b"u-9"]

    run(main())


SAYS_NOTHING: list[tuple[int, Headers]] = [
    (404, []),
    (404, [(b"x-talaria-unknown-user", b"0")]),
    (404, [(b"x-talaria-unknown-user", b"true")]),
    (200, UNKNOWN),
    (401, UNKNOWN),
    (500, UNKNOWN),
    (503, UNKNOWN),
]


@pytest.mark.parametrize(("status", "headers"), SAYS_NOTHING)
def test_another_answer_heals_nothing(status: int, headers: Headers) -> None:
    async def main() -> None:
        door, context = Door(), RequestContext()
        await warm(door)
        door.upstream.replies = [reply(status, headers)]
        assert (await door.knock(context=context)).status == status
        assert (len(door.upstream.received), door.world.calls, context.exchange) == (1, (1, 1), "hit")

    run(main())


def test_there_is_one_healing_and_what_it_brought_is_dropped_if_it_is_not_known_either() -> None:
    async def main() -> None:
        door, context = Door(), RequestContext()
        await warm(door)
        door.upstream.replies = [knows()]
        answer = await door.knock(context=context)
        assert (answer.status, context.identity_refreshed, len(door.upstream.received)) == (404, False, 2)
        assert (door.world.calls, door.upstream.open_bodies) == ((2, 2), 1)
        assert door.world.identities.get(key()) is None
        assert (b"x-talaria-unknown-user", b"1") not in answer.headers

    run(main())


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.reason}-{fault.origin}")
def test_where_the_exchange_fails_the_first_answer_goes_on_unclosed(fault: Refusal) -> None:
    async def main() -> None:
        door, context = Door(), RequestContext()
        await warm(door)
        door.world.directory.script.fail_next.append(fault)
        answer = await door.knock(context=context)
        assert (answer.status, context.identity_refreshed, len(door.upstream.received)) == (404, False, 1)
        assert answer.body is door.upstream.answers[0].body
        assert door.upstream.open_bodies == 1
        assert door.world.identities.get(key()) is None  # a pair that is known to be wrong is no stale pair

    run(main())


@pytest.mark.parametrize("definite", [IdentityUnknown, PartnerUserUnknown, PartnerUserRefused])
def test_a_definite_answer_closes_the_first_and_is_said(definite: type[Refusal]) -> None:
    async def main() -> None:
        door, context = Door(), RequestContext()
        await warm(door)
        door.world.directory.script.fail_next.append(definite())
        with pytest.raises(definite):
            await door.knock(context=context)
        assert (len(door.upstream.received), door.upstream.open_bodies) == (1, 0)
        assert context.phase == "exchange"

    run(main())


def test_a_second_try_that_fails_leaves_nothing_open() -> None:
    async def main() -> None:
        door, context = Door(), RequestContext()
        await warm(door)
        door.upstream.replies = [reply(404, UNKNOWN), Unreachable("upstream")]
        with pytest.raises(Unreachable, check=by("upstream")):
            await door.knock(context=context)
        assert (door.upstream.open_bodies, context.identity_refreshed) == (0, False)

    run(main())


def test_a_client_that_leaves_while_it_is_healed_leaves_nothing_open() -> None:
    async def main() -> None:
        door = Door()
        await warm(door)
        door.world.directory.script.gate.clear()
        task = asyncio.create_task(door.knock())
        await settle()
        assert door.upstream.open_bodies == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await settle()
        assert door.upstream.open_bodies == 0
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(main())


def test_healing_has_the_time_of_its_request() -> None:
    async def main() -> None:
        door = Door()
        await warm(door)
        door.world.directory.script.gate.clear()
        before = door.world.clock.now()
        assert (await door.knock()).status == 404  # personal's time is up: a fault of a dependency
        assert door.world.clock.now() - before == pytest.approx(10.0)

    run(main())


def test_the_second_try_is_told_the_time_that_is_left() -> None:
    async def main() -> None:
        door = Door()
        await warm(door)
        gate = door.world.directory.script.gate
        gate.clear()
        door.world.clock.call_later(4.0, gate.set)
        await door.knock()
        assert [round(outbound.timeout) for outbound in door.upstream.received] == [10, 6]

    run(main())


def test_no_time_left_after_the_exchange_is_the_upstreams() -> None:
    async def main() -> None:
        door = Door()
        await warm(door)

        def slow(outbound: UpstreamRequest) -> UpstreamResponse:
            door.world.clock.move(10.0)
            door.world.identities.put(key(), HEALED)
            return reply(404, UNKNOWN)

        door.upstream.replies = [slow]
        with pytest.raises(TimedOut, check=by("upstream")):
            await door.knock()
        assert (len(door.upstream.received), door.upstream.open_bodies) == (1, 0)

    run(main())


def test_healing_one_person_leaves_all_others_kept() -> None:
    async def main() -> None:
        door = Door()
        for token in (b"t-2", b"t-web"):
            await door.knock(token=token)
        await warm(door)
        await door.knock()
        kept = [door.world.identities.get(key(*parts)) for parts in (("p-2", "app"), ("p-1", "web"), ("p-1", "app"))]
        assert [pair and pair.user_id and pair.user_id.reveal() for pair in kept] == ["u-2", "u-1", "u-9"]

    run(main())


def test_a_thousand_healings_at_once_make_one_exchange() -> None:
    async def main() -> None:
        door = Door()
        await warm(door)
        door.world.directory.script.gate.clear()
        door.upstream.gate.clear()
        tasks = [asyncio.create_task(door.knock()) for _ in range(1000)]
        await settle()
        door.upstream.gate.set()
        await settle()
        door.world.directory.script.gate.set()
        assert {answer.status for answer in await asyncio.gather(*tasks)} == {200}
        assert (door.world.calls, len(door.upstream.received)) == ((2, 2), 2000)
        assert door.upstream.open_bodies == 1000

    run(main())


def test_a_pair_that_another_request_has_healed_is_used_without_an_exchange() -> None:
    async def main() -> None:
        door = Door()
        await warm(door)

        def slow(outbound: UpstreamRequest) -> UpstreamResponse:
            door.world.identities.put(key(), HEALED)
            return reply(404, UNKNOWN)

        door.upstream.replies = [slow, knows("u-9")]
        assert (await door.knock()).status == 200
        assert (users_sent(door), door.world.calls) == ([b"u-1", b"u-9"], (1, 1))

    run(main())


def test_both_tries_count_as_time_of_the_upstream() -> None:
    async def main() -> None:
        door, context = Door(), RequestContext()
        await warm(door)

        def slow(outbound: UpstreamRequest) -> UpstreamResponse:
            door.world.clock.move(1.5)
            return knows("u-9")(outbound)

        door.upstream.replies = [slow]
        await door.knock(context=context)
        assert context.identity_refreshed
        assert context.upstream_seconds == pytest.approx(3.0)

    run(main())

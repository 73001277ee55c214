"""The law of remote key sets, with a clock that is set by hand, and what of a document is kept."""

import asyncio
from collections.abc import Callable

import pytest

from talaria.adapters.auth.jwk import public_key
from talaria.adapters.auth.jwks import RemoteKeySet, StaticKeys
from talaria.domain.errors import KeysUnavailable, TimedOut, Unreachable
from talaria.domain.events import Attempt, Event
from tests.unit.adapters.auth.support_tokens import KEYS, RSA, Wall, jwk, key_set

ONE, TWO, BOTH = key_set(jwk("ec-1")), key_set(jwk("ec-2")), key_set(jwk("ec-1"), jwk("ec-2"))


class Source:
    """A key set on the network: what it answers, how often it was asked, and a gate that holds its answers back."""

    def __init__(self, answer: bytes | Exception = ONE) -> None:
        self.answer = answer
        self.asked = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self) -> bytes:
        self.asked += 1
        await self.gate.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Events(list[Event]):
    """A recorder."""

    def record(self, event: Event) -> None:
        self.append(event)


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def clock() -> Wall:
    return Wall(1000.0)


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
def keys(source: Source, clock: Wall, events: Events) -> RemoteKeySet:
    return RemoteKeySet("app", source, clock, events)


async def knows(keys: RemoteKeySet, kid: str | None) -> bool:
    return await keys.key_for(kid, "ES256") is not None


async def settled(condition: Callable[[], bool]) -> None:
    """Until background work has come so far. Nothing sleeps here, so some turns of the loop are enough."""
    for _ in range(20):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came to that")


async def test_it_is_fetched_when_first_needed(keys: RemoteKeySet, source: Source) -> None:
    assert source.asked == 0
    assert await knows(keys, "ec-1")
    assert await knows(keys, "ec-1")
    assert source.asked == 1


async def test_a_refresh_after_ten_minutes_makes_nobody_wait(keys: RemoteKeySet, source: Source, clock: Wall) -> None:
    await knows(keys, "ec-1")
    clock.seconds += 599
    assert await knows(keys, "ec-1")
    assert source.asked == 1
    clock.seconds += 1
    source.answer = BOTH
    source.gate.clear()
    assert await knows(keys, "ec-1"), "while the fetch hangs"
    await settled(lambda: source.asked == 2)
    assert await knows(keys, "ec-1")
    source.gate.set()
    await settled(lambda: keys.generation == 2)
    assert await knows(keys, "ec-2")
    assert source.asked == 2


async def test_a_key_that_was_taken_away_is_gone(keys: RemoteKeySet, source: Source, clock: Wall) -> None:
    await knows(keys, "ec-1")
    source.answer = TWO
    clock.seconds += 600
    await knows(keys, "ec-1")
    await settled(lambda: keys.generation == 2)
    assert not await knows(keys, "ec-1")


async def test_an_empty_set_takes_every_key_away(keys: RemoteKeySet, source: Source, clock: Wall) -> None:
    await knows(keys, "ec-1")
    source.answer = key_set()
    clock.seconds += 600
    await knows(keys, "ec-1")
    await settled(lambda: keys.generation == 2)
    assert not await knows(keys, "ec-1")


async def test_the_same_document_is_no_new_generation(keys: RemoteKeySet, source: Source, clock: Wall) -> None:
    await knows(keys, "ec-1")
    clock.seconds += 600
    await knows(keys, "ec-1")
    await settled(lambda: source.asked == 2)
    await asyncio.sleep(0)
    assert keys.generation == 1


async def test_an_unknown_kid_is_fetched_for(keys: RemoteKeySet, source: Source) -> None:
    await knows(keys, "ec-1")
    source.answer = BOTH
    assert await knows(keys, "ec-2")
    assert source.asked == 2


async def test_unknown_kids_are_fetched_for_once_in_thirty_seconds(
    keys: RemoteKeySet, source: Source, clock: Wall
) -> None:
    await knows(keys, "ec-1")
    for number in range(100):
        assert not await knows(keys, f"random-{number}")
        clock.seconds += 0.29
    assert source.asked == 2
    clock.seconds += 1.01
    assert not await knows(keys, "random")
    assert source.asked == 3
    assert await knows(keys, "ec-1")


async def test_a_flood_of_unknown_kids_on_a_cold_set_is_one_fetch(keys: RemoteKeySet, source: Source) -> None:
    found = await asyncio.gather(*(knows(keys, f"random-{number}") for number in range(100)))
    assert not any(found)
    assert not await knows(keys, "another")
    assert source.asked == 1


async def test_a_failed_fetch_for_an_unknown_kid_leaves_it_unknown(keys: RemoteKeySet, source: Source) -> None:
    await knows(keys, "ec-1")
    source.answer = OSError()
    assert not await knows(keys, "ec-2")
    assert await knows(keys, "ec-1")


async def test_a_thousand_waiters_share_one_fetch(keys: RemoteKeySet, source: Source) -> None:
    source.gate.clear()
    waiters = [asyncio.create_task(knows(keys, "ec-1")) for _ in range(1000)]
    await settled(lambda: source.asked == 1)
    source.gate.set()
    assert all(await asyncio.gather(*waiters))
    assert source.asked == 1


async def test_a_waiter_that_leaves_hurts_nobody(keys: RemoteKeySet, source: Source) -> None:
    source.gate.clear()
    leaver, stayer = (asyncio.create_task(knows(keys, "ec-1")) for _ in range(2))
    await settled(lambda: source.asked == 1)
    leaver.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaver
    source.gate.set()
    assert await stayer
    assert source.asked == 1


async def test_a_failed_first_fetch_reaches_all_waiters(keys: RemoteKeySet, source: Source) -> None:
    source.answer = OSError()
    outcomes = await asyncio.gather(*(knows(keys, "ec-1") for _ in range(10)), return_exceptions=True)
    assert all(isinstance(outcome, KeysUnavailable) for outcome in outcomes)
    assert source.asked == 1


async def test_failures_are_waited_out_longer_and_longer(keys: RemoteKeySet, source: Source, clock: Wall) -> None:
    source.answer = OSError()
    for attempt, wait in enumerate((1, 2, 4, 8, 16, 30, 30), start=1):
        with pytest.raises(KeysUnavailable) as caught:
            await knows(keys, "ec-1")
        assert source.asked == attempt
        assert caught.value.retry_after == wait
        clock.seconds += wait - 0.5
        with pytest.raises(KeysUnavailable):
            await knows(keys, "ec-1")
        assert source.asked == attempt, "not one for each request"
        clock.seconds += 0.5
    source.answer = ONE
    assert await knows(keys, "ec-1")


async def test_the_last_good_set_serves_for_a_day(keys: RemoteKeySet, source: Source, clock: Wall) -> None:
    await knows(keys, "ec-1")
    source.answer = OSError()
    clock.seconds += 24 * 3600 - 1
    assert await knows(keys, "ec-1")
    await settled(lambda: source.asked == 2)
    clock.seconds += 1
    with pytest.raises(KeysUnavailable):
        await knows(keys, "ec-1")
    source.answer = ONE
    clock.seconds += 2
    assert await knows(keys, "ec-1")


async def test_a_set_left_alone_for_a_day_is_fetched_before_it_serves(
    keys: RemoteKeySet, source: Source, clock: Wall
) -> None:
    await knows(keys, "ec-1")
    source.answer = TWO
    clock.seconds += 24 * 3600
    assert not await knows(keys, "ec-1")


@pytest.mark.parametrize("document", [b"", b"<html>", b"[]", b"{}", b'{"keys":{}}', b"\xff", b"[" * 200_000])
async def test_a_bad_document_replaces_nothing(
    keys: RemoteKeySet, source: Source, clock: Wall, events: Events, document: bytes
) -> None:
    await knows(keys, "ec-1")
    source.answer = document
    assert not await knows(keys, "ec-2")
    assert await knows(keys, "ec-1")
    assert keys.generation == 1
    assert events[-1] == Attempt("caller-keys:app", clock(), 0.0, "bad-answer")


async def test_a_fetch_that_hangs_is_given_up(source: Source, clock: Wall, events: Events) -> None:
    source.gate.clear()
    with pytest.raises(KeysUnavailable):
        await knows(RemoteKeySet("app", source, clock, events, timeout=0.001), "ec-1")
    assert events == [Attempt("caller-keys:app", clock(), 0.0, "timeout")]


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (ONE, "ok"),
        (OSError(), "unreachable"),
        (Unreachable("personal"), "unreachable"),
        (TimedOut("personal"), "timeout"),
        (RuntimeError("canary"), "failed"),
    ],
)
async def test_each_fetch_is_recorded(
    keys: RemoteKeySet, source: Source, clock: Wall, events: Events, answer: bytes | Exception, outcome: str
) -> None:
    source.answer = answer
    await asyncio.gather(knows(keys, "ec-1"), return_exceptions=True)
    assert events == [Attempt("caller-keys:app", clock(), 0.0, outcome)]


def test_nameless_keys_of_one_algorithm_are_refused() -> None:
    keys = [public_key(KEYS[name].public_key()) for name in ("ec-1", "ec-2")]
    with pytest.raises(ValueError, match="one algorithm"):
        StaticKeys(keys, any_kid=True)


async def test_nameless_keys_of_several_algorithms_serve() -> None:
    ec, rsa = public_key(KEYS["ec-1"].public_key()), public_key(RSA.public_key())
    static = StaticKeys([ec, rsa], any_kid=True)
    assert await static.key_for("whatever", "ES256") is ec
    assert await static.key_for(None, "RS256") is rsa


async def test_it_says_how_it_does(keys: RemoteKeySet, source: Source, clock: Wall) -> None:
    states = [keys.state]
    source.answer = Unreachable("personal")
    with pytest.raises(KeysUnavailable):
        await keys.key_for("ec-1", "ES256")
    states.append(keys.state)
    source.answer = ONE
    clock.seconds += 60
    assert await keys.key_for("ec-1", "ES256")
    states.append(keys.state)
    source.answer = Unreachable("personal")
    clock.seconds += 60
    assert await keys.key_for("ec-9", "ES256") is None
    states.append(keys.state)
    clock.seconds += 24 * 3600
    assert [*states, keys.state] == ["ok", "unavailable", "ok", "failing", "unavailable"]

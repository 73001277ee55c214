"""The rules of remote key sets, with a clock that is set by hand, and what of a document is kept."""

import asyncio

import pytest

from talaria.adapters.auth.jwk import public_key
from talaria.adapters.auth.jwks import StaticKeys
from talaria.adapters.http1.errors import ReadTimeout
from talaria.domain.errors import KeysUnavailable
from talaria.domain.events import Attempt
from tests.unit.adapters.auth.support_jwks import BOTH, DOWN, ONE, TWO, Issuer, settled
from tests.unit.adapters.auth.support_tokens import KEYS, jwk, key_set
from tests.unit.support_keys import RSA


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


async def test_it_is_fetched_when_first_needed(issuer: Issuer) -> None:
    assert issuer.asked == 0
    assert await issuer.knows("ec-1")
    assert await issuer.knows("ec-1")
    assert issuer.asked == 1


async def test_a_refresh_after_ten_minutes_lets_no_token_wait(issuer: Issuer) -> None:
    await issuer.knows("ec-1")
    issuer.clock.move(599)
    assert await issuer.knows("ec-1")
    assert issuer.asked == 1
    issuer.clock.move(1)
    issuer.answer = BOTH
    issuer.gate.clear()
    assert await issuer.knows("ec-1"), "while the fetch hangs"
    await settled(lambda: issuer.asked == 2)
    assert await issuer.knows("ec-1")
    issuer.gate.set()
    await settled(lambda: issuer.keys.generation == 2)
    assert await issuer.knows("ec-2")
    assert issuer.asked == 2


async def test_a_key_that_was_taken_away_is_gone(issuer: Issuer) -> None:
    await issuer.knows("ec-1")
    issuer.answer = TWO
    issuer.clock.move(600)
    await issuer.knows("ec-1")
    await settled(lambda: issuer.keys.generation == 2)
    assert not await issuer.knows("ec-1")


UNUSABLE = [
    key_set(),
    key_set(jwk("ec-1", use="enc")),
    key_set(jwk("ec-1", alg="ES384")),
    key_set(jwk("rsa-weak"), {"kty": "oct", "k": "AAAA"}, None),
    key_set(jwk("rsa"), jwk("ed")),
]


@pytest.mark.parametrize("document", UNUSABLE)
async def test_a_set_without_a_usable_key_never_replaces_a_good_one(issuer: Issuer, document: bytes) -> None:
    """An issuer that breaks its set would else turn every token of its callers away, as if the tokens were bad."""
    await issuer.knows("ec-1")
    issuer.answer = document
    issuer.clock.move(24 * 3600 - 1)
    assert await issuer.knows("ec-1")
    await settled(lambda: issuer.keys.state == "failing")
    assert issuer.keys.cause == "no usable key in the set"
    assert await issuer.knows("ec-1")
    assert issuer.keys.generation == 1
    issuer.clock.move(1)
    with pytest.raises(KeysUnavailable):
        await issuer.knows("ec-1")
    assert issuer.keys.state == "unavailable"


@pytest.mark.parametrize("document", UNUSABLE)
async def test_a_first_set_without_a_usable_key_is_no_fault_of_the_token(issuer: Issuer, document: bytes) -> None:
    issuer.answer = document
    with pytest.raises(KeysUnavailable) as caught:
        await issuer.knows("ec-1")
    assert caught.value.cause == "caller-keys:app: no usable key in the set"
    issuer.answer = ONE
    issuer.clock.move(1)
    assert await issuer.knows("ec-1")


async def test_a_slow_set_is_had_in_the_end(issuer: Issuer) -> None:
    issuer.gate.clear()
    for _ in range(3):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await issuer.knows("ec-1")
    issuer.gate.set()
    assert await issuer.knows("ec-1")
    assert issuer.asked == 1


async def test_trouble_and_its_end_are_said_once(issuer: Issuer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "talaria")
    await issuer.knows("ec-1")
    assert caplog.records == []
    answers: list[bytes | Exception] = [key_set(), DOWN, b"[]", BOTH, BOTH]
    for fetches, answer in enumerate(answers, start=2):
        issuer.answer = answer
        issuer.clock.move(600)
        await issuer.knows("ec-1")
        await issuer.fetched(fetches)
    said = [(record.levelname, record.getMessage(), vars(record)["dependency"]) for record in caplog.records]
    assert said == [
        ("WARNING", "a caller's key set can't be had", "caller-keys:app"),
        ("INFO", "a caller's key set is had again", "caller-keys:app"),
    ]
    assert vars(caplog.records[0])["cause"] == "no usable key in the set"
    assert [vars(record)["state"] for record in caplog.records] == ["failing", "ok"]


async def test_the_same_document_is_no_new_generation(issuer: Issuer) -> None:
    await issuer.knows("ec-1")
    issuer.clock.move(600)
    await issuer.knows("ec-1")
    await issuer.fetched(2)
    assert issuer.keys.generation == 1


async def test_an_unknown_kid_is_fetched_for(issuer: Issuer) -> None:
    await issuer.knows("ec-1")
    issuer.answer = BOTH
    assert await issuer.knows("ec-2")
    assert issuer.asked == 2


async def test_unknown_kids_are_fetched_for_once_in_thirty_seconds(issuer: Issuer) -> None:
    await issuer.knows("ec-1")
    for number in range(100):
        assert not await issuer.knows(f"random-{number}")
        issuer.clock.move(0.29)
    assert issuer.asked == 2
    issuer.clock.move(1.01)
    assert not await issuer.knows("random")
    assert issuer.asked == 3
    assert await issuer.knows("ec-1")


async def test_a_flood_of_unknown_kids_on_a_cold_set_is_one_fetch(issuer: Issuer) -> None:
    found = await asyncio.gather(*(issuer.knows(f"random-{number}") for number in range(100)))
    assert not any(found)
    assert not await issuer.knows("another")
    assert issuer.asked == 1


async def test_a_failed_fetch_for_an_unknown_kid_leaves_it_unknown(issuer: Issuer) -> None:
    await issuer.knows("ec-1")
    issuer.answer = DOWN
    assert not await issuer.knows("ec-2")
    assert await issuer.knows("ec-1")


async def test_a_thousand_waiters_share_one_fetch(issuer: Issuer) -> None:
    issuer.gate.clear()
    waiters = [asyncio.create_task(issuer.knows("ec-1")) for _ in range(1000)]
    await settled(lambda: issuer.asked == 1)
    issuer.gate.set()
    assert all(await asyncio.gather(*waiters))
    assert issuer.asked == 1


async def test_a_waiter_that_leaves_ends_no_fetch(issuer: Issuer) -> None:
    issuer.gate.clear()
    leaver, stayer = (asyncio.create_task(issuer.knows("ec-1")) for _ in range(2))
    await settled(lambda: issuer.asked == 1)
    leaver.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaver
    issuer.gate.set()
    assert await stayer
    assert issuer.asked == 1


async def test_a_failed_first_fetch_reaches_all_waiters(issuer: Issuer) -> None:
    issuer.answer = DOWN
    outcomes = await asyncio.gather(*(issuer.knows("ec-1") for _ in range(10)), return_exceptions=True)
    assert all(isinstance(outcome, KeysUnavailable) for outcome in outcomes)
    assert issuer.asked == 1


async def refused_for(issuer: Issuer, requests: int) -> float | None:
    """The `retry_after` that the last of so many requests meets."""
    met: list[object] = []
    for _ in range(requests):
        met += await asyncio.gather(issuer.knows("ec-1"), return_exceptions=True)
    assert isinstance(met[-1], KeysUnavailable)
    return met[-1].retry_after


async def test_a_failure_is_waited_out_for_a_second_and_five_open_the_circuit(issuer: Issuer) -> None:
    issuer.answer = DOWN
    for fetches in range(1, 5):
        assert await refused_for(issuer, 10) == 1
        assert issuer.asked == fetches, "not one for each request"
        issuer.clock.move(0.5)
        assert await refused_for(issuer, 10) == 1
        assert issuer.asked == fetches
        issuer.clock.move(0.5)
    assert await refused_for(issuer, 10) == 5
    issuer.clock.move(4.75)
    assert await refused_for(issuer, 10) == 1
    assert issuer.asked == 5
    issuer.clock.move(0.25)
    assert await refused_for(issuer, 10) == 10
    assert issuer.asked == 6, "one probe"
    issuer.answer = ONE
    issuer.clock.move(10)
    assert await issuer.knows("ec-1")


async def test_the_same_holds_of_fetches_in_the_background(issuer: Issuer) -> None:
    await issuer.knows("ec-1")
    issuer.clock.move(600)
    issuer.answer = DOWN
    for fetches in (2, 3, 4, 5, 6, 6, 6, 6, 6, 6, 7):
        for _ in range(10):
            assert await issuer.knows("ec-1")
            await issuer.fetched(fetches)
        assert issuer.asked == fetches
        issuer.clock.move(1)


async def test_the_last_good_set_serves_for_a_day(issuer: Issuer) -> None:
    await issuer.knows("ec-1")
    issuer.answer = DOWN
    issuer.clock.move(24 * 3600 - 1)
    assert await issuer.knows("ec-1")
    await settled(lambda: issuer.keys.state == "failing")
    issuer.clock.move(1)
    with pytest.raises(KeysUnavailable):
        await issuer.knows("ec-1")
    issuer.answer = ONE
    issuer.clock.move(2)
    assert await issuer.knows("ec-1")


async def test_a_set_left_alone_for_a_day_is_fetched_before_it_serves(issuer: Issuer) -> None:
    await issuer.knows("ec-1")
    issuer.answer = TWO
    issuer.clock.move(24 * 3600)
    assert not await issuer.knows("ec-1")


@pytest.mark.parametrize("document", [b"", b"<html>", b"[]", b"{}", b'{"keys":{}}', b"\xff", b"[" * 60_000, 404, 500])
async def test_a_bad_answer_replaces_nothing(issuer: Issuer, document: bytes | int) -> None:
    await issuer.knows("ec-1")
    issuer.answer = document
    assert not await issuer.knows("ec-2")
    assert await issuer.knows("ec-1")
    assert issuer.keys.generation == 1
    assert issuer.keys.state == "failing"


async def test_a_fetch_that_hangs_is_given_up() -> None:
    issuer = Issuer(timeout=0.001)
    issuer.gate.clear()
    with pytest.raises(KeysUnavailable):
        await issuer.knows("ec-1")
    assert issuer.recorder.events == [Attempt("caller-keys:app", issuer.clock.now(), 0.0, "timeout")]


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (ONE, "ok"),
        (b"[]", "bad-answer"),
        (404, "404"),
        (DOWN, "unreachable"),
        (ReadTimeout(""), "timeout"),
    ],
)
async def test_each_fetch_is_recorded(issuer: Issuer, answer: bytes | int | Exception, outcome: str) -> None:
    issuer.answer = answer
    await asyncio.gather(issuer.knows("ec-1"), return_exceptions=True)
    assert issuer.recorder.events == [Attempt("caller-keys:app", issuer.clock.now(), 0.0, outcome)]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"[]", "not a JWK set"),
        (404, "status 404"),
        (503, "status 503"),
        (OSError(2, "canary"), "could not be read"),
    ],
)
async def test_the_cause_names_its_dependency(issuer: Issuer, answer: bytes | int | Exception, why: str) -> None:
    issuer.answer = answer
    for _ in range(10):
        with pytest.raises(KeysUnavailable) as caught:
            await issuer.knows("ec-1")
        assert caught.value.cause == f"caller-keys:app: {why}", "also while it is not asked"
    assert issuer.keys.cause == why


async def test_it_says_how_it_does(issuer: Issuer) -> None:
    states = [issuer.keys.state]
    issuer.answer = DOWN
    with pytest.raises(KeysUnavailable):
        await issuer.knows("ec-1")
    states.append(issuer.keys.state)
    issuer.answer = ONE
    issuer.clock.move(60)
    assert await issuer.knows("ec-1")
    states.append(issuer.keys.state)
    issuer.answer = DOWN
    issuer.clock.move(60)
    assert not await issuer.knows("ec-9")
    states.append(issuer.keys.state)
    issuer.clock.move(24 * 3600)
    assert [*states, issuer.keys.state] == ["ok", "unavailable", "ok", "failing", "unavailable"]


async def test_a_trouble_is_as_old_as_its_first_failure(issuer: Issuer) -> None:
    issuer.answer, began = DOWN, issuer.clock.now()
    for _ in range(2):
        with pytest.raises(KeysUnavailable):
            await issuer.knows("ec-1")
        assert issuer.keys.since == began
        issuer.clock.move(60)
    issuer.answer = ONE
    assert await issuer.knows("ec-1")
    assert issuer.keys.since is None


async def test_to_close_it_gives_up_the_fetch(issuer: Issuer) -> None:
    issuer.gate.clear()
    waiter = asyncio.create_task(issuer.knows("ec-1"))
    await settled(lambda: issuer.asked == 1)
    await issuer.keys.aclose()
    await settled(waiter.done)
    with pytest.raises(KeysUnavailable):
        await waiter


def test_nameless_keys_of_one_algorithm_are_refused() -> None:
    keys = [public_key(KEYS[name].public_key()) for name in ("ec-1", "ec-2")]
    with pytest.raises(ValueError, match="one algorithm"):
        StaticKeys(keys, any_kid=True)


async def test_nameless_keys_of_several_algorithms_serve() -> None:
    ec, rsa = public_key(KEYS["ec-1"].public_key()), public_key(RSA.public_key())
    static = StaticKeys([ec, rsa], any_kid=True)
    assert await static.key_for("whatever", "ES256") is ec
    assert await static.key_for(None, "RS256") is rsa


async def test_a_nameless_key_given_twice_is_one_key() -> None:
    keys = [public_key(KEYS["ec-1"].public_key()) for _ in range(2)]
    assert await StaticKeys(keys, any_kid=True).key_for("whatever", "ES256") is keys[0]


async def test_what_was_fetched_is_told_and_can_be_adopted(issuer: Issuer) -> None:
    told: list[tuple[bytes, float]] = []
    issuer.keys.on_fetched = lambda document, fetched_at: told.append((document, fetched_at))
    assert issuer.keys.known() is None
    await issuer.knows("ec-1")
    assert told == [issuer.keys.known()]
    sibling = Issuer()
    sibling.answer = DOWN
    sibling.keys.adopt(*told[0])
    assert await sibling.knows("ec-1")
    assert sibling.asked == 0


async def test_an_older_set_is_not_adopted_nor_one_without_a_usable_key(issuer: Issuer) -> None:
    await issuer.knows("ec-1")
    now = issuer.clock.now()
    issuer.keys.adopt(TWO, now - 1)
    issuer.keys.adopt(UNUSABLE[0], now + 1)
    assert await issuer.knows("ec-1")
    issuer.keys.adopt(TWO, now + 1)
    assert await issuer.knows("ec-2")
    assert issuer.asked == 1


async def test_an_adopted_set_ends_a_failure(issuer: Issuer) -> None:
    issuer.answer = DOWN
    with pytest.raises(KeysUnavailable):
        await issuer.knows("ec-1")
    assert issuer.keys.state == "unavailable"
    issuer.keys.adopt(ONE, issuer.clock.now())
    assert issuer.keys.state == "ok"
    assert await issuer.knows("ec-1")
    assert issuer.asked == 1

"""A token is kept until nine tenths of its life are over, fetched once at a time, and once more after a 401."""

import asyncio

import pytest

from talaria.adapters.dependency_messages import DependencyResponse, Sign, SignedRequest
from talaria.adapters.partner_kit import AccessToken, PartnerBadAnswer, PartnerHttp, TokenCache
from talaria.domain.events import HopContext
from talaria.testing import MemoryClock
from tests.unit.adapters.partner_kit.support_kit import answer, partner

CALL = HopContext("request-1", 5.0)


class Issuer:
    """Counts tokens; `gate` holds a fetch up, `fails` makes the next one fail."""

    def __init__(self, expires_in: float = 100.0) -> None:
        self.clock = MemoryClock()
        self.fetched = 0
        self.fails = False
        self.gate = asyncio.Event()
        self.gate.set()
        self._expires_in = expires_in
        self.tokens = TokenCache(self._fetch, self.clock.now)

    async def _fetch(self, call: HopContext) -> AccessToken:
        self.fetched += 1
        await self.gate.wait()
        if self.fails:
            self.fails = False
            raise PartnerBadAnswer("no token")
        return AccessToken(f"token-{self.fetched}", self._expires_in)

    async def sent(self, *statuses: int) -> list[str]:
        """What was sent as authorization, one for each status that came back."""
        left, sent = list(statuses), []

        async def send(sign: Sign) -> DependencyResponse:
            sent.append(sign(SignedRequest("GET", "h", "/", {}, b""))["authorization"])
            return DependencyResponse(left.pop(0), b"")

        response = await self.tokens.send(CALL, send)
        assert response.status == statuses[-1]
        return sent


async def test_it_serves_until_nine_tenths_of_its_life_are_over() -> None:
    issuer = Issuer()
    assert await issuer.sent(200) == ["Bearer token-1"]
    issuer.clock.move(89.9)
    assert await issuer.sent(200) == ["Bearer token-1"]
    issuer.clock.move(0.1)
    assert await issuer.sent(200) == ["Bearer token-2"]


async def test_its_life_begins_before_it_was_asked_for() -> None:
    issuer = Issuer()
    issuer.gate.clear()
    asking = asyncio.ensure_future(issuer.sent(200))
    while not issuer.fetched:
        await asyncio.sleep(0)
    issuer.clock.move(90)
    issuer.gate.set()
    await asking
    assert await issuer.sent(200) == ["Bearer token-2"]


async def test_one_fetch_at_a_time() -> None:
    issuer = Issuer()
    issuer.gate.clear()
    asking = [asyncio.ensure_future(issuer.sent(200)) for _ in range(5)]
    while not issuer.fetched:
        await asyncio.sleep(0)
    issuer.gate.set()
    assert await asyncio.gather(*asking) == [["Bearer token-1"]] * 5
    assert issuer.fetched == 1


async def test_one_that_leaves_during_its_fetch_hurts_no_other() -> None:
    issuer = Issuer()
    issuer.gate.clear()
    leaving, waiting = (asyncio.ensure_future(issuer.sent(200)) for _ in range(2))
    while not issuer.fetched:
        await asyncio.sleep(0)
    leaving.cancel()
    issuer.gate.set()
    assert await waiting == ["Bearer token-2"]


async def test_a_fetch_that_fails_fails_one_question() -> None:
    issuer = Issuer()
    issuer.fails = True
    with pytest.raises(PartnerBadAnswer, match="no token"):
        await issuer.sent(200)
    assert await issuer.sent(200) == ["Bearer token-2"]


async def test_after_a_401_it_is_fetched_once_more_and_no_oftener() -> None:
    issuer = Issuer()
    assert await issuer.sent(401, 200) == ["Bearer token-1", "Bearer token-2"]
    assert await issuer.sent(401, 401) == ["Bearer token-2", "Bearer token-3"]


async def test_a_401_does_not_drop_a_token_that_came_after() -> None:
    issuer = Issuer()
    slow = asyncio.Event()
    sent: list[str] = []

    async def late(sign: Sign) -> DependencyResponse:
        sent.append(sign(SignedRequest("GET", "h", "/", {}, b""))["authorization"])
        await slow.wait()
        return DependencyResponse(401 if len(sent) == 1 else 200, b"")

    asking = asyncio.ensure_future(issuer.tokens.send(CALL, late))
    while not sent:
        await asyncio.sleep(0)
    await issuer.sent(401, 200)
    slow.set()
    await asking
    assert (sent, issuer.fetched) == (["Bearer token-1", "Bearer token-2"], 2)


async def test_it_is_the_sign_of_a_question() -> None:
    issuer, bench = Issuer(), partner(answer(401), answer(200))
    response = await PartnerHttp(bench.client).get("/", call=CALL, sign=issuer.tokens)
    assert response.status == 200
    assert [request.headers["authorization"] for request in bench.requests] == ["Bearer token-1", "Bearer token-2"]


def test_a_token_is_not_printed() -> None:
    assert "secret" not in repr(AccessToken("secret", 1.0))


@pytest.mark.parametrize("value", ["", "a\r\nx-api-key: b", "a\nb", "a\x00b", "a\x7fb", "\u00e9", "a\u2028b"])
def test_a_token_that_no_header_can_carry_is_a_bad_answer_and_never_kept(value: str) -> None:
    with pytest.raises(PartnerBadAnswer, match="no header"):
        AccessToken(value, 60.0)

"""The border: what an adapter may raise passes, what it may not is a bad answer that quotes nothing."""

import asyncio
from collections.abc import Callable

import pytest

from talaria.adapters.http1.errors import LocalProtocolError
from talaria.adapters.partner_kit import (
    AdapterAccounts,
    PartnerBadAnswer,
    PartnerHttp,
    PartnerUserId,
    PartnerUserRefused,
    PartnerUserUnknown,
)
from talaria.domain.errors import (
    CircuitOpen,
    GatewayOverloaded,
    InvalidToken,
    Refusal,
    TimedOut,
)
from talaria.domain.events import HopContext
from talaria.domain.model import PhoneNumber
from tests.unit.adapters.partner_kit.support_kit import PHONE, accounts, partner


class Closing:
    """An adapter with something of its own to close."""

    contract = 1
    closed = False

    async def user_of(self, phone: PhoneNumber, call: HopContext) -> PartnerUserId:
        raise NotImplementedError

    async def aclose(self) -> None:
        """Close it."""
        self.closed = True


@pytest.mark.parametrize(
    "refusal",
    [
        *(PartnerUserUnknown(), PartnerUserRefused(), PartnerBadAnswer("why")),
        *(GatewayOverloaded(), TimedOut("partner"), CircuitOpen("partner")),
    ],
)
async def test_refusals_pass(refusal: Refusal) -> None:
    async def refuse(http: PartnerHttp, call: HopContext) -> PartnerUserId:
        raise refusal

    with pytest.raises(type(refusal)) as caught:
        await accounts(partner(), refuse).user_of(PHONE, HopContext("", 5.0))
    assert caught.value is refusal


class Panic(BaseException):
    """As of a library in Rust (pyo3)."""


@pytest.mark.parametrize("kind", [KeyError, InvalidToken, MemoryError, Panic, SystemExit])
async def test_any_other_exception_is_a_bad_answer_with_its_place_and_without_its_text(
    kind: type[BaseException],
) -> None:
    async def fail(http: PartnerHttp, call: HopContext) -> PartnerUserId:
        raise kind(PHONE.reveal())

    place = rf"^the adapter failed: {kind.__name__} at test_accounts.py:\d+$"
    with pytest.raises(PartnerBadAnswer, match=place) as caught:
        await accounts(partner(), fail).user_of(PHONE, HopContext("", 5.0))
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("kind", [KeyboardInterrupt, GeneratorExit])
async def test_what_python_itself_raises_to_end_something_passes(kind: type[BaseException]) -> None:
    async def fail(http: PartnerHttp, call: HopContext) -> PartnerUserId:
        raise kind

    asking = accounts(partner(), fail).user_of(PHONE, HopContext("", 5.0))
    with pytest.raises(kind):
        asking.send(None)


async def test_a_question_that_cannot_be_written_is_a_bad_answer() -> None:
    async def ask(http: PartnerHttp, call: HopContext) -> PartnerUserId:
        await http.get("/", call=call, headers={"x-nonce": "what the partner gave"})
        raise AssertionError

    with pytest.raises(PartnerBadAnswer, match=r"^the request to \w+ can't be written$") as caught:
        await accounts(partner(LocalProtocolError("a line break")), ask).user_of(PHONE, HopContext("", 5.0))
    assert caught.value.__suppress_context__


async def test_cancelling_passes() -> None:
    async def wait(http: PartnerHttp, call: HopContext) -> PartnerUserId:
        await asyncio.Event().wait()
        raise AssertionError

    asking = asyncio.ensure_future(accounts(partner(), wait).user_of(PHONE, HopContext("", 5.0)))
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


@pytest.mark.parametrize("own", [asyncio.Future, lambda: asyncio.create_task(asyncio.Event().wait())])
async def test_what_the_adapter_cancels_itself_is_a_bad_answer(own: Callable[[], asyncio.Future[bool]]) -> None:
    async def cancel(http: PartnerHttp, call: HopContext) -> PartnerUserId:
        waited_for = own()
        waited_for.cancel()
        await waited_for
        raise AssertionError

    with pytest.raises(PartnerBadAnswer, match=r"^the adapter failed: CancelledError at "):
        await accounts(partner(), cancel).user_of(PHONE, HopContext("", 5.0))


@pytest.mark.parametrize("given", [None, "u-1", 7])
async def test_what_is_no_user_id_is_a_bad_answer(given: object) -> None:
    async def give(http: PartnerHttp, call: HopContext) -> PartnerUserId:
        return given  # type: ignore[return-value]  # what an adapter without types may do

    with pytest.raises(PartnerBadAnswer, match="not a user id"):
        await accounts(partner(), give).user_of(PHONE, HopContext("", 5.0))


@pytest.mark.parametrize("given", [PHONE.reveal(), PHONE.reveal().removeprefix("+"), "+4930123456"])
async def test_a_phone_number_is_no_user_id(given: str) -> None:
    async def give(http: PartnerHttp, call: HopContext) -> PartnerUserId:
        return PartnerUserId(given)

    with pytest.raises(PartnerBadAnswer, match="phone number") as caught:
        await accounts(partner(), give).user_of(PHONE, HopContext("", 5.0))
    assert given not in str(caught.value)


async def test_a_number_that_is_not_the_persons_may_be_a_user_id() -> None:
    async def give(http: PartnerHttp, call: HopContext) -> PartnerUserId:
        return PartnerUserId("4930123456")

    assert await accounts(partner(), give).user_of(PHONE, HopContext("", 5.0)) == PartnerUserId("4930123456")


class Probed(Closing):
    """One that can be asked without a person."""

    failure: BaseException | None = None

    async def probe(self, call: HopContext) -> None:
        """Answered, or not."""
        if self.failure is not None:
            raise self.failure


async def test_a_probe_is_asked_where_there_is_one_and_fails_like_a_question() -> None:
    adapter, http = Probed(), PartnerHttp(partner().client)
    accounts = AdapterAccounts(adapter, http)
    assert await accounts.probe(HopContext("", 5.0))
    assert not await AdapterAccounts(Closing(), http).probe(HopContext("", 5.0))
    for failure, said in ((PartnerBadAnswer("why"), "why"), (KeyError(PHONE.reveal()), "the adapter failed: KeyError")):
        adapter.failure = failure
        with pytest.raises(PartnerBadAnswer, match=f"^{said}"):
            await accounts.probe(HopContext("", 5.0))


async def test_closing_closes_the_adapter_where_it_wants_it() -> None:
    adapter, http = Closing(), PartnerHttp(partner().client)
    await AdapterAccounts(adapter, http).aclose()
    assert adapter.closed
    await accounts(partner(), lambda _http, _call: asyncio.Future()).aclose()

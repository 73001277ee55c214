"""Values: which forms they take, and that personal ones can not be printed."""

import copy
import pickle
from dataclasses import FrozenInstanceError, is_dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talaria.domain.events import Attempt, ExchangeFinished, RequestFinished
from talaria.domain.gateway import UpstreamTarget
from talaria.domain.headers import RequestHeaders
from talaria.domain.http import ClientRequest, ClientResponse, UpstreamRequest, UpstreamResponse
from talaria.domain.model import (
    CachedIdentity,
    Partner,
    PartnerUserId,
    PersonalPhoneId,
    PhoneNumber,
    Principal,
    Route,
    Sensitive,
    ServiceClaims,
)

SECRET = "+491711canary"
SENSITIVE = [PersonalPhoneId, PhoneNumber, PartnerUserId]
visible = st.text(alphabet=st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=128)


@pytest.mark.parametrize("kind", SENSITIVE)
def test_nothing_prints_a_personal_value(kind: type[Sensitive]) -> None:
    value = kind(SECRET)
    printed = [repr(value), str(value), f"{value}", f"{value!s:>40}", f"{value:>40}", "%s %r" % (value, value)]  # noqa: UP031
    printed += [repr([value]), repr({value: value}), str(ValueError(value)), ascii(value)]
    assert not any("canary" in text for text in printed)
    assert value.reveal() == SECRET


@pytest.mark.parametrize("kind", SENSITIVE)
@pytest.mark.parametrize("way", [pickle.dumps, copy.copy, copy.deepcopy])
def test_nothing_writes_a_personal_value_out(kind: type[Sensitive], way: object) -> None:
    assert callable(way)
    with pytest.raises(TypeError, match="not pickled"):
        way(kind(SECRET))


def test_equality_is_by_kind_and_content() -> None:
    assert PhoneNumber("a") == PhoneNumber("a")
    assert hash(PhoneNumber("a")) == hash(PhoneNumber("a"))
    assert PhoneNumber("a") != PhoneNumber("b")
    assert PersonalPhoneId("a") != PartnerUserId("a")
    assert PersonalPhoneId("a") != "a"


@given(visible)
def test_an_id_is_1_to_128_visible_characters(text: str) -> None:
    for kind in (PersonalPhoneId, PartnerUserId):
        parsed = kind.parse(text)
        assert parsed is not None
        assert parsed.reveal() == text


@pytest.mark.parametrize("text", ["", " ", "a b", "a\n", "\na", "a\x00", "é", "a\x7f", "a" * 129, None, 7, b"a", ["a"]])
@pytest.mark.parametrize("kind", [PersonalPhoneId, PartnerUserId])
def test_anything_else_is_no_id(kind: type[PersonalPhoneId] | type[PartnerUserId], text: object) -> None:
    assert kind.parse(text) is None


@pytest.mark.parametrize("text", ["+4915112345", "+1234567", "+999999999999999"])
def test_e164(text: str) -> None:
    parsed = PhoneNumber.parse(text)
    assert parsed is not None
    assert parsed.reveal() == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "+", "4915112345", "+0915112345", "+123456", "+1234567890123456", "+49 15112345", "+4915112345\n"),
        *("+\u0664\u0669\u0661\u0665\u0661\u0661\u0662", "++4915112345", "+49151-12345", None, 4915112345, True),
    ],
)
def test_not_e164(text: object) -> None:
    assert PhoneNumber.parse(text) is None


@given(st.text(max_size=20))
def test_what_is_accepted_as_a_number_is_ascii_digits(text: str) -> None:
    if PhoneNumber.parse(text) is not None:
        assert text[0] == "+"
        assert set(text[1:]) <= set("0123456789")


def test_no_value_on_the_way_prints_what_it_carries() -> None:
    secret = b"canary"
    headers = [(b"authorization", secret)]
    person = Principal("app", PersonalPhoneId("canary"))
    user = PartnerUserId("canary")
    values = [
        person,
        ServiceClaims(user, "wind", "wind", "app", "talaria-services"),
        CachedIdentity(user, None, 1.0, 2.0),
        ClientRequest("GET", b"/?q=canary", headers),
        UpstreamRequest("GET", b"/?q=canary", headers, None, None, 1.0, 1.0),
        UpstreamResponse(200, headers, _Empty(), secret),
        ClientResponse(200, headers, _Empty(), secret, 1.0),
        RequestHeaders(headers, {b"authorization": secret}, {b"authorization": [secret]}),
        UpstreamTarget(_Nowhere(), "talaria-services", secret),
    ]
    assert [value for value in values if "canary" in repr(value)] == []


def test_what_is_shared_between_requests_is_frozen() -> None:
    for kind in (Principal, Partner, Route, CachedIdentity, ExchangeFinished):
        assert is_dataclass(kind)
        assert vars(kind)["__dataclass_params__"].frozen
    for named in (ServiceClaims, Attempt, RequestFinished):
        assert issubclass(named, tuple)
    with pytest.raises(FrozenInstanceError):
        Principal("app", PersonalPhoneId("x")).caller = "web"  # type: ignore[misc]


class _Empty:
    """A body without anything in it."""

    def __aiter__(self) -> "_Empty":
        return self

    async def __anext__(self) -> bytes:
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Nothing to close."""


class _Nowhere:
    """An upstream that is never asked."""

    async def send(self, outbound: UpstreamRequest) -> UpstreamResponse:
        """Never called."""
        raise AssertionError

    async def aclose(self) -> None:
        """Nothing to close."""

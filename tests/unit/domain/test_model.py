"""Values: which forms they take, and that personal ones can not be printed."""

import copy
import importlib
import pickle
import pkgutil
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import FrozenInstanceError, fields, is_dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

import talaria.domain
from talaria.domain.decision import UpstreamTarget
from talaria.domain.events import Attempt, ExchangeFinished, RequestFinished
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
from tests.support_examples import times
from tests.support_rows import each_row

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


@each_row("text", ["", " ", "a b", "a\n", "\na", "a\x00", "é", "a\x7f", "a" * 129, None, 7, b"a", ["a"]])
@each_row("kind", [PersonalPhoneId, PartnerUserId])
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


numbers = st.from_regex(r"\+[1-9][0-9]{5,15}", fullmatch=True)
spoilt = st.tuples(numbers, st.integers(0, 17), st.text(max_size=1)).map(
    lambda one: one[0][: one[1]] + one[2] + one[0][one[1] :]
)
accepted: Counter[bool] = Counter()


@times(3)
@given(numbers | spoilt)
def is_accepted_as_ascii_digits_or_not(text: str) -> None:
    number = PhoneNumber.parse(text)
    accepted[number is not None] += 1
    if number is not None:
        assert number.reveal() == text
        assert text[:1] == "+"
        assert set(text[1:]) <= set("0123456789")
        assert 8 <= len(text) <= 16


def test_what_is_accepted_as_a_number_is_ascii_digits() -> None:
    is_accepted_as_ascii_digits_or_not()
    assert accepted.keys() == {True, False}


def test_no_value_on_the_way_prints_what_it_carries() -> None:
    secret = b"canary"
    headers = [(b"authorization", secret)]
    person = Principal("app", PersonalPhoneId("canary"))
    user = PartnerUserId("canary")
    values = [
        person,
        ServiceClaims(user, "wind", "wind", "app", "talaria-services"),
        CachedIdentity(user, None, 1.0, 2.0, 0.0),
        ClientRequest("GET", b"/?q=canary", headers),
        UpstreamRequest("GET", b"/?q=canary", headers, None, None, 1.0, 1.0),
        UpstreamResponse(200, headers, _Empty(), secret),
        ClientResponse(200, headers, _Empty(), secret, 1.0),
        RequestHeaders(headers, {b"authorization": secret}, {b"authorization": [secret]}),
        UpstreamTarget(_Nowhere(), "talaria-services", secret),
    ]
    assert [value for value in values if "canary" in repr(value)] == []


def bytes_that_are_printed() -> Iterator[str]:
    """Every field of a dataclass of the domain that holds bytes or headers, and that its repr shows."""
    for found in pkgutil.iter_modules(talaria.domain.__path__):
        module = importlib.import_module(f"talaria.domain.{found.name}")
        for kind in vars(module).values():
            if isinstance(kind, type) and is_dataclass(kind) and kind.__module__ == module.__name__:
                shown = [one for one in fields(kind) if one.repr]
                yield from (f"{kind.__name__}.{one.name}" for one in shown if re.search("bytes|Headers", str(one.type)))


def test_no_field_of_bytes_is_printed_but_the_name_of_a_header() -> None:
    hide_their_own = {"UpstreamRequest.body", "Decision.headers"}
    assert set(bytes_that_are_printed()) - hide_their_own == {"Partner.user_id_header"}
    assert "canary" not in repr(RequestHeaders([(b"a", b"canary")], {b"b": b"canary"}, {b"b": [b"canary"]}))


def test_what_is_shared_between_requests_is_frozen() -> None:
    for kind in (Principal, Partner, Route, CachedIdentity):
        assert is_dataclass(kind)
        assert vars(kind)["__dataclass_params__"].frozen
    for named in (ServiceClaims, Attempt, ExchangeFinished, RequestFinished):
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

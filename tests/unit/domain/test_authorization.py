"""Step 2: where the token stands, and which callers a route admits."""

from collections import Counter
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talaria.domain.authorization import ApiKeys, NetworkAllowlist, bearer_token, check_caller_allowed
from talaria.domain.errors import BadRequest, CallerNotAllowed, InvalidToken, MissingToken, Refusal
from talaria.domain.model import Partner, PersonalPhoneId, Principal, Route
from tests.support_examples import times


@pytest.mark.parametrize(
    "line", [b"Bearer a.b.c", b"bearer a.b.c", b"BEARER a.b.c", b"bEaReR  a.b.c", b"Bearer a.b.c "], ids=repr
)
def test_a_token_stands_behind_its_scheme_in_any_case(line: bytes) -> None:
    assert bearer_token([line]) == b"a.b.c"


@pytest.mark.parametrize(
    ("lines", "refusal"),
    [
        ([], MissingToken),
        ([b""], MissingToken),
        ([b"Basic dXNlcjpwdw=="], MissingToken),
        ([b"a.b.c"], MissingToken),
        ([b"Bearera.b.c"], MissingToken),
        ([b"Bearer\ta.b.c"], MissingToken),
        ([b" Bearer a.b.c"], MissingToken),
        ([b"Basic x, Bearer a.b.c"], MissingToken),
        ([b"Bearer"], InvalidToken),
        ([b"Bearer "], InvalidToken),
        ([b"Bearer a.b.c", b"Bearer a.b.c"], BadRequest),
        ([b"Bearer a.b.c", b""], BadRequest),
        ([b"Basic x", b"Bearer a.b.c"], BadRequest),
    ],
    ids=repr,
)
def test_anything_else_is_refused(lines: list[bytes], refusal: type[Refusal]) -> None:
    with pytest.raises(refusal) as caught:
        bearer_token(lines)
    assert "a.b.c" not in str(caught.value)


def test_a_second_token_in_one_line_stays_with_the_first_for_the_verifier_to_refuse() -> None:
    assert bearer_token([b"Bearer a.b.c, Bearer d.e.f"]) == b"a.b.c, Bearer d.e.f"


def test_a_route_admits_its_callers_only() -> None:
    route = Route("r", Partner("wind", b"x-wind-user-id"), "u", frozenset({"app", "web"}))
    check_caller_allowed(route, Principal("web", PersonalPhoneId("p")))
    for caller in ("kiosk", "App", ""):
        with pytest.raises(CallerNotAllowed):
            check_caller_allowed(route, Principal(caller, PersonalPhoneId("p")))


def keys() -> ApiKeys:
    return ApiKeys({"jobs": [b"k" * 32, b"next" * 8], "batch": [b"b" * 32]})


@pytest.mark.parametrize(("key", "caller"), [(b"k" * 32, "jobs"), (b"next" * 8, "jobs"), (b"b" * 32, "batch")])
def test_an_api_key_selects_its_caller_and_no_other(key: bytes, caller: str) -> None:
    assert keys().authenticate([key]) == Principal(caller, None)


@pytest.mark.parametrize(
    ("lines", "refusal"),
    [
        ([], MissingToken),
        ([b""], InvalidToken),
        ([b"k" * 31], InvalidToken),
        ([b"k" * 33], InvalidToken),
        ([b"K" * 32], InvalidToken),
        ([b"k" * 32, b"k" * 32], BadRequest),
        ([b"k" * 32 + b", " + b"b" * 32], InvalidToken),
    ],
)
def test_any_other_key_is_refused(lines: list[bytes], refusal: type[Refusal]) -> None:
    with pytest.raises(refusal):
        keys().authenticate(lines)


def allowlist() -> NetworkAllowlist:
    return NetworkAllowlist({"app": [ip_network("192.0.2.0/24"), ip_network("2001:db8::/32")], "web": []})


@pytest.mark.parametrize("address", ["192.0.2.255", "::ffff:192.0.2.1", "2001:db8::1"])
def test_a_bound_caller_calls_from_its_networks(address: str) -> None:
    allowlist().check("app", address)


@pytest.mark.parametrize("address", ["192.0.3.0", "::ffff:192.0.3.1", "2001:db9::", "", "unknown", "192.0.2.1:80"])
def test_from_anywhere_else_it_is_refused(address: str) -> None:
    with pytest.raises(CallerNotAllowed):
        allowlist().check("app", address)


def test_a_caller_without_networks_is_not_bound() -> None:
    assert allowlist().bound == {"app"}


pieces = st.sampled_from([b"Bearer", b"bearer", b"Basic", b" ", b"  ", b"\t", b",", b"a.b.c", b"=", b"\xff", b""])
schemes = st.sampled_from([b"Bearer ", b"bearer ", b"BEARER  ", b"Basic ", b"Bearer\t", b"Bearer"])
lines_of = st.lists(
    st.builds(b"%b%b".__mod__, st.tuples(schemes, st.lists(pieces, max_size=4).map(b"".join))), max_size=2
)
outcomes: Counter[str] = Counter()


@times(3)
@given(lines_of)
def comes_from_one_line_after_its_scheme_or_not_at_all(lines: list[bytes]) -> None:
    try:
        token = bearer_token(lines)
    except (MissingToken, InvalidToken, BadRequest) as refusal:
        outcomes[type(refusal).__name__] += 1
        return
    outcomes["token"] += 1
    (line,) = lines
    assert line[:7].lower() == b"bearer "
    assert token == line[7:].strip(b" ") != b""


def test_a_token_comes_from_one_line_after_its_scheme_or_not_at_all() -> None:
    comes_from_one_line_after_its_scheme_or_not_at_all()
    assert outcomes.keys() == {"token", "MissingToken", "InvalidToken", "BadRequest"}


def test_white_space_alone_is_no_part_of_a_token() -> None:
    assert bearer_token([b"Bearer  Xa.b.cX  "]) == b"Xa.b.cX"


@given(st.lists(st.binary(max_size=40), max_size=3))
def test_no_guess_is_a_key(lines: list[bytes]) -> None:
    with pytest.raises(Refusal):
        keys().authenticate(lines)

"""Step 4 on the way back: what an answer may show its client."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talaria.domain.headers import HeaderPolicy, canonical_name
from talaria.domain.http import Headers
from talaria.domain.model import Partner
from tests.support_rows import each_row

SIEVE = HeaderPolicy([Partner("wind", b"x-wind-user-id"), Partner("bolt-eu", b"x-rider")])
TOKEN, KEY = b"eyJhbGciOi.token.canary", b"api-key-canary"
HOP_BY_HOP = [
    b"connection",
    b"keep-alive",
    b"proxy-connection",
    b"proxy-authenticate",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
]
OURS = [
    b"authorization",
    b"x-api-key",
    b"x-wind-user-id",
    b"x-bolt-eu-user-id",
    b"x-rider",
    b"x-talaria-unknown-user",
    b"x-talaria",
    b"x-talaria-anything",
    b"x_wind_user_id",
    b"X_API.KEY".lower(),
]


def filter_request(headers: Headers, secrets: tuple[bytes, ...] = (TOKEN, KEY)) -> Headers:
    """What the client sees."""
    token, api_key = (*secrets, b"", b"")[:2]
    return SIEVE.filter_response(headers, token or b"no token of this test", api_key)


@pytest.mark.parametrize("name", HOP_BY_HOP + OURS, ids=bytes.decode)
def test_a_name_that_no_client_sees(name: bytes) -> None:
    assert filter_request([(b"server", b"x"), (name, b"v"), (name, b"w")]) == [(b"server", b"x")]


def test_the_gateway_writes_the_request_id_itself() -> None:
    assert filter_request([(b"x-request-id", b"theirs")]) == []


@each_row(
    "value", [TOKEN, KEY, b"Bearer " + TOKEN, b"<" + KEY + b">", KEY * 2, b"https://x.example/?t=" + TOKEN + b"&a=1"]
)
@each_row("name", [b"x-echo", b"location", b"set-cookie", b"server"])
def test_no_line_carries_a_secret_whatever_its_name(name: bytes, value: bytes) -> None:
    assert filter_request([(name, value), (b"etag", b'"1"')]) == [(b"etag", b'"1"')]


def test_part_of_a_secret_is_no_secret_and_without_secrets_nothing_is_looked_for() -> None:
    lines = [(b"a", TOKEN[:-1]), (b"b", KEY[1:]), (b"c", b"")]
    assert filter_request(lines) == lines
    assert filter_request([(b"a", TOKEN)], ()) == [(b"a", TOKEN)]


def test_end_to_end_headers_come_back_in_order_each_line_its_own() -> None:
    lines = [
        (b"content-type", b"text/plain"),
        (b"set-cookie", b"a=1, b"),
        (b"content-length", b"5"),
        (b"set-cookie", b"b=2"),
        (b"www-authenticate", b"Basic"),
        (b"vary", b"accept"),
        (b"vary", b"cookie"),
        (b"x_odd.name", b"kept: only requests are folded by servers"),
    ]
    assert filter_request(lines) == lines


@pytest.mark.parametrize(
    ("connections", "kept"),
    [
        ([b"close"], [b"content-length", b"date", b"x-a", b"x-b"]),
        ([b"close, x-a"], [b"content-length", b"date", b"x-b"]),
        ([b"keep-alive", b"X-A,x-b"], [b"content-length", b"date"]),
        ([b"content-length, date, x-a"], [b"content-length", b"date", b"x-b"]),
    ],
    ids=repr,
)
def test_an_answer_may_nominate_too(connections: list[bytes], kept: list[bytes]) -> None:
    lines = [(name, b"1") for name in (b"content-length", b"date", b"x-a", b"x-b")]
    assert [name for name, _ in filter_request([*lines, *((b"connection", line) for line in connections)])] == kept


def test_only_connection_nominates() -> None:
    lines = [(b"keep-alive", b"x-a"), (b"te", b"x-a"), (b"x-talaria-a", b"x-a"), (b"x-a", b"1")]
    assert filter_request(lines) == [(b"x-a", b"1")]


def test_a_secret_is_found_in_a_line_as_long_as_itself() -> None:
    short, long = b"12345", b"1234567890"
    for token, api_key in ((short, long), (long, short), (short, b"")):
        assert SIEVE.filter_response([(b"a", token), (b"b", api_key or token)], token, api_key) == []


name_of = st.sampled_from([*HOP_BY_HOP, *OURS, b"etag", b"set-cookie"]) | st.text("ab-_x", min_size=1).map(str.encode)
value_of = st.binary(max_size=6) | st.sampled_from([TOKEN, b"x" + KEY])


@given(st.lists(st.tuples(name_of, value_of), max_size=10))
def test_nothing_is_added_reordered_or_let_through(headers: Headers) -> None:
    kept = filter_request(headers)
    rest = iter(headers)
    assert all(line in rest for line in kept)
    assert not any(TOKEN in value or KEY in value for _, value in kept)
    hidden = {canonical_name(name) for name in OURS}
    assert not any(name in HOP_BY_HOP or canonical_name(name) in hidden for name, _ in kept)

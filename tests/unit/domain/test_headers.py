"""Step 4 on the way out: no spelling, doubling or nomination lets a protected name through."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talaria.domain.errors import BadRequest
from talaria.domain.headers import (
    HeaderPolicy,
    append_element,
    canonical_name,
    connection_options,
    timeout_of,
    usable_request_id,
    via,
)
from talaria.domain.http import Headers
from talaria.domain.model import Partner
from tests.support_examples import times
from tests.support_rows import each_row

PARTNERS = [Partner("wind", b"x-wind-user-id"), Partner("bolt-eu", b"x-rider")]
TOKEN_CHARACTERS = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
SET_BY_US = [
    b"x-api-tag",
    b"authorization",
    b"x-api-key",
    b"x-request-id",
    b"traceparent",
    b"tracestate",
    b"forwarded",
    b"x-forwarded-for",
    b"x-forwarded-proto",
    b"x-forwarded-host",
    b"via",
    b"host",
    b"content-length",
    b"x-request-timeout-ms",
    b"x-wind-user-id",
    b"x-rider",
]
RESERVED = [
    b"x-bolt-eu-user-id",
    b"connection",
    b"keep-alive",
    b"proxy-connection",
    b"proxy-authorization",
    b"proxy-authenticate",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
    b"http2-settings",
    b"expect",
    b"x-talaria-identity",
    b"x-talaria-unknown-user",
    b"x-talaria",
]
PROTECTED = SET_BY_US + RESERVED
FOLDS = {canonical_name(name) for name in PROTECTED}
HOST = (b"host", b"api.example")
END_TO_END = [b"accept", b"cookie", b"content-type", b"range", b"user-agent", b"x-real-ip", b"x-user-id", b"x-a"]


def sieve() -> HeaderPolicy:
    """One for two partners."""
    return HeaderPolicy(PARTNERS)


@st.composite
def spellings(draw: st.DrawFn) -> bytes:
    """A protected name with token characters that are neither letters nor digits put in or taken out."""
    letters = canonical_name(draw(st.sampled_from(PROTECTED))).decode()
    odd = st.text(alphabet="!#$%&'*+-.^_`|~", max_size=2)
    return (draw(odd) + "".join(letter + draw(odd) for letter in letters)).encode()


names = spellings() | st.text(TOKEN_CHARACTERS, min_size=1, max_size=12).map(str.encode) | st.sampled_from(END_TO_END)
headers_of = st.lists(st.tuples(names, st.binary(max_size=5)), max_size=12)


@times(1.5)
@given(headers_of)
def test_no_combination_lets_a_protected_name_through(headers: Headers) -> None:
    given_ = [header for header in headers if header[0] != b"host"]
    kept = sieve().filter_request([HOST, *given_]).forwarded
    assert [
        name for name, _ in kept if canonical_name(name) in FOLDS or canonical_name(name).startswith(b"xtalaria")
    ] == []
    assert [name for name, _ in kept if set(name) - set(b"abcdefghijklmnopqrstuvwxyz0123456789-")] == []


@given(spellings())
def test_no_spelling_of_a_protected_name_goes_on(name: bytes) -> None:
    if name != b"host":
        assert sieve().filter_request([HOST, (name, b"x")]).forwarded == []


@pytest.mark.parametrize("odd", [b"_", b".", b"~", b"!", b"--", b"`"], ids=bytes.decode)
def test_each_protected_name_with_another_dash(odd: bytes) -> None:
    spelt = {one for name in PROTECTED for one in (name.replace(b"-", odd), name + odd, odd + name)} - {b"host"}
    assert len(spelt) > 2 * len(PROTECTED)
    assert [name for name in spelt if sieve().filter_request([HOST, (name, b"1")]).forwarded] == []


@pytest.mark.parametrize("name", [b"x_custom", b"a.b", b"accept~", b"x custom", b"\xc3\xa9", b"-", b"--", b"", b"a:b"])
def test_a_name_that_some_server_folds_is_dropped(name: bytes) -> None:
    assert sieve().filter_request([HOST, (name, b"1")]).forwarded == []


def test_end_to_end_headers_go_on_in_order_each_line_its_own() -> None:
    lines = [(b"cookie", b"a=1"), (b"accept", b"*/*"), (b"cookie", b"b=2"), (b"x-a", b""), (b"accept", b"*/*")]
    assert sieve().filter_request([lines[0], HOST, *lines[1:]]).forwarded == lines


@pytest.mark.parametrize("hosts", [[], [b"a", b"a"], [b"a", b"b"], [b"a", b"", b"c"]], ids=repr)
def test_exactly_one_host(hosts: list[bytes]) -> None:
    with pytest.raises(BadRequest):
        sieve().filter_request([(b"host", host) for host in hosts])


def test_what_was_taken_is_there_to_read() -> None:
    head = sieve().filter_request([HOST, (b"via", b"1.1 a"), (b"x-api-tag", b"wind"), (b"via", b"1.1 b")])
    assert (head.all(b"via"), head.only(b"via"), head.only(b"x-api-tag")) == ([b"1.1 a", b"1.1 b"], None, b"wind")
    assert (head.all(b"traceparent"), head.only(b"traceparent")) == ([], None)


def test_what_is_dropped_is_not_there_to_read() -> None:
    dropped = [b"te", b"upgrade", b"x-wind-user-id", b"x_custom", b"x-talaria-identity", b"expect"]
    head = sieve().filter_request([HOST, *((name, b"v") for name in dropped)])
    assert [name for name in dropped if head.all(name)] == []


@pytest.mark.parametrize("hosts", [[b"a", b"a"], [b"a", b"b"], [b"b", b"a"], []], ids=repr)
def test_exactly_one_host_also_where_it_is_known_to_be_well_formed(hosts: list[bytes]) -> None:
    policy = sieve()
    for host in (b"a", b"b"):
        policy.filter_request([(b"host", host)])
    with pytest.raises(BadRequest):
        policy.filter_request([(b"host", host) for host in hosts])


def test_the_hosts_that_are_known_are_bounded() -> None:
    policy = sieve()
    for number in range(3000):
        host = b"host-%d.example" % number
        assert policy.filter_request([(b"host", host)]).only(b"host") == host
    policy.filter_request([(b"host", b"x" * 255)])
    assert len(policy._hosts) <= 1024
    assert max(map(len, policy._hosts)) <= 64


@pytest.mark.parametrize(
    "lines",
    [
        [b"x-a"],
        [b"close, x-a"],
        [b"X-A , keep-alive"],
        [b"close", b"x-a"],
        [b"\tx-a\t"],
        [b",,x-a,,"],
        [b"keep-alive", b"close, x-b", b"x-a"],
    ],
    ids=repr,
)
def test_a_client_may_nominate_its_own_headers(lines: list[bytes]) -> None:
    connection = [(b"connection", line) for line in lines]
    assert sieve().filter_request(
        [HOST, (b"x-a", b"1"), *connection, (b"accept", b"*/*"), (b"x-a", b"2")]
    ).forwarded == [(b"accept", b"*/*")]


@given(st.lists(st.lists(st.sampled_from(PROTECTED + END_TO_END), max_size=4), max_size=3))
def test_nominating_ours_takes_nothing_from_what_was_read(nominations: list[list[bytes]]) -> None:
    connection = [(b"connection", b", ".join(line)) for line in nominations]
    read = [(name, b"v") for name in SET_BY_US if name not in (b"host", b"x-api-key", b"x-wind-user-id", b"x-rider")]
    head = sieve().filter_request([HOST, *read, *connection, *((name, b"1") for name in END_TO_END)])
    assert all(head.only(name) == value for name, value in [HOST, *read])
    gone = {name for line in nominations for name in line}
    assert [name for name, _ in head.forwarded] == [name for name in END_TO_END if name not in gone]


def test_names_are_read_from_connection_lines_in_lower_case() -> None:
    assert connection_options([b"Close, X-A", b" x-b\t,"]) == {b"close", b"x-a", b"x-b", b""}


def test_what_a_sieve_remembers_is_bounded_and_does_not_change_its_mind() -> None:
    one = sieve()
    for number in range(10_000):
        assert one.filter_request([HOST, (b"x-%d" % number, b"1"), (b"x_%d" % number, b"1")]).forwarded == [
            (b"x-%d" % number, b"1")
        ]
    one.filter_request([HOST, (b"x" * 5000, b"1")])
    assert len(one._requests) <= 4096
    assert max(map(len, one._requests)) <= 64
    assert one.filter_request([HOST, (b"x-wind-user-id", b"1"), (b"x_wind_user_id", b"1")]).forwarded == []


@pytest.mark.parametrize("text", ["a", "A-z_0.9", "x" * 64])
def test_a_good_request_id_goes_on(text: str) -> None:
    assert usable_request_id(text.encode()) == text


@pytest.mark.parametrize("value", [None, b"", b"x" * 65, b"a b", b"a\n", b"\xc3\xa9", b'a"', b"a/b", b"a,b", b"\x00"])
def test_another_request_id_does_not(value: bytes | None) -> None:
    assert usable_request_id(value) is None


@each_row(
    ("lines", "seconds"),
    [
        ([], 10.0),
        ([b"250"], 0.25),
        ([b"0"], 0.0),
        ([b"10000"], 10.0),
        ([b"10001"], 10.0),
        ([b"999999999"], 10.0),
        ([b"000000250"], 0.25),
        ([b"0000000250"], 10.0),
        ([b"9" * 400], 10.0),
        ([b"9" * 5000], 10.0),
        ([b""], 10.0),
        ([b"-1"], 10.0),
        ([b"+1"], 10.0),
        ([b"1.5"], 10.0),
        ([b"1e3"], 10.0),
        ([b"1_0"], 10.0),
        ([b" 1"], 10.0),
        ([b"\xd9\xa1"], 10.0),
        ([b"1, 2"], 10.0),
        ([b"1", b"2"], 10.0),
    ],
)
def test_a_client_may_ask_for_less_time_never_for_more(lines: list[bytes], seconds: float) -> None:
    head = sieve().filter_request([HOST, *((b"x-request-timeout-ms", line) for line in lines)])
    assert timeout_of(head, 10.0) == seconds


@pytest.mark.parametrize(
    ("lines", "expected"),
    [([], b"1.1 talaria"), ([b"1.0 a"], b"1.0 a, 1.1 talaria"), ([b"1.0 a, 2 b", b"1.1 c"], None)],
    ids=repr,
)
def test_via_grows_at_its_end(lines: list[bytes], expected: bytes | None) -> None:
    head = sieve().filter_request([HOST, *((b"via", line) for line in lines)])
    assert via(head) == (b"via", expected or b"1.0 a, 2 b, 1.1 c, 1.1 talaria")


@given(st.lists(st.text(alphabet="aA-_, \t;=\x00é", max_size=20).map(str.encode), max_size=4))
def test_a_nominated_name_is_a_whole_member_of_a_list_in_lower_case(lines: list[bytes]) -> None:
    names = connection_options(lines)
    members = b",".join(lines).split(b",") if lines else []
    assert names == {name.strip(b" \t").lower() for name in members}
    assert not [name for name in names if b"," in name or name != name.lower() or name != name.strip(b" \t")]


@given(st.binary(max_size=80))
def test_a_request_id_that_goes_on_is_short_and_harmless(value: bytes) -> None:
    usable = usable_request_id(value)
    if usable is not None:
        assert usable.encode() == value
        assert 1 <= len(usable) <= 64
        assert usable.isascii()
        assert set(usable) <= set("._-") | {character for character in usable if character.isalnum()}


@given(st.lists(st.binary(max_size=12) | st.integers(-10, 10**12).map(lambda n: b"%d" % n), max_size=2))
def test_no_wish_makes_the_time_longer_or_negative(lines: list[bytes]) -> None:
    head = sieve().filter_request([HOST, *((b"x-request-timeout-ms", line) for line in lines)])
    assert 0.0 <= timeout_of(head, 10.0) <= 10.0


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], b"x"),
        ([b""], b"x"),
        ([b" \t "], b"x"),
        ([b",", b" , ,"], b"x"),
        ([b"a"], b"a, x"),
        ([b"a", b"b"], b"a, b, x"),
        ([b"a,b"], b"a,b, x"),
        ([b"a,, b"], b"a, b, x"),
        ([b", a"], b"a, x"),
        ([b"a,"], b"a, x"),
        ([b",Xa X,"], b"Xa X, x"),
        ([b"a", b"", b"b"], b"a, b, x"),
        ([b"1.1 a (one,, two), ,b"], b"1.1 a (one,, two), b, x"),
        ([b'for="a,,b", ,for=c'], b'for="a,,b", for=c, x'),
        ([b" " * 60_000 + b","], b"x"),
    ],
    ids=lambda value: repr(value)[:50],
)
def test_a_list_grows_at_its_end_and_has_no_empty_elements(lines: list[bytes], expected: bytes) -> None:
    assert append_element(lines, b"x") == expected


@pytest.mark.parametrize(
    "line", [b"(" * 30_000, b'"' * 30_001, b"(a" * 30_000, b'"\\' * 30_000, b", " * 30_000], ids=range(5)
)
def test_an_odd_list_is_read_once(line: bytes) -> None:
    assert append_element([line, b","], b"x").endswith(b"x")


@given(st.lists(st.text(" \ta,b", max_size=8).map(str.encode), max_size=4))
def test_no_list_has_an_empty_element_and_none_is_lost(lines: list[bytes]) -> None:
    elements = [one.strip(b" \t") for one in append_element(lines, b"x").split(b",")]
    assert b"" not in elements
    assert elements == [one for line in lines for found in line.split(b",") if (one := found.strip(b" \t"))] + [b"x"]


@pytest.mark.parametrize(
    "host",
    [b"gw", b"gw:", b"gw:80", b"GW.example:65535", b"a_b~c-d.e", b"127.0.0.1:8080", b"[::1]", b"[::1]:", b"[::1]:1"],
)
def test_a_well_formed_host_passes_twice_and_as_it_is(host: bytes) -> None:
    policy = sieve()
    for _ in range(2):
        assert policy.filter_request([(b"host", host)]).only(b"host") == host


@pytest.mark.parametrize(
    "host",
    [b"", b" ", b"user@host", b"a b", b"a/b", b"a:99999", b"a:65536", b"a:-1", b"a:1x", b"a:0000080", b":80", b"[::1",
     b"h" * 256, b"[%b]" % (b"1:" * 23), b"a,b", b"\xc3\xa9", b"a\x00"],
)  # fmt: skip
def test_a_malformed_host_is_refused(host: bytes) -> None:
    policy = sieve()
    for _ in range(2):
        with pytest.raises(BadRequest):
            policy.filter_request([(b"host", host)])


@pytest.mark.parametrize("pass_baggage", [False, True])
def test_baggage_passes_only_where_it_is_said_so(pass_baggage: bool) -> None:
    policy = HeaderPolicy([], pass_baggage=pass_baggage)
    sent = [(b"host", b"h"), (b"baggage", b"person=1")]
    assert (sent[1] in policy.filter_request(sent).forwarded) == pass_baggage
    assert policy.dropped_names(sent) == ([] if pass_baggage else [b"baggage"])


def test_names_that_no_request_had_before_are_told_apart_too() -> None:
    sent: Headers = [
        (b"x-wind-user-id", b"u"),
        (b"x-talaria-any", b"1"),
        (b"accept", b"*/*"),
        (b"connection", b"close"),
    ]
    assert HeaderPolicy(PARTNERS).dropped_names(sent) == [b"x-wind-user-id", b"x-talaria-any"]

"""Plain requests: what is read is read as by the server's parser, and whatever is not certain is not read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talaria.domain.headers import HeaderPolicy
from talaria.domain.http import Headers
from talaria.domain.model import Partner
from talaria.entrypoints.public.plain_requests import PRINTABLE, REMEMBERED, PlainRequest, PlainRequests
from talaria.entrypoints.public.server.framing import strict_parser
from talaria.entrypoints.public.validation import check_target
from tests.integration.attacks.support_cases import attacks
from tests.integration.attacks.support_requests import raw_of
from tests.support_examples import times
from tests.support_rows import Rows, each_row
from tests.unit.entrypoints.public.support_fast_path import ask, post
from tests.unit.entrypoints.public.test_fast_path_alike import requests

POLICY = HeaderPolicy([Partner("wind", b"x-wind-user-id")])


class Parsed:
    """What httptools reads: the one request in these bytes."""

    def __init__(self, data: bytes) -> None:
        self.target = self.body = b""
        self.headers: Headers = []
        self.complete = 0
        parser = strict_parser(self)
        parser.feed_data(data)
        self.method = parser.get_method().decode()
        self.version = parser.get_http_version()
        self.keep_alive = parser.should_keep_alive()
        self.upgrade = parser.should_upgrade()

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value.rstrip(b" \t")))

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.complete += 1


def read(data: bytes, plain: PlainRequests | None = None, limit: int = 2000) -> PlainRequest | None:
    return (plain or PlainRequests(POLICY, 100)).read(data, limit)


def check(data: bytes) -> bool:
    """Is it read? Then it is what httptools and the header policy make of it."""
    plain = PlainRequests(POLICY, 100)
    found_first = read(data, plain)
    for found in (found_first, read(data, plain)):  # from the memory of lines, too
        assert (found is None) == (found_first is None)
        if found is None:
            continue
        method, start, forwarded, read_here, authorization, body = found
        if authorization.translate(None, PRINTABLE):
            return False
        parsed = Parsed(data)
        head = POLICY.filter_request(parsed.headers) if b"host" in read_here else None
        assert (parsed.complete, parsed.version, parsed.keep_alive, parsed.upgrade) == (1, "1.1", True, False)
        assert start == b"%b %b HTTP/1.1" % (parsed.method.encode(), parsed.target)
        assert (method, body) == (parsed.method, parsed.body)
        check_target(parsed.target)
        assert dict(parsed.headers)[b"authorization"] == authorization
        if head is not None:
            assert [line for line in forwarded if line] == [b"%b: %b\r\n" % header for header in head.forwarded]
            assert head.repeated.keys() <= {b"forwarded", b"x-forwarded-for"}
            assert all(b", ".join(head.all(name)) == value for name, value in read_here.items())
            assert head.consumed.keys() - read_here.keys() <= {b"authorization"}
    return found_first is not None


def test_a_plain_one() -> None:
    assert read(post(b"hello", b"Accept:*/*", b"Cookie: a=b", b"X-Forwarded-For: 192.0.2.1")) == (
        "POST",
        b"POST /rides HTTP/1.1",
        [b"accept: */*\r\n", b"cookie: a=b\r\n"],
        {
            b"host": b"api.example",
            b"x-api-tag": b"wind",
            b"authorization": b"Bearer t-1",
            b"content-length": b"5",
            b"x-forwarded-for": b"192.0.2.1",
        },
        b"Bearer t-1",
        b"hello",
    )


def test_an_empty_body_and_names_that_are_read_too() -> None:
    more = PlainRequests(POLICY, 100, frozenset({b"cookie"}))
    plain = more.read(post(b"", b"Cookie: a=b"), 1000)
    assert plain is not None
    _, _, forwarded, read_here, _, body = plain
    assert (forwarded, body) == ([], b"")
    assert (read_here[b"cookie"], read_here[b"content-length"]) == (b"a=b", b"0")
    assert more.read(post(b"", b"Cookie: a=b", b"Cookie: a=b"), 1000) is None


@pytest.mark.parametrize("name", sorted(REMEMBERED))
def test_no_line_with_another_line_in_it_is_ever_remembered(name: bytes) -> None:
    for octet in (*range(0x20), *range(0x7F, 0x100)):
        assert not check(ask(b"%b: a%cx-wind-user-id: another" % (name, octet)))


@times(7.5)
@given(requests())
def test_what_is_read_is_read_alike(pieces: list[bytes]) -> None:
    check(b"".join(pieces))


@given(st.lists(requests(), max_size=5))
def test_what_was_read_before_changes_nothing(several: list[list[bytes]]) -> None:
    shared = PlainRequests(POLICY, 100)
    for data in map(b"".join, [*several, *several]):
        assert read(data, shared) == read(data)


@given(st.binary(max_size=6), st.integers(0, 200))
def test_any_bytes_anywhere(odd: bytes, at: int) -> None:
    data = post(b"hello", b"Accept: */*", b"x-a: b")
    check(data[: at % len(data)] + odd + data[at % len(data) :])


def test_each_attack_is_read_alike_and_some_are_read() -> None:
    read = 0
    with Rows() as rows:
        for case in attacks():
            with rows.row(case.name):
                read += check(raw_of(case, "t-1"))
    assert read > 50


@each_row(
    "data",
    [
        b"",
        ask()[:-1],
        ask() + ask(),
        ask() + b"\r\n",
        b"\r\n" + ask(),
        ask().replace(b"\r\n", b"\n"),
        ask(start=b"GET"),
        ask(start=b"GET / x"),
        ask(start=b"GET  /"),
        ask(start=b"get /"),
        ask(start=b"HEAD /"),
        ask(start=b"TRACE /"),
        ask(start=b"GET http://a/"),
        ask(start=b"OPTIONS *"),
        ask(start=b"GET /#a"),
        ask(start=b"GET /\\"),
        ask(start=b"GET /\x7f"),
        ask(start=b"GET /%61"),
        ask(start=b"GET /."),
        ask(start=b"GET /a/.b?c"),
        ask().replace(b"HTTP/1.1", b"HTTP/1.0"),
        ask().replace(b"HTTP/1.1", b"HTTP/1.1 "),
        ask().replace(b"authorization: Bearer t-1\r\n", b""),
        ask(b"authorization: Bearer t-2"),
        ask(b"authorization: Bearer "),
        ask().replace(b"authorization", b"authorization: Bearer \r\nauthorization"),
        ask(b"host: other"),
        ask(b"x-api-tag: wind"),
        ask(b"content-length: 00"),
        ask(b"content-length: 5"),
        ask(b"content-length: 05", body=b"hello"),
        ask(b"content-length: 5, 5", body=b"hello"),
        ask(b"content-length: 5", b"content-length: 5", body=b"hello"),
        ask(b"transfer-encoding: chunked", body=b"0\r\n\r\n"),
        post(b"hello")[:-1],
        post(b"hello") + b"x",
        post(b"x" * 101),
        ask(b"connection: close"),
        ask(b"connection: keep-alive, x-a"),
        ask(b"expect: 100-continue"),
        ask(b"upgrade: h2c"),
        ask(b"te: trailers"),
        ask(b"via: 1.1 a"),
        ask(b"tracestate: a=1"),
        ask(b"x-request-timeout-ms: 1"),
        ask(b"x-api-key: a"),
        ask(b"x-forwarded-proto: http", b"x-forwarded-proto: http"),
        ask(b"x-forwarded-host: a", b"x-forwarded-host: a"),
        ask(b"x_a: 1"),
        ask(b"x-a : 1"),
        ask(b" x-a: 1"),
        ask(b": 1"),
        ask(b"x-a"),
        ask(b"x-a:"),
        ask(b"x-a: \t"),
        ask(b"x-a: a\tb"),
        ask(b"x-a: a\x00b"),
        ask(b"x-a: a\nb"),
        ask(b"x-a: a\rb"),
        ask(b"x-a: \xc3\xa9"),
        ask(b"x-a: 1", b" folded"),
        ask(b"x-a: " + b"x" * 2000),
    ],
)
def test_what_is_not_certain_is_not_read(data: bytes) -> None:
    assert read(data) is None


@pytest.mark.parametrize("target", [b"/?b=%2e", b"/a?b=/..", b"/a?b?%", b"/?/."])
def test_what_is_odd_in_a_path_is_not_in_a_query(target: bytes) -> None:
    assert check(ask(start=b"GET " + target))


def test_a_body_of_one_byte_and_a_value_of_odd_letters() -> None:
    assert check(post(b"x", b"accept-language:  X ", b"x-a: XX"))


@pytest.mark.parametrize("name", [b"x-wind-user-id", b"X-Talaria-A", b"xapitag", b"content--length", b"baggage"])
def test_what_the_policy_drops_does_not_go_on(name: bytes) -> None:
    found = read(ask(name + b": a"))
    assert found is not None
    assert b"".join(found[2]) == b""
    assert check(ask(name + b": a"))


def test_several_lines_of_hops_are_one_list() -> None:
    found = read(ask(b"x-forwarded-for: a, b", b"X-Forwarded-For: c", b"forwarded: for=a", b"forwarded: for=b"))
    assert found is not None
    assert (found[3][b"x-forwarded-for"], found[3][b"forwarded"]) == (b"a, b, c", b"for=a, for=b")


def test_the_value_of_authorization_is_not_looked_at() -> None:
    found = read(ask(token=b"\xff\t"))
    assert found is not None
    assert found[4] == b"Bearer \xff\t"


def test_a_connection_that_is_kept() -> None:
    for _ in range(2):
        assert read(ask(b"Connection: Keep-Alive")) is not None


def test_a_head_without_an_end_is_none_whatever_its_length_says() -> None:
    head = ask(start=b"POST /")[:-2]
    for length in range(200):
        assert read(head + b"content-length: %d " % length) is None


def test_limits() -> None:
    assert read(ask(), limit=len(ask())) is not None
    assert read(ask(), limit=len(ask()) - 1) is None
    assert read(post(b"x" * 100)) is not None
    assert read(post(b"x" * 16384), PlainRequests(POLICY, 0)) is not None
    assert read(post(b"x" * 16385), PlainRequests(POLICY, 0)) is None


def test_what_is_remembered_is_bounded_and_no_secret() -> None:
    plain = PlainRequests(POLICY, 100)
    for number in range(5000):
        personal = [b"cookie: s=%d", b"x-request-id: %d", b"referer: /%d", b"x-a-%d: 1"]
        personal += [b"x-forwarded-for: %d", b"forwarded: for=_%d"]
        assert read(ask(b"user-agent: %d" % number, *(line % number for line in personal)), plain)
    assert 0 < len(plain._lines) <= 2048
    assert 0 < len(plain._names) <= 1024
    names = {line.partition(b":")[0] for line in plain._lines}
    assert names == {b"host", b"x-api-tag", b"user-agent"}

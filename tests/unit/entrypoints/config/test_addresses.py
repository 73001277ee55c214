"""Listeners, URLs and networks."""

from ipaddress import ip_network

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import Meta

from talaria.entrypoints.config.problems import InvalidValue
from talaria.entrypoints.config.types import (
    BASE_URL,
    DOCUMENT_URL,
    IP,
    LISTEN,
    NETWORK,
    OPTIONAL_LISTEN,
    ORIGIN_URL,
    PROXY_URL,
    Address,
    is_encrypted_or_local,
)
from tests.support_rows import each_row
from tests.unit.entrypoints.config.conftest import Bench
from tests.unit.entrypoints.config.support_config import read


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:8080", "127.0.0.1", 8080),
        ("[::1]:80", "::1", 80),
        ("localhost:0", "localhost", 0),
        ("192.0.2.1:65535", "192.0.2.1", 65535),
    ],
)
def test_an_address_to_listen_on(text: str, host: str, port: int) -> None:
    address = read(LISTEN, text)
    assert read(OPTIONAL_LISTEN, text) == address
    assert address == Address(host, port)
    assert str(address) == text


def test_no_address_at_all() -> None:
    assert read(OPTIONAL_LISTEN, "") is None


@pytest.mark.parametrize(
    ("form", "text", "kept"),
    [
        (BASE_URL, "http://personal.internal", "http://personal.internal"),
        (BASE_URL, "https://api.wind.example/base/", "https://api.wind.example/base"),
        (BASE_URL, "http://[::1]:8001/v1", "http://[::1]:8001/v1"),
        (ORIGIN_URL, "http://127.0.0.1:9/", "http://127.0.0.1:9"),
        (DOCUMENT_URL, "https://id.example/keys?p=policy", "https://id.example/keys?p=policy"),
        (ORIGIN_URL, "http://" + "a" * 63 + ".example.", "http://" + "a" * 63 + ".example."),
        (PROXY_URL, "", ""),
        (PROXY_URL, "http://proxy.internal:3128", "http://proxy.internal:3128"),
    ],
)
def test_urls_that_are_taken(form: Meta, text: str, kept: str) -> None:
    assert read(form, text) == kept


@each_row(
    ("form", "text"),
    [
        *(
            (form, bad)
            for form in (LISTEN, OPTIONAL_LISTEN)
            for bad in (
                "8080",
                ":8080",
                "127.0.0.1",
                "::1:80",
                "[::1",
                "[a.b]:80",
                "a..b:80",
                "-a:80",
                "h:65536",
                "h:-1",
                "h:",
                80,
            )
        ),
        *(
            (form, bad)
            for form in (BASE_URL, ORIGIN_URL, DOCUMENT_URL, PROXY_URL)
            for bad in (
                "personal.internal",
                "//personal.internal",
                "ftp://h",
                "http://",
                "http:///path",
                "http://h:0",
                "http://h:99999",
                "http://h:x",
                "http://h#f",
                "http://a b",
                "http://h\\x",
                "http://[::1",
                "http://[v1.x]/",
                "http://münchen.example",
                "http://-h",
                "http://a..example",
                "http://.example",
                "http://" + "a" * 64 + ".example",
                "http://" + "a." * 130 + "example",
                "http://[fe80::1%25eth0]",
                7,
            )
        ),
        (BASE_URL, ""),
        (BASE_URL, "http://h/?q=1"),
        (BASE_URL, "http://h?"),
        (ORIGIN_URL, "http://h/base"),
        (ORIGIN_URL, "http://h/?q"),
        *((NETWORK, bad) for bad in ("", "10.0.0.0/33", "10.0.0.1/8", "host", "fd00::1/8", 10)),
    ],
)
def test_other_addresses_are_refused(form: Meta, text: object) -> None:
    with pytest.raises(InvalidValue) as refused:
        read(form, text)
    assert refused.value.hint


@pytest.mark.parametrize("form", [BASE_URL, ORIGIN_URL, DOCUMENT_URL, PROXY_URL])
def test_a_password_in_a_url_is_refused_and_not_shown(form: Meta) -> None:
    with pytest.raises(InvalidValue) as refused:
        read(form, "http://user:hunter2@h")
    assert "hunter2" not in refused.value.wrong + refused.value.hint


def test_networks_of_both_families() -> None:
    assert read(NETWORK, "10.0.0.0/8") == ip_network("10.0.0.0/8")
    assert read(NETWORK, "fd00::/8") == ip_network("fd00::/8")
    assert read(NETWORK, "192.0.2.1") == ip_network("192.0.2.1/32")


def test_a_network_with_host_bits_is_put_right() -> None:
    with pytest.raises(InvalidValue) as refused:
        read(NETWORK, "10.1.2.3/8")
    assert refused.value.hint == 'write "10.0.0.0/8"'


@pytest.mark.parametrize(
    ("text", "instead"),
    [("::ffff:10.0.0.0/104", "10.0.0.0/8"), ("::ffff:a00:1", "10.0.0.1/32"), ("::ffff:0:0/96", "0.0.0.0/0")],
)
def test_ipv4_is_not_written_as_ipv6(text: str, instead: str) -> None:
    """No address would ever be in such a network, for it is compared as IPv4."""
    with pytest.raises(InvalidValue) as refused:
        read(NETWORK, text)
    assert refused.value.hint == f'write "{instead}"'


@pytest.mark.parametrize(
    ("url", "private"),
    [
        ("https://api.example", True),
        ("http://127.0.0.1:8001", True),
        ("http://[::1]:8001", True),
        ("http://localhost", True),
        ("http://api.example", False),
        ("http://10.0.0.1", False),
    ],
)
def test_plain_http_is_private_on_this_machine_alone(url: str, private: bool) -> None:
    assert is_encrypted_or_local(url) is private


@pytest.mark.parametrize("form", [IP, NETWORK])
@pytest.mark.parametrize("text", ["fe80::1%eth0", "fe80::1%a\r\nb", "fe80::1%\\"])
def test_an_address_has_no_zone(form: Meta, text: str) -> None:
    with pytest.raises(InvalidValue):
        read(form, text)


_PARTS = (
    "http:// https:// // [ ] ::1 fe80::1%eth0 127.0.0.1 a.example : 80 99999 / ? # @ user .. %2e xn-- - 0x7f.1 /24 /129"
    " \\ \n \0 \t é \u0661"
)


@given(st.lists(st.sampled_from(_PARTS.split(" ")), max_size=7).map("".join) | st.text(max_size=15))
@example("https://a.example:80/b?c")
@example("http://[::1]/")
@example("a.example:80")
@example("::/24")
@example("127.0.0.1")
@example("http://a.example\n")
@example("::1%\r\n")
def test_whatever_is_written_is_an_address_or_refused(text: str) -> None:
    for form in (BASE_URL, ORIGIN_URL, DOCUMENT_URL, PROXY_URL, LISTEN, NETWORK, IP):
        try:
            parsed = read(form, text)
        except InvalidValue:
            continue
        assert not set(str(parsed)) & set(" \r\n\0\\"), text


@pytest.mark.parametrize(
    "bad", ["proxy.internal:3128", "http://proxy.internal/base", "http://proxy.internal?q", "https://proxy.internal", 7]
)
def test_an_egress_proxy_is_shown_as_one(bad: object) -> None:
    with pytest.raises(InvalidValue) as refused:
        read(PROXY_URL, bad)
    assert '"http://proxy.internal:3128"' in refused.value.hint
    assert "upstream" not in refused.value.wrong


def test_to_trust_every_proxy_is_worth_a_look(bench: Bench) -> None:
    every_proxy = {"server.trusted_proxies": ["10.0.0.0/8", "0.0.0.0/0", "::/0"]}
    keys = [warning.key for warning in bench.load(every_proxy).warnings]
    assert keys == ["server.trusted_proxies[1]", "server.trusted_proxies[2]"]

"""Addresses and networks: IPv4 that comes over an IPv6 socket is IPv4."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talaria.domain.forwarded import contains, last_hop, unmap_ipv4

PRIVATE = [ip_network("10.0.0.0/8"), ip_network("192.0.2.0/24"), ip_network("2001:db8::/32")]


@pytest.mark.parametrize(
    ("address", "inside"),
    [
        ("10.0.0.0", True),
        ("10.255.255.255", True),
        ("9.255.255.255", False),
        ("11.0.0.0", False),
        ("192.0.2.7", True),
        ("192.0.3.7", False),
        ("2001:db8:ffff::1", True),
        ("2001:db9::1", False),
        ("::ffff:10.1.2.3", True),
        ("::ffff:192.0.3.7", False),
        ("::ffff:a01:203", True),
        ("::10.1.2.3", False),
        ("", False),
        ("unknown", False),
        ("10.1.2.3:80", False),
        ("10.1.2.3/32", False),
    ],
)
def test_which_addresses_the_networks_contain(address: str, inside: bool) -> None:
    assert contains(PRIVATE, address) is inside


def test_no_network_contains_nothing() -> None:
    assert not contains([], "10.1.2.3")


@pytest.mark.parametrize(
    ("address", "unmapped"),
    [
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8::1", "2001:db8::1"),
        ("::ffff:c000:207", "::ffff:c000:207"),
        ("", ""),
    ],
)
def test_a_mapped_address_is_written_as_ipv4(address: str, unmapped: str) -> None:
    assert unmap_ipv4(address) == unmapped


@given(st.ip_addresses(), st.sampled_from(PRIVATE))
def test_a_network_contains_what_the_standard_library_says(address: object, network: object) -> None:
    found = contains([network], str(address))  # type: ignore[list-item]
    mapped = getattr(address, "ipv4_mapped", None)
    assert found == ((mapped or address) in network)  # type: ignore[operator]


@given(st.ip_addresses(v=4))
def test_ipv4_over_an_ipv6_socket_is_the_same_client(address: object) -> None:
    assert unmap_ipv4(f"::ffff:{address}") == str(address)
    assert contains([ip_network(f"{address}/32")], f"::ffff:{address}")
    assert ip_address(f"::ffff:{address}").version == 6


@pytest.mark.parametrize(
    ("lines", "hop"),
    [
        ([b"203.0.113.7"], ("203.0.113.7", b"")),
        ([b"6.6.6.6, 203.0.113.7"], ("203.0.113.7", b"6.6.6.6")),
        ([b"6.6.6.6 , 7.7.7.7", b" 203.0.113.7 "], ("203.0.113.7", b"6.6.6.6 , 7.7.7.7")),
        ([b"203.0.113.7:4711"], ("203.0.113.7", b"")),
        ([b"[2001:db8::7]:4711"], ("2001:db8::7", b"")),
        ([b"2001:DB8::7"], ("2001:db8::7", b"")),
        ([b"::ffff:203.0.113.7"], ("203.0.113.7", b"")),
        ([b"6.6.6.6, unknown"], ("", b"6.6.6.6")),
        ([b"6.6.6.6, "], ("", b"6.6.6.6")),
        ([b""], ("", b"")),
        ([], ("", b"")),
    ],
)
def test_the_last_hop_and_what_stands_before_it(lines: list[bytes], hop: tuple[str, bytes]) -> None:
    assert last_hop(lines) == hop

"""Is an address inside one of some networks? In one way for all who ask."""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

Network = IPv4Network | IPv6Network


def plain(address: str) -> str:
    """An IPv4 address that came over an IPv6 socket, as IPv4; any other as it is."""
    return address.removeprefix("::ffff:") if "." in address else address


def contain(networks: Sequence[Network], address: str) -> bool:
    """Whether a network has this address. An IPv4 address that came over an IPv6 socket is IPv4; a text that is no
    address is nowhere.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        return any(parsed.ipv4_mapped in network for network in networks)
    return any(parsed in network for network in networks)

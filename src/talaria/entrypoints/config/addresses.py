"""Where things are on the network: addresses to listen on, base URLs, networks."""

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

import msgspec

from talaria.entrypoints.config.problems import Wrong, shown
from talaria.entrypoints.config.values import Form, Surroundings, text_of

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_LISTEN = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+):([0-9]{1,5})")
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_.])?")
_NOT_IN_URLS = re.compile(r'[^\x21-\x7e]|["<>\\^`{|}]')
_LONGEST_NAME, _LONGEST_LABEL = 253, 63
_MAPPED_BITS = 96
_LISTEN_INSTEAD = 'write "host:port", such as "127.0.0.1:8080" or "[::1]:8080"'


class Address(msgspec.Struct, frozen=True):
    """Where to listen. `host` has no brackets; port 0 takes any free port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _listen(value: object, _: Surroundings) -> Address:
    found = _LISTEN.fullmatch(text_of(value, _LISTEN_INSTEAD))
    if found is None or int(found[2]) > 65535:
        raise Wrong(f"{shown(value)} is not an address to listen on", _LISTEN_INSTEAD)
    host = found[1].strip("[]")
    if found[1] != host and not _is_ip(host):
        raise Wrong(f"{shown(value)} is not an address to listen on", _LISTEN_INSTEAD)
    return Address(host, int(found[2]))


def _network(value: object, _: Surroundings) -> Network:
    text = text_of(value, 'write a network such as "10.0.0.0/8" or "fd00::/8"')
    _refuse_zone(text)
    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        pass
    else:
        return _not_mapped(network)
    try:
        instead = f'write "{ipaddress.ip_network(text, strict=False)}"'
    except ValueError:
        instead = 'write a network such as "10.0.0.0/8" or "fd00::/8"'
    raise Wrong(f"{shown(value)} is not a network in CIDR form", instead)


def _not_mapped(network: Network) -> Network:
    """Raises Wrong for IPv4 written as IPv6: an address is compared as IPv4 then, so nothing would ever be in there."""
    mapped = isinstance(network, ipaddress.IPv6Network) and network.network_address.ipv4_mapped
    if mapped and network.prefixlen >= _MAPPED_BITS:
        raise Wrong(f'"{network}" is IPv4 in IPv6', f'write "{mapped}/{network.prefixlen - _MAPPED_BITS}"')
    return network


def _ip(value: object, _: Surroundings) -> str:
    instead = 'write an address of this machine, such as "10.0.0.5"'
    if not _is_ip(text := text_of(value, instead)):
        raise Wrong(f"{shown(value)} is not an IP address", instead)
    _refuse_zone(text)
    return text


def _refuse_zone(text: str) -> None:
    """Python takes any characters for a zone, line ends too."""
    if "%" in text:
        raise Wrong(f"{shown(text)} has a zone", "leave out the % and what stands behind it")


def _split(value: object, instead: str) -> SplitResult:
    """The parts of a good absolute URL. Raises Wrong and shows nothing of it: a bad URL may hold a password."""
    text = text_of(value, instead)
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise Wrong("this is not a URL", instead) from None
    if url.scheme not in ("http", "https"):
        raise Wrong("this URL does not begin with http:// or https://", instead)
    if "@" in url.netloc:
        raise Wrong("a URL must not hold a user name or password", "leave out what stands before the @")
    if not _is_host(url.hostname or "", "[" in url.netloc) or port == 0:
        raise Wrong("this URL names no host, or no valid one", instead)
    if _NOT_IN_URLS.search(text) or "#" in text:
        raise Wrong("this URL has a fragment or a character that must be percent-encoded", instead)
    return url


def _base_url(value: object, _: Surroundings) -> str:
    return _without_query(value, 'write a URL such as "https://api.example" or "https://api.example/base"')


def _without_query(value: object, instead: str) -> str:
    url = _split(value, instead)
    if "?" in str(value):
        raise Wrong("a base URL has no query", instead)
    return f"{url.scheme}://{url.netloc}{url.path.rstrip('/')}"


def _origin_url(value: object, _: Surroundings) -> str:
    instead = 'write a URL without a path, such as "http://talaria-services.internal:8080"'
    if _split(value, instead).path not in ("", "/"):
        raise Wrong("the request's own path goes to the upstream, so its URL has none", instead)
    return _without_query(value, instead)


def _document_url(value: object, _: Surroundings) -> str:
    _split(value, 'write a URL such as "https://id.app.example/.well-known/jwks.json"')
    return str(value)


def _proxy_url(value: object, _: Surroundings) -> str:
    instead = 'write the URL of a proxy, without a path, such as "http://proxy.internal:3128"; "" for none'
    if value == "":
        return ""
    if _split(value, instead).path not in ("", "/"):
        raise Wrong("a proxy's URL has no path", instead)
    return _without_query(value, instead)


def is_private_way(url: str) -> bool:
    """False for plain http to anything but this machine: others on the way can read and change it."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return parts.scheme == "https" or host == "localhost" or (_is_ip(host) and ipaddress.ip_address(host).is_loopback)


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_host(host: str, in_brackets: bool) -> bool:
    if in_brackets:
        return ":" in host and "%" not in host and _is_ip(host)
    labels = host.removesuffix(".").split(".")
    fits = len(host) <= _LONGEST_NAME and all(0 < len(label) <= _LONGEST_LABEL for label in labels)
    return fits and _HOST.fullmatch(host) is not None


_URL_SCHEMA = {"type": "string", "pattern": "^https?://[^\\s/?#@]+(/[^\\s?#]*)?$"}

LISTEN = Form(_listen, {"type": "string", "pattern": f"^{_LISTEN.pattern}$"}, str, kind="host:port")
"""An Address."""

NETWORK = Form(_network, {"type": "string", "pattern": "^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$"}, str, kind="network")
"""An ipaddress network."""

IP = Form(_ip, {"type": "string", "pattern": "^[0-9A-Fa-f:.]+$"}, kind="IP address")
"""An IP address, as a text."""

BASE_URL = Form(_base_url, _URL_SCHEMA, kind="URL")
"""A URL whose path is kept, without a slash at its end."""

ORIGIN_URL = Form(_origin_url, {"type": "string", "pattern": "^https?://[^\\s/?#@]+/?$"}, kind="URL without a path")
"""A URL without a path."""

DOCUMENT_URL = Form(_document_url, {"type": "string", "pattern": "^https?://[^\\s/?#@]+(/[^\\s#]*)?$"}, kind="URL")
"""A URL as it is, a query included."""

PROXY_URL = Form(_proxy_url, {"type": "string", "pattern": "^(https?://[^\\s/?#@]+/?)?$"}, kind="URL without a path")
"""An ORIGIN_URL, or an empty string for none."""

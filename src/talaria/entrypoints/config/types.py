"""The types of single values: how each is written in the file, what it becomes, and what its JSON Schema is.

A type is `Annotated[float, DURATION]`: plain Python, with a `msgspec.Meta` beside it. Its `extra` holds

- `parse`, where the value is written otherwise than it is kept: from the TOML value to what is kept, or InvalidValue;
- `write`, the way back, for defaults and bounds;
- `hint`, what to write instead of an invalid value; `{least}` and `{most}` are the bounds `ge` and `le`.

`title` is what docs/settings.md calls the type.
"""

import ipaddress
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import SplitResult, urlsplit

import msgspec
from msgspec import NODEFAULT, Meta

from talaria.domain.rate_limits import RateLimit
from talaria.entrypoints.config.problems import InvalidValue, did_you_mean, kind_of, one_of, shown
from talaria.entrypoints.config.sources import LoadContext

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)(ms|s|m|h)")
_SIZES = {"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_SIZE = re.compile(r"([0-9]{1,15})(B|KiB|MiB|GiB|)")
_RATE = re.compile(r"([1-9][0-9]{0,6})/(s|m|h)(?: burst ([1-9][0-9]{0,6}))?")
_LISTEN = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+):([0-9]{1,5})")
_HOST = re.compile(r"(?=.{1,253}\.?\Z)(?:(?!-)[A-Za-z0-9_-]{1,63}\.)*(?!-)[A-Za-z0-9_-]{1,63}(?<!-)\.?")
_NOT_IN_URLS = re.compile(r'[^\x21-\x7e]|["<>\\^`{|}]')
_SERVER = r"https?://[^\s/?#@]+"
_BASE_URL = rf"{_SERVER}(/[^\s?#]*)?"
_DURATION_HINT = 'write a duration from "{least}" to "{most}", such as "250ms", "10s", "15m" or "1h"'
_RATE_HINT = 'write a rate such as "200/s", "200/s burst 400" or "30/m"; "" for none'
_PROXY_HINT = 'write the URL of a proxy, without a path, such as "http://proxy.internal:3128"; "" for none'
_MAPPED_BITS = 96

Parse = Callable[[Any, LoadContext], Any]


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen. `host` has no brackets; port 0 takes any free port."""

    host: str = ""
    port: int = 0

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@cache
def unwrap(hint: Any) -> tuple[Any, Mapping[str, Any]]:
    """A setting's type without its Metas and without None; and what the Metas say, later ones first."""
    metas = getattr(hint, "__metadata__", ())
    bare = hint.__origin__ if metas else hint
    said: dict[str, Any] = {}
    for meta in metas:
        named = {name: getattr(meta, name) for name in ("ge", "le", "min_length", "title", "description")}
        said |= {name: value for name, value in named.items() if value is not None}
        said |= meta.extra or {}
        said["schema"] = {**said.get("schema", {}), **(meta.extra_json_schema or {})}
    optional = type(None) in getattr(bare, "__args__", ())
    return (bare.__args__[0] if optional else bare), said


def seconds_of(text: str) -> float | None:
    """A duration such as "250ms" in seconds; None where it is no duration."""
    found = _DURATION.fullmatch(text)
    return round(float(found[1]) * _UNITS[found[2]], 9) if found else None


def write_seconds(seconds: float) -> str:
    """A duration as it is written in the file: the largest unit that leaves a whole number, but "60s" for a minute."""
    for unit in ("h", "m", "s"):
        if seconds and seconds % _UNITS[unit] == 0 and (unit, seconds) != ("m", 60.0):
            return f"{seconds / _UNITS[unit]:.0f}{unit}"
    return f"{seconds * 1000:g}ms" if seconds else "0s"


def write_size(size: int) -> str:
    """A size as it is written in the file, in the largest unit that leaves a whole number."""
    for unit in ("GiB", "MiB", "KiB"):
        if size and size % _SIZES[unit] == 0:
            return f"{size // _SIZES[unit]}{unit}"
    return str(size)


def _duration(text: str, _: LoadContext) -> float:
    seconds = seconds_of(text)
    if seconds is None:
        raise InvalidValue(f"{shown(text)} is not a duration")
    return seconds


def _size(text: str, _: LoadContext) -> int:
    found = _SIZE.fullmatch(text)
    if found is None:
        raise InvalidValue(f"{shown(text)} is not a size")
    return int(found[1]) * _SIZES[found[2]]


def _rate(text: str, _: LoadContext) -> RateLimit:
    found = _RATE.fullmatch(text)
    if found is None:
        raise InvalidValue(f"{shown(text)} is not a rate")
    return RateLimit(int(found[1]) / _UNITS[found[2]], int(found[3] or found[1]))


def write_rate(rate: RateLimit | None) -> str:
    """A rate as it is written in the file: by the shortest unit of time in which it is a whole number."""
    if rate is None:
        return ""
    counts = {unit: round(rate.per_second * _UNITS[unit]) for unit in ("s", "m", "h")}
    unit = next(unit for unit, count in counts.items() if count / _UNITS[unit] == rate.per_second)
    return f"{counts[unit]}/{unit} burst {rate.burst}"


def _listen(text: str, _: LoadContext) -> Address:
    found = _LISTEN.fullmatch(text)
    host = found[1].strip("[]") if found else ""
    if found is None or int(found[2]) > 65535 or not _is_host(host, found[1] != host):
        raise InvalidValue(f"{shown(text)} is not an address to listen on")
    return Address(host, int(found[2]))


def _write_optional(address: Address | None) -> str:
    return str(address or "")


def _network(text: str, _: LoadContext) -> Network:
    try:
        network = ipaddress.ip_network(_without_zone(text), strict=False)
    except ValueError:
        raise InvalidValue(f"{shown(text)} is not a network in CIDR form") from None
    if network.network_address != ipaddress.ip_address(text.partition("/")[0]):
        raise InvalidValue(f"{shown(text)} is not a network in CIDR form", f'write "{network}"')
    mapped = isinstance(network, ipaddress.IPv6Network) and network.network_address.ipv4_mapped
    if mapped and network.prefixlen >= _MAPPED_BITS:
        # An address is compared as IPv4 then, so none would ever be in there.
        raise InvalidValue(f'"{network}" is IPv4 in IPv6', f'write "{mapped}/{network.prefixlen - _MAPPED_BITS}"')
    return network


def _ip(text: str, _: LoadContext) -> str:
    if ip_of(text) is None:
        raise InvalidValue(f"{shown(text)} is not an IP address")
    return _without_zone(text)


def _without_zone(text: str) -> str:
    """Python takes any characters for a zone, line ends too."""
    if "%" in text:
        raise InvalidValue(f"{shown(text)} has a zone", "leave out the % and what stands behind it")
    return text


def _split(text: str) -> SplitResult:
    """The parts of a good absolute URL. Raises InvalidValue and shows nothing of it: a bad URL may hold a password."""
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise InvalidValue("this is not a URL") from None
    if url.scheme not in ("http", "https"):
        raise InvalidValue("this URL does not begin with http:// or https://")
    if "@" in url.netloc:
        raise InvalidValue("a URL must not hold a user name or password", "leave out what stands before the @")
    if not _is_host(url.hostname or "", "[" in url.netloc) or port == 0:
        raise InvalidValue("this URL names no host, or no valid one")
    if _NOT_IN_URLS.search(text) or "#" in text:
        raise InvalidValue("this URL has a fragment or a character that must be percent-encoded")
    return url


def _url(*, path: bool = True, query: bool = False, proxy: bool = False) -> Callable[[str, LoadContext], str]:
    """The parser of URLs with or without a path and a query; a proxy is spoken to by http."""

    def parse(text: str, _: LoadContext) -> str:
        url = _split(text)
        if proxy and url.scheme != "http":
            raise InvalidValue("an egress proxy is spoken to by http://")
        if not path and url.path not in ("", "/"):
            raise InvalidValue("no path belongs into this URL")
        if query:
            return text
        if "?" in text:
            raise InvalidValue("no query belongs into this URL")
        return f"{url.scheme}://{url.netloc}{url.path.rstrip('/')}"

    return parse


def _share(value: Any, _: LoadContext) -> float:
    if type(value) not in (int, float):
        raise InvalidValue(f"{kind_of(value)} stands here")
    return float(value)


def _file(text: str, context: LoadContext) -> Path:
    if not text or "\0" in text:
        raise InvalidValue("this is not a path")
    return context.file(text)


def is_encrypted_or_local(url: str) -> bool:
    """False for plain http to anything but this machine: it can be read and changed on the way."""
    parts = urlsplit(url)
    return parts.scheme == "https" or is_local(parts.hostname or "")


def ip_of(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that a host is, without brackets; None for a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def is_local(host: str) -> bool:
    """Is it this machine alone?"""
    ip = ip_of(host)
    return host == "localhost" if ip is None else ip.is_loopback


def _is_host(host: str, in_brackets: bool) -> bool:
    if in_brackets:
        return ":" in host and "%" not in host and ip_of(host) is not None
    return _HOST.fullmatch(host) is not None


def _text(title: str, parse: Parse, pattern: str, hint: str, *, empty: Any = NODEFAULT, **extra: object) -> Meta:
    """A type that is a string in the file: `parse` gets nothing else, and not "" where that stands for `empty`."""

    def parse_text(value: object, context: LoadContext) -> object:
        if not isinstance(value, str):
            raise InvalidValue(f"{kind_of(value)} stands here")
        return parse(value, context) if value or empty is NODEFAULT else empty

    schema = {"type": "string", "pattern": f"^{pattern}$" if empty is NODEFAULT else f"^({pattern})?$"}
    return Meta(title=title, extra_json_schema=schema, extra={"parse": parse_text, "hint": hint, **extra})


DURATION = _text("duration", _duration, _DURATION.pattern, _DURATION_HINT, write=write_seconds)
"""Seconds."""
SIZE = _text("size", _size, _SIZE.pattern, 'write a size from "{least}" to "{most}", such as "32KiB"', write=write_size)
"""Bytes."""
RATE = _text("rate", _rate, _RATE.pattern, _RATE_HINT, empty=None, write=write_rate)
"""Requests a second, and at once: where no burst is named, as many as the rate's own number."""
SHARE = Meta(
    title="number",
    extra_json_schema={"type": "number"},
    extra={"parse": _share, "hint": "write a number from {least} to {most}, such as 0.01"},
)
COUNT = Meta(extra={"hint": "write a whole number from {least} to {most}"})
SWITCH = Meta(extra={"hint": "write true or false"})

LISTEN = _text(
    "host:port", _listen, _LISTEN.pattern, 'write "host:port", such as "127.0.0.1:80" or "[::1]:80"', write=str
)
OPTIONAL_LISTEN = _text(
    "host:port",
    _listen,
    _LISTEN.pattern,
    'write "host:port", such as "10.0.0.5:8081"; "" for none',
    empty=None,
    write=_write_optional,
)
IP = _text("IP address", _ip, "[0-9A-Fa-f:.]+", 'write an address of this machine, such as "10.0.0.5"')
NETWORK = _text(
    "network", _network, "[0-9A-Fa-f:.]+(/[0-9]{1,3})?", 'write a network such as "10.0.0.0/8" or "fd00::/8"'
)
BASE_URL = _text("URL", _url(), _BASE_URL, 'write a URL such as "https://api.example/base"')
"""Its path is kept, without a slash at its end."""
OPTIONAL_URL = _text("URL", _url(), _BASE_URL, 'write a URL such as "http://127.0.0.1:4318"; "" for none', empty="")
DOCUMENT_URL = _text(
    "URL", _url(query=True), rf"{_SERVER}(/[^\s#]*)?", 'write a URL such as "https://id.example/jwks.json"'
)
"""As it is, a query included."""
ORIGIN_URL = _text(
    "URL without a path", _url(path=False), f"{_SERVER}/?", 'write a URL such as "http://services.internal:8080"'
)
PROXY_URL = _text("URL without a path", _url(path=False, proxy=True), r"http://[^\s/?#@]+/?", _PROXY_HINT, empty="")
FILE = _text("path", _file, ".+", "write the path of a file, relative to the configuration file")
"""Made absolute against the configuration file's folder. Whether the file is there is not looked at."""
PRIVATE_FILE = Meta(title="path of a private key", extra={"private": True})
"""Beside FILE: it is for its owner alone to read."""


def pattern(form: str, hint: str) -> Meta:
    """A text of this form: a pattern of the common part of Python's and JSON Schema's syntax, meant whole."""
    # Python's `$` matches before a line end, too. An empty text, the default of some, can't be written.
    return Meta(pattern=rf"^(?:{form})(?!\n)$", extra={"hint": hint, "write": lambda text: text or None})


def choice(names: Collection[str], title: str | None = None) -> Meta:
    """One word of a closed list."""

    def parse(value: object, _: LoadContext) -> object:
        if value not in listed:
            hint = did_you_mean(value, listed) if isinstance(value, str) else one_of(listed)
            raise InvalidValue(f"{shown(value)} is not known here", hint)
        return value

    listed = sorted(names)
    return Meta(title=title, extra_json_schema={"type": "string", "enum": listed}, extra={"parse": parse})


def about(description: str) -> Meta:
    """What a setting is for."""
    return Meta(description=description)


def within(least: float, most: float, description: str) -> Meta:
    """The same, with bounds in what is kept: seconds, bytes, or a number."""
    return Meta(ge=least, le=most, description=description)


Duration = Annotated[float, DURATION]
Size = Annotated[int, SIZE]
Count = Annotated[int, COUNT]
Share = Annotated[float, SHARE]


def is_table(bare: Any) -> bool:
    """Whether this type is a struct of settings."""
    return isinstance(bare, type) and issubclass(bare, msgspec.Struct)

"""How a server is reached from this machine: name, TCP, TLS, the certificate's days, its clock, its key set."""

import http.client
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple
from urllib.parse import SplitResult, urlsplit

import msgspec

from talaria.adapters.auth.jwk import DOCUMENT_LIMIT, BadKeySet, read_key_set
from talaria.adapters.tls import client_tls, why_refused
from talaria.entrypoints.config import Address
from talaria.entrypoints.config.settings import TlsSettings

SECONDS = 3.0
"""What each step may take."""
FEWEST_DAYS = 14
MOST_SKEW = 5.0
DAY = 86_400.0
_PORTS = {"http": 80, "https": 443}


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at. Where it is not well: `owner` has to act, and `advice` says how."""

    what: str
    well: bool
    owner: str = ""
    advice: str = ""


class Server(NamedTuple):
    """A server that is called: `owner` answers for it; a `key_set` is at its url."""

    owner: str
    url: str
    tls: TlsSettings
    egress_proxy: str = ""
    key_set: bool = False


class _Ill(Exception):
    """What comes after this finding can't be looked at."""

    def __init__(self, what: str, owner: str, advice: str) -> None:
        super().__init__(what)
        self.finding = Finding(what, False, owner, advice)


def probe(server: Server) -> list[Finding]:
    """What is found on the way to it, up to the first step that fails."""
    found: list[Finding] = []
    try:
        found += _walk(server)
    except _Ill as ill:
        found.append(ill.finding)
    return found


def _walk(server: Server) -> Iterator[Finding]:
    url = urlsplit(server.url)
    first = urlsplit(server.egress_proxy) if server.egress_proxy else url
    connection = _connect(server, first)
    with closing(connection):
        yield Finding(f"{server.owner}: {address_of(first)} is reached", True)
        if server.egress_proxy:
            _tunnel(server, connection, url)
        if url.scheme == "https":
            connection = _encrypt(server, connection, url)
            yield _days_left(server, connection)
        with closing(connection):
            yield from _ask(server, connection, url)


def address_of(url: SplitResult) -> Address:
    """The host and port that this url means."""
    return Address(url.hostname or "", url.port or _PORTS[url.scheme])


def _connect(server: Server, url: SplitResult) -> socket.socket:
    owner, address = "the egress proxy" if server.egress_proxy else server.owner, address_of(url)
    try:
        return socket.create_connection((address.host, address.port), SECONDS)
    except socket.gaierror:
        what = f"{server.owner}: the name {address.host} has no address"
        raise _Ill(what, "us", "Look at the url, and at our resolver.") from None
    except OSError as error:
        what = f"{server.owner}: {address} can't be reached ({_cause(error)})"
        raise _Ill(what, owner, "Look whether it runs, and whether a firewall is in between.") from None


def _cause(error: Exception) -> str:
    timeout = isinstance(error, TimeoutError)
    return f"no answer within {SECONDS:g} s" if timeout else getattr(error, "strerror", None) or "cut off"


def _tunnel(server: Server, connection: socket.socket, url: SplitResult) -> None:
    target = address_of(url)
    try:
        connection.sendall(f"CONNECT {target} HTTP/1.1\r\nhost: {target}\r\n\r\n".encode())
        with connection.makefile("rb", buffering=0) as answer:  # what comes behind the head is not the proxy's
            status = answer.readline(4096).split(b" ", 2)[1:2]
            http.client.parse_headers(answer)
    except (OSError, http.client.HTTPException) as error:
        raise _Ill(f"{server.owner}: the egress proxy fails ({_cause(error)})", "the egress proxy", _ALLOW) from None
    if status != [b"200"]:
        raise _Ill(f"{server.owner}: the egress proxy lets nothing through to {target}", "the egress proxy", _ALLOW)


_ALLOW = "Ask for a permission for this host and port there."


def _encrypt(server: Server, connection: socket.socket, url: SplitResult) -> ssl.SSLSocket:
    tls = server.tls
    try:
        context = client_tls(tls.ca_file, tls.cert_file, tls.key_file)
        return context.wrap_socket(connection, server_hostname=url.hostname)
    except ssl.SSLCertVerificationError as error:
        advice = "It is renewed there, or its authority named in our tls.ca_file."
        raise _Ill(f"{server.owner}: {why_refused(error)}", server.owner, advice) from None
    except (OSError, ValueError) as error:
        advice = "Look whether that port speaks TLS, and whether it wants a certificate of ours."
        raise _Ill(f"{server.owner}: no TLS ({type(error).__name__})", server.owner, advice) from None


def _days_left(server: Server, connection: ssl.SSLSocket) -> Finding:
    certificate: Mapping[str, Any] = connection.getpeercert() or {}
    issuer = dict(pair for names in certificate.get("issuer", ()) for pair in names)
    authority = issuer.get("organizationName") or issuer.get("commonName") or "an authority without a name"
    days = int((ssl.cert_time_to_seconds(str(certificate["notAfter"])) - time.time()) / DAY)
    what = f"{server.owner}: its certificate (by {authority}) is good for {days} more days"
    return Finding(what, True) if days >= FEWEST_DAYS else Finding(what, False, server.owner, "It is renewed there.")


def _ask(server: Server, connection: socket.socket, url: SplitResult) -> Iterator[Finding]:
    client = http.client.HTTPConnection(url.netloc)
    client.sock = connection
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    try:
        client.request("GET" if server.key_set else "HEAD", target)
        answer = client.getresponse()
        body = answer.read(DOCUMENT_LIMIT + 1)
    except TimeoutError as error:
        what = f"{server.owner}: takes connections, but {_cause(error)}"
        raise _Ill(what, server.owner, "Look whether it hangs, or has too much to do.") from None
    except (OSError, http.client.HTTPException) as error:
        what = f"{server.owner}: no answer in HTTP ({type(error).__name__})"
        raise _Ill(what, server.owner, "Look whether another program has that port.") from None
    yield from _skew(server, answer.headers.get("date", ""))
    if server.key_set:
        yield _key_set(server, answer.status, body)


def _skew(server: Server, date: str) -> Iterator[Finding]:
    try:
        seconds = parsedate_to_datetime(date).timestamp() - time.time()
    except ValueError:
        return  # without a clock of its own it sends none
    if abs(seconds) <= MOST_SKEW:
        yield Finding(f"{server.owner}: its clock agrees with ours", True)
    else:
        what = f"{server.owner}: its clock is {abs(seconds):.0f} s {'ahead of' if seconds > 0 else 'behind'} ours"
        yield Finding(what, False, f"us if it is so with all, else {server.owner}", "Look at the time service.")


def _key_set(server: Server, status: int, body: bytes) -> Finding:
    try:
        keys = read_key_set(body) if status == http.client.OK else ()
    except BadKeySet:
        keys = ()
    if not keys:
        what = f"{server.owner}: no key set with a usable key at its jwks_url (status {status})"
        return Finding(what, False, server.owner, "Look at the url, and at what stands there.")
    kids = ", ".join(sorted(key.kid or "one without a name" for key in keys))
    return Finding(f"{server.owner}: its key set has {kids}", True)

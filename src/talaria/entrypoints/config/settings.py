"""Every setting of the gateway, as frozen values: durations in seconds, sizes in bytes, secrets wrapped.

This file is the one list of keys, defaults and forms. The decoder, the environment's overrides and the JSON Schema
all read it. The attributes are named as the keys are.
"""

from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Annotated

import msgspec

from talaria.adapters.auth.jwk import ALGORITHMS
from talaria.domain.routing import ANY_METHOD
from talaria.entrypoints.config.addresses import (
    BASE_URL,
    DOCUMENT_URL,
    IP,
    LISTEN,
    NETWORK,
    ORIGIN_URL,
    PROXY_URL,
    Address,
    Network,
)
from talaria.entrypoints.config.problems import Problem
from talaria.entrypoints.config.secrets import API_KEYS, HEADER_SECRET, PERSON_KEY, SECRET, Secret
from talaria.entrypoints.config.stamps import Stamp
from talaria.entrypoints.config.values import FILE, PRIVATE_FILE, choice, count, duration, size, word


class Mark(Enum):
    """What the decoder must know of an attribute besides its form."""

    NAME = "not in the file: holds the table's name"
    LATER = "not in the file: the loader fills it in"
    NOT_EMPTY = "an array that has at least one element where it is written"


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """A table of the file."""


DurationOfHop = Annotated[float, duration("1ms", "1h")]
Attempts = Annotated[int, count(1, 10)]
Concurrency = Annotated[int, count(1, 1_000_000)]
Method = Annotated[str, choice(ANY_METHOD, 'method, such as `"GET"`')]
Text = Annotated[str, word(r"[^\x00-\x1f\x7f]{1,512}", "write a text of 1 to 512 characters")]
Name = word(
    r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}",
    'write 1 to 64 letters, digits, dots, dashes or underscores, such as "app"',
)
ClaimPath = Annotated[
    str,
    word(
        r"[^\x00-\x1f\x7f.]{1,256}(?:\.[^\x00-\x1f\x7f.]{1,256})*",
        'write the name of a claim, or a path to it such as "person.phone_id"',
    ),
]
PartnerId = word(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?", 'write lower-case letters, digits and dashes, such as "wind"')
HeaderName = word(
    r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?",
    'write a header name of lower-case letters, digits and dashes, such as "x-wind-user-id"',
)


class ServerTlsSettings(Table, frozen=True, kw_only=True):
    """server.tls: both files or none."""

    cert_file: Annotated[Path | None, FILE, "the certificate, its chain below it (PEM)"] = None
    key_file: Annotated[Path | None, PRIVATE_FILE, "its private key, unencrypted (PEM)"] = None
    stamp: Annotated[Secret, Mark.LATER] = Secret("")


class TlsSettings(Table, frozen=True, kw_only=True):
    """tls of personal, a partner or an upstream. `stamp` changes with the content of the files."""

    ca_file: Annotated[Path | None, FILE, "who signs its certificate (PEM); default: the system's list"] = None
    cert_file: Annotated[Path | None, FILE, "our certificate, where it wants one (PEM)"] = None
    key_file: Annotated[Path | None, PRIVATE_FILE, "its private key, unencrypted (PEM)"] = None
    stamp: Annotated[Secret, Mark.LATER] = Secret("")


Tls = Annotated[TlsSettings, "how its certificate is verified, and ours shown"]
EgressProxy = Annotated[str, PROXY_URL, "the http proxy to go through (CONNECT)"]
SourceAddress = Annotated[str | None, IP, "the local address to call from"]


class ServerSettings(Table, frozen=True, kw_only=True):
    """[server]: the listeners, and what a client may ask of them."""

    listen: Annotated[Address, LISTEN, "the public listener: what clients call"] = Address("127.0.0.1", 8080)
    ops_listen: Annotated[Address, LISTEN, "the operators' listener"] = Address("127.0.0.1", 9090)
    workers: Annotated[int, count(1, 256), "processes"] = 1
    trusted_proxies: Annotated[
        tuple[Annotated[Network, NETWORK], ...], "networks whose Forwarded and X-Forwarded-* are believed"
    ] = ()
    header_limit: Annotated[int, size("256B", "16MiB"), "the longest head of a request"] = 32 << 10
    header_timeout: Annotated[float, duration("1ms", "1h"), "the longest a head may take to arrive"] = 10.0
    body_limit: Annotated[int, size("0", "1024GiB"), 'the longest body; "0" for no limit'] = 64 << 20
    keepalive_timeout: Annotated[float, duration("1ms", "24h"), "how long an idle connection is kept"] = 75.0
    drain_timeout: Annotated[float, duration("0s", "24h"), "how long shutting down waits"] = 25.0
    max_in_flight: Annotated[Concurrency, "requests at once, for each worker"] = 1024
    tls: Annotated[ServerTlsSettings, "the certificate of the public listener; without one it speaks plain http"] = (
        ServerTlsSettings()
    )


class CallerSettings(Table, frozen=True, kw_only=True):
    """[callers.<name>]: an issuer of tokens, or a caller with an API key that names no person.

    `key_material` is the content of jwks_file or public_key_file, and empty without either.
    """

    name: Annotated[str, Mark.NAME] = ""
    issuer: Annotated[Text, "the `iss` of its tokens; not with api_key"] = ""
    audience: Annotated[Text, "the `aud` that its tokens must have"] = "talaria-proxy"
    algorithms: Annotated[
        tuple[Annotated[str, choice(ALGORITHMS)], ...], Mark.NOT_EMPTY, "what its tokens may be signed with"
    ] = ("ES256",)
    jwks_url: Annotated[str | None, DOCUMENT_URL, "where its key set is"] = None
    jwks_timeout: Annotated[DurationOfHop, "with jwks_url: the longest that fetching it may take"] = 5.0
    jwks_tls: Annotated[TlsSettings, "with jwks_url: how its certificate is verified, and ours shown"] = TlsSettings()
    egress_proxy: Annotated[str, PROXY_URL, "with jwks_url: the http proxy to go through (CONNECT)"] = ""
    jwks_file: Annotated[Path | None, FILE, "its key set in a file"] = None
    public_key_file: Annotated[Path | None, FILE, "its public key in a PEM file"] = None
    secret: Annotated[Secret | None, SECRET, "the secret shared with it, for HS256"] = None
    phone_id_claim: Annotated[ClaimPath, "the claim that names the person; a dotted path reaches into objects"] = (
        "personal_phone_id"
    )
    leeway: Annotated[float, duration("0s", "1h"), "how far its clock may be off"] = 30.0
    max_lifetime: Annotated[float, duration("1s", "87600h"), "the longest `exp - iat`"] = 86_400.0
    api_key: Annotated[
        tuple[Secret, ...] | None, API_KEYS, 'in place of tokens, for routes with identity = "none": its X-Api-Key'
    ] = None
    networks: Annotated[tuple[Annotated[Network, NETWORK], ...], "where it may call from; none named: anywhere"] = ()
    key_material: Annotated[bytes, Mark.LATER] = b""


class SigningKeySettings(Table, frozen=True, kw_only=True):
    """One of signing.keys. `pem` is the content of the file."""

    kid: Annotated[str, word(r"[\x21-\x7e]{1,128}", "write 1 to 128 visible characters"), "the key's name"]
    file: Annotated[Path, PRIVATE_FILE, "an unencrypted private key in a PEM file"]
    pem: Annotated[Secret, Mark.LATER] = Secret("")


class SigningSettings(Table, frozen=True, kw_only=True):
    """[signing]: the service tokens."""

    issuer: Annotated[Text, "the `iss` of the service tokens"] = "talaria-proxy"
    keys: Annotated[tuple[SigningKeySettings, ...], Mark.NOT_EMPTY, "the first signs, all are published"]
    lifetime: Annotated[float, duration("2s", "1h"), "how long a service token is good"] = 60.0
    backdate: Annotated[
        float, duration("0s", "1h"), "how much earlier than now iat and nbf are, for clocks that are behind"
    ] = 5.0


class PersonalSettings(Table, frozen=True, kw_only=True):
    """[personal]: the service that knows the phone numbers."""

    url: Annotated[str, BASE_URL, "where personal is"]
    token: Annotated[Secret | None, HEADER_SECRET, "the bearer token that it wants"] = None
    timeout: Annotated[DurationOfHop, "for the whole hop, retries included"] = 1.0
    attempts: Annotated[Attempts, "calls for one exchange at most"] = 3
    max_concurrent: Annotated[Concurrency, "calls at once"] = 64
    tls: Tls = TlsSettings()
    egress_proxy: EgressProxy = ""


class PartnerSettings(Table, frozen=True, kw_only=True):
    """[partners.<id>]: a partner's back end."""

    id: Annotated[str, Mark.NAME] = ""
    adapter: Annotated[Text, "the adapter that speaks its API; default: the table's name"] = ""
    url: Annotated[str, BASE_URL, "where the partner is"]
    api_key: Annotated[Secret, HEADER_SECRET, "the key that the partner gave us"]
    user_id_header: Annotated[str, HeaderName, "what names its user; default: x-<id>-user-id"] = ""
    timeout: Annotated[DurationOfHop, "for the whole hop, retries included"] = 2.0
    attempts: Annotated[Attempts, "calls for one exchange at most"] = 3
    max_concurrent: Annotated[Concurrency, "calls at once"] = 64
    tls: Tls = TlsSettings()
    source_address: SourceAddress = None
    egress_proxy: EgressProxy = ""


class IdentitiesSettings(Table, frozen=True, kw_only=True):
    """[identities]: the kept results of exchanges."""

    max_entries: Annotated[int, count(1, 1_000_000_000), "how many are kept"] = 100_000
    max_age: Annotated[float, duration("1ms", "8760h"), "a pair older than this is exchanged again"] = 900.0
    negative_age: Annotated[float, duration("0s", "24h"), 'how long a "no such id" is kept'] = 10.0
    stale_if_error: Annotated[
        float, duration("0s", "8760h"), "how long past max_age a pair serves while a dependency fails"
    ] = 3600.0


class UpstreamSettings(Table, frozen=True, kw_only=True):
    """[upstreams.<name>]: a back end that requests are passed on to."""

    name: Annotated[str, Mark.NAME] = ""
    urls: Annotated[tuple[Annotated[str, ORIGIN_URL], ...], Mark.NOT_EMPTY, "where it is; several are balanced"]
    audience: Annotated[Text, "the `aud` of service tokens for it"] = "talaria-services"
    api_key: Annotated[Secret | None, HEADER_SECRET, "the API key that it wants"] = None
    connect_timeout: Annotated[DurationOfHop, "the longest a connection may take"] = 1.0
    max_connections: Annotated[Concurrency, "for each url and worker"] = 256
    max_connection_age: Annotated[
        float, duration("1s", "24h"), "a kept connection is not used again past it, with up to 10 % jitter"
    ] = 300.0
    egress_proxy: EgressProxy = ""
    tls: Tls = TlsSettings()
    source_address: SourceAddress = None


class RouteSettings(Table, frozen=True, kw_only=True):
    """[routes.<tag>]: what one value of x-api-tag stands for. `callers` is never empty once loaded."""

    tag: Annotated[str, Mark.NAME] = ""
    identity: Annotated[str, choice(("required", "none")), '"none": for callers with an API key'] = "required"
    partner: Annotated[Text, 'the table under [partners]; not needed with identity = "none"'] = ""
    upstream: Annotated[Text, "the table under [upstreams]"]
    callers: Annotated[tuple[Text, ...], Mark.NOT_EMPTY, "who may use it; default: every caller"] = ()
    methods: Annotated[tuple[Method, ...], "none named: every method but CONNECT and TRACE"] = ()
    timeout: Annotated[DurationOfHop, "from the end of the request to the answer's head, without the upload"] = 10.0
    upload_timeout: Annotated[float, duration("1ms", "24h"), "the longest that a request's body may take to arrive"] = (
        300.0
    )
    idle_timeout: Annotated[float, duration("1ms", "24h"), "the longest silence inside a body"] = 60.0


class LoggingSettings(Table, frozen=True, kw_only=True):
    """[logging]: what a line says of a person."""

    person_key: Annotated[
        Secret | None, PERSON_KEY, "makes the pseudonym of a person in the lines; default: a new one at each start"
    ] = None


class Settings(Table, frozen=True, kw_only=True):
    """The whole file. `warnings` are worth a look and stop nothing.

    `files`: what was read besides the file itself, and the state in which it was read. `digest`: 12 characters that
    change with the configuration, but not with the content of a secret.
    """

    server: ServerSettings = ServerSettings()
    callers: Annotated[dict[str, CallerSettings], Name]
    signing: SigningSettings
    personal: PersonalSettings
    partners: Annotated[dict[str, PartnerSettings], PartnerId]
    identities: IdentitiesSettings = IdentitiesSettings()
    upstreams: Annotated[dict[str, UpstreamSettings], Name]
    routes: Annotated[dict[str, RouteSettings], Name]
    logging: LoggingSettings = LoggingSettings()
    warnings: Annotated[tuple[Problem, ...], Mark.LATER] = ()
    files: Annotated[Mapping[Path, Stamp], Mark.LATER] = {}
    digest: Annotated[str, Mark.LATER] = ""


RETIRED: Mapping[tuple[type[Table], str], str] = {
    (UpstreamSettings, "transport"): "leave it out: upstreams are spoken to in HTTP/1.1, through egress_proxy too;"
    " where one wants HTTP/2, an edge proxy speaks it"
}
"""Keys that there were, and what to write instead."""

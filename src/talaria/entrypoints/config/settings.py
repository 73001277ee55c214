"""Every setting of the gateway, as frozen values: durations in seconds, sizes in bytes, secrets wrapped.

This file is the one list of keys, types and defaults: the decoder, the environment's overrides, the JSON Schema and
docs/settings.md all read it. The attributes are named as the keys are. What is LOADED is no key of the file.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta, Struct, field

from talaria.adapters.auth.jwk import ALGORITHMS
from talaria.adapters.partners import Adapter
from talaria.domain.rate_limits import RateLimit
from talaria.domain.routing import ANY_METHOD
from talaria.entrypoints.config.problems import Problem
from talaria.entrypoints.config.secrets import API_KEYS, HEADER_SECRET, PERSON_KEY, SECRET, Secret
from talaria.entrypoints.config.sources import FileVersion
from talaria.entrypoints.config.types import (
    BASE_URL,
    DOCUMENT_URL,
    FILE,
    IP,
    LISTEN,
    NETWORK,
    OPTIONAL_LISTEN,
    OPTIONAL_URL,
    ORIGIN_URL,
    PRIVATE_FILE,
    PROXY_URL,
    RATE,
    SWITCH,
    Address,
    Count,
    Duration,
    Network,
    Share,
    Size,
    about,
    choice,
    pattern,
    within,
)

MS, HOUR, DAY, YEAR = 0.001, 3600.0, 86_400.0, 365 * 86_400.0
MIB, TIB = 1 << 20, 1 << 40
LOADED = Meta(extra={"loaded": True})
NOT_EMPTY = Meta(min_length=1)

Algorithm = Annotated[str, choice(ALGORITHMS)]
Method = Annotated[str, choice(ANY_METHOD, 'method, such as `"GET"`')]
HopTimeout = Annotated[Duration, within(MS, HOUR, "for the whole hop, retries included")]
Attempts = Annotated[Count, within(1, 10, "calls for one exchange at most")]
MaxConcurrent = Annotated[Count, within(1, 1_000_000, "calls at once")]
EgressProxy = Annotated[str, PROXY_URL, about("the http proxy to go through (CONNECT)")]
SourceAddress = Annotated[str | None, IP, about("the local address to call from")]
Networks = tuple[Annotated[Network, NETWORK], ...]

_CLAIM = r"[^\x00-\x1f\x7f.]{1,256}"
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?"
ClaimPath = Annotated[str, pattern(rf"{_CLAIM}(?:\.{_CLAIM})*", 'write a claim, or a path to it such as "person.id"')]
HeaderName = Annotated[str, pattern(_LABEL, 'write lower-case letters, digits and dashes, such as "x-user-id"')]
PartnerId = Annotated[str, pattern(_LABEL, 'write lower-case letters, digits and dashes, such as "wind"')]
Name = Annotated[str, pattern(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", "write up to 64 letters, digits, '.', '-' or '_'")]
Kid = Annotated[str, pattern(r"[\x21-\x7e]{1,128}", "write 1 to 128 visible characters"), about("the key's name")]
Text = Annotated[str, pattern(r"[^\x00-\x1f\x7f]{1,512}", "write a text of 1 to 512 characters")]


class ServerTlsSettings(Struct, frozen=True, kw_only=True):
    """server.tls: both files or none. `stamp` changes with the content of the files. `certificate_end`: seconds since
    the epoch.
    """

    cert_file: Annotated[Path | None, FILE, about("the certificate, its chain below it (PEM)")] = None
    key_file: Annotated[Path | None, FILE, PRIVATE_FILE, about("its private key, unencrypted (PEM)")] = None
    stamp: Annotated[Secret, LOADED] = Secret()
    certificate_end: Annotated[float, LOADED] = 0.0


class TlsSettings(Struct, frozen=True, kw_only=True):
    """tls of personal, a partner, an upstream or a key set. `stamp` and `certificate_end` as in `server.tls`."""

    ca_file: Annotated[Path | None, FILE, about("the authority of its certificate (PEM); default: the system's")] = None
    cert_file: Annotated[Path | None, FILE, about("our certificate, where it wants one (PEM)")] = None
    key_file: Annotated[Path | None, FILE, PRIVATE_FILE, about("its private key, unencrypted (PEM)")] = None
    stamp: Annotated[Secret, LOADED] = Secret()
    certificate_end: Annotated[float, LOADED] = 0.0


Tls = Annotated[TlsSettings, about("how its certificate is verified, and ours shown")]


class ServerSettings(Struct, frozen=True, kw_only=True):
    """[server]: the listeners, and what a client may ask of them."""

    listen: Annotated[Address, LISTEN, about("the public listener: what clients call")] = Address("127.0.0.1", 8080)
    ops_listen: Annotated[Address, LISTEN, about("the operators' listener")] = Address("127.0.0.1", 9090)
    workers: Annotated[Count, within(1, 256, "processes")] = 1
    trusted_proxies: Annotated[Networks, about("their Forwarded and X-Forwarded-* are believed")] = ()
    decision_listen: Annotated[
        Address | None, OPTIONAL_LISTEN, about("the decision API for edge proxies, for trusted networks only")
    ] = None
    trusted_edges: Annotated[Networks, about("with decision_listen: the networks of the edges that may ask")] = ()
    header_limit: Annotated[Size, within(256, 16 * MIB, "the longest head of a request")] = 32 << 10
    header_timeout: Annotated[Duration, within(MS, HOUR, "the longest a head may take to arrive")] = 10.0
    body_limit: Annotated[Size, within(0, TIB, 'the longest body; "0" for no limit')] = 64 * MIB
    fast_path: Annotated[bool, SWITCH, about("false: every request takes the slow path; answers are the same")] = True
    keepalive_timeout: Annotated[Duration, within(MS, DAY, "how long an idle connection is kept")] = 75.0
    drain_timeout: Annotated[Duration, within(0, DAY, "how long shutting down waits")] = 25.0
    max_in_flight: Annotated[Count, within(1, 1_000_000, "requests at once, for each worker")] = 1024
    tls: Annotated[ServerTlsSettings, about("the public listener's certificate; without one: plain http")] = (
        ServerTlsSettings()
    )


class CallerSettings(Struct, frozen=True, kw_only=True):
    """[callers.<name>]: an issuer of tokens, or a caller with an API key that names no person.

    `key_material` is the content of jwks_file or public_key_file, and empty without either.
    """

    name: Annotated[str, LOADED] = ""
    issuer: Annotated[Text, about("the `iss` of its tokens; not with api_key")] = ""
    audience: Annotated[Text, about("the `aud` that its tokens must have")] = "talaria-proxy"
    algorithms: Annotated[tuple[Algorithm, ...], NOT_EMPTY, about("what may sign its tokens")] = ("ES256",)
    jwks_url: Annotated[str | None, DOCUMENT_URL, about("where its key set is")] = None
    jwks_timeout: Annotated[Duration, within(MS, HOUR, "with jwks_url: the longest that fetching it may take")] = 5.0
    jwks_tls: Annotated[TlsSettings, about("with jwks_url: how its certificate is verified, and ours shown")] = (
        TlsSettings()
    )
    egress_proxy: Annotated[str, PROXY_URL, about("with jwks_url: the http proxy to go through (CONNECT)")] = ""
    jwks_file: Annotated[Path | None, FILE, about("its key set in a file")] = None
    public_key_file: Annotated[Path | None, FILE, about("its public key in a PEM file")] = None
    secret: Annotated[Secret | None, SECRET, about("the secret shared with it, for HS256")] = None
    phone_id_claim: Annotated[ClaimPath, about("the person's claim; a dotted path reaches into objects")] = (
        "personal_phone_id"
    )
    leeway: Annotated[Duration, within(0, HOUR, "how far its clock may be off")] = 30.0
    max_lifetime: Annotated[Duration, within(1, 10 * YEAR, "the longest `exp - iat`")] = DAY
    rate_limit: Annotated[RateLimit | None, RATE, about("its requests, for each instance")] = None
    person_rate_limit: Annotated[RateLimit | None, RATE, about("requests of each of its persons")] = None
    api_key: Annotated[tuple[Secret, ...] | None, API_KEYS, about('its X-Api-Key, with identity = "none"')] = None
    networks: Annotated[Networks, about("where it may call from; none named: anywhere")] = ()
    key_material: Annotated[bytes, LOADED] = b""


class SigningKeySettings(Struct, frozen=True, kw_only=True):
    """One of signing.keys. `pem` is the content of the file."""

    kid: Kid
    file: Annotated[Path, FILE, PRIVATE_FILE, about("an unencrypted private key in a PEM file")]
    pem: Annotated[Secret, LOADED] = Secret()


class SigningSettings(Struct, frozen=True, kw_only=True):
    """[signing]: the service tokens."""

    issuer: Annotated[Text, about("the `iss` of the service tokens")] = "talaria-proxy"
    keys: Annotated[tuple[SigningKeySettings, ...], NOT_EMPTY, about("the first signs, all are published")]
    lifetime: Annotated[Duration, within(2, HOUR, "how long a service token is good")] = 60.0
    backdate: Annotated[Duration, within(0, HOUR, "how much earlier iat and nbf are, for slow clocks")] = 5.0


class PersonalSettings(Struct, frozen=True, kw_only=True):
    """[personal]: the service that knows the phone numbers."""

    url: Annotated[str, BASE_URL, about("where personal is")]
    token: Annotated[Secret | None, HEADER_SECRET, about("the bearer token that it wants")] = None
    timeout: HopTimeout = 1.0
    attempts: Attempts = 3
    max_concurrent: MaxConcurrent = 64
    tls: Tls = TlsSettings()
    egress_proxy: EgressProxy = ""


class TrialSettings(Struct, frozen=True, kw_only=True):
    """partners.<id>.shadow and canary: another adapter on trial. What is left out is the partner's own."""

    adapter: Annotated[Text, about("the adapter on trial")]
    share: Annotated[Share, within(0, 1, "of the exchanges that are compared; with a canary, of the persons")]
    url: Annotated[str, BASE_URL, about("where it asks; default: the partner's")] = ""
    options: Annotated[dict[Name, Any], about("its settings; default: the partner's")] = {}
    secrets: Annotated[dict[Name, Annotated[Secret, SECRET]], about("its secrets; default: the partner's")] = {}


class PartnerSettings(Struct, frozen=True, kw_only=True):
    """[partners.<id>]: a partner's back end. `adapter_options` is of the adapter's own type.

    `trials`: by their `role`, "shadow" and "canary", the partner with the adapter on trial in place of its own.
    """

    id: Annotated[str, LOADED] = ""
    role: Annotated[str, LOADED] = ""
    found: Annotated[Adapter | None, LOADED] = None
    adapter_options: Annotated[Any, LOADED] = None
    trials: Annotated[Mapping[str, "PartnerSettings"], LOADED] = {}
    adapter: Annotated[Text, about("the adapter that speaks its API; default: the table's name")] = ""
    url: Annotated[str, BASE_URL, about("where the partner is")]
    api_key: Annotated[Secret | None, HEADER_SECRET, about("the key that the partner gave us, where it wants one")] = (
        None
    )
    options: Annotated[dict[Name, Any], about("the adapter's own settings")] = {}
    secrets: Annotated[dict[Name, Annotated[Secret, SECRET]], about("the adapter's further secrets, by name")] = {}
    user_id_header: Annotated[HeaderName, about("what names its user; default: x-<id>-user-id")] = ""
    timeout: HopTimeout = 2.0
    attempts: Attempts = 3
    max_concurrent: MaxConcurrent = 64
    tls: Tls = TlsSettings()
    rate_limit: Annotated[RateLimit | None, RATE, about("calls to it, retries included, for each instance")] = None
    source_address: SourceAddress = None
    egress_proxy: EgressProxy = ""
    shadow: Annotated[TrialSettings | None, about("an adapter that is asked too and only compared")] = None
    canary: Annotated[TrialSettings | None, about("an adapter that serves some of the persons")] = None

    @property
    def dependency(self) -> str:
        """What attempts, breakers and metrics call it."""
        return f"{self.id}.{self.role}" if self.role else self.id


class IdentitiesSettings(Struct, frozen=True, kw_only=True):
    """[identities]: the kept results of exchanges."""

    max_entries: Annotated[Count, within(1, 1_000_000_000, "how many are kept")] = 100_000
    max_age: Annotated[Duration, within(MS, YEAR, "a pair older than this is exchanged again")] = 900.0
    negative_age: Annotated[Duration, within(0, DAY, 'how long a "no such id" is kept')] = 10.0
    stale_if_error: Annotated[Duration, within(0, YEAR, "serves this long past max_age while asking fails")] = HOUR


class UpstreamSettings(Struct, frozen=True, kw_only=True):
    """[upstreams.<name>]: a back end that requests are passed on to."""

    name: Annotated[str, LOADED] = ""
    urls: Annotated[tuple[Annotated[str, ORIGIN_URL], ...], NOT_EMPTY, about("where it is; several are balanced")]
    audience: Annotated[Text, about("the `aud` of service tokens for it")] = "talaria-services"
    api_key: Annotated[Secret | None, HEADER_SECRET, about("the API key that it wants")] = None
    connect_timeout: Annotated[Duration, within(MS, HOUR, "the longest a connection may take")] = 1.0
    max_connections: Annotated[Count, within(1, 1_000_000, "for each url and worker")] = 256
    max_connection_age: Annotated[Duration, within(1, DAY, "not used again past it, with up to 10 % jitter")] = 300.0
    egress_proxy: EgressProxy = ""
    tls: Tls = TlsSettings()
    source_address: SourceAddress = None


class RecheckSettings(Struct, frozen=True, kw_only=True):
    """routes.<tag>.recheck: the methods before which an old pair is exchanged again."""

    methods: Annotated[
        tuple[Method, ...], about("an old pair does not serve them, nor a stale one; none named: off")
    ] = ()
    max_age: Annotated[Duration, within(0, YEAR, "with recheck.methods: a pair older than this is exchanged again")] = (
        60.0
    )


class RouteSettings(Struct, frozen=True, kw_only=True):
    """[routes.<tag>]: what one value of x-api-tag stands for. `callers` is never empty once loaded."""

    tag: Annotated[str, LOADED] = ""
    identity: Annotated[str, choice(("none", "required")), about('"none": for callers with an API key')] = "required"
    partner: Annotated[Text, about('the table under [partners]; not needed with identity = "none"')] = ""
    upstream: Annotated[Text, about("the table under [upstreams]")]
    callers: Annotated[tuple[Text, ...], NOT_EMPTY, about("may use it; default: every caller")] = ()
    methods: Annotated[tuple[Method, ...], about("none named: every method but CONNECT and TRACE")] = ()
    timeout: Annotated[Duration, within(MS, HOUR, "from the end of the request to the answer's head")] = 10.0
    upload_timeout: Annotated[Duration, within(MS, DAY, "the longest that a request's body may take to arrive")] = 300.0
    idle_timeout: Annotated[Duration, within(MS, DAY, "the longest silence inside a body")] = 60.0
    recheck: Annotated[RecheckSettings, about("exchange again before requests that matter")] = RecheckSettings()


class TracingSettings(Struct, frozen=True, kw_only=True):
    """[tracing]: spans for a collector, by the extra `otel`. `endpoint` comes in force with the next start."""

    endpoint: Annotated[str, OPTIONAL_URL, about('the OTLP/HTTP collector; "": no spans, traceparent passes')] = ""
    sample: Annotated[Share, within(0, 1, "the share of requests without a trace of the client's that is exported")] = (
        0.01
    )
    baggage: Annotated[str, choice(("drop", "pass")), about('"pass": to the upstream; never to a partner')] = "drop"


class DecisionSettings(Struct, frozen=True, kw_only=True):
    """[decision]: the decision API for edge proxies."""

    max_age: Annotated[Duration, within(0, HOUR, "how long an edge may keep a yes; 0s: not at all")] = 0.0


class LoggingSettings(Struct, frozen=True, kw_only=True):
    """[logging]: how lines are written, and what they say of a person. `format` comes in force with the next start."""

    format: Annotated[
        str, choice(("auto", "json", "text")), about('"text" for people, "auto": that on a terminal, else JSON')
    ] = "auto"
    person_key: Annotated[Secret | None, PERSON_KEY, about("the pseudonyms' key; default: a new one at each start")] = (
        None
    )


class Settings(Struct, frozen=True, kw_only=True):
    """The whole file. `warnings` are worth a look and stop nothing.

    `files`: what was read besides the file itself, and in which version. `digest`: 12 characters that change with the
    configuration, but not with the content of a secret.
    """

    server: ServerSettings = ServerSettings()
    callers: Annotated[dict[Name, CallerSettings], NOT_EMPTY]
    signing: SigningSettings
    personal: PersonalSettings
    partners: Annotated[dict[PartnerId, PartnerSettings], NOT_EMPTY]
    identities: IdentitiesSettings = IdentitiesSettings()
    upstreams: Annotated[dict[Name, UpstreamSettings], NOT_EMPTY]
    routes: Annotated[dict[Name, RouteSettings], NOT_EMPTY]
    tracing: TracingSettings = TracingSettings()
    decision: DecisionSettings = DecisionSettings()
    logging: LoggingSettings = LoggingSettings()
    warnings: Annotated[tuple[Problem, ...], LOADED] = ()
    files: Annotated[Mapping[Path, FileVersion], LOADED] = field(default_factory=dict)
    digest: Annotated[str, LOADED] = ""


RETIRED: Mapping[tuple[type[Struct], str], str] = {
    (UpstreamSettings, "transport"): "leave it out: upstreams are spoken to in HTTP/1.1, through egress_proxy too;"
    " where one wants HTTP/2, an edge proxy speaks it"
}
"""Keys that there were, and what to write instead."""

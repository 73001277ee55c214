"""What talaria.toml does not have, and an engine needs."""

from collections.abc import Iterator

from talaria.entrypoints.cli.render import haproxy
from talaria.entrypoints.cli.render.facts import Facts
from talaria.entrypoints.config import Problem, Settings
from talaria.entrypoints.config.types import is_local

_VERIFY_BY_FILE = frozenset({"nginx", "envoy"})
"""Engines that know no authority by themselves."""


def missing(engine: str, mode: str, facts: Facts) -> list[Problem]:
    """Each problem with what to write; empty where the file will do."""
    needed = _for_balance(engine, facts) if mode == "balance" else _for_edge(engine, facts)
    return list(_for_any(facts.settings)) or list(needed)


def _for_any(settings: Settings) -> Iterator[Problem]:
    if not settings.routes:
        yield Problem("routes", "there is no route", "write a table [routes.<tag>]")
    for tag, route in settings.routes.items():
        if route.upstream not in settings.upstreams:
            yield Problem(f"routes.{tag}.upstream", f'there is no upstream "{route.upstream}"', "write its table")


def _for_balance(engine: str, facts: Facts) -> Iterator[Problem]:
    ops, workers = facts.settings.server.ops_listen, facts.settings.server.workers
    if not facts.claims:
        hint = "write a caller with an issuer: only a token names a person"
        yield Problem("callers", "no caller's requests name a person", hint)
    if is_local(ops.host) and not all(is_local(gateway.host) for gateway in facts.gateways):
        wrong = f"{ops} can be reached on the replica's own machine only, and the balancer asks /readyz there"
        yield Problem("server.ops_listen", wrong, 'write an address that it can reach, such as "0.0.0.0:9090"')
    if workers > 1:
        wrong = f"with {workers} workers each person meets any of as many caches in a replica"
        yield Problem("server.workers", wrong, "write workers = 1, and more replicas")
    for name, caller in facts.settings.callers.items():
        if engine == "haproxy" and caller.api_key is None and not haproxy.can_read(caller.phone_id_claim):
            wrong = f'HAProxy can\'t read the claim "{caller.phone_id_claim}"'
            hint = "HAProxy reads a path of letters, digits, dashes and underscores: take nginx or Envoy"
            yield Problem(f"callers.{name}.phone_id_claim", wrong, hint)


def _for_edge(engine: str, facts: Facts) -> Iterator[Problem]:
    if not facts.decisions:
        hint = 'write an address such as "10.0.0.5:8081", or name one with --decisions'
        yield Problem("server.decision_listen", "there is no decision API", hint)
    if facts.fast and not facts.settings.decision.max_age >= 1:
        hint = 'write a second or more, such as max_age = "5s", for which a decision may be kept'
        yield Problem("decision.max_age", "no decision may be kept", hint)
    for name, upstream in facts.settings.upstreams.items():
        at, secure = f"upstreams.{name}", any(url.startswith("https:") for url in upstream.urls)
        if upstream.egress_proxy:
            wrong = "an edge proxy goes to its upstreams without another proxy"
            yield Problem(f"{at}.egress_proxy", wrong, "leave it out, or let Talaria forward")
        if secure and not all(url.startswith("https:") for url in upstream.urls):
            wrong = "some of these urls are https and some are not"
            yield Problem(f"{at}.urls", wrong, "write one scheme for all of an upstream")
        if engine in _VERIFY_BY_FILE and secure and upstream.tls.ca_file is None:
            wrong = "this engine verifies a certificate by a file alone"
            yield Problem(f"{at}.tls.ca_file", wrong, "write tls = { ca_file = ... }")
        if engine == "haproxy" and not haproxy.finds_key(upstream.tls):
            wrong = f"HAProxy does not find the key {upstream.tls.key_file}"
            hint = "HAProxy reads it in the certificate's file, or in one of its name with .key behind: call it so"
            yield Problem(f"{at}.tls.key_file", wrong, hint)

"""`talaria doctor`: is everything well that the gateway needs? Each finding with its owner, and what to do."""

import os
import platform
import resource
import sys
import sysconfig
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import rich_click as click
from rich.console import Console

from talaria.entrypoints.cli.affinity import affinity
from talaria.entrypoints.cli.credentials import credentials
from talaria.entrypoints.cli.egress import egress
from talaria.entrypoints.cli.operators import URL, CannotAsk, Operators, ask, operators_of
from talaria.entrypoints.cli.probes import DAY, FEWEST_DAYS, Finding, Server, probe
from talaria.entrypoints.cli.shared import config_option, load_or_exit, say, say_json, written_as
from talaria.entrypoints.config import Settings
from talaria.entrypoints.config.tls import certificate_ends
from talaria.entrypoints.config.types import DOCUMENT_URL

_AT_ONCE = 16


@click.command("doctor")
@config_option
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
@click.option("--ops", metavar="URL", type=URL, multiple=True, help="The operators' listener; of each instance.")
@click.option("--balancer", metavar="URL", type=URL, help="What stands in front: does it keep persons together?")
@click.option(
    "--echo",
    metavar="URL",
    type=written_as(Annotated[str, DOCUMENT_URL]),
    help="Tells the address that our calls to partners come from.",
)
def command(path: Path, as_json: bool, ops: tuple[str, ...], balancer: str | None, echo: str | None) -> None:
    """Look whether all is well that the gateway needs, from this machine: names, TCP, TLS, certificates, key sets,
    clocks, credentials, limits.

    Exit code 1 where something is not. Every server of the configuration is asked once, by GET for a key set, else by
    HEAD. personal is asked for an id that it has not, a partner what its adapter says changes nothing.
    """
    settings = load_or_exit(path)
    instances: list[Operators] = [operators_of(one, path) for one in ops or (None,)]
    looks: list[tuple[str, Callable[[], Iterable[Finding]]]] = [
        ("at this machine", lambda: _machine(settings)),
        ("at our certificates", lambda: _certificates(settings)),
        *((f"at the gateway {one}", partial(_gateway, one, expected=bool(ops))) for one in instances),
        ("at every server", lambda: _servers(settings)),
        ("at our credentials", lambda: credentials(settings)),
    ]
    if echo is not None:
        looks.append(("where our calls come from", lambda: egress(settings, echo)))
    if balancer is not None:
        looks.append(("at the balancer", lambda: [affinity(settings, balancer, instances)]))
    found = list(_look(looks))
    well = all(finding.well for finding in found)
    if as_json:
        say_json({"well": well, "findings": found})
    else:
        _print(found)
    sys.exit(0 if well else 1)


def _look(looks: Sequence[tuple[str, Callable[[], Iterable[Finding]]]]) -> Iterator[Finding]:
    """Each in turn, which it is on stderr where that is a terminal."""
    status = Console(stderr=True).status("") if sys.stderr.isatty() else None
    with status or nullcontext():
        for number, (where, look) in enumerate(looks, 1):
            if status is not None:
                status.update(f"Looking {where} ({number} of {len(looks)}) ...")
            yield from look()


def _print(found: list[Finding]) -> None:
    for finding in found:
        say(f"{'ok ' if finding.well else 'BAD'}  {finding.what}")
        if not finding.well:
            say(f"     to be mended by: {finding.owner}. {finding.advice}")
    bad = sum(not finding.well for finding in found)
    say(f"{bad} of {len(found)} are bad." if bad else "All is well.")


def servers_of(settings: Settings) -> list[Server]:
    """Every server that the gateway calls."""
    personal = settings.personal
    found = [Server("personal", personal.url, personal.tls, personal.egress_proxy)]
    for id, partner in settings.partners.items():
        urls = dict.fromkeys(one.url for one in (partner, *partner.trials.values()))
        found += [Server(f"the partner {id}", url, partner.tls, partner.egress_proxy) for url in urls]
    for name, upstream in settings.upstreams.items():
        owner = f"the upstream {name}"
        found += [Server(owner, url, upstream.tls, upstream.egress_proxy) for url in upstream.urls]
    for name, caller in settings.callers.items():
        if caller.jwks_url is not None:
            owner = f"the caller {name}"
            found.append(Server(owner, caller.jwks_url, caller.jwks_tls, caller.egress_proxy, key_set=True))
    return found


def _servers(settings: Settings) -> Iterator[Finding]:
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        for found in threads.map(probe, servers_of(settings)):
            yield from found


def _interpreter(configured: Mapping[str, Any]) -> Finding:
    """`configured`: what sysconfig says. Debian builds with profiles too, without the option, and removes the flag."""
    arguments, flag = configured.get("CONFIG_ARGS") or "", configured.get("PGO_PROF_USE_FLAG")
    plain = flag and "--enable-optimizations" not in arguments
    more = ", without profile-guided optimization: a build with it takes a tenth less CPU" if plain else ""
    return Finding(f"Python {platform.python_version()}{more}", True)


def _machine(settings: Settings) -> Iterator[Finding]:
    yield _interpreter(sysconfig.get_config_vars())
    wanted, (_, hard) = 2 * settings.server.max_in_flight, resource.getrlimit(resource.RLIMIT_NOFILE)
    what = f"descriptors: {hard} for each worker at most, {wanted} may be wanted"
    few = hard != resource.RLIM_INFINITY and hard < wanted
    advice = "Raise the hard limit (ulimit -Hn, LimitNOFILE), or lower server.max_in_flight."
    yield Finding(what, False, "us", advice) if few else Finding(what, True)
    workers, processors = settings.server.workers, os.cpu_count() or 1
    what = f"workers: {workers} on {processors} processors"
    advice = "Lower server.workers: more than one for each processor gain nothing."
    yield Finding(what, False, "us", advice) if workers > processors else Finding(what, True)


def _certificates(settings: Settings) -> Iterator[Finding]:
    for (kind, dependency), end in certificate_ends(settings).items():
        days = int((end - time.time()) / DAY)
        shown = "of server.tls" if kind == "listener" else f"that we show to {dependency}"
        what = f"our certificate {shown} {f'is good for {days} more days' if days >= 0 else 'expired'}"
        yield Finding(what, days >= FEWEST_DAYS, "us", "Renew it; the files are read anew within seconds.")


def _gateway(address: Operators, *, expected: bool) -> Iterator[Finding]:
    try:
        told = ask(address, "/readyz", dict[str, Any])
    except CannotAsk as error:
        yield Finding(f"the gateway does not run here, or is not ready: {error}", not expected, "us", error.hint)
        return
    workers, answered = told.get("workers", 1), told.get("answered", 1)
    what = f"the gateway runs: {answered} of {workers} workers answer"
    yield Finding(what, True) if answered >= workers else Finding(what, False, "us", "Look at the log for its end.")
    configured: Mapping[str, Any] = told.get("configuration") or {}
    if not configured.get("last_reload_ok", True):
        yield Finding("the last reload was refused", False, "us", "Look at the log, or: talaria check --running")

"""`talaria check`: what a configuration says, or what is wrong with it, without serving."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import rich_click as click

from talaria.entrypoints.cli.operators import Operators, ask_or_exit, operators_of, ops_option
from talaria.entrypoints.cli.shared import EXIT_CONFIGURATION, config_option, load_or_exit, say, warn
from talaria.entrypoints.config import ConfigurationError, Settings, load, schema
from talaria.entrypoints.config.settings import CallerSettings
from talaria.entrypoints.config.types import write_seconds
from talaria.entrypoints.config.without_secrets import differences, without_secrets


class _InForce(msgspec.Struct):
    """What GET /config answers, as far as it is read here."""

    hash: str
    settings: dict[str, Any]


@click.command("check")
@config_option
@click.option("--json", "as_json", is_flag=True, help="Problems and warnings as JSON, with their lines in the file.")
@click.option("--schema", "as_schema", is_flag=True, help="Print the JSON Schema of the configuration instead.")
@click.option("--running", is_flag=True, help="Say what differs between the file and the gateway that runs.")
@ops_option
def command(path: Path, as_json: bool, as_schema: bool, running: bool, ops: str | None) -> None:
    """Check the configuration: all problems at once, or what was found. Exit code 1: what runs differs (--running)."""
    if as_schema:
        click.echo(json.dumps(schema(), indent=2))
        return
    if running or ops is not None:
        sys.exit(_compare(path, operators_of(ops, path), as_json))
    if as_json:
        sys.exit(_print_json(path))
    settings = load_or_exit(path)
    _print(settings)
    warn(settings.warnings)
    click.echo(f"{path} is good, hash {settings.digest}.")


def _print_json(path: Path) -> int:
    report: dict[str, object] = {"file": str(path), "hash": None, "problems": [], "warnings": []}
    try:
        settings = load(path)
        report |= {"hash": settings.digest, "warnings": msgspec.to_builtins(settings.warnings)}
    except ConfigurationError as error:
        report["problems"] = msgspec.to_builtins(error.problems)
    click.echo(json.dumps(report, indent=2))
    return EXIT_CONFIGURATION if report["problems"] else 0


def _compare(path: Path, address: Operators, as_json: bool) -> int:
    settings = load_or_exit(path)
    found = ask_or_exit(address, "/config", _InForce)
    differ = differences(without_secrets(settings), found.settings)
    if as_json:
        listed = [{"key": key, "file": ours, "running": theirs} for key, (ours, theirs) in differ.items()]
        report = {"file": str(path), "hash": settings.digest, "running_hash": found.hash, "differences": listed}
        click.echo(json.dumps(report, indent=2))
    else:
        _print_differences(path, settings.digest, found.hash, differ)
    return int(bool(differ) or settings.digest != found.hash)


def _print_differences(path: Path, ours: str, theirs: str, differ: dict[str, tuple[Any, Any]]) -> None:
    for key, values in differ.items():
        file, running = (json.dumps(value) if value is not None else "not there" for value in values)
        click.echo(f"{key}\n    file     {file}\n    running  {running}")
    if differ:
        click.echo(f"{path} has hash {ours}, what runs {theirs}. To make it run: talaria reload, or SIGHUP.")
    elif ours != theirs:
        click.echo(f"The settings are the same, but not how they are written, or a caller's keys: {ours}, {theirs}.")
    else:
        click.echo(f"What runs is what {path} says, hash {ours}.")


def _print(settings: Settings) -> None:
    """Each table's own name, and what it says below it: whole lines on any terminal."""
    parts = {"Routes": _routes, "Callers": _callers, "Partners": _partners, "Upstreams": _upstreams}
    for title, facts_of in parts.items():
        click.echo(title)
        for name, facts in facts_of(settings):
            say(f"  {name}: {facts}")
    server, kids = settings.server, ", ".join(key.kid for key in settings.signing.keys)
    way = " (TLS)" if server.tls.cert_file else ""
    edges = f", edges {server.decision_listen}" if server.decision_listen else ""
    say(f"clients {server.listen}{way}, operators {server.ops_listen}{edges}, signing keys {kids}")


def _routes(settings: Settings) -> Iterator[tuple[str, str]]:
    for tag, route in settings.routes.items():
        methods, callers = ", ".join(route.methods) or "all", ", ".join(route.callers)
        partner = f"partner {route.partner}" if route.partner else "no partner"
        ends = f"identity {route.identity}, timeout {write_seconds(route.timeout)}"
        yield tag, f"{partner}, upstream {route.upstream}, {ends}, callers {callers}, methods {methods}"


def _callers(settings: Settings) -> Iterator[tuple[str, str]]:
    for name, caller in settings.callers.items():
        networks = ", ".join(map(str, caller.networks)) or "anywhere"
        tokens = f"issuer {caller.issuer}, audience {caller.audience}, {', '.join(caller.algorithms)}, "
        yield name, f"{tokens if caller.api_key is None else ''}keys {_key_source(caller)}, from {networks}"


def _key_source(caller: CallerSettings) -> str:
    if caller.api_key is not None:
        return "API key" if len(caller.api_key) == 1 else f"{len(caller.api_key)} API keys"
    if caller.secret is not None:
        return "shared secret"
    return caller.jwks_url or str(caller.jwks_file or caller.public_key_file)


def _partners(settings: Settings) -> Iterator[tuple[str, str]]:
    for partner in [each for one in settings.partners.values() for each in (one, *one.trials.values())]:
        way = _way(partner.egress_proxy, partner.source_address)
        source = f" ({partner.found.distribution} {partner.found.version})" if partner.found is not None else ""
        times = f"timeout {write_seconds(partner.timeout)}, attempts {partner.attempts}"
        spoken = f"adapter {partner.adapter}{source}, user id header {partner.user_id_header}, {times}"
        yield partner.dependency, f"{partner.url} {way}, {spoken}"


def _upstreams(settings: Settings) -> Iterator[tuple[str, str]]:
    for name, upstream in settings.upstreams.items():
        way = _way(upstream.egress_proxy, upstream.source_address)
        key = "sent" if upstream.api_key else "none"
        yield name, f"{', '.join(upstream.urls)} {way}, audience {upstream.audience}, API key {key}"


def _way(egress_proxy: str, source_address: str | None) -> str:
    through = f"through {egress_proxy}" if egress_proxy else "direct"
    return f"{through}{f' from {source_address}' if source_address else ''}"

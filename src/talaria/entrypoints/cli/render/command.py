"""`talaria render`: a whole configuration for an engine in front of Talaria, on stdout."""

import shlex
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import rich_click as click

from talaria.entrypoints.cli.render import envoy, haproxy, nginx
from talaria.entrypoints.cli.render.facts import Endpoint, Facts, decisions_of
from talaria.entrypoints.cli.render.missing import missing
from talaria.entrypoints.cli.render.template import fill, script_path
from talaria.entrypoints.cli.shared import config_option, load_or_exit, refuse_configuration, written_as
from talaria.entrypoints.config import Address, Settings
from talaria.entrypoints.config.rules import fill_in
from talaria.entrypoints.config.types import LISTEN, ORIGIN_URL

_RENDERERS: dict[tuple[str, str], Callable[[Facts], str]] = {
    ("haproxy", "balance"): haproxy.balance,
    ("envoy", "balance"): envoy.balance,
    ("nginx", "balance"): nginx.balance,
    ("nginx", "edge"): nginx.edge,
    ("envoy", "edge"): partial(fill, "envoy-edge.yaml"),
    ("caddy", "edge"): partial(fill, "Caddyfile.edge"),
    ("haproxy", "edge"): haproxy.edge,
}
_SCRIPTS = {("nginx", "balance"): nginx.SCRIPT, ("haproxy", "edge"): haproxy.SCRIPT}
_NEEDED = ("server", "decision", "routes", "personal.timeout")
_ADDRESS, _ORIGIN = written_as(Annotated[Address, LISTEN]), written_as(Annotated[str, ORIGIN_URL])


@click.command("render")
@click.argument("engine", type=click.Choice(sorted({engine for engine, _ in _RENDERERS})))
@config_option
@click.option(
    "--mode",
    required=True,
    type=click.Choice(["balance", "edge"]),
    help="balance: each person to one Talaria, which forwards. edge: the engine forwards, Talaria decides.",
)
@click.option("--fast", is_flag=True, help="With nginx and edge: a decision is kept for decision.max_age.")
@click.option("--listen", required=True, metavar="HOST:PORT", type=_ADDRESS, help="Where clients call.")
@click.option(
    "--talaria",
    "gateways",
    required=True,
    multiple=True,
    metavar="URL",
    type=_ORIGIN,
    help="The public address of a replica; several times for several.",
)
@click.option(
    "--decisions",
    multiple=True,
    metavar="URL",
    type=_ORIGIN,
    help="The address of a replica's decision listener; default: server.decision_listen of the file.",
)
@click.option("--script", metavar="FILE", default="", help="Where the engine finds the script; default: the one here.")
def command(
    engine: str,
    path: Path,
    mode: str,
    fast: bool,
    listen: Address,
    gateways: tuple[str, ...],
    decisions: tuple[str, ...],
    script: str,
) -> None:
    """Print a configuration for an engine in front of Talaria, made of talaria.toml."""
    if (engine, mode) not in _RENDERERS:
        others = ", ".join(sorted(other for other, its_mode in _RENDERERS if its_mode == mode))
        raise click.UsageError(f"{engine} can't tell persons apart: balance with {others}")
    if fast and (engine, mode) != ("nginx", "edge"):
        raise click.UsageError("--fast goes with nginx and --mode edge")
    settings = _settings(path)
    endpoints = tuple(map(Endpoint.of, gateways))
    shipped = _SCRIPTS.get((engine, mode))
    asked = ["talaria", "render", engine, "--config", str(path), "--mode", mode, *(["--fast"] if fast else ())]
    asked += ["--listen", str(listen), *(word for url in gateways for word in ("--talaria", url))]
    facts = Facts(
        command=shlex.join(asked),
        settings=settings,
        listen=listen,
        gateways=endpoints,
        decisions=decisions_of(settings, decisions, endpoints),
        script=script or (script_path(shipped) if shipped else ""),
        fast=fast,
    )
    if problems := missing(engine, mode, facts):
        refuse_configuration(path, problems)
    click.echo(_RENDERERS[engine, mode](facts), nl=False)


def _settings(path: Path) -> Settings:
    """What a rendered file is made of: no secret is among it, so none is needed here."""
    found = load_or_exit(path, *_NEEDED)
    callers = (f"callers.{name}.{key}" for name in found.callers for key in ("issuer", "phone_id_claim"))
    partners = (f"partners.{name}.{key}" for name in found.partners for key in ("user_id_header", "timeout"))
    upstreams = (f"upstreams.{name}.{key}" for name in found.upstreams for key in ("urls", "tls", "connect_timeout"))
    return fill_in(load_or_exit(path, *_NEEDED, *callers, *partners, *upstreams))

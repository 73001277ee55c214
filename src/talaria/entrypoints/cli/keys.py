"""`talaria keys`: the gateway's own signing keys, and how one takes the place of another without a gap.

Publish the next one (append it to `signing.keys`), sign with it (move it to the front), retire the old one (take it
out): each step is a change of the configuration and a reload. The commands change nothing there; they say what is safe
now, by what the running gateway has published and signed.
"""

import json
import sys
import time
from http.client import HTTPException
from pathlib import Path
from typing import NoReturn

import msgspec
import rich_click as click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from talaria.adapters.auth.key_files import write_new_key
from talaria.adapters.auth.key_rotation import KeyUse
from talaria.adapters.auth.service_tokens import KEY_SET_SECONDS
from talaria.entrypoints.cli.explain import fetch, reason
from talaria.entrypoints.cli.rotation import Advice, advise, rules
from talaria.entrypoints.cli.shared import config_option, load_part_or_exit
from talaria.entrypoints.config import Settings
from talaria.entrypoints.public.server.sockets import loopback_for_wildcard

_NEEDED = ("server.ops_listen", "signing.keys", "signing.lifetime")
_WIDTH_OF_A_FILE = 160
_RELOAD = "Then have every instance reload: SIGHUP to `talaria serve`."


@click.group("keys")
def command() -> None:
    """The keys that sign service tokens: make one, and put it in the place of another without a gap."""


class _Keys(msgspec.Struct):
    keys: list[KeyUse]


class _Unknown(Exception):
    """The gateway can't be asked. The text says why."""


@command.command("new")
@click.option(
    "--out",
    required=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Where the key goes, such as keys/2026-11.pem. Nothing is overwritten.",
)
def new(out: Path) -> None:
    """Write a fresh P-256 key that its owner alone can read, and show how to configure it."""
    try:
        write_new_key(out)
    except FileExistsError:
        raise click.ClickException(f"{out} is there already; nothing was written.") from None
    except OSError as error:
        raise click.ClickException(f"{out} can't be written: {error.strerror}.") from error
    click.echo(f"A new P-256 key (ES256) is in {out}, mode 0600. Its kid could be {out.stem}.")
    click.echo("To publish it, append it to the list `keys` of [signing] (paths start from the configuration file) and")
    click.echo(
        f"reload. Move it to the front, where it signs, {KEY_SET_SECONDS} s later at the earliest: talaria keys list"
    )
    click.echo(f"  {_toml_line(out.stem, out)}")


@command.command("list")
@config_option
def list_keys(path: Path) -> None:
    """Say of each key what may be done with it now, and why."""
    settings = load_part_or_exit(path, *_NEEDED)
    configured = [key.kid for key in settings.signing.keys]
    try:
        now_in_force = _in_force(settings)
    except _Unknown as unknown:
        click.echo(f"Configured are {', '.join(configured)}; the first signs. {unknown}", err=True)
        click.echo(rules(KEY_SET_SECONDS, settings.signing.lifetime))
        return
    _print({use.kid: (use, advise(use, KEY_SET_SECONDS, time.time())) for use in now_in_force})
    if configured != [use.kid for use in now_in_force]:
        click.echo(f"The configuration on disk says otherwise ({', '.join(configured)}). {_RELOAD}")
    click.echo("Other instances may have begun later: ask each of them, or wait once more as long.")


@command.command("retire")
@config_option
@click.argument("kid")
def retire(path: Path, kid: str) -> None:
    """Say whether the key KID can be taken out of the configuration now. Exit code 1: not yet, or not known."""
    settings = load_part_or_exit(path, *_NEEDED)
    try:
        found = next((use for use in _in_force(settings) if use.kid == kid), None)
    except _Unknown as unknown:
        _fail(str(unknown), rules(KEY_SET_SECONDS, settings.signing.lifetime))
    if found is None:
        _fail(f'No key in force has the kid "{kid}": talaria keys list')
    advice = advise(found, KEY_SET_SECONDS, time.time())
    if not advice.may_retire:
        _fail(f"{kid} can't be retired yet: {advice.why}.", f"Now: {advice.next}.")
    file = next((str(key.file) for key in settings.signing.keys if key.kid == kid), None)
    click.echo(f"{kid} can be retired: no token that this instance signed with it is good any more.")
    click.echo(f"Take it out of signing.keys. {_RELOAD}")
    if file is not None:
        click.echo(f"When they all have, delete {file}.")


def _in_force(settings: Settings) -> list[KeyUse]:
    """What the running gateway publishes. Raises _Unknown."""
    address = settings.server.ops_listen
    try:
        return msgspec.json.decode(fetch(f"http://{loopback_for_wildcard(address)}/keys") or b"", type=_Keys).keys
    except (OSError, HTTPException) as error:
        raise _Unknown(f"The operators' listener at {address} can't be asked ({reason(error)}).") from None
    except msgspec.MsgspecError:
        raise _Unknown(f"What answers at {address} is no operators' listener of this version.") from None


def _print(keys: dict[str, tuple[KeyUse, Advice]]) -> None:
    table = Table("kid", "algorithm", "role", "now", "why", box=None, padding=(0, 2), header_style="dim")
    for kid, (use, advice) in keys.items():
        table.add_row(*map(Text, (kid, use.algorithm, advice.role, advice.next, advice.why)))
    console = Console(highlight=False)
    (console if console.is_terminal else Console(highlight=False, width=_WIDTH_OF_A_FILE)).print(table)


def _fail(*lines: str) -> NoReturn:
    click.echo("\n".join(lines), err=True)
    sys.exit(1)


def _toml_line(kid: str, file: Path) -> str:
    """The key as an element of `signing.keys`. TOML's basic strings escape as JSON's do."""
    return f"{{ kid = {_quoted(kid)}, file = {_quoted(str(file))} }}"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)

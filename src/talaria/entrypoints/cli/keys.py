"""`talaria keys`: the gateway's own signing keys, and how one takes the place of another without a gap.

Publish the next one (append it to `signing.keys`), sign with it (move it to the front), retire the old one (take it
out): each step is a change of the configuration and a reload. The commands change nothing there; they say what is safe
now, by what the running gateway has published and signed.
"""

import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import rich_click as click

from talaria.adapters.auth.key_files import load_signing_key, write_new_key
from talaria.adapters.auth.key_rotation import KeyUse
from talaria.adapters.auth.service_tokens import KEY_SET_SECONDS, ServiceTokenSigner, SigningKey
from talaria.entrypoints.cli.operators import CannotAsk, ask
from talaria.entrypoints.cli.shared import config_option, fail, load_or_exit, say, writing, written_as
from talaria.entrypoints.config import Settings
from talaria.entrypoints.config.settings import Name
from talaria.entrypoints.config.types import write_seconds
from talaria.entrypoints.ops.answers import KeysInForce

_NEEDED = ("server.ops_listen", "signing.keys", "signing.lifetime")
_PUBLISH = (
    "To publish it, append it to the list `keys` of [signing] (paths start from the configuration file) and reload."
    f" Move it to the front, where it signs, {KEY_SET_SECONDS} s later at the earliest: talaria keys list"
)
_RELOAD = "Then have every instance reload: SIGHUP to `talaria serve`."


@dataclass(frozen=True, slots=True)
class Advice:
    """What holds of one key. `may_retire`: it can be taken out of `signing.keys` now."""

    role: str
    next: str
    why: str
    may_retire: bool = False


def advise(use: KeyUse, key_set_seconds: int, now: float) -> Advice:
    """What may be done with this key at `now`, in seconds since the epoch."""
    if use.signs:
        return Advice("signs", "keep it", "put another key first in signing.keys before this one can go")
    known_at = use.published_at + key_set_seconds
    if now < use.good_until:
        why = f"a token that it signed may be good until {_clock(use.good_until)}"
        return Advice("published", f"keep it until {_clock(use.good_until)}", why)
    if now < known_at:
        why = f"others may hold a key set of before {_clock(use.published_at)} for {key_set_seconds} s"
        return Advice("published", f"may sign from {_clock(known_at)}", why, may_retire=True)
    why = f"known to others since {_clock(known_at)}, and no token that it signed is good any more"
    return Advice("published", "may sign, or be retired", why, may_retire=True)


def _clock(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}Z"


@click.group("keys")
def command() -> None:
    """The keys that sign service tokens: make one, and put it in the place of another without a gap."""


@command.command("new")
@click.option(
    "--out",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Where the key goes, such as keys/2026-11.pem. Nothing is overwritten.",
)
@click.option(
    "--caller", metavar="NAME", type=written_as(Name), help="A caller's key, to try it: keys/callers/NAME.pem."
)
def new(out: Path | None, caller: str | None) -> None:
    """Write a fresh P-256 key that its owner alone can read, and show how to configure it."""
    if out is not None and caller is None:
        _write(out)
        say(f"A new P-256 key (ES256) is in {out}, mode 0600. Its kid could be {out.stem}.")
        say(_PUBLISH)
        say(f"  {{ kid = {_quoted(out.stem)}, file = {_quoted(out)} }}")
    elif caller is not None and out is None:
        key = Path("keys", "callers", f"{caller}.pem")
        public = key.with_suffix(".jwks.json")
        _write(key, public)
        say(f"A new P-256 key (ES256) of {caller} is in {key}, mode 0600, and its public key set in {public}.")
        say("In the caller's table, in place of a jwks_url (paths start from the configuration file):")
        say(f"  jwks_file = {_quoted(public)}")
        say(f"Then: talaria token --caller {caller} PERSONAL_PHONE_ID")
    else:
        raise click.UsageError("Give --out FILE for a key of the gateway, or --caller NAME for one of a caller.")


def _write(key: Path, public: Path | None = None) -> None:
    """A new key; and where `public` is, its public key set."""
    with writing(*filter(None, (key, public))):
        key.parent.mkdir(parents=True, exist_ok=True)
        write_new_key(key)
        if public is not None:
            signing = SigningKey(key.stem, *load_signing_key(key.read_bytes()))
            public.write_bytes(ServiceTokenSigner([signing], "", 60, time.time).jwks())


def _quoted(text: object) -> str:
    """A basic string of TOML, which escapes as JSON does."""
    return json.dumps(str(text), ensure_ascii=False)


@command.command("list")
@config_option
def list_keys(path: Path) -> None:
    """Say of each key what may be done with it now, and why."""
    settings = load_or_exit(path, *_NEEDED)
    configured = [key.kid for key in settings.signing.keys]
    try:
        now_in_force = _in_force(settings)
    except CannotAsk as error:
        say(f"Configured are {', '.join(configured)}; the first signs. {error}", err=True)
        say(_rules(settings))
        return
    for use in now_in_force:
        advice = advise(use, KEY_SET_SECONDS, time.time())
        say(f"{use.kid}  {use.algorithm}  {advice.role}: {advice.next} ({advice.why})")
    if configured != [use.kid for use in now_in_force]:
        say(f"The configuration on disk says otherwise ({', '.join(configured)}). {_RELOAD}")
    say("Other instances may have begun later: ask each of them, or wait once more as long.")


@command.command("retire")
@config_option
@click.argument("kid")
def retire(path: Path, kid: str) -> None:
    """Say whether the key KID can be taken out of the configuration now. Exit code 1: not yet, or not known."""
    settings = load_or_exit(path, *_NEEDED)
    try:
        found = next((use for use in _in_force(settings) if use.kid == kid), None)
    except CannotAsk as error:
        fail(str(error), _rules(settings))
    if found is None:
        fail(f'No key in force has the kid "{kid}": talaria keys list')
    advice = advise(found, KEY_SET_SECONDS, time.time())
    if not advice.may_retire:
        fail(f"{kid} can't be retired yet: {advice.why}.", f"Now: {advice.next}.")
    say(f"{kid} can be retired: no token that this instance signed with it is good any more.")
    say(f"Take it out of signing.keys. {_RELOAD}")
    for key in settings.signing.keys:
        if key.kid == kid:
            say(f"When they all have, delete {key.file}.")


def _in_force(settings: Settings) -> list[KeyUse]:
    """What the running gateway publishes. Raises CannotAsk."""
    return ask(settings.server.ops_listen, "/keys", KeysInForce).keys


def _rules(settings: Settings) -> str:
    """The waiting times, where the gateway can't be asked."""
    return (
        f"A new key may sign {KEY_SET_SECONDS} s after every instance publishes it (others may hold a key set so long);"
        f"\nan old one may be retired {write_seconds(settings.signing.lifetime)} after the last instance stopped"
        " signing with it (signing.lifetime)."
    )

"""`talaria token`: a caller's token for trying things out, signed with a key that the developer has."""

import time
import uuid
from pathlib import Path
from typing import Annotated

import jwt
import rich_click as click

from talaria.adapters.auth.key_files import PrivateKey, load_signing_key
from talaria.domain.model import PersonalPhoneId
from talaria.entrypoints.cli.shared import config_option, fail, load_or_exit, person_argument, written_as
from talaria.entrypoints.config.rules import fill_in
from talaria.entrypoints.config.settings import YEAR, CallerSettings, Settings
from talaria.entrypoints.config.types import Duration, within, write_seconds

_LIFETIME = written_as(Annotated[Duration, within(1, 10 * YEAR, "")])


@click.command("token")
@config_option
@click.option("--caller", metavar="NAME", help="A table of [callers]. The only one, if there is one.")
@click.option(
    "--key",
    "key_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The caller's private key (PEM). By default keys/callers/NAME.pem beside the configuration; "
    "a caller with a secret in the configuration needs none.",
)
@click.option("--kid", help="Name the key so; the issuer's key set must have the name.")
@click.option("--lifetime", default="12h", show_default=True, type=_LIFETIME, help="How long it is good.")
@person_argument
def command(
    path: Path, caller: str | None, key_file: Path | None, kid: str | None, lifetime: float, phone_id: PersonalPhoneId
) -> None:
    """Print a token that names a person as PERSONAL_PHONE_ID, as this caller's issuer would sign it."""
    chosen = _caller(fill_in(load_or_exit(path, "callers" if caller is None else f"callers.{caller}")), caller)
    if chosen.api_key is not None:
        raise click.UsageError(f"callers.{chosen.name} has an API key and no tokens.")
    if lifetime > chosen.max_lifetime:
        most = write_seconds(chosen.max_lifetime)
        raise click.UsageError(f"callers.{chosen.name}.max_lifetime is {most}: ask for less.")
    key, algorithm = _key(chosen, key_file, path.parent)
    if algorithm not in chosen.algorithms:
        fail(f"The key signs {algorithm}, which callers.{chosen.name}.algorithms does not allow.")
    click.echo(jwt.encode(_claims(chosen, phone_id, lifetime), key, algorithm, {"kid": kid} if kid else None))


def _caller(settings: Settings, name: str | None) -> CallerSettings:
    callers = settings.callers
    if name is None and len(callers) == 1:
        return next(iter(callers.values()))
    if name is None or name not in callers:
        raise click.UsageError(f"Name one of the callers: --caller {' | '.join(callers)}.")
    return callers[name]


def _key(caller: CallerSettings, key_file: Path | None, folder: Path) -> tuple[PrivateKey | str, str]:
    """What signs, and by which algorithm: the named file, the secret that the configuration has, or the usual file."""
    if key_file is None and caller.secret is not None:
        return caller.secret.reveal(), "HS256"
    path = key_file or folder / "keys" / "callers" / f"{caller.name}.pem"
    try:
        return load_signing_key(path.read_bytes())
    except OSError as error:
        hint = f"Name the key with --key, or make one to try with: talaria keys new --caller {caller.name}"
        fail(f"{path} can't be read ({error.strerror}).", hint)
    except ValueError as error:
        fail(f"{path}: {error}.")


def _claims(caller: CallerSettings, phone_id: PersonalPhoneId, lifetime: float) -> dict[str, object]:
    now = int(time.time())
    return {
        "iss": caller.issuer,
        "aud": caller.audience,
        "iat": now,
        "exp": now + int(lifetime),
        "jti": uuid.uuid4().hex,
        **claim(caller.phone_id_claim, phone_id.reveal()),
    }


def claim(path: str, value: object) -> dict[str, object]:
    """The claims that have this value at a path such as "person.id"."""
    outermost, _, inner = path.partition(".")
    return {outermost: claim(inner, value) if inner else value}

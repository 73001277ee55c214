"""`talaria person`: the pseudonym by which lines and failures name a person."""

from pathlib import Path

import rich_click as click

from talaria.adapters.telemetry.recorder import pseudonyms
from talaria.domain.model import PersonalPhoneId
from talaria.entrypoints.cli.shared import config_option, fail, load_or_exit, person_argument


@click.command("person")
@config_option
@click.option("--caller", metavar="NAME", help="A table of [callers]. By default each that has persons.")
@person_argument
def command(path: Path, caller: str | None, phone_id: PersonalPhoneId) -> None:
    """Print what `person` is in the lines of PERSONAL_PHONE_ID, for each caller: search the lines for it.

    It takes logging.person_key: without one every start of the gateway has names of its own.
    """
    settings = load_or_exit(path, "logging.person_key", "callers")
    names = [name for name, one in settings.callers.items() if one.api_key is None]
    if caller is not None and caller not in names:
        raise click.UsageError(f"Name one of the callers that have persons: --caller {' | '.join(names)}.")
    key = settings.logging.person_key
    if key is None:
        fail(
            "Without logging.person_key the gateway makes a new key at each start, and tells it to no other program.",
            "Set it, and reload: from then on a person has one name for good.",
        )
    pseudonym = pseudonyms(key.reveal().encode())
    chosen = names if caller is None else [caller]
    for name in chosen:
        click.echo(f"{pseudonym(name, phone_id)}  {name}" if len(chosen) > 1 else pseudonym(name, phone_id))

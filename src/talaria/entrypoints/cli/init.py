"""`talaria init`: a configuration and a signing key to start from."""

import datetime
import re
from contextlib import suppress
from importlib.resources import files
from pathlib import Path

import rich_click as click

from talaria.adapters.auth.key_files import write_new_key
from talaria.entrypoints.cli.shared import pasted, say, writing

_VARIABLE = re.compile(r'^[^#\n]*env = "(\w+)"', re.MULTILINE)


@click.command("init")
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(path_type=Path, file_okay=False))
def command(folder: Path) -> None:
    """Write DIR/talaria.toml (here, by default) and a fresh signing key beside it. Nothing is overwritten."""
    month = f"{datetime.datetime.now(datetime.UTC):%Y-%m}"
    config, key = folder / "talaria.toml", folder / "keys" / f"{month}.pem"
    text = starter(month)
    with writing(config, key):
        key.parent.mkdir(parents=True, exist_ok=True)
        write_new_key(key)
        with suppress(FileExistsError), (key.parent / ".gitignore").open("x", encoding="utf-8") as ignored:
            ignored.write("*.pem\n")  # a private key belongs into no repository
        with config.open("x", encoding="utf-8") as file:
            file.write(text)
    variables = ", ".join(dict.fromkeys(_VARIABLE.findall(text)))
    say(f"Written: {config}, and {key} (P-256, mode 0600).")
    say("Put your own addresses into the file; what it shows without a comment sign is in force.")
    say(f"It reads its secrets from the environment: set {variables}.")
    say("To try it as a caller of your own, in its folder: talaria keys new --caller app")
    say(f"Then: talaria check --config {pasted(config)}")


def starter(month: str) -> str:
    """Every setting, explained; the optional ones with their defaults. `month` names the signing key and its file."""
    return files(__package__).joinpath("starter.toml").read_text("utf-8").replace("MONTH", month)

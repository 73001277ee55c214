"""`talaria sandbox`: the gateway among simulated services. One request's journey, then all go on serving."""

import asyncio
import http.client
import logging
import os
import signal
import sys
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import NoReturn

import rich_click as click
import uvloop
from rich.console import Console

from talaria.entrypoints.config import ConfigurationError
from talaria.entrypoints.public.server.sockets import CannotListen
from talaria.sandbox import demo as journey
from talaria.sandbox import demo_output as picture
from talaria.sandbox.files import NotOurs
from talaria.sandbox.service import NotLoopback
from talaria.sandbox.world import DEFAULT_PORT, OPS_SHIFT, STDOUT, World, sandbox_world


@dataclass(frozen=True, slots=True)
class Wishes:
    """The command's options."""

    once: bool
    folder: Path | None
    port: int
    host: str
    gateway: bool


class JourneyFailed(Exception):
    """The request did not arrive, or not as it should."""


@click.command("sandbox")
@click.option("--once", is_flag=True, help="Show the journey and exit.")
@click.option(
    "--keep",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Leave the configuration and the keys in DIR, to be used with `talaria serve`.",
)
@click.option(
    "--port",
    default=DEFAULT_PORT,
    show_default=True,
    type=click.IntRange(0, 65535 - OPS_SHIFT),
    help="The gateway's port; the services take the next four, the operators' listener +1010. 0: free ones.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="A loopback address.")
@click.option("--no-gateway", is_flag=True, help="Only the simulated services, for a `talaria serve` of your own.")
def command(once: bool, folder: Path | None, port: int, host: str, no_gateway: bool) -> None:
    """Start the gateway among simulated services on loopback and follow one request through it."""
    if once and no_gateway:
        raise click.UsageError("--once shows a journey through the gateway: leave out --no-gateway.")
    try:
        uvloop.run(_run(Wishes(once, folder, port, host, not no_gateway)))
    except CannotListen as error:
        _fail(f"{error}\nTake other ports with --port N, or free ones with --port 0.")
    except (ConfigurationError, NotLoopback, NotOurs, JourneyFailed) as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"{error.filename or 'the sandbox'}: {error.strerror}")


def _fail(text: str) -> NoReturn:
    click.echo(text, err=True)
    sys.exit(1)


async def _run(wishes: Wishes) -> None:
    asked_to_stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, asked_to_stop.set)
    logging.getLogger("talaria").setLevel(logging.WARNING)
    console = Console(file=sys.stdout, highlight=False)
    # The gateway's access lines would spoil the picture: they wait in a file until it is drawn.
    with TemporaryFile(buffering=0) as lines:
        async with _world(wishes, lines.fileno()) as world:
            await _show(console, world, wishes)
            if not wishes.once:
                world.flush_access_lines()
                sys.stdout.flush()
                os.dup2(STDOUT, lines.fileno())
                await asked_to_stop.wait()


def _world(wishes: Wishes, descriptor: int) -> AbstractAsyncContextManager[World]:
    return sandbox_world(
        port=wishes.port,
        host=wishes.host,
        gateway=wishes.gateway,
        folder=wishes.folder,
        access_descriptor=descriptor,
    )


async def _show(console: Console, world: World, wishes: Wishes) -> None:
    if wishes.gateway:
        await _show_journey(console, world)
    else:
        picture.line(console, "The simulated services run; start a gateway among them in another shell:", "bold")
        picture.line(console, f"  talaria serve --config {world.config_path}")
        picture.show_addresses(console, world)
    if wishes.folder is not None and wishes.gateway:
        picture.show_kept(console, world)
    if not wishes.once:
        picture.line(console)
        after = "; an access line for each request follows" if wishes.gateway else ""
        picture.line(console, f"Serving until Ctrl-C{after}.", "bold")


async def _show_journey(console: Console, world: World) -> None:
    await world.services.token_check.fetch_keys()
    try:
        cold, warm = await journey.travel(world), await journey.travel(world)
        refusal = await journey.be_refused(world)
    except (OSError, http.client.HTTPException) as error:
        raise JourneyFailed(f"the gateway at {world.public_url} did not answer ({type(error).__name__})") from error
    picture.show_trip(console, "A request of ppid-anna, for the first time", cold)
    picture.show_trip(console, "The same once more", warm)
    picture.show_changes(console, warm.changes)
    if (cold.status, warm.status) != (200, 200):
        raise JourneyFailed(f"the request was answered with {cold.status} and then {warm.status}, not with 200")
    picture.show_ways_on(console, world, refusal)

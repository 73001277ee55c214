"""`talaria sandbox`: the gateway among simulated services. The demo first, then all go on serving."""

import asyncio
import io
import logging
import os
import signal
import sys
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

import httpx
import rich_click as click
import uvloop
from rich.console import Console

from talaria.entrypoints.cli.shared import fail, pasted
from talaria.entrypoints.config import ConfigurationError
from talaria.entrypoints.public.server.sockets import CannotListen
from talaria.sandbox import demo, demo_output
from talaria.sandbox.folder import ForeignFolder
from talaria.sandbox.partner import SimulatedPartner, simulator_of
from talaria.sandbox.service import NotLoopback
from talaria.sandbox.stack import DEFAULT_PORT, OPS_SHIFT, STDOUT, Sandbox, next_free_port, running_sandbox


@dataclass(frozen=True, slots=True)
class Options:
    """The command's options."""

    once: bool
    folder: Path | None
    port: int | None
    host: str
    gateway: bool
    partners: tuple[type[SimulatedPartner], ...] = ()


class DemoFailed(Exception):
    """The request did not arrive, or not as it should."""


@click.command("sandbox")
@click.option("--once", is_flag=True, help="Show the demo and exit.")
@click.option(
    "--keep",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Leave the configuration and the keys in DIR, to be used with `talaria serve`.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535 - OPS_SHIFT),
    help="The gateway's port; the services take the next ones, the operators' listener +1010. 0: free ones. "
    f"[default: {DEFAULT_PORT}, or the next with a free row]",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="A loopback address.")
@click.option("--no-gateway", is_flag=True, help="Only the simulated services, for a `talaria serve` of your own.")
@click.option("--with", "names", metavar="NAME", multiple=True, help="A partner beside wind, by its simulator's name.")
def command(
    once: bool, folder: Path | None, port: int | None, host: str, no_gateway: bool, names: tuple[str, ...]
) -> None:
    """Start the gateway among simulated services on loopback and follow one request through it."""
    if once and no_gateway:
        raise click.UsageError("--once shows a request through the gateway: leave out --no-gateway.")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a folder's name may have what the terminal can't show
    try:
        partners = tuple(map(simulator_of, names))
        uvloop.run(_run(Options(once, folder, port, host, not no_gateway, partners)))
    except CannotListen as error:
        fail(str(error), "Take other ports with --port N, or free ones with --port 0.")
    except (ConfigurationError, NotLoopback, ForeignFolder, DemoFailed) as error:
        fail(str(error))
    except LookupError as error:
        fail(str(error.args[0]))
    except OSError as error:
        fail(f"{error.filename or 'the sandbox'}: {error.strerror}")


async def _run(options: Options) -> None:
    asked_to_stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, asked_to_stop.set)
    logging.getLogger("talaria").setLevel(logging.WARNING)
    console = Console(file=sys.stdout, highlight=False)
    # The gateway's access lines would spoil the demo: they wait in a file until it has been shown.
    with TemporaryFile(buffering=0) as lines:
        async with _sandbox(console, options, lines.fileno()) as sandbox:
            await _show(console, sandbox, options)
            if not options.once:
                sandbox.flush_access_lines()
                sys.stdout.flush()
                os.dup2(STDOUT, lines.fileno())
                await asked_to_stop.wait()


def _sandbox(console: Console, options: Options, descriptor: int) -> AbstractAsyncContextManager[Sandbox]:
    port = options.port
    if port is None:
        port = next_free_port(options.host, len(options.partners))
        if port != DEFAULT_PORT:
            taken = f"Port {DEFAULT_PORT} or one of its row is taken: the gateway listens on"
            demo_output.line(console, f"{taken} {port or 'a free one'} this time.", "yellow")
    # The lines that wait in a file are for a terminal in the end. What is kept is for other gateways too.
    text = {"logging": {"format": "text"}} if options.folder is None and sys.stdout.isatty() else {}
    return running_sandbox(
        port=port,
        config=text,
        host=options.host,
        gateway=options.gateway,
        folder=options.folder,
        access_descriptor=descriptor,
        partners=options.partners,
    )


async def _show(console: Console, sandbox: Sandbox, options: Options) -> None:
    if options.gateway:
        await _show_demo(console, sandbox)
        for partner in options.partners:
            await _show_partner(console, sandbox, partner.name)
        if not options.once:
            demo_output.show_next_steps(console, sandbox)
    else:
        demo_output.line(console, "The simulated services run; start a gateway among them in another shell:", "bold")
        demo_output.line(console, f"  talaria serve --config {pasted(sandbox.config_path)}")
        demo_output.show_addresses(console, sandbox)
    if options.folder is not None and options.gateway:
        demo_output.show_kept(console, sandbox)
    if not options.once:
        demo_output.line(console)
        after = "; an access line for each request follows" if options.gateway else ""
        demo_output.line(console, f"Serving until Ctrl-C{after}.", "bold")


async def _show_demo(console: Console, sandbox: Sandbox) -> None:
    await sandbox.talaria_services.token_check.fetch_keys()
    try:
        cold, warm = await demo.run(sandbox), await demo.run(sandbox)
        refused = await demo.run_refused(sandbox)
    except httpx.HTTPError as error:
        raise DemoFailed(f"the gateway at {sandbox.public_url} did not answer ({type(error).__name__})") from error
    demo_output.show_result(console, "A request of ppid-anna, for the first time", cold)
    demo_output.show_result(console, "The same once more", warm)
    demo_output.show_changes(console, warm.changes)
    if (cold.status, warm.status) != (200, 200):
        raise DemoFailed(f"the request was answered with {cold.status} and then {warm.status}, not with 200")
    demo_output.show_refused(console, refused)


async def _show_partner(console: Console, sandbox: Sandbox, name: str) -> None:
    result = await demo.run(sandbox, name)
    demo_output.show_result(console, f"A request of ppid-anna, with x-api-tag: {name}", result)
    if result.status != 200:
        raise DemoFailed(f"the request for {name} was answered with {result.status}, not with 200")

"""The command line. A command's module is imported when the command runs, or when help lists it; not before.

Exit codes: 0 done, 1 failed, 2 wrong usage, 78 (EX_CONFIG) a configuration that can't be used.
"""

import errno
import os
import sys
from io import TextIOWrapper

import rich_click as click

from talaria import __version__
from talaria.entrypoints.cli.lazy_group import LazyGroup

COMMANDS = {
    "serve": "talaria.entrypoints.cli.serve",
    "check": "talaria.entrypoints.cli.check",
    "init": "talaria.entrypoints.cli.init",
    "sandbox": "talaria.sandbox.command",
    "token": "talaria.entrypoints.cli.token",
    "keys": "talaria.entrypoints.cli.keys",
    "explain": "talaria.entrypoints.cli.explain",
    "person": "talaria.entrypoints.cli.person",
    "reload": "talaria.entrypoints.cli.reload",
    "doctor": "talaria.entrypoints.cli.doctor",
    "render": "talaria.entrypoints.cli.render.command",
    "partner": "talaria.entrypoints.cli.partner",
}
"""The module of each command; its attribute `command` is the command."""

_FAULT = "This is a fault of talaria, or of a partner's adapter. Its text is left out, for it may hold a secret:"


@click.group(cls=LazyGroup, modules=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name="talaria")
def cli() -> None:
    """One door between an app's clients and its partners."""


def take_standard_descriptors() -> None:
    """Open those that are closed: else the next socket would be one of them, and what is printed would go there.

    The program begins once more then, for Python has no stream where it found no descriptor.
    """
    closed = [descriptor for descriptor in range(3) if not _is_open(descriptor)]
    for _ in closed:
        os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest that is free, which is this one
    if closed:
        os.execv(sys.executable, sys.orig_argv)  # noqa: S606 - this very program


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def main() -> None:
    """Run the command that the arguments name, and exit."""
    take_standard_descriptors()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal of another encoding shows what it can
    try:
        try:
            cli(prog_name="talaria")
        finally:
            # Here, and not at the interpreter's end, where an error could not be told any more.
            sys.stdout.flush()
    except Exception as error:
        _tell(error)
        sys.exit(1)


def _tell(error: Exception) -> None:
    from talaria.adapters.telemetry.line_writer import NO_ROOM  # no command needs these but for this
    from talaria.entrypoints.runtime.logging import trace

    if not isinstance(error, OSError) or error.errno not in (*NO_ROOM, errno.EPIPE) or error.filename is not None:
        click.echo("\n".join([_FAULT, *trace(error)]), err=True)
        return
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    if error.errno != errno.EPIPE:
        click.echo(f"What was to be said could not be written: {error.strerror}.", err=True)

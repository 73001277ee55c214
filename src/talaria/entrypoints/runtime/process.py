"""`talaria serve`: the public listener and the operators' listener, from start to the end of the drain."""

import asyncio
import gc
import logging
import os
import resource
import signal
import socket
from pathlib import Path
from secrets import token_bytes

import uvloop

from talaria import __version__
from talaria.adapters.telemetry.metrics import count_as, forget_worker
from talaria.entrypoints.config import Settings
from talaria.entrypoints.ops.admin import AllWorkers, Control, control_path
from talaria.entrypoints.ops.app import create_ops_app
from talaria.entrypoints.ops.listener import AsgiListener
from talaria.entrypoints.public.server.sockets import CannotListen, bind, is_port_served, url_of
from talaria.entrypoints.runtime import logging as logs
from talaria.entrypoints.runtime.container import Container
from talaria.entrypoints.runtime.gateway_server import Running
from talaria.entrypoints.runtime.reload import Reloader, latest
from talaria.entrypoints.runtime.supervisor import Supervisor

logger = logging.getLogger("talaria")

FAILED = 1

_FEW_DESCRIPTORS = (
    "the hard limit of descriptors (ulimit -Hn) is low: a client past it is cut off without an answer; "
    "raise it, or lower server.max_in_flight"
)
_NOT_ALONE = "another instance serves at these addresses: until it ends, clients and operators meet either of the two"


async def start(settings: Settings, *, container: Container | None = None, access_descriptor: int = 1) -> Running:
    """A gateway that serves in this event loop; its access lines go to `access_descriptor`. Raises CannotListen."""
    container = container or Container(settings=settings)
    container.access_descriptor.override(access_descriptor)
    public, ops = bind_both(settings)
    running = Running(container, public, ops)
    try:
        await running.start()
    except BaseException:
        public.close()
        ops.close()
        raise
    return running


def bind_both(settings: Settings) -> tuple[socket.socket, socket.socket]:
    """The public and the operators' socket, shared with another instance that is on its way out or in."""
    server = settings.server
    public = bind(server.listen.host, server.listen.port, "server.listen", shared=True)
    try:
        return public, bind(server.ops_listen.host, server.ops_listen.port, "server.ops_listen", shared=True)
    except CannotListen:
        public.close()
        raise


def run(settings: Settings, config_path: Path) -> int:
    """Serve until SIGTERM or SIGINT, then drain; a second signal ends the process at once. Gives the exit code.

    SIGHUP must have been blocked before the settings were read: it is heeded from the moment in which it can be.
    """
    for descriptor in (1, 2):
        logs.never_wait_for(descriptor)
    logs.configure()
    logger.info("starting", extra={"config": str(config_path), "version": __version__})
    _take_all_descriptors(settings.server.max_in_flight)
    not_alone = is_port_served(settings.server.ops_listen)  # before the socket is ours: then we would ask ourselves
    try:
        public, ops = bind_both(settings)
    except CannotListen as error:
        logger.error(str(error))
        return FAILED
    if not_alone:
        logger.warning(_NOT_ALONE, extra={"ops": url_of(ops)})
    if settings.server.workers > 1:
        return _run_workers(settings, config_path, public, ops)
    uvloop.run(_alone(Running(Container(settings=settings), public, ops), config_path))
    return 0


def _take_all_descriptors(max_in_flight: int) -> None:
    """Raise our limit to what we may have, and say if that is low. The usual one, 1,024, is for users of select()."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if most != resource.RLIM_INFINITY and most < 2 * max_in_flight:  # a client and a call each
        logger.warning(_FEW_DESCRIPTORS, extra={"limit": most, "wanted": 2 * max_in_flight})


async def _alone(running: Running, config_path: Path) -> None:
    await _until_told(running, config_path, _told_to_stop())


def _calm_the_collector() -> None:
    """What was built at start-up stays: the garbage collector need not look at it again, nor at every request."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)


async def _until_told(running: Running, config_path: Path, told: asyncio.Event) -> None:
    reloader = Reloader(running, config_path)
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reloader.ask)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})  # one may wait since the configuration was read
    await running.start()
    _calm_the_collector()
    keeping_up = asyncio.create_task(reloader.keep_up())
    await told.wait()
    keeping_up.cancel()
    await running.stop()


METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Set before this module is imported where there are several workers, for prometheus_client reads it then."""


def _told_to_stop(*, supervised: bool = False) -> asyncio.Event:
    """Set by the first SIGTERM or SIGINT; a second one ends the process.

    Not one that is `supervised`: where everybody is told at once (as systemd does) its supervisor tells it again, and
    it is the supervisor who ends it at a second signal.
    """
    told = asyncio.Event()

    def on_signal() -> None:
        if told.is_set() and not supervised:
            os._exit(FAILED)
        told.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    return told


def _run_workers(settings: Settings, config_path: Path, public: socket.socket, ops: socket.socket) -> int:
    host, port = public.getsockname()[:2]
    try:
        more = [bind(host, port, "server.listen", shared=True) for _ in range(settings.server.workers - 1)]
    except CannotListen as error:
        logger.error(str(error))
        return FAILED
    folder = Path(os.environ[METRICS_FOLDER])
    person_key = token_bytes(32)

    def work(number: int, listening: socket.socket) -> None:
        count_as(number)
        begins_with = latest(settings, config_path)
        container = Container(settings=begins_with)
        container.random_person_key.override(person_key)  # a person has one name in the lines of all workers
        running = Running(container, listening, None)
        if begins_with is settings:
            running.refused()
        uvloop.run(_work(running, config_path, number, folder))

    def watch(_: int, listening: socket.socket) -> None:
        uvloop.run(_watch(AllWorkers(folder, settings.server.workers), listening))

    return Supervisor([public, *more], work, ops, watch, lambda number: forget_worker(number, str(folder))).run()


async def _work(running: Running, config_path: Path, number: int, folder: Path) -> None:
    """One of several workers."""
    container = running.container
    control = await Control(container.fleet()).listen(control_path(folder, number))
    flushing = asyncio.create_task(container.metrics().keep_flushing())
    told = _told_to_stop(supervised=True)
    orphaned = asyncio.create_task(_stop_when_orphaned(os.getppid(), told))
    await _until_told(running, config_path, told)
    flushing.cancel()
    orphaned.cancel()
    control.close()


async def _stop_when_orphaned(supervisor: int, told: asyncio.Event) -> None:
    """Nobody is left who would replace or stop this process: drain."""
    while os.getppid() == supervisor:
        await asyncio.sleep(1.0)
    told.set()


async def _watch(fleet: AllWorkers, listening: socket.socket) -> None:
    """The operators' process of several workers."""
    told = _told_to_stop(supervised=True)
    listener = AsgiListener(create_ops_app(fleet))
    await listener.start(listening)
    logger.info("serving operators", extra={"ops": url_of(listening), "version": __version__})
    orphaned = asyncio.create_task(_stop_when_orphaned(os.getppid(), told))
    await told.wait()
    orphaned.cancel()
    await listener.stop()

"""`talaria serve`: the listeners for clients, edge proxies and operators, from start to the end of the drain."""

import asyncio
import gc
import logging
import os
import resource
import signal
import socket
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing, suppress
from functools import partial
from pathlib import Path
from secrets import token_bytes

import uvloop

from talaria import __version__
from talaria.adapters.record_lock import RecordLock
from talaria.adapters.telemetry.line_writer import make_nonblocking
from talaria.entrypoints.config import Address, Settings
from talaria.entrypoints.ops.control import ControlConnection
from talaria.entrypoints.ops.serving import OperatorsListener
from talaria.entrypoints.ops.workers import ControlServer, WorkersAdmin
from talaria.entrypoints.public.server.sockets import CannotListen, bind, is_port_served, url_of
from talaria.entrypoints.runtime import logging as logs
from talaria.entrypoints.runtime.container import Container
from talaria.entrypoints.runtime.factories import lines_as_text
from talaria.entrypoints.runtime.gateway_server import GatewayServer, ServingSockets
from talaria.entrypoints.runtime.rate_limiters import RateLimiters
from talaria.entrypoints.runtime.reload import Reloader, latest
from talaria.entrypoints.runtime.sd_notify import ServiceManager
from talaria.entrypoints.runtime.supervisor import Supervisor, ended_processes

logger = logging.getLogger("talaria")

FAILED = 1

_MACOS_MOST = 10_240
"""The highest limit of descriptors that macOS takes, whatever it says that it is."""

_FEW_DESCRIPTORS = (
    "the hard limit of descriptors (ulimit -Hn) is low: a client past it is cut off without an answer; "
    "raise it, or lower server.max_in_flight"
)
_NOT_ALONE = "another instance serves at these addresses: until it ends, clients and operators meet either of the two"


async def start(settings: Settings, *, container: Container | None = None, access_descriptor: int = 1) -> GatewayServer:
    """A gateway that serves in this event loop, at addresses of its own; its access lines go to `access_descriptor`.

    Raises CannotListen.
    """
    container = container or Container(settings=settings)
    container.process.access_descriptor.override(access_descriptor)
    sockets, ops = bind_all(settings, shared=False)
    server = GatewayServer(container, sockets, ops)
    try:
        await server.start()
    except BaseException:
        sockets.close()
        ops.close()
        raise
    return server


def bind_all(settings: Settings, *, shared: bool = True) -> tuple[ServingSockets, socket.socket]:
    """The sockets for clients and edges, and the operators'. `shared`: with another instance on its way out or in."""
    server = settings.server
    with ExitStack() as bound:  # it closes them where the next one can't be had
        sockets = bound.enter_context(closing(_bind_serving(server.listen, server.decision_listen, shared)))
        ops = bind(server.ops_listen, "server.ops_listen", shared=shared)
        bound.pop_all()
    return sockets, ops


def _bind_serving(public: Address, decisions: Address | None, shared: bool = True) -> ServingSockets:
    with ExitStack() as bound:
        listening = bound.enter_context(bind(public, "server.listen", shared=shared))
        edges = None if decisions is None else bind(decisions, "server.decision_listen", shared=shared)
        bound.pop_all()
    return ServingSockets(listening, edges)


def run(settings: Settings, config_path: Path) -> int:
    """Serve until SIGTERM or SIGINT, then drain; a second signal ends the process at once. Gives the exit code.

    SIGHUP must have been blocked before the settings were read: it is heeded from the moment in which it can be.
    """
    for descriptor in (1, 2):
        make_nonblocking(descriptor)
    _configure_lines(settings, {"worker": 0} if settings.server.workers == 1 else {"process": "supervisor"})
    logger.info("starting", extra={"config": str(config_path), "version": __version__})
    _raise_fd_limit(settings.server.max_in_flight)
    not_alone = is_port_served(settings.server.ops_listen)  # before the socket is ours: then we would ask ourselves
    try:
        sockets, ops = bind_all(settings)
        workers = [sockets, *_bind_more(sockets, settings.server.workers - 1)]
    except CannotListen as error:
        logger.error(str(error))
        return FAILED
    if not_alone:
        logger.warning(_NOT_ALONE, extra={"ops": url_of(ops)})
    if len(workers) > 1:
        return _supervise(settings, config_path, workers, ops)
    if os.getpid() == 1:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps the orphans that it gives to process 1
        list(ended_processes())  # but those that ended before
    try:
        uvloop.run(_run_single(GatewayServer(Container(settings=settings), sockets, ops), config_path))
    except Exception:
        logger.exception("the gateway failed")
        return FAILED
    return 0


def _configure_lines(settings: Settings, origin: Mapping[str, int | str]) -> None:
    logs.configure(as_text=lines_as_text(settings, 1), origin=origin)


def _bind_more(sockets: ServingSockets, count: int) -> list[ServingSockets]:
    """Sockets at the same addresses, for further workers."""
    public = _address_of(sockets.public)
    edges = None if sockets.decisions is None else _address_of(sockets.decisions)
    return [_bind_serving(public, edges) for _ in range(count)]


def _address_of(listener: socket.socket) -> Address:
    return Address(*listener.getsockname()[:2])


def _raise_fd_limit(max_in_flight: int) -> None:
    """Raise our limit to what we may have, and say if that is low. The usual one, 1,024, is for users of select()."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for most in (hard, _MACOS_MOST):
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
            break
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit != resource.RLIM_INFINITY and limit < 2 * max_in_flight:  # a client and a call each
        logger.warning(_FEW_DESCRIPTORS, extra={"limit": limit, "wanted": 2 * max_in_flight})


async def _run_single(server: GatewayServer, config_path: Path) -> None:
    manager = ServiceManager()
    watchdog = asyncio.create_task(manager.keep_alive())
    await _serve_until(_stop_event(), server, config_path, manager)
    watchdog.cancel()


def _freeze_gc() -> None:
    """What was built at start-up stays: the garbage collector need not look at it again, nor at every request."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)


async def _serve_until(
    stop: asyncio.Event,
    server: GatewayServer,
    config_path: Path,
    manager: ServiceManager,
    on_serving: Callable[[], None] = lambda: None,
) -> None:
    reloader = Reloader(server, config_path, manager=manager)
    server.process.admin().reload_by = reloader.reload
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reloader.ask)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})  # one may wait since the configuration was read
    await server.start()
    manager.ready()
    on_serving()
    _freeze_gc()
    reloading = asyncio.create_task(reloader.watch())
    await stop.wait()
    manager.stopping()
    reloading.cancel()
    await server.stop()


def _stop_event(*, supervised: bool = False) -> asyncio.Event:
    """Set by the first SIGTERM or SIGINT; a second one ends the process.

    Not one that is `supervised`: where each process gets the signal (as systemd does it) the supervisor passes it on a
    second time, and it is the supervisor that ends the process at a second signal.
    """
    stop = asyncio.Event()

    def on_signal() -> None:
        if stop.is_set() and not supervised:
            os._exit(FAILED)
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    return stop


def _supervise(settings: Settings, config_path: Path, workers: list[ServingSockets], ops: socket.socket) -> int:
    person_key = token_bytes(32)
    rate_limiters = RateLimiters(RecordLock("talaria-rate-limits"))

    def work(number: int, sockets: ServingSockets, control: socket.socket) -> None:
        _configure_lines(settings, {"worker": number})
        begins_with = latest(settings, config_path)
        container = Container(settings=begins_with)
        container.process.worker.override(number)
        container.process.rate_limiters.override(rate_limiters)
        container.process.person_key.override(person_key)  # a person has one name in the lines of all workers
        server = GatewayServer(container, sockets, None)
        if begins_with is settings:
            server.reload_failed()
        uvloop.run(_run_worker(server, config_path, number, control))

    def operate(number: int, listening: socket.socket, control: socket.socket) -> None:
        _configure_lines(settings, {"process": "operators"})
        uvloop.run(_run_ops(len(workers), listening, control))

    return Supervisor(workers, work, ops, operate).run()


async def _run_worker(server: GatewayServer, config_path: Path, number: int, control: socket.socket) -> None:
    """One of several workers. Where the supervisor is gone, it drains: nothing would replace or stop it."""
    stop = _stop_event(supervised=True)
    siblings = server.process.siblings()
    handlers = {**ControlServer(server.process.admin()).handlers, **siblings.handlers}
    connection = await ControlConnection.open(control, handlers, stop.set)
    on_serving = partial(connection.start_beating, lambda: server.settings.server.drain_timeout)
    await siblings.connect(connection, number)
    await _serve_until(stop, server, config_path, ServiceManager({}), on_serving)  # the supervisor speaks for all
    connection.close()


async def _run_ops(workers: int, listening: socket.socket, control: socket.socket) -> None:
    """The operators' process of several workers."""
    stop = _stop_event(supervised=True)
    admin = WorkersAdmin(workers)
    connection = await ControlConnection.open(control, admin.handlers, stop.set)
    connection.start_beating(lambda: 0.0)
    collecting = asyncio.create_task(admin.keep_collecting(connection))
    listener = OperatorsListener(admin)
    await listener.start(listening)
    logger.info("serving operators", extra={"ops": url_of(listening), "version": __version__})
    await stop.wait()
    await listener.stop()
    collecting.cancel()
    connection.close()

"""A gateway that serves, by one configuration after the other.

Rules of a reload: everything new is built beside the old, and takes no effect until all of it is there. Then, within
one step of the event loop, new requests go to the new gateway. Those under way keep the old one to their end, and only
then are its connections closed. What the process counts, logs and caches goes on (ProcessContainer); what the new
configuration has in common with the old one does too (resources.py).
"""

import asyncio
import logging
import socket
import ssl
import time
from dataclasses import dataclass

from msgspec.structs import replace

from talaria import __version__
from talaria.adapters.identity_cache import LruIdentityCache
from talaria.adapters.telemetry.timestamps import rfc3339
from talaria.adapters.tls import load_certificate, server_tls
from talaria.entrypoints.config import Settings
from talaria.entrypoints.config.tls import certificate_ends
from talaria.entrypoints.ops.readiness import Configured
from talaria.entrypoints.ops.serving import OperatorsListener
from talaria.entrypoints.public.app import PublicApp, public_pages
from talaria.entrypoints.public.fast_path import FastPath
from talaria.entrypoints.public.problems import RejectedHeads
from talaria.entrypoints.public.proxy import Proxy
from talaria.entrypoints.public.server.listener import Listener
from talaria.entrypoints.public.server.sockets import url_of
from talaria.entrypoints.runtime.container import Container
from talaria.entrypoints.runtime.decision_server import DecisionServer, limits_of
from talaria.entrypoints.runtime.factories import urls_of_dependencies
from talaria.entrypoints.runtime.resources import ResourceRegistry, close_all

logger = logging.getLogger("talaria")

_DETACHED_CACHE_SIZE = 1000


@dataclass(frozen=True, slots=True)
class ServingSockets:
    """What one process serves clients on, and edge proxies, where there is a decision API."""

    public: socket.socket
    decisions: socket.socket | None = None

    def close(self) -> None:
        """Close both."""
        self.public.close()
        if self.decisions is not None:
            self.decisions.close()


class GatewayServer:
    """A gateway that serves. `public_url`, `ops_url` and `decision_url` say where, the last two where there is one: a
    worker among others has no ops_url of its own.
    """

    def __init__(self, container: Container, sockets: ServingSockets, ops: socket.socket | None) -> None:
        self.container = container
        self.process = container.process
        self._tls = _server_tls(self.settings)
        self.public_url = url_of(sockets.public, "http" if self._tls is None else "https")
        self.ops_url = url_of(ops) if ops is not None else ""
        self._admin = self.process.admin()
        self._jwks = container.service_tokens().jwks
        process, drain_timeout = self.process, self.settings.server.drain_timeout
        recorder, clock, limiter = process.recorder(), process.clock(), process.limiter()
        body_limit = self.settings.server.body_limit
        self._proxy = Proxy(container.gateway(), recorder, clock, limiter, body_limit=body_limit)
        pages = public_pages(lambda: self._jwks(), lambda: self._admin.draining)
        app = PublicApp(self._proxy, pages, recorder, clock, limiter)
        self._fast_path = FastPath(
            container.gateway(), recorder, clock, limiter, body_limit=body_limit, enabled=self.settings.server.fast_path
        )
        limits = limits_of(self.settings)
        self._listener = Listener(app, RejectedHeads(recorder), limits, drain_timeout, fast_path=self._fast_path)
        self._public = sockets.public
        self._edges = None if sockets.decisions is None else DecisionServer(container, sockets.decisions)
        self.decision_url = "" if self._edges is None else self._edges.url
        self._ops = ops
        self._ops_listener = None if ops is None else OperatorsListener(self._admin)
        self._retirements: set[asyncio.Task[None]] = set()
        self._following: asyncio.Task[None] | None = None
        self._show_configuration()

    @property
    def settings(self) -> Settings:
        """What is in force."""
        settings: Settings = self.container.settings()
        return settings

    async def start(self) -> None:
        """Serve from now on: operators first, so that readiness can be asked before clients come."""
        if self._ops is not None and self._ops_listener is not None:
            await self._ops_listener.start(self._ops)
        await self._listener.start(self._public, self._tls)
        if self._edges is not None:
            await self._edges.start()
        urls = {"public": self.public_url, "ops": self.ops_url, "decisions": self.decision_url}
        logger.info("serving", extra={name: url for name, url in urls.items() if url} | {"version": __version__})

    def reconfigure(self, settings: Settings) -> None:
        """Serve by these settings from now on. Where a part can't be built its exception passes, and nothing changes.

        Belongs to the event loop. Addresses and workers stay what they are, whatever the settings say.
        """
        old = self.container
        new = Container(settings=settings, resources=ResourceRegistry(old.resources()))
        new.process.override(self.process)
        gateway, tokens = new.gateway(), new.service_tokens()
        under_way = self._listener.under_way() | (set() if self._edges is None else self._edges.under_way())
        self._reload_certificate(settings)
        # Nothing below can fail, and nothing below waits.
        self.container = new
        self._proxy.pass_on_by(gateway, settings.server.body_limit)
        self._fast_path.pass_on_by(gateway, settings.server.body_limit, enabled=settings.server.fast_path)
        self._listener.set_protocol(limits_of(settings), settings.server.drain_timeout)
        if self._edges is not None:
            self._edges.reconfigure(new)
        self._jwks = tokens.jwks
        self.process.limiter().resize(settings.server.max_in_flight)
        self.process.metrics().set_known_tags(settings.routes)
        if self._show_configuration():
            # What the old requests still bring may be about another partner of the same name.
            old.exchange().detach_cache(LruIdentityCache(_DETACHED_CACHE_SIZE))
        retirement = asyncio.create_task(self._retire(old, new, under_way))
        self._retirements.add(retirement)
        retirement.add_done_callback(self._retirements.discard)
        self._stop_following()
        self._following = asyncio.create_task(_follow_names(new))

    def reload_failed(self) -> None:
        """What should have come in force can't: say so where operators look."""
        self.process.metrics().reload_failed()
        if self._admin.configured is not None:
            refused = replace(self._admin.configured, last_reload_ok=False, last_reload=rfc3339(time.time()))
            self._admin.configured = refused

    async def stop(self) -> None:
        """Drain, then close everything. Readiness says 503 from the first moment."""
        self._admin.draining = True
        logger.info("draining")
        await asyncio.gather(self._listener.stop(), *([] if self._edges is None else [self._edges.stop()]))
        if self._ops_listener is not None:
            await self._ops_listener.stop()
        self._stop_following()
        await asyncio.gather(*self._retirements)
        await self.container.exchange().close()
        await close_all(self.container.resources())
        self.process.recorder().flush()
        if (collector := self.process.collector()) is not None:
            await asyncio.to_thread(collector.close)
        logger.info("stopped")
        self.process.access_log().close()

    def _reload_certificate(self, settings: Settings) -> None:
        tls = settings.server.tls
        if self._tls is not None and tls.cert_file is not None and tls.stamp != self.settings.server.tls.stamp:
            load_certificate(self._tls, tls.cert_file, tls.key_file)

    def _stop_following(self) -> None:
        if self._following is not None:
            self._following.cancel()

    async def _retire(self, old: Container, new: Container, under_way: "set[asyncio.Task[None]]") -> None:
        if under_way:
            await asyncio.wait(under_way)
        await old.exchange().close()
        self._admin.retired(old.exchange())
        await close_all(old.resources().not_taken_over_by(new.resources()))

    def _show_configuration(self) -> bool:
        """Tell the process's parts which configuration is in force. True: names mean other partners or callers now."""
        container, settings = self.container, self.settings
        keys = [(key.kid, key.algorithm) for key in container.service_tokens().keys]
        self.process.key_history().publish(keys, settings.signing.lifetime)
        self.process.health().replace_with(container.resources())
        now = time.time()
        self._admin.switch(settings, container.exchange())
        reloaded = "" if self._admin.configured is None else rfc3339(now)
        self._admin.configured = Configured(settings.digest, rfc3339(now), last_reload=reloaded)
        limits = settings.server.max_in_flight, settings.identities.max_entries
        if (spans := self.process.spans()) is not None:
            spans.urls = urls_of_dependencies(settings)
        self.process.metrics().configured(settings.digest, now, *limits, certificate_ends(settings))
        changed: bool = self.process.siblings().configure(settings, container.resources().key_sets)
        return changed


def _server_tls(settings: Settings) -> ssl.SSLContext | None:
    tls = settings.server.tls
    return None if tls.cert_file is None or tls.key_file is None else server_tls(tls.cert_file, tls.key_file)


async def _follow_names(container: Container) -> None:
    """A reload is also how an operator says that names have other addresses now."""
    await asyncio.gather(*[pool.follow_names() for pool in container.resources().pools.values()])

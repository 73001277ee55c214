"""A gateway that serves, by one configuration after the other.

The law of a change: everything new is built beside the old, and nothing of it can be seen until all of it is there.
Then, within one step of the event loop, new requests go to the new gateway. Those under way keep the old one to their
end, and only then are its connections closed. What the process counts, logs and remembers goes on; what the new
configuration has in common with the old one does too (stock.py).
"""

import asyncio
import logging
import socket
import ssl
import time
from datetime import UTC, datetime

from msgspec.structs import replace

from talaria import __version__
from talaria.adapters.identity_cache import LruIdentityCache
from talaria.adapters.tls import load_certificate, server_tls
from talaria.domain.model import IdentityKey
from talaria.entrypoints.config import Settings
from talaria.entrypoints.ops.app import create_ops_app
from talaria.entrypoints.ops.readiness import Configured
from talaria.entrypoints.public.app import PublicApp, own_pages
from talaria.entrypoints.public.early import EarlyEnds
from talaria.entrypoints.public.proxy import Proxy
from talaria.entrypoints.public.server.framing import Limits
from talaria.entrypoints.public.server.listener import Listener, plain_listener, protocol, public_listener
from talaria.entrypoints.public.server.sockets import url_of
from talaria.entrypoints.runtime.container import Container, successor

logger = logging.getLogger("talaria")

_KEPT_APART = 1000


class Running:
    """A gateway that serves. `public_url` and `ops_url` say where; a worker among others has no ops_url of its own."""

    def __init__(self, container: Container, public: socket.socket, ops: socket.socket | None) -> None:
        self.container = container
        self._tls = _server_tls(container.settings())
        self.public_url = url_of(public, "http" if self._tls is None else "https")
        self.ops_url = url_of(ops) if ops is not None else ""
        self._fleet = container.fleet()
        self._jwks = container.service_tokens().jwks
        self._proxy = _proxy(container)
        self._app = PublicApp(self._proxy, own_pages(lambda: self._jwks()), container.recorder())
        self._listener = self._public_listener()
        self._listeners = [(self._listener, public)]
        if ops is not None:
            self._listeners.append((plain_listener(create_ops_app(self._fleet)), ops))
        self._leaving: set[asyncio.Task[None]] = set()
        self._say_configured(container.settings())

    @property
    def settings(self) -> Settings:
        """What is in force."""
        settings: Settings = self.container.settings()
        return settings

    async def start(self) -> None:
        """Serve from now on: operators first, so that readiness can be asked before clients come."""
        for listener, listening in reversed(self._listeners):
            await listener.start(listening, self._tls if listener is self._listener else None)
        ops = {"ops": self.ops_url} if self.ops_url else {}
        logger.info("serving", extra={"public": self.public_url, **ops, "version": __version__})

    def renew(self, settings: Settings) -> None:
        """Serve by these settings from now on. Where a part can't be built its exception passes, and nothing changes.

        Belongs to the event loop. Addresses and workers stay what they are, whatever the settings say.
        """
        old, new = self.container, successor(self.container, settings)
        gateway, tokens, exchange = new.gateway(), new.service_tokens(), new.exchange()
        under_way = self._listener.under_way()
        self._show_certificate(settings)
        # Nothing below can fail, and nothing below waits.
        self.container = new
        self._part_identities(old, new)
        self._proxy.pass_on_by(gateway, settings.server.body_limit)
        self._listener.adopt(
            protocol(_limits(settings), self._app, EarlyEnds(new.recorder())), settings.server.drain_timeout
        )
        self._jwks = tokens.jwks
        self._fleet.renew(settings, exchange)
        old.breakers().become(new.breakers())
        new.breakers.override(old.breakers())
        new.load().resize(settings.server.max_in_flight)
        new.metrics().know_tags(settings.routes)
        self._say_configured(settings)
        seeing_out = asyncio.create_task(self._see_out(old, new, under_way))
        self._leaving.add(seeing_out)
        seeing_out.add_done_callback(self._leaving.discard)

    def refused(self) -> None:
        """What should have come in force can't: say so where operators look."""
        self.container.metrics().reload_refused()
        if self._fleet.configured is not None:
            self._fleet.configured = replace(self._fleet.configured, last_reload_ok=False)

    async def stop(self) -> None:
        """Drain, then close everything. Readiness says 503 from the first moment."""
        self._fleet.draining = True
        logger.info("draining")
        for listener, _ in self._listeners:
            await listener.stop()
        await asyncio.gather(*self._leaving)
        await self.container.exchange().close()
        for part in self.container.stock().all():
            await part.aclose()
        logger.info("stopped")
        self.container.access_log().close()

    def _show_certificate(self, settings: Settings) -> None:
        tls = settings.server.tls
        if self._tls is not None and tls.cert_file is not None and tls.stamp != self.settings.server.tls.stamp:
            load_certificate(self._tls, tls.cert_file, tls.key_file)

    def _part_identities(self, old: Container, new: Container) -> None:
        """Where a partner or a caller is not the same any more, what was remembered of it is forgotten."""
        identities = new.identities()
        identities.resize(new.settings().identities.max_entries)
        before, now = _meanings(old.settings()), _meanings(new.settings())
        if before == now:
            return

        def same(key: IdentityKey) -> bool:
            return all(name in now and before.get(name) == now[name] for name in _names(key))

        identities.keep_only(same)
        # What the old requests still bring may be about another partner of the same name.
        old.exchange().detach_cache(LruIdentityCache(_KEPT_APART))

    async def _see_out(self, old: Container, new: Container, under_way: "set[asyncio.Task[None]]") -> None:
        if under_way:
            await asyncio.wait(under_way)
        await old.exchange().close()
        self._fleet.left(old.exchange())
        for part in old.stock().not_in(new.stock()):
            await part.aclose()

    def _say_configured(self, settings: Settings) -> None:
        keys = [(key.kid, key.algorithm) for key in self.container.service_tokens().keys]
        self.container.key_history().publish(keys, settings.signing.lifetime)
        now = time.time()
        since = datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        self._fleet.configured = Configured(settings.digest, since)
        self.container.metrics().configured(settings.digest, now)

    def _public_listener(self) -> Listener:
        settings = self.container.settings()
        early = EarlyEnds(self.container.recorder())
        return public_listener(self._app, _limits(settings), early, settings.server.drain_timeout)


def _proxy(container: Container) -> Proxy:
    body_limit = container.settings().server.body_limit
    return Proxy(container.gateway(), container.recorder(), container.clock(), container.load(), body_limit=body_limit)


def _server_tls(settings: Settings) -> ssl.SSLContext | None:
    tls = settings.server.tls
    return None if tls.cert_file is None or tls.key_file is None else server_tls(tls.cert_file, tls.key_file)


def _limits(settings: Settings) -> Limits:
    server = settings.server
    return Limits(server.header_limit, server.header_timeout, server.keepalive_timeout)


def _meanings(settings: Settings) -> dict[tuple[str, str], tuple[str, ...]]:
    """What the names in an identity's key stand for: another url or issuer is another partner or caller."""
    partners = {("partner", id): (one.adapter, one.url) for id, one in settings.partners.items()}
    callers = {("caller", name): (one.issuer, one.phone_id_claim) for name, one in settings.callers.items()}
    return {**partners, **callers}


def _names(key: IdentityKey) -> tuple[tuple[str, str], tuple[str, str]]:
    return ("partner", key[0]), ("caller", key[1])

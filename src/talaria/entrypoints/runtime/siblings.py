"""Known in one worker is known in all: exchanged pairs, invalidations and callers' key sets.

A worker tells its siblings over the control connection what it learnt, on the cold path alone. A worker that begins
asks the eldest sibling for all that it knows, and the others where that one hangs. Persons' ids travel in memory,
between processes of one gateway.

Rules:

1. Of two results for one key the later one stays.
2. A dropped pair is dropped elsewhere only where it is the same one, or was evicted. An invalidation is handled by each
   worker, and told to the siblings by each of them too: behind whatever pair that worker sent them before.
3. A name in a key may mean another partner or caller in a worker that has not reloaded yet, or has already. So a pair
   carries what it means (`CacheKeyMeaning`), and one of another meaning is ignored.
4. What is learnt from a sibling is not told again.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from hashlib import sha256
from itertools import islice
from typing import Any

from talaria.adapters.auth.jwks import JwksClient
from talaria.adapters.identity_cache import LruIdentityCache
from talaria.domain.model import CachedIdentity, IdentityKey, PartnerUserId, PersonalPhoneId
from talaria.entrypoints.config import Settings
from talaria.entrypoints.ops.control import ELDEST, SIBLINGS, ControlConnection, Handler

CATCH_UP_SECONDS = 1.0
"""How long a worker that begins waits for the eldest sibling; and then, as long once more, for any other."""
_BATCH = 500

KeySets = Mapping[str, JwksClient]
"""Those behind a url, by caller and url."""


class CacheKeyMeaning:
    """What the names in a cache key stand for: another url or issuer is another partner or caller."""

    def __init__(self, settings: Settings) -> None:
        self.partners = {id: (one.adapter, one.url, repr(one.options)) for id, one in settings.partners.items()}
        self.callers = {name: (one.issuer, one.phone_id_claim) for name, one in settings.callers.items()}
        self._known: dict[tuple[str, str], str] = {}

    def of(self, partner: str, caller: str) -> str:
        """A digest, the same in every process; empty where one of the names is not known."""
        names = (partner, caller)
        if names not in self._known:
            meaning = (self.partners.get(partner), self.callers.get(caller))
            self._known[names] = "" if None in meaning else sha256(repr(meaning).encode()).hexdigest()[:16]
        return self._known[names]


class SharedIdentityCache(LruIdentityCache):
    """The port `IdentityCache`; its changes are told to the siblings once it is connected. `handlers` take theirs."""

    def __init__(self, max_entries: int) -> None:
        super().__init__(max_entries)
        self.handlers: Mapping[str, Handler] = {"pairs": self._take, "drop": self._drop, "clear": super().clear}
        self._connection: ControlConnection | None = None
        self._meaning: CacheKeyMeaning | None = None

    def connect(self, connection: ControlConnection) -> None:
        """Tell the siblings of changes from now on."""
        self._connection = connection

    def configure(self, settings: Settings) -> bool:
        """By these settings a key means a partner and a caller. Evicts the pairs of which a name means another one now.

        True: there is such a name.
        """
        before, now = self._meaning, CacheKeyMeaning(settings)
        self._meaning = now
        self.resize(settings.identities.max_entries)
        if before is None or (before.partners, before.callers) == (now.partners, now.callers):
            return False
        self.keep_only(lambda key: before.of(*key[:2]) == now.of(*key[:2]) != "")
        return True

    def put(self, key: IdentityKey, identity: CachedIdentity) -> None:
        super().put(key, identity)
        if self._connection is not None:
            self._connection.notify(SIBLINGS, "pairs", [self._sent(key, identity)])

    def drop(self, key: IdentityKey) -> bool:
        if self._connection is not None and (identity := self.get(key)) is not None:
            self._connection.notify(SIBLINGS, "drop", *_sent_key(key), _sent_user(identity))
        return super().drop(key)

    def clear(self) -> int:
        if self._connection is not None:
            self._connection.notify(SIBLINGS, "clear")
        return super().clear()

    async def send_all(self, connection: ControlConnection, receiver: int) -> None:
        """Every pair, in batches between which other work goes on."""
        items = iter(self.items())
        while batch := [self._sent(key, identity) for key, identity in islice(items, _BATCH)]:
            connection.notify(receiver, "pairs", batch)
            await asyncio.sleep(0)

    def _sent(self, key: IdentityKey, identity: CachedIdentity) -> list[Any]:
        meaning = self._meaning.of(*key[:2]) if self._meaning is not None else ""
        times = (identity.fresh_until, identity.stale_until, identity.exchanged_at)
        return [meaning, *_sent_key(key), _sent_user(identity), identity.unknown, times]

    def _take(self, pairs: list[list[Any]]) -> None:
        for meaning, partner, caller, phone_id, user_id, unknown, times in pairs:
            key = (partner, caller, PersonalPhoneId(phone_id))
            known = self.get(key)
            ours = self._meaning is not None and meaning and self._meaning.of(partner, caller) == meaning
            if ours and (known is None or known.exchanged_at < times[-1]):
                user = None if user_id is None else PartnerUserId(user_id)
                super().put(key, CachedIdentity(user, unknown, *times))

    def _drop(self, partner: str, caller: str, phone_id: str, user_id: str | None) -> None:
        key = (partner, caller, PersonalPhoneId(phone_id))
        known = self.get(key)
        if known is None or _sent_user(known) == user_id:
            super().drop(key)


def _sent_key(key: IdentityKey) -> tuple[str, str, str]:
    return key[0], key[1], key[2].reveal()


def _sent_user(identity: CachedIdentity) -> str | None:
    return None if identity.user_id is None else identity.user_id.reveal()


class Siblings:
    """What this worker shares with the other workers, once it is connected. `handlers`: for what they tell it."""

    def __init__(self, identities: SharedIdentityCache) -> None:
        self.handlers: Mapping[str, Handler] = {
            **identities.handlers,
            "key_set": self._take_key_set,
            "all_you_know": self._send_all,
        }
        self._identities = identities
        self._connection: ControlConnection | None = None
        self._key_sets: KeySets = {}

    def configure(self, settings: Settings, key_sets: KeySets) -> bool:
        """From now on these settings hold, with these key sets. True: names mean other partners or callers now."""
        self._key_sets = key_sets
        for name, client in key_sets.items():
            client.on_fetched = partial(self._tell_key_set, name)
        return self._identities.configure(settings)

    async def connect(self, connection: ControlConnection, number: int) -> None:
        """Share from now on, as worker `number`. Returns once what a sibling knows is known here too, but waits for it
        CATCH_UP_SECONDS twice at most.
        """
        self._connection = connection
        self._identities.connect(connection)
        for receiver in (ELDEST, SIBLINGS):
            with suppress(TimeoutError):  # it hangs, or there is none; what it sends yet is still taken
                async with asyncio.timeout(CATCH_UP_SECONDS):
                    await connection.request(receiver, None, "all_you_know", number)
                return

    async def _send_all(self, receiver: int) -> None:
        if self._connection is None:
            return
        for name, client in self._key_sets.items():
            if (known := client.known()) is not None:
                self._connection.notify(receiver, "key_set", name, *known)
        await self._identities.send_all(self._connection, receiver)

    def _tell_key_set(self, name: str, document: bytes, fetched_at: float) -> None:
        if self._connection is not None:
            self._connection.notify(SIBLINGS, "key_set", name, document, fetched_at)

    def _take_key_set(self, name: str, document: bytes, fetched_at: float) -> None:
        client = self._key_sets.get(name)
        if client is not None:
            client.adopt(document, fetched_at)

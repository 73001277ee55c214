"""Known in one worker is known in all, on caches and key sets in one process."""

import asyncio
from typing import Any

import msgspec
import pytest

from talaria.domain.model import CachedIdentity, IdentityKey, PartnerUserId, PersonalPhoneId
from talaria.entrypoints.config import Settings
from talaria.entrypoints.ops.control import ELDEST, SIBLINGS
from talaria.entrypoints.runtime.siblings import CacheKeyMeaning, SharedIdentityCache, Siblings
from talaria.testing.contracts.identity_cache import IdentityCacheContract
from tests.unit.entrypoints.config.conftest import Bench

KEY: IdentityKey = ("wind", "app", PersonalPhoneId("ppid-anna"))
OTHER: IdentityKey = ("wind", "app", PersonalPhoneId("ppid-boris"))
PAIR = CachedIdentity(PartnerUserId("anna-at-wind"), None, 100.0, 200.0, 10.0)
LATER = CachedIdentity(PartnerUserId("anna-anew"), None, 99.0, 199.0, 11.0)  # by jitter not fresh for longer
UNKNOWN = CachedIdentity(None, "partner-user-unknown", 22.0, 22.0, 12.0)


class KeySet:
    """What is shared of a JwksClient."""

    def __init__(self) -> None:
        self.on_fetched: Any = None
        self.document: tuple[bytes, float] | None = None

    def known(self) -> tuple[bytes, float] | None:
        return self.document

    def adopt(self, document: bytes, fetched_at: float) -> None:
        self.document = (document, fetched_at)


class Worker:
    """A worker with its memory. Its connection delivers at once, as another process would read it."""

    def __init__(self, number: int, gateway: "list[Worker]", max_entries: int = 1000) -> None:
        self.number, self.gateway = number, gateway
        self.identities = SharedIdentityCache(max_entries)
        self.siblings = Siblings(self.identities)
        self.key_set = KeySet()
        self.sent: list[str] = []
        self.asked: list[int] = []
        self.hangs = False
        gateway.append(self)

    def configure(self, settings: Settings) -> bool:
        key_sets: dict[str, Any] = {"app https://id.example/keys": self.key_set}
        return self.siblings.configure(settings, key_sets)

    async def connect(self) -> None:
        connection: Any = self
        await self.siblings.connect(connection, self.number)

    def notify(self, receiver: int, method: str, *arguments: Any) -> None:
        self.sent.append(method)
        sent = msgspec.msgpack.decode(msgspec.msgpack.encode(list(arguments)))
        for other in self.gateway:
            if other is not self and receiver in (SIBLINGS, other.number):
                other.siblings.handlers[method](*sent)

    async def request(self, receiver: int, kind: Any, method: str, *arguments: Any) -> Any:
        assert receiver in (ELDEST, SIBLINGS)
        self.asked.append(receiver)
        others = [other for other in self.gateway if other is not self][: 1 if receiver == ELDEST else None]
        answering = [other.siblings.handlers[method](*arguments) for other in others if not other.hangs]
        if not answering:
            await asyncio.get_running_loop().create_future()
        return (await asyncio.gather(*answering))[0]


@pytest.fixture
def settings(tmp_path: Any) -> Settings:
    return Bench(tmp_path).load()


@pytest.fixture
async def workers(settings: Settings) -> list[Worker]:
    gateway: list[Worker] = []
    for number in range(3):
        worker = Worker(number, gateway)
        worker.configure(settings)
    await asyncio.gather(*(worker.connect() for worker in gateway))
    return gateway


def kept(workers: list[Worker], key: IdentityKey = KEY) -> list[CachedIdentity | None]:
    return [worker.identities.get(key) for worker in workers]


class TestSharedIdentityCache(IdentityCacheContract):
    def cache(self, max_entries: int) -> SharedIdentityCache:
        return SharedIdentityCache(max_entries)


@pytest.mark.parametrize("identity", [PAIR, UNKNOWN])
async def test_what_one_worker_learns_all_know(workers: list[Worker], identity: CachedIdentity) -> None:
    workers[0].identities.put(KEY, identity)
    assert kept(workers) == [identity] * 3


async def test_what_is_learnt_from_a_sibling_is_not_told_again(workers: list[Worker]) -> None:
    workers[0].identities.put(KEY, PAIR)
    workers[0].identities.drop(KEY)
    workers[0].identities.clear()
    assert [worker.sent for worker in workers] == [["pairs", "drop", "clear"], [], []]


async def test_the_later_result_stays_in_whatever_order_they_come(workers: list[Worker]) -> None:
    workers[0].identities.put(KEY, LATER)
    workers[1].identities.put(KEY, PAIR)
    assert kept(workers[::2]) == [LATER, LATER]
    workers[1].identities.put(KEY, LATER)
    assert kept(workers) == [LATER] * 3
    workers[2].identities.put(KEY, UNKNOWN)
    assert kept(workers) == [UNKNOWN] * 3


async def test_what_is_dropped_is_dropped_everywhere_where_it_is_the_same(workers: list[Worker]) -> None:
    workers[0].identities.put(KEY, PAIR)
    workers[2].siblings.handlers["clear"]()
    workers[2].identities._connection = None
    workers[2].identities.put(KEY, LATER)
    assert workers[0].identities.drop(KEY)
    assert kept(workers) == [None, None, LATER]


async def test_what_relies_on_a_pair_ends_as_a_sibling_drops_it_evicted_here_or_not(workers: list[Worker]) -> None:
    revocations = []
    for worker in workers:
        worker.identities.put(KEY, PAIR)
        revocations.append(worker.identities.revocations.of(KEY))
    workers[2].identities.resize(1)
    workers[2].siblings.handlers["pairs"]([workers[0].identities._sent(OTHER, PAIR)])
    assert kept(workers) == [PAIR, PAIR, None]
    workers[0].identities.drop(KEY)
    assert [revocation.revoked for revocation in revocations] == [True] * 3


async def test_to_drop_what_is_not_kept_tells_nothing(workers: list[Worker]) -> None:
    assert not workers[0].identities.drop(KEY)
    assert workers[0].sent == []


async def test_everything_is_forgotten_everywhere(workers: list[Worker]) -> None:
    workers[0].identities.put(KEY, PAIR)
    workers[1].identities.put(OTHER, PAIR)
    assert workers[2].identities.clear() == 2
    assert [len(worker.identities) for worker in workers] == [0, 0, 0]


async def test_a_worker_that_begins_knows_what_the_eldest_knows(workers: list[Worker], settings: Settings) -> None:
    for number in range(1200):
        workers[0].identities.put(("wind", "app", PersonalPhoneId(f"ppid-{number}")), PAIR)
    workers[0].key_set.document = (b"{}", 7.0)
    begins = Worker(3, workers)
    begins.configure(settings)
    await begins.connect()
    assert begins.asked == [ELDEST]
    assert len(begins.identities) == 1200
    assert begins.key_set.document == (b"{}", 7.0)
    assert begins.sent == []


async def test_where_the_eldest_hangs_the_others_are_asked(
    workers: list[Worker], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("talaria.entrypoints.runtime.siblings.CATCH_UP_SECONDS", 0.01)
    workers[0].identities.put(KEY, PAIR)
    workers[2].key_set.document = (b"{}", 7.0)
    workers[0].hangs = True
    begins = Worker(3, workers)
    begins.configure(settings)
    await begins.connect()
    assert begins.asked == [ELDEST, SIBLINGS]
    assert (kept([begins]), begins.key_set.document) == ([PAIR], (b"{}", 7.0))


async def test_where_all_hang_it_begins_with_nothing(
    workers: list[Worker], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("talaria.entrypoints.runtime.siblings.CATCH_UP_SECONDS", 0.01)
    workers[0].identities.put(KEY, PAIR)
    for worker in workers:
        worker.hangs = True
    begins = Worker(3, workers)
    begins.configure(settings)
    await begins.connect()
    assert (begins.asked, kept([begins])) == ([ELDEST, SIBLINGS], [None])


async def test_a_key_set_is_told(workers: list[Worker]) -> None:
    workers[1].key_set.on_fetched(b"{}", 7.0)
    assert [worker.key_set.document for worker in workers] == [(b"{}", 7.0), None, (b"{}", 7.0)]


async def test_a_key_set_that_is_not_ours_is_ignored(workers: list[Worker]) -> None:
    workers[0].siblings.handlers["key_set"]("other https://id.example/keys", b"{}", 7.0)
    assert workers[0].key_set.document is None


CHANGES = {
    "another url": {"partners.wind.url": "https://other.example"},
    "another issuer": {"callers.app.issuer": "https://other.example"},
    "another claim": {"callers.app.phone_id_claim": "other"},
}


@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES.keys())
async def test_a_pair_of_another_meaning_is_ignored_and_one_that_changed_its_meaning_goes(
    workers: list[Worker], tmp_path: Any, changes: dict[str, Any]
) -> None:
    (tmp_path / "other").mkdir()
    changed = Bench(tmp_path / "other").load(changes)
    workers[0].identities.put(KEY, PAIR)
    assert workers[1].configure(changed)
    assert kept(workers) == [PAIR, None, PAIR]
    workers[0].identities.put(OTHER, PAIR)
    workers[1].identities.put(KEY, LATER)
    assert kept(workers) == [PAIR, LATER, PAIR]
    assert kept(workers, OTHER) == [PAIR, None, PAIR]


async def test_the_same_configuration_changes_nothing(workers: list[Worker], settings: Settings) -> None:
    workers[0].identities.put(KEY, PAIR)
    assert not workers[1].configure(settings)
    assert kept(workers) == [PAIR] * 3


def test_a_name_that_is_not_known_means_nothing(settings: Settings) -> None:
    meaning = CacheKeyMeaning(settings)
    assert meaning.of("wind", "app")
    assert meaning.of("train", "app") == meaning.of("wind", "other") == ""


async def test_a_pair_of_a_name_that_is_not_known_is_ignored(workers: list[Worker]) -> None:
    workers[0].identities.put(("train", "app", PersonalPhoneId("ppid-anna")), PAIR)
    assert len(workers[1].identities) == 0

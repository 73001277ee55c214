"""A running gateway under attack, and what must hold after each attack, whatever it was.

Rules: an attack is made by `Field.attack` and in no other way, so that no case forgets an invariant:

1. the answers are the named ones, refusals to the letter of the contract, in the answer and in the access line;
2. nothing else is answered: the connection is closed, or the next request on it, of another person, is answered well;
3. a good request on a new connection is served;
4. the upstream saw exactly the named number of requests, each as `check_seen` wants it;
5. no secret in an answer, an access line, stderr, a metric or a url; no 500 and no internal-error.
"""

import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Callable, Collection, Sequence

from tests.integration.attacks.support_seen import check_seen, secrets_in
from tests.integration.gateway.support_client import Client, Got, ask, request
from tests.integration.gateway.support_gateway import AnyTown, Process, Town, Tree, opened, process_of
from tests.integration.gateway.support_problem import ROWS, check_problem
from tests.integration.gateway.support_raw import SECONDS
from tests.integration.gateway.support_services import Seen
from tests.support_waiting import until

PROBE = "/probe"


class Field:
    """A gateway, its town, and the two persons of every case: the attacker, and the one that must not notice."""

    def __init__(self, gateway: Process, town: Town) -> None:
        self.gateway, self.town = gateway, town
        self.attacker = town.token(town.person("user-attacker"))
        self.numbers = itertools.count()
        self._read = 0
        self._lines: dict[str, Tree] = {}
        self._heads = [0 for _ in town.services]

    async def attack(
        self,
        data: bytes,
        expect: Sequence[str],
        *,
        user_id: str = "user-attacker",
        upstream: Collection[int] | None = None,
        body: bytes | None = None,
        canaries: Sequence[str] = (),
    ) -> tuple[list[Got], list[Seen]]:
        """Send these bytes on a connection of their own; what was answered, and what the upstream saw of them.

        `upstream`: how many requests it may have seen, where that is not the number of its answers. `body`: that of its
        answers, where it is not the user's id. `canaries`: secrets of this case alone.
        """
        before = len(self.town.upstream.seen)
        answers, kept = await self._exchange(data, expect, user_id.encode() if body is None else body)
        request_id = await self._probe()
        metrics = (await self.gateway.operators("/metrics")).body
        await self._printed_until(request_id)
        for got, word in zip(answers, expect, strict=True):
            self._check_line(got, word)
        seen = self._seen_since(before, probes=1 + kept)
        assert len(seen) in (upstream or [sum(map(_reached, expect))])
        for one in seen:
            check_seen(one.head, self.town, user_id)
        self._check_secrets([metrics, *self._urls(), *map(_bytes_of, answers)], canaries)
        return answers, seen

    async def _exchange(self, data: bytes, expect: Sequence[str], body: bytes) -> tuple[list[Got], bool]:
        """The answers, each the named one and no other behind them; was the connection kept?"""
        async with self.gateway.connected() as client:
            client.send(data)
            answers = [await self._answer(client, word, data, body) for word in expect]
            kept = not answers[-1].head.all("connection") and expect[-1] != "cut"
            if kept:
                await self._probe(client)
            else:
                assert await client.at_end() == b"", "more than was named came back"
        return answers, kept

    def _seen_since(self, before: int, probes: int) -> list[Seen]:
        """What the upstream saw since then, besides so many probes."""
        seen = [one for one in self.town.upstream.seen[before:] if not _is_probe(one)]
        assert len(self.town.upstream.seen) - before - len(seen) == probes
        return seen

    async def _answer(self, client: Client, word: str, data: bytes, body: bytes) -> Got:
        """The next answer, which is the one that the word names."""
        if word == "cut":
            got = await client.head()
            assert not (await client.at_end()).endswith(b"0\r\n\r\n"), "passed off as whole"
            return got
        to_head = data.startswith(b"HEAD ")
        got = await client.get("HEAD" if to_head else "GET")
        if word in ROWS:
            check_problem(got, word)
        else:
            assert got.status == int(word), got
            assert to_head or got.body == body, got
        return got

    async def _probe(self, client: Client | None = None) -> str:
        """A good request of a person unknown to the gateway is served, here or on a new connection; its id."""
        number = next(self.numbers)
        user_id, request_id = f"user-bystander-{number}", f"probe-{number}"
        token = self.town.token(self.town.person(user_id))
        data = request(token, PROBE, f"x-request-id: {request_id}")
        got = await (client.ask(data) if client is not None else ask(self.gateway.url, data))
        assert (got.status, got.body) == (200, user_id.encode()), got
        assert got.head.one("x-request-id") == request_id
        check_seen(self.town.upstream.seen[-1].head, self.town, user_id)
        return request_id

    async def _printed_until(self, request_id: str) -> None:
        """Read what was printed since the last time, until the line of this request is there. It says no secret."""

        def printed() -> bool:
            self._read_on()
            return request_id in self._lines

        await until(printed, SECONDS)

    def _read_on(self) -> None:
        with self.gateway.printed.open("rb") as printed:
            printed.seek(self._read)
            text = printed.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._read += len(whole)
        assert not secrets_in(whole), whole
        for line in map(json.loads, whole.splitlines()):
            assert line["level"] in ("info", "warning"), line
            assert line.get("reason") != "internal-error", line
            assert "traceback" not in line, line
            self._lines[line.get("request_id", "")] = line

    def _check_line(self, got: Got, word: str) -> None:
        """The access line says the same word, and the origin."""
        line = self._lines[got.head.one("x-request-id")]
        assert line["status"] == got.status
        assert word == "cut" or line["reason"] == (word if word in ROWS else "")
        assert word not in ROWS or line["origin"] in ROWS[word][1]

    def _check_secrets(self, told: Sequence[bytes], canaries: Sequence[str]) -> None:
        """Neither answers nor metrics nor urls say what they must not, nor anything the secrets of this case."""
        everything = b"\n".join(told)
        assert not secrets_in(everything)
        text = everything.decode("latin-1") + json.dumps(list(self._lines.values())[-20:])
        assert not [canary for canary in canaries if canary in text]

    def _urls(self) -> list[bytes]:
        """What the services were asked for since the last time."""
        urls = []
        for number, service in enumerate(self.town.services):
            urls += [head.first for head in service.server.heads[self._heads[number] :]]
            self._heads[number] = len(service.server.heads)
        return urls


def _reached(word: str) -> bool:
    """Did a request that was answered so reach the upstream?"""
    return word not in ROWS or word.startswith("upstream-")


def _is_probe(seen: Seen) -> bool:
    return seen.head.first == f"GET {PROBE} HTTP/1.1".encode()


def _bytes_of(got: Got) -> bytes:
    return b"\n".join([got.head.first, *(b": ".join(line) for line in got.head.lines), got.body])


@contextlib.asynccontextmanager
async def field_in(town: AnyTown, changes: Callable[[AnyTown], Tree] = lambda _: {}) -> AsyncIterator[Field]:
    """A gateway as a process of its own, in this town; `changes` of its configuration, once the town is there."""
    async with opened(town) as here, process_of(here, here.configure(changes(here))) as gateway:
        yield Field(gateway, here)

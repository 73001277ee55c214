"""Two persons, two callers and two partners, and a judge at the upstream that knows the person of each request.

A request says the truth in its target, which the gateway does not read: `/cross/<caller>/<partner>/<person>`. What
the gateway makes of token, tag and cache must come to the same.
"""

import itertools
import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from tests.integration.attacks.support_seen import check_identity
from tests.integration.gateway.support_client import Client, request
from tests.integration.gateway.support_gateway import ISSUER, Town, Tree, public_pem_of
from tests.integration.gateway.support_raw import Head, Line, read_body
from tests.integration.gateway.support_services import Service, Upstream, Wind, answer
from tests.support_waiting import PATIENCE

BOLT_API_KEY = "canary-bolt-api-key-31de"
ISSUERS = {"app": ISSUER, "kiosk": "https://kiosk.example"}
PARTNERS = ("wind", "bolt")
PERSONS = ("anna", "boris")


class Way(NamedTuple):
    """The person, the caller and the partner of a request."""

    caller: str
    partner: str
    person: str

    @property
    def target(self) -> str:
        """The truth about a request."""
        return f"/cross/{self.caller}/{self.partner}/{self.person}"

    @property
    def user_id(self) -> str:
        """The user id that the upstream must be told."""
        return f"{self.partner}-user-{self.person}"


WAYS = [Way(*way) for way in itertools.product(ISSUERS, PARTNERS, PERSONS)]


@dataclass
class Judge(Upstream):
    """Answers with the user id that it was told. `wrong`: requests for another person than their own.

    `users`: user ids that may come by a target that says nothing of them, and how often each came.
    """

    town: "Crossroads | None" = None
    users: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    async def respond(self, head: Head, line: Line) -> None:
        """As it was told, after a look at it."""
        await read_body(line.reader, head)
        tag = "".join(head.all("x-api-tag")[:1])
        user_id = "".join(head.all(f"x-{tag}-user-id")[:1])
        try:
            self._judge(head, tag, user_id)
        except (AssertionError, ValueError, jwt.PyJWTError) as error:
            self.wrong.append(f"{head.first!r}: {error!r}"[:500])
        await line.send(answer(200, user_id.encode(), "content-type: text/plain"))

    def _judge(self, head: Head, tag: str, user_id: str) -> None:
        assert self.town is not None
        claims = check_identity(head, self.town, user_id, tag)
        parts = head.first.decode("latin-1").split(" ")[1].split("/")
        if parts[1] == "cross":
            way = Way(*parts[2:5])
            assert (claims["caller"], tag, user_id) == (way.caller, way.partner, way.user_id)
        else:
            assert user_id in self.users, user_id
            self.users[user_id] += 1


class Crossroads(Town):
    """A town with a second partner and a second caller."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.bolt = Wind(BOLT_API_KEY)
        self.upstream = self.judge = Judge(town=self)
        self.keys = {"app": self.caller_key, "kiosk": ec.generate_private_key(ec.SECP256R1())}
        self.ids = {person: self.known(person) for person in PERSONS}

    @property
    def services(self) -> list[Service]:
        """All of them."""
        return [*super().services, self.bolt]

    def known(self, name: str) -> str:
        """The id of a person with a user at each partner."""
        person = self.person(f"wind-user-{name}")
        self.bolt.users[self.personal.phones[person]] = f"bolt-user-{name}"
        return person

    def token_for(self, caller: str, person: str) -> str:
        """A new token; both callers name a person alike."""
        claims = self.claims(person, iss=ISSUERS[caller])
        return jwt.encode(claims, self.keys[caller], "ES256", headers={"kid": "app-1"})

    def changes(self) -> Tree:
        """Of the configuration: both of everything, short timeouts for none, and a cache of two."""
        (self.folder / "kiosk.pem").write_bytes(public_pem_of(self.keys["kiosk"]))
        (self.folder / "bolt").write_text(BOLT_API_KEY)
        (self.folder / "bolt").chmod(0o600)
        bolt = {"adapter": "wind", "url": self.bolt.url, "api_key": {"file": "bolt"}, "timeout": PATIENCE}
        return {
            "callers": {"kiosk": {"issuer": ISSUERS["kiosk"], "public_key_file": "kiosk.pem"}},
            "partners": {"bolt": bolt},
            "routes": {"bolt": {"partner": "bolt", "upstream": "talaria-services", "timeout": PATIENCE}},
            "identities": {"max_entries": 2},
        }


class Traveller:
    """Sends good requests by every way, over kept connections; now and then it leaves before the answer."""

    def __init__(self, town: Crossroads, seed: int) -> None:
        self.chance = random.Random(seed)
        self.town = town
        self.tokens = {way: town.token_for(way.caller, town.ids[way.person]) for way in WAYS}
        self.served = 0
        self.wrong: list[str] = []

    async def travel(self, client: Client) -> bool:
        """A few requests by one way, so that the later ones are warm. False: this connection was left."""
        way = self.chance.choice(WAYS)
        if self.chance.random() < 0.1:
            self.tokens[way] = self.town.token_for(way.caller, self.town.ids[way.person])
        data = request(self.tokens[way], way.target, tag=way.partner)
        for _ in range(self.chance.choice((1, 1, 2, 5))):
            if self.chance.random() < 0.01:
                client.send(data)
                return False
            got = await client.ask(data)
            self.served += 1
            if (got.status, got.body) != (200, way.user_id.encode()):
                self.wrong.append(f"{way.target}: {got.status} {got.body!r}"[:300])
        return True

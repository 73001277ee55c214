"""Requests that are changed at random, by fixed seeds, on kept connections, with a good one of another behind each.

Whatever the gateway makes of the changed one: an answer is the changed person's own or a refusal of the contract, and
the good one behind it is answered well, or not at all because the connection is over.
"""

import asyncio
import contextlib
import random
from collections import Counter

from tests.integration.attacks.support_crossing import Crossroads
from tests.integration.gateway.support_client import Client, Got, request
from tests.integration.gateway.support_gateway import Process
from tests.integration.gateway.support_problem import check_problem

SILENCE = 0.5
"""Seconds without an answer after which a changed request is taken to have swallowed what came behind it."""

PIECES = [
    b"\0", b"\r", b"\n", b"\r\n", b"\r\n\r\n", b" ", b"\t", b":", b",", b";", b"_", b"-", b"%", b"#", b"\\", b"/",
    b"../", b"%2e%2e/", b"%00", b"\x7f", b"\x80", b"\xff", b"\xc3\xa9", b"\xe2\x80\xa8", b"0", b"1", b"HTTP/1.1",
    b"HTTP/1.0", b"GET ", b"POST ", b"CONNECT ", b"x-wind-user-id: mallory\r\n", b"X_Wind_User_Id: mallory\r\n",
    b"x-bolt-user-id: mallory\r\n", b"x-api-tag: bolt\r\n", b"x-api-tag: wind\r\n", b"x-api-key: mallory\r\n",
    b"authorization: Bearer mallory\r\n", b"connection: authorization, x-wind-user-id\r\n", b"connection: close\r\n",
    b"host: other.example\r\n", b"content-length: 0\r\n", b"content-length: 3\r\n", b"transfer-encoding: chunked\r\n",
    b"expect: 100-continue\r\n", b"upgrade: h2c\r\n", b"x-talaria-identity: stale\r\n", b"x-request-id: mallory\r\n",
    b"forwarded: for=mallory\r\n", b" folded\r\n", b"3\r\nabc\r\n0\r\n\r\n",
]  # fmt: skip


def mutated(data: bytes, chance: random.Random) -> bytes:
    """One to three changes."""
    for _ in range(chance.choice((1, 1, 2, 3))):
        data = chance.choice(_CHANGES)(data, chance)
    return data


def _put_in(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + chance.choice(PIECES) + data[at:]


def _put_in_a_line(data: bytes, chance: random.Random) -> bytes:
    lines = data.split(b"\r\n")
    lines.insert(chance.randrange(1, len(lines)), chance.choice(PIECES).removesuffix(b"\r\n"))
    return b"\r\n".join(lines)


def _take_out(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + data[at + chance.randrange(1, 9) :]


def _turn(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data)) if data else 0
    return data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :]


def _double(data: bytes, chance: random.Random) -> bytes:
    lines = data.split(b"\r\n")
    at = chance.randrange(len(lines))
    return b"\r\n".join([*lines[: at + 1], *lines[at:]])


def _swap(data: bytes, chance: random.Random) -> bytes:
    lines = data.split(b"\r\n")
    at = chance.randrange(len(lines))
    lines[at], lines[at - 1] = lines[at - 1], lines[at]
    return b"\r\n".join(lines)


def _capitals(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + data[at : at + 12].swapcase() + data[at + 12 :]


_CHANGES = (_put_in, _put_in, _put_in_a_line, _put_in_a_line, _take_out, _turn, _turn, _double, _swap, _capitals)


class Fuzzer:
    """One attacker: changed requests of one person, and good ones of another behind them."""

    def __init__(self, gateway: Process, town: Crossroads, seed: int) -> None:
        self.gateway, self.chance = gateway, random.Random(seed)
        self.sent, self.wrong, self.answers = 0, list[str](), Counter[str]()
        name, behind = f"fuzz-{seed}", f"behind-{seed}"
        self.own, self.behind = {f"wind-user-{name}", f"bolt-user-{name}"}, {f"wind-user-{behind}"}
        self.users = town.judge.users
        self.users.update(dict.fromkeys(self.own | self.behind, 0))
        token = town.token_for("app", town.known(name))
        self._token_behind = town.token_for("app", town.known(behind))
        self._good = [
            request(token, "/fuzz?a=1", "accept: */*", "x-a: b", "cookie: a=b"),
            request(token, "/fuzz", "connection: keep-alive", "x-a: b", method="POST", body=b"abc"),
            request(token, "/fuzz/a/b", "x-request-id: mine", method="PUT", body=[b"abc", b"de"]),
        ]

    async def run(self, requests: int) -> None:
        """So many changed requests, over as many connections as it takes."""
        while self.sent < requests:
            async with self.gateway.connected() as client:
                while self.sent < requests and await self._one(client):
                    pass

    def seen_at_most(self) -> int:
        """How often the upstream saw the changed person, or the other one: never more than once for each sent."""
        return max(sum(self.users[user] for user in users) for users in (self.own, self.behind))

    async def _one(self, client: Client) -> bool:
        """One changed request and the good one behind it; is the connection still good?"""
        data = mutated(self.chance.choice(self._good), self.chance)
        self.sent += 1
        behind = f"behind-{self.sent}"
        client.send(data + request(self._token_behind, "/behind", f"x-request-id: {behind}"))
        with contextlib.suppress(TimeoutError, EOFError, ConnectionError):
            while True:
                async with asyncio.timeout(SILENCE):
                    got = await client.get()
                if self._judged(got, behind, data):
                    return not got.head.all("connection")
        return False

    def _judged(self, got: Got, behind: str, data: bytes) -> bool:
        """Note what is wrong with an answer. Was it the good one's?"""
        is_behind = got.head.all("x-request-id") == [behind]
        self.answers[str(got.status)] += 1
        try:
            if got.status == 200:
                assert got.body.decode() in (self.behind if is_behind else self.own)
            else:
                check_problem(got, got.json()["reason"])
                assert got.status < 500 or got.status == 501
        except (AssertionError, ValueError, KeyError) as error:
            self.wrong.append(f"{data!r} -> {got.head!r} {got.body!r}: {error}"[:1500])
        return is_behind

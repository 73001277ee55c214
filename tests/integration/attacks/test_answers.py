"""Answers of the upstream, of personal and of wind that are broken, or poisoned for the request after them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from tests.integration.attacks.support_cases import Case, called, load
from tests.integration.attacks.support_field import Field, field_in
from tests.integration.gateway.support_client import request
from tests.integration.gateway.support_gateway import Town
from tests.integration.gateway.support_raw import Head, Line, read_body
from tests.integration.gateway.support_services import Seen, Service

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def field(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Field]:
    async with field_in(Town(tmp_path_factory.mktemp("answers"))) as running:
        yield running


@dataclass
class Liar:
    """Gives the answer of a case, once, about this person."""

    case: Case
    town: Town
    person: str

    @property
    def service(self) -> Service:
        """The system that answers so."""
        service: Service = getattr(self.town, self.case.text("of", "upstream"))
        return service

    async def __call__(self, head: Head, line: Line) -> None:
        """Say it, and keep, close or reset the connection."""
        seen = Seen(head, await read_body(line.reader, head))
        if self.service is self.town.upstream:
            self.town.upstream.seen.append(seen)
        await line.send(self._bytes(head, self.case.text("answer")))
        then = self.case.text("then", "keep")
        if then == "reset":
            line.reset()
        if then != "keep":
            raise EOFError

    def _bytes(self, head: Head, text: str) -> bytes:
        phone = self.town.personal.phones[self.person]
        meanings = {
            "{token}": "".join(head.all("authorization")).removeprefix("Bearer "),
            "{key}": "".join(head.all("x-api-key")),
            "{id}": self.person,
            "{phone}": phone,
            "{user}": str(self.town.wind.users[phone]),
            "FILL": self.case.filling,
        }
        for mark, meaning in meanings.items():
            text = text.replace(mark, meaning)
        body = text.partition("LENGTH\r\n\r\n")[2].partition("HTTP/1.1")[0]
        return text.replace("LENGTH", str(len(body))).encode("latin-1")


@pytest.mark.parametrize("case", load("answers"), ids=called)
async def test_answer(field: Field, case: Case) -> None:
    town, user_id = field.town, f"user-of-{load('answers').index(case)}"
    person = town.person(user_id)
    liar = Liar(case, town, person)
    liar.service.faults = [liar]
    data = request(town.token(person), "/", method=case.text("method", "GET"))
    body = case.text("body").encode() if "body" in case.more else None
    answers, _ = await field.attack(data, case.expect, user_id=user_id, upstream=case.more.get("upstream"), body=body)
    head = answers[0].head
    assert not [name for name in case.lines("absent") if head.all(name)]
    assert head.all("set-cookie") == case.lines("cookies")
    for line in case.lines("passes"):
        name, _, value = line.partition(": ")
        assert head.all(name) == [value]

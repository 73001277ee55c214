"""personal: the internal service that keeps personal data (contract: personal.openapi.yaml)."""

from typing import TypeVar

import msgspec

from talaria.adapters.dependency_client import DependencyClient
from talaria.adapters.dependency_messages import DependencyResponse
from talaria.domain.errors import BadAnswer, IdentityUnknown
from talaria.domain.events import HopContext
from talaria.domain.model import EmailAddress, PersonalPhoneId, PhoneNumber

S = TypeVar("S", PhoneNumber, EmailAddress)

_FORMS: dict[type, str] = {PhoneNumber: "a phone number in E.164", EmailAddress: "an e-mail address"}


class _Question(msgspec.Struct):
    id: str


class _Value(msgspec.Struct):
    id: str
    value: str


class _Error(msgspec.Struct):
    code: str


class Personal:
    """The port `PhoneDirectory` over HTTP: each kind of identity at a path of its own, with the same shapes.

    `token` is the bearer token that personal wants, "" for none.
    """

    def __init__(self, client: DependencyClient, token: str = "") -> None:
        self._client = client
        self._headers = {"authorization": f"Bearer {token}"} if token else {}

    async def phone_of(self, phone_id: PersonalPhoneId, call: HopContext) -> PhoneNumber:
        return await self._retrieve("/v1/phones/retrieve", PhoneNumber, phone_id, call)

    async def email_of(self, phone_id: PersonalPhoneId, call: HopContext) -> EmailAddress:
        return await self._retrieve("/v1/emails/retrieve", EmailAddress, phone_id, call)

    async def _retrieve(self, path: str, kind: type[S], phone_id: PersonalPhoneId, call: HopContext) -> S:
        question = msgspec.json.encode(_Question(phone_id.reveal()))

        def read(response: DependencyResponse) -> S:
            return _value_in(response, phone_id, kind)

        headers = self._headers | {"traceparent": call.traceparent} if call.traceparent else self._headers
        return await self._client.post(path, question, headers, call, read)


def _value_in(response: DependencyResponse, asked: PersonalPhoneId, kind: type[S]) -> S:
    if response.status == 401:
        raise BadAnswer("personal", "our credentials were refused")
    if response.status == 404:
        # Without the contract's error this is a wrong address, not an unknown person.
        response.json(_Error)
        raise IdentityUnknown
    if response.status != 200:
        raise BadAnswer("personal", f"status {response.status}")
    answer = response.json(_Value)
    if answer.id != asked.reveal():
        raise BadAnswer("personal", "the answer is about another id")
    value = kind.parse(answer.value)
    if value is None:
        raise BadAnswer("personal", f"not {_FORMS[kind]}")
    return value

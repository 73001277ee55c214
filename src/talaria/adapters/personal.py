"""personal: the internal service that keeps personal data (contract: personal.openapi.yaml)."""

import msgspec

from talaria.adapters.dependency_client import DependencyClient
from talaria.adapters.dependency_messages import DependencyResponse
from talaria.domain.errors import BadAnswer, IdentityUnknown
from talaria.domain.events import HopContext
from talaria.domain.model import PersonalPhoneId, PhoneNumber


class _Question(msgspec.Struct):
    id: str


class _Phone(msgspec.Struct):
    id: str
    value: str


class _Error(msgspec.Struct):
    code: str


class Personal:
    """The port `PhoneDirectory` over HTTP. `token` is the bearer token that personal wants, "" for none."""

    def __init__(self, client: DependencyClient, token: str = "") -> None:
        self._client = client
        self._headers = {"authorization": f"Bearer {token}"} if token else {}

    async def phone_of(self, phone_id: PersonalPhoneId, call: HopContext) -> PhoneNumber:
        question = msgspec.json.encode(_Question(phone_id.reveal()))

        def read(response: DependencyResponse) -> PhoneNumber:
            return _phone_in(response, phone_id)

        return await self._client.post("/v1/phones/retrieve", question, self._headers, call, read)


def _phone_in(response: DependencyResponse, asked: PersonalPhoneId) -> PhoneNumber:
    if response.status == 401:
        raise BadAnswer("personal", "our credentials were refused")
    if response.status == 404:
        # Without the contract's error this is a wrong address, not an unknown person.
        response.json(_Error)
        raise IdentityUnknown
    if response.status != 200:
        raise BadAnswer("personal", f"status {response.status}")
    answer = response.json(_Phone)
    if answer.id != asked.reveal():
        raise BadAnswer("personal", "the answer is about another id")
    phone = PhoneNumber.parse(answer.value)
    if phone is None:
        raise BadAnswer("personal", "not a phone number in E.164")
    return phone

"""wind: the scooter partner (contract: wind.openapi.yaml). The only file that reads a phone number."""

import uuid

import msgspec

from talaria.adapters.dependency_client import DependencyClient, DependencyResponse
from talaria.domain.errors import PartnerBadAnswer, PartnerUserRefused, PartnerUserUnknown, UnknownUser
from talaria.domain.events import HopContext
from talaria.domain.model import PartnerUserId, PhoneNumber

_DEFINITE: dict[int, type[UnknownUser]] = {
    403: PartnerUserRefused,
    404: PartnerUserUnknown,
    422: PartnerUserRefused,
}


class _Question(msgspec.Struct):
    phone_number: str


class _User(msgspec.Struct):
    user_id: str


class _Error(msgspec.Struct):
    code: str


class Accounts:
    """The port `PartnerAccounts` over HTTP, with the API key that wind gave us."""

    def __init__(self, client: DependencyClient, api_key: str) -> None:
        self._client = client
        self._api_key = api_key

    async def user_of(self, phone: PhoneNumber, call: HopContext) -> PartnerUserId:
        # Every attempt carries the same idempotency key.
        question = msgspec.json.encode(_Question(phone.reveal()))
        headers = {"x-api-key": self._api_key, "idempotency-key": uuid.uuid4().hex}
        return await self._client.post("/v1/users/resolve", question, headers, call, _user_in)


def _user_in(response: DependencyResponse) -> PartnerUserId:
    if response.status == 401:
        raise PartnerBadAnswer("our credentials were refused")
    if response.status in _DEFINITE:
        # Without the contract's error this is not wind: a firewall, or a wrong address.
        response.json(_Error, PartnerBadAnswer)
        raise _DEFINITE[response.status]
    if response.status not in (200, 201):
        raise PartnerBadAnswer(f"status {response.status}")
    user_id = PartnerUserId.parse(response.json(_User, PartnerBadAnswer).user_id)
    if user_id is None:
        raise PartnerBadAnswer("not a user id of the contract's form")
    return user_id

"""wind: the scooter partner (contract: wind.openapi.yaml)."""

import uuid

import msgspec

from talaria.adapters.partner_kit import PartnerContext, api_key
from talaria.domain.errors import PartnerBadAnswer, PartnerUserRefused, PartnerUserUnknown, UnknownUser
from talaria.domain.events import HopContext
from talaria.domain.model import PartnerUserId, PhoneNumber

_DEFINITE: dict[int, type[UnknownUser]] = {
    403: PartnerUserRefused,
    404: PartnerUserUnknown,
    422: PartnerUserRefused,
}


class _User(msgspec.Struct):
    user_id: str


class _Error(msgspec.Struct):
    code: str


class Accounts:
    """wind by the kit, with the API key that wind gave us."""

    contract = 1
    api_key_required = True

    def __init__(self, partner: PartnerContext) -> None:
        self._http = partner.http
        self._sign = api_key(partner.api_key)

    async def user_of(self, phone: PhoneNumber, call: HopContext) -> PartnerUserId:
        # Every attempt carries the same idempotency key.
        headers = {"idempotency-key": uuid.uuid4().hex}
        question = {"phone_number": phone.reveal()}
        response = await self._http.post(
            "/v1/users/resolve", call=call, json=question, headers=headers, sign=self._sign
        )
        if response.status == 401:
            raise PartnerBadAnswer("our credentials were refused")
        if response.status in _DEFINITE:
            # Without the contract's error this is not wind: a firewall, or a wrong address.
            response.json(_Error)
            raise _DEFINITE[response.status]
        if response.status not in (200, 201):
            raise PartnerBadAnswer(f"status {response.status}")
        user_id = PartnerUserId.parse(response.json(_User).user_id)
        if user_id is None:
            raise PartnerBadAnswer("not a user id of the contract's form")
        return user_id

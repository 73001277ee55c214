"""comet: every request is signed, with a nonce that is good once; a lookup is answered later; user ids are numbers."""

import msgspec

from talaria.adapters.partner_kit import (
    DependencyResponse,
    HopContext,
    PartnerBadAnswer,
    PartnerContext,
    PartnerUserId,
    PartnerUserRefused,
    PartnerUserUnknown,
    PhoneNumber,
    Sensitive,
    hmac_signature,
)

_DEFINITE = {"no_account": PartnerUserUnknown, "locked": PartnerUserRefused}
_JOBS = "/lookups/"


class Options(msgspec.Struct):
    """`options` and `secrets` of the configuration."""

    key_id: str
    signing_secret: Sensitive


class _Account(msgspec.Struct):
    id: int


class _Found(msgspec.Struct):
    account: _Account


class _Pending(msgspec.Struct):
    poll_after_ms: int


class _Error(msgspec.Struct):
    error: str


class Accounts:
    """comet by the kit."""

    contract = 1
    Options = Options

    def __init__(self, partner: PartnerContext) -> None:
        options: Options = partner.options
        self._http = partner.http
        self._sign = hmac_signature(
            options.signing_secret,
            parts=("time", "nonce", "method", "target", "digest"),
            headers={
                "x-comet-key": options.key_id,
                "x-comet-time": "{time}",
                "x-comet-nonce": "{nonce}",
                "x-comet-signature": "{signature}",
            },
        )

    async def user_of(self, phone: PhoneNumber, call: HopContext) -> PartnerUserId:
        """Asks, then polls until comet knows."""
        question = {"msisdn": phone.reveal()}
        response = await self._http.post("/lookup", call=call, json=question, sign=self._sign)
        while response.status == 202:
            job = response.headers.get("location", "")
            if not job.startswith(_JOBS):
                raise PartnerBadAnswer("202 without the place of the answer")
            await self._http.pause(response.json(_Pending).poll_after_ms / 1000, call=call)
            response = await self._http.get(job, call=call, sign=self._sign)
        return _user_in(response)

    async def probe(self, call: HopContext) -> None:
        """Whether comet takes our signature."""
        response = await self._http.get("/status", call=call, sign=self._sign)
        if response.status != 204:
            raise PartnerBadAnswer(f"status {response.status}")


def _user_in(response: DependencyResponse) -> PartnerUserId:
    if response.status in (404, 423):
        # By the word of its JSON: a 404 alone may be a wrong address.
        refusal = _DEFINITE.get(response.json(_Error).error)
        if refusal is not None:
            raise refusal
    if response.status != 200:
        raise PartnerBadAnswer(f"status {response.status}")
    user_id = PartnerUserId.parse(str(response.json(_Found).account.id))
    if user_id is None:
        raise PartnerBadAnswer("not an account's number")
    return user_id

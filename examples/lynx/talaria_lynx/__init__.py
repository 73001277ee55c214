"""lynx: knows members by e-mail; an access token of another host (OAuth2 client credentials) opens its API.

Both hosts want a certificate of ours, which is configuration (`tls`) and no matter of this file.
"""

import msgspec

from talaria.adapters.partner_kit import (
    EMAIL_HOPS,
    EmailAddress,
    HopContext,
    PartnerBadAnswer,
    PartnerContext,
    PartnerUserId,
    PartnerUserRefused,
    PartnerUserUnknown,
    Sensitive,
    client_credentials,
)

_DEFINITE = {"urn:lynx:no-member": PartnerUserUnknown, "urn:lynx:suspended": PartnerUserRefused}


class Options(msgspec.Struct):
    """`options` and `secrets` of the configuration."""

    token_url: str
    client_id: str
    client_secret: Sensitive


class _Member(msgspec.Struct):
    uuid: str


class _Problem(msgspec.Struct):
    type: str


class Accounts:
    """lynx by the kit."""

    contract = 1
    hops = EMAIL_HOPS
    Options = Options

    def __init__(self, partner: PartnerContext) -> None:
        options: Options = partner.options
        fetch = client_credentials(
            partner.client(options.token_url),
            "/oauth2/token",
            client_id=options.client_id,
            client_secret=options.client_secret,
            scope="members:read",
        )
        self._http = partner.http
        self._tokens = partner.tokens(fetch)

    async def user_of(self, email: EmailAddress, call: HopContext) -> PartnerUserId:
        """A token, where none is kept, and the one question."""
        question = {"email": email.reveal()}
        response = await self._http.post("/v2/members/search", call=call, json=question, sign=self._tokens)
        if response.status in (403, 404):
            # By the type of its problem: a 404 alone may be a wrong address.
            refusal = _DEFINITE.get(response.json(_Problem).type)
            if refusal is not None:
                raise refusal
        if response.status != 200:
            raise PartnerBadAnswer(f"status {response.status}")
        user_id = PartnerUserId.parse(response.json(_Member).uuid)
        if user_id is None:
            raise PartnerBadAnswer("not a member's uuid")
        return user_id

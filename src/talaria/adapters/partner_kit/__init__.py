"""What a partner's adapter is written with, in this tree or outside of it (`contract = 1`).

http         calls of one partner: JSON, forms, signatures for each attempt, retries, one deadline for all
tokens       a token that is fetched and kept
credentials  the three usual ones: an API key, an HMAC over parts of the request, OAuth2 client credentials
context      what an adapter is given
accounts     an adapter as the port `PartnerAccounts`

Importing it imports no HTTP library. docs/partners/ has a tutorial and the reference.
"""

from talaria.adapters.dependency_messages import DependencyResponse, RetryOn, Sign, SignedRequest
from talaria.adapters.partner_kit.accounts import AdapterAccounts, PartnerAdapter
from talaria.adapters.partner_kit.context import CONTRACT, PartnerContext, options_of
from talaria.adapters.partner_kit.credentials import api_key, client_credentials, hmac_signature
from talaria.adapters.partner_kit.http import PartnerCall, PartnerHttp
from talaria.adapters.partner_kit.tokens import AccessToken, TokenCache
from talaria.domain.errors import PartnerBadAnswer, PartnerUserRefused, PartnerUserUnknown
from talaria.domain.events import HopContext
from talaria.domain.model import EMAIL_HOPS, PHONE_HOPS, EmailAddress, PartnerUserId, PhoneNumber, Sensitive

__all__ = [
    "CONTRACT",
    "EMAIL_HOPS",
    "PHONE_HOPS",
    "AccessToken",
    "AdapterAccounts",
    "DependencyResponse",
    "EmailAddress",
    "HopContext",
    "PartnerAdapter",
    "PartnerBadAnswer",
    "PartnerCall",
    "PartnerContext",
    "PartnerHttp",
    "PartnerUserId",
    "PartnerUserRefused",
    "PartnerUserUnknown",
    "PhoneNumber",
    "RetryOn",
    "Sensitive",
    "Sign",
    "SignedRequest",
    "TokenCache",
    "api_key",
    "client_credentials",
    "hmac_signature",
    "options_of",
]

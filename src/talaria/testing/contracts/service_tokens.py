"""What every `ServiceTokens` does."""

from talaria.domain.model import PartnerUserId, ServiceClaims
from talaria.domain.ports import ServiceTokens


class ServiceTokensContract:
    """Derive, and give `tokens`."""

    def tokens(self) -> ServiceTokens:
        """One that can sign."""
        raise NotImplementedError

    def claims(self, user_id: str, tag: str = "wind") -> ServiceClaims:
        """What a token says."""
        return ServiceClaims(PartnerUserId(user_id), "wind", tag, "app", "talaria-services")

    def test_different_claims_never_share_a_token(self) -> None:
        tokens = self.tokens()
        each = [self.claims("one"), self.claims("two"), self.claims("one", tag="other")]
        assert len({tokens.token_for(claims).token for claims in each}) == 3

    def test_a_token_fits_into_a_header(self) -> None:
        signed = self.tokens().token_for(self.claims("one"))
        assert signed.token
        assert all(0x20 < byte < 0x7F for byte in signed.token)
        assert signed.since < signed.until

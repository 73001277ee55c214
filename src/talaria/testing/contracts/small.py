"""What every `TokenVerifier`, `ServiceTokens`, `Clock` and `Recorder` does."""

from talaria.domain.errors import ExpiredToken, InvalidToken
from talaria.domain.events import ExchangeFinished
from talaria.domain.model import PartnerUserId, Principal, ServiceClaims
from talaria.domain.ports import Clock, Recorder, ServiceTokens, TokenVerifier
from talaria.testing.contracts import raised


class TokenVerifierContract:
    """Derive, and say which version is meant and which tokens it knows."""

    def verifier(self) -> TokenVerifier:
        """One that knows the caller of `good_token`."""
        raise NotImplementedError

    def good_token(self) -> tuple[bytes, Principal]:
        """A token, and whose it is."""
        raise NotImplementedError

    def expired_token(self) -> bytes:
        """One whose time is over."""
        raise NotImplementedError

    async def test_a_good_token_names_its_person_every_time(self) -> None:
        verifier, (token, person) = self.verifier(), self.good_token()
        assert await verifier.verify(token) == person
        assert verifier.recall(token) == person
        assert await verifier.verify(token) == person

    async def test_what_was_refused_is_not_recalled(self) -> None:
        verifier = self.verifier()
        with raised(ExpiredToken):
            await verifier.verify(self.expired_token())
        assert verifier.recall(self.expired_token()) is None
        assert verifier.recall(b"x") is None

    async def test_an_expired_token(self) -> None:
        verifier = self.verifier()
        with raised(ExpiredToken):
            await verifier.verify(self.expired_token())

    async def test_what_is_no_token(self) -> None:
        verifier, (token, _) = self.verifier(), self.good_token()
        for nonsense in (b"", b"x", b"a.b.c", token[:-1], b"x" + token):
            with raised(InvalidToken) as caught:
                await verifier.verify(nonsense)
            assert not nonsense or nonsense.decode() not in repr(caught.error) or len(nonsense) < 2


class ServiceTokensContract:
    """Derive, and say in `tokens` which version is meant."""

    def tokens(self) -> ServiceTokens:
        """One that can sign."""
        raise NotImplementedError

    def grant(self, user_id: str, tag: str = "wind") -> ServiceClaims:
        """What a token says."""
        return ServiceClaims(PartnerUserId(user_id), "wind", tag, "app", "talaria-services")

    def test_two_grants_never_share_a_token(self) -> None:
        tokens = self.tokens()
        grants = [self.grant("one"), self.grant("two"), self.grant("one", tag="other")]
        assert len({tokens.token_for(grant) for grant in grants}) == 3

    def test_a_token_fits_into_a_header(self) -> None:
        token = self.tokens().token_for(self.grant("one"))
        assert token
        assert all(0x20 < byte < 0x7F for byte in token)


class ClockContract:
    """Derive, and say in `clock` which version is meant."""

    def clock(self) -> Clock:
        """One that runs, or is moved by the test."""
        raise NotImplementedError

    def test_it_never_goes_back(self) -> None:
        clock = self.clock()
        times = [clock.now() for _ in range(100)]
        assert times == sorted(times)
        assert all(isinstance(time, float) for time in times)


class RecorderContract:
    """Derive, and say in `recorder` which version is meant."""

    def recorder(self) -> Recorder:
        """Any."""
        raise NotImplementedError

    def test_it_takes_every_event(self) -> None:
        recorder = self.recorder()
        for _ in range(3):
            recorder.record(ExchangeFinished("wind", "hit"))

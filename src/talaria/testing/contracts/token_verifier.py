"""What every `TokenVerifier` does."""

from talaria.domain.errors import ExpiredToken, InvalidToken
from talaria.domain.model import Principal
from talaria.domain.ports import TokenVerifier
from talaria.testing.contracts import raised


class TokenVerifierContract:
    """Derive, and give a verifier and the tokens that it knows."""

    def verifier(self) -> TokenVerifier:
        """One that knows the caller of `good_token`."""
        raise NotImplementedError

    def good_token(self) -> tuple[bytes, Principal]:
        """A token, and the principal that it stands for."""
        raise NotImplementedError

    def expired_token(self) -> bytes:
        """One that has expired."""
        raise NotImplementedError

    async def test_a_good_token_names_its_person_every_time(self) -> None:
        verifier, (token, person) = self.verifier(), self.good_token()
        assert await verifier.verify(token) == person
        recalled = verifier.recall(token)
        assert recalled is not None
        assert recalled.principal == person
        assert recalled.since < recalled.until
        assert recalled.generation == recalled.keys.generation
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

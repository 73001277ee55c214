"""How long the result of an exchange serves, to the second."""

import pytest

from talaria.domain.errors import IdentityUnknown, PartnerUserUnknown
from talaria.domain.exchange import CachePolicy
from talaria.domain.model import CachedIdentity, PartnerUserId

USER = PartnerUserId("u-1")


def policy(jitter: float = 0.0, stale_if_error: float = 3600.0) -> CachePolicy:
    return CachePolicy(900.0, 10.0, stale_if_error, lambda: jitter)


@pytest.mark.parametrize(("jitter", "fresh"), [(0.0, 900.0), (0.5, 855.0), (1.0, 810.0)])
def test_a_pair_is_fresh_for_its_age_less_a_tenth_at_most(jitter: float, fresh: float) -> None:
    pair = policy(jitter).pair(USER, 1000.0)
    assert pair == CachedIdentity(USER, None, 1000.0 + fresh, 1000.0 + fresh + 3600.0, 1000.0)


def test_without_stale_if_error_a_pair_serves_no_longer_than_it_is_fresh() -> None:
    pair = policy(stale_if_error=0.0).pair(USER, 0.0)
    assert pair.fresh_until == pair.stale_until == 900.0


@pytest.mark.parametrize("refusal", [IdentityUnknown(), PartnerUserUnknown()], ids=lambda one: one.reason)
def test_a_no_is_kept_under_its_reason_and_never_stale(refusal: IdentityUnknown | PartnerUserUnknown) -> None:
    no = policy().negative(refusal, 1000.0)
    assert (no.user_id, no.unknown, no.fresh_until, no.stale_until, no.exchanged_at) == (
        None,
        refusal.reason,
        1010.0,
        1010.0,
        1000.0,
    )


def test_each_pair_gets_a_jitter_of_its_own() -> None:
    jitters = iter([0.0, 1.0])
    spread = CachePolicy(900.0, 10.0, 0.0, lambda: next(jitters))
    assert [spread.pair(USER, 0.0).fresh_until for _ in range(2)] == [900.0, 810.0]

"""Why a key set can't be had stands in the cause, in fixed words, with whose it is."""

import pytest

from talaria.adapters.auth.jwks import RemoteKeySet
from talaria.domain.errors import CircuitOpen, KeysUnavailable
from tests.unit.adapters.auth.support_tokens import Wall


def key_set_of(clock: Wall, *answers: bytes | Exception) -> RemoteKeySet:
    left = list(answers)

    async def fetch() -> bytes:
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return RemoteKeySet("app", fetch, clock)


async def cause_of(keys: RemoteKeySet) -> str:
    with pytest.raises(KeysUnavailable) as caught:
        await keys.key_for("ec-1", "ES256")
    return caught.value.cause


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (KeysUnavailable("connection refused"), "connection refused"),
        (b"[]", "not a JWK set"),
        (TimeoutError(), "no answer in time"),
        (OSError(2, "canary"), "could not be fetched"),
    ],
)
async def test_the_cause_says_whose_and_why(answer: bytes | Exception, why: str) -> None:
    keys = key_set_of(Wall(1000.0), answer)
    assert await cause_of(keys) == f"caller-keys:app: {why}"
    assert await cause_of(keys) == f"caller-keys:app: {why}", "it is not asked again so soon"


async def test_an_open_circuit_leaves_what_opened_it() -> None:
    clock = Wall(1000.0)
    keys = key_set_of(clock, KeysUnavailable("status 500"), CircuitOpen("caller-keys", "failed too often"))
    await cause_of(keys)
    clock.seconds += 60
    assert await cause_of(keys) == "caller-keys:app: status 500"

"""wind's rules about users and idempotency keys, without its server."""

import pytest

from talaria.sandbox import fixtures
from talaria.sandbox.service_errors import ServiceError
from talaria.sandbox.wind import SimulatedWind


def test_a_known_user_is_found_and_a_new_one_made_once() -> None:
    wind = SimulatedWind("key")
    assert wind.resolve(fixtures.PHONES[fixtures.ANNA], "1") == ("wind-user-anna", False)
    made, created = wind.resolve(fixtures.PHONES[fixtures.CHLOE], "2")
    assert created
    assert wind.resolve(fixtures.PHONES[fixtures.CHLOE], "3") == (made, False)
    assert made == fixtures.user_id_for(fixtures.PHONES[fixtures.CHLOE])


def test_a_duplicate_gets_the_same_answer_again() -> None:
    wind = SimulatedWind("key")
    first = wind.resolve("+4915550000001", "1")
    assert wind.resolve("+4915550000001", "1") == first == (fixtures.user_id_for("+4915550000001"), True)
    assert wind.duplicates == 1


def test_a_key_is_for_one_phone_number() -> None:
    wind = SimulatedWind("key")
    wind.resolve("+4915550000001", "1")
    with pytest.raises(ServiceError, match="another phone number"):
        wind.resolve("+4915550000002", "1")


@pytest.mark.parametrize(
    ("person", "status", "code"),
    [
        (fixtures.BLOCKED, 403, "user_blocked"),
        (fixtures.NO_ACCOUNT, 404, "user_not_found"),
        (fixtures.UNSUPPORTED, 422, "phone_not_supported"),
    ],
)
def test_refused_phone_numbers(person: str, status: int, code: str) -> None:
    with pytest.raises(ServiceError) as refused:
        SimulatedWind("key").resolve(fixtures.PHONES[person], "1")
    assert (refused.value.status_code, refused.value.code) == (status, code)
